/* SPDX-License-Identifier: MPL-2.0 */
/* What is left to chance, in a way that can be had again: a user's random numbers follow from the
 * run's seed, the cycle, the user's number (which counts over all agents, in the order of their
 * places in the run, and over all their workers) and the iteration, and from nothing else. So they
 * are the same however many workers there are, whoever is answered first, whatever ended an
 * iteration early, in a worker that took over from one that died, and whatever executes the test.
 */
#ifndef LOADS_RUN_CHANCE_H
#define LOADS_RUN_CHANCE_H

#include "wire/mix.h"

/* What numbers are for: each purpose has others. */
enum choice_purpose {
    CHOICE_LIFE,
    CHOICE_ITERATION,
    CHOICE_PACE,
    CHOICE_FEEDER,
    CHOICE_TEST,
    CHOICE_BOUNDARY,
};

/* Whose numbers they are. */
struct chance {
    uint64_t seed;
    unsigned cycle, user;
};

/* The key of the user's numbers for a purpose; `which` is one of several. */
uint64_t chance_key(const struct chance *chance, enum choice_purpose purpose, uint64_t which);

/* Which test of a mix the user executes in an iteration, by weight: the test's number. */
unsigned chance_test(const struct chance *chance, const struct mix *mix, uint64_t iteration);

#endif
