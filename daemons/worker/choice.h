/* SPDX-License-Identifier: MPL-2.0 */
/* What is left to chance (run/chance.h), of the users of this worker. */
#ifndef LOADS_WORKER_CHOICE_H
#define LOADS_WORKER_CHOICE_H

#include "run/chance.h"
#include "user.h"

/* The key of a user's numbers for a purpose; `which` is one of several. */
uint64_t choice_key(const struct loads_user *user, enum choice_purpose purpose, uint64_t which);

/* The user's life begins; an iteration of it, which may be of any test of the run's. */
void choice_begin_life(struct loads_user *user);
void choice_begin_iteration(struct loads_user *user);

#endif
