/* SPDX-License-Identifier: MPL-2.0 */
/* What is left to chance, in a way that can be had again: a user's random numbers follow from the
 * run's seed, the cycle, the user's number (which counts over all agents, in the order of their
 * places in the run, and over all their workers) and the iteration, and from nothing else. So they
 * are the same however many workers there are, whoever is answered first, whatever ended an
 * iteration early, and in a worker that took over from one that died. */
#ifndef LOADS_WORKER_CHOICE_H
#define LOADS_WORKER_CHOICE_H

#include "user.h"

/* What numbers are for: each purpose has others. */
enum choice_purpose {
    CHOICE_LIFE,
    CHOICE_ITERATION,
    CHOICE_PACE,
    CHOICE_FEEDER,
    CHOICE_TEST,
    CHOICE_BOUNDARY,
};

/* The key of a user's numbers for a purpose; `which` is one of several. */
uint64_t choice_key(const struct loads_user *user, enum choice_purpose purpose, uint64_t which);

/* The user's life begins; an iteration of it. */
void choice_begin_life(struct loads_user *user);
void choice_begin_iteration(struct loads_user *user);

#endif
