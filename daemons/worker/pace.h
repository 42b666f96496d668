/* SPDX-License-Identifier: MPL-2.0 */
/* Pacing: a user's iterations begin at a distance from each other, unless they take longer. */
#ifndef LOADS_WORKER_PACE_H
#define LOADS_WORKER_PACE_H

#include "user.h"

/* An iteration has begun: by --pace the next one begins so much later. */
void pace_begin(struct loads_user *user);

/* The test says when: so much after its iteration began. The last one that was said holds. */
void pace_set(struct loads_user *user, uint64_t distance_usec);

/* On the user's own stack, between two iterations: waits until the next one may begin, or no more
 * begins. */
void pace_wait(struct loads_user *user);

/* No iteration begins any more: those who wait for theirs are woken. */
void pace_end(struct worker *worker);

#endif
