/* SPDX-License-Identifier: MPL-2.0 */
/* The life of a virtual user: it executes the test again and again, as long as it may. */
#ifndef LOADS_WORKER_ITERATION_H
#define LOADS_WORKER_ITERATION_H

#include "user.h"

/* Runs on the own stack of the user that it is given (user_start()), from its first iteration to
 * its last. */
void iteration_loop(void *argument);

/* The iteration that is on ends as this, unless it was judged before. */
void iteration_judge(struct loads_user *user, enum outcome outcome, unsigned error_id);

/* Calls function(argument) at its end, the last given first. -ENOMEM. */
int iteration_defer(struct loads_user *user, void (*function)(void *argument), void *argument)
    _must_check_;

#endif
