/* SPDX-License-Identifier: MPL-2.0 */
/* What the journal says of a run: who submitted it, how it went, how it ended. */
#ifndef LOADS_BROKER_STORY_H
#define LOADS_BROKER_STORY_H

#include "broker.h"

/* It is stored; it has its agents, or waits for some. */
void story_submitted(const struct run *run, const struct caller *caller);

/* Somebody asks for its end. */
void story_stopped(const struct run *run, const struct caller *caller);

/* It is stopped, as a threshold does not hold: an event of the database, too. */
void story_breached(struct broker *broker, const struct run *run);

/* Its state is another one: an event of the database, too. */
void story_state(struct broker *broker, const struct run *run);

/* Something happened to one of its agents: in the database it is of that kind. */
void story_tell(struct broker *broker, const struct run *run, const struct member *member,
                enum log_event event, const char *kind, const char *format, ...) _printf_(6, 7);

#endif
