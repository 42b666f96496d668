/* SPDX-License-Identifier: MPL-2.0 */
/* Makes one interval per second out of those of all workers. */
#ifndef LOADS_AGENT_GATHER_H
#define LOADS_AGENT_GATHER_H

#include "metrics/interval.h"

#define GATHER_MAX_SECONDS 64 /* that are kept apart at a time */

/* All zero: empty. The intervals are those that came so far, by their seconds. */
struct gather {
    struct interval *intervals[GATHER_MAX_SECONDS];
    size_t count;
};

/* Adds a copy to the one of the same seconds. -ENOBUFS: first take something; -ENOMEM. */
int gather_add(struct gather *gather, const struct interval *interval) _must_check_;

/* Takes the oldest one out, if it ends before a second of the run begins; NULL: there is none. */
struct interval *gather_take(struct gather *gather, uint64_t before_second);

void gather_clear(struct gather *gather);

#endif
