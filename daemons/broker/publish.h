/* SPDX-License-Identifier: MPL-2.0 */
/* What those who watch runs are told: docs/protocol.md has the messages. They may be lost: whoever
 * missed one asks for a snapshot. */
#ifndef LOADS_BROKER_PUBLISH_H
#define LOADS_BROKER_PUBLISH_H

#include "broker.h"

/* How far a run is, if there is news, or nothing was said for a while. */
void publish_live(struct broker *broker, struct run *run);

/* What the worker (-1: the preparation) of a member wrote. */
void publish_log(struct broker *broker, const struct run *run, const struct member *member,
                 int worker, const char *text);

/* What went wrong and doesn't end the run by itself. `member` may be NULL. */
void publish_problem(struct broker *broker, const struct run *run, const struct member *member,
                     const char *format, ...) _printf_(4, 5);

/* Asks consoles to let go. */
void publish_detach(struct broker *broker, const struct run *run);

/* The run is over. */
void publish_end(struct broker *broker, const struct run *run);

#endif
