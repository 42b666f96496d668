/* SPDX-License-Identifier: MPL-2.0 */
/* What the store is told of runs. */
#ifndef LOADS_BROKER_KEEP_H
#define LOADS_BROKER_KEEP_H

#include "broker.h"

/* The run's row as it is now. Borrows from the run. */
struct store_run keep_row_of(const struct run *run);

/* A member's row as it is now. Likewise. */
struct store_source keep_source_of(const struct run *run, const struct member *member);

/* Stores a run's row; if the store can't take it now, keep_rest() does it later. */
void keep_row(struct broker *broker, struct run *run);

/* The same; `done` gets the run. -errno: the store can't take it now. */
int keep_row_then(struct broker *broker, struct run *run, store_done *done) _must_check_;

/* Stores a member's row; likewise. */
void keep_member(struct broker *broker, struct run *run, const struct member *member);

/* Something that happened, for the table of events. NULL: about no member; `details`: a JSON
 * object, or NULL. */
void keep_event(struct broker *broker, const struct run *run, const struct member *member,
                const char *kind, const char *details, const char *format, ...) _printf_(6, 7);

/* Stores what the store could not take before. */
void keep_rest(struct broker *broker, struct run *run);

#endif
