/* SPDX-License-Identifier: MPL-2.0 */
/* How a run went over time: steps of one second each, over all series, workers and agents. What is
 * merged are the histograms, so a step's percentiles are those of all of its hits, however many
 * workers there were.
 *
 * There are TIMELINE_MAX_STEPS steps at most. When a run is longer, two steps become one and all
 * are twice as long, as often as it takes: 1 s for the first hour, 2 s for two, 4 s for four. A
 * step is kept in the encoded form of an interval, some 1 to 3 KiB each. */
#ifndef LOADS_METRICS_TIMELINE_H
#define LOADS_METRICS_TIMELINE_H

#include "metrics/interval.h"

#define TIMELINE_MAX_STEPS 3600

struct timeline;

/* One step. `latency` is borrowed during the visit. */
struct timeline_step {
    uint32_t second, seconds; /* of the run, the first one; how many */
    uint64_t users;           /* the most that were meant to be on in it; 0: not known */
    const struct histogram *latency;
    uint64_t request_errors;
    uint64_t sent_bytes, received_bytes;
    uint64_t outcomes[OUTCOMES]; /* iterations that ended in it */
};

/* `max_steps`: TIMELINE_MAX_STEPS, or fewer (an even number) in tests. -ENOMEM. */
int timeline_new(struct timeline **ret, size_t max_steps) _must_check_;
struct timeline *timeline_free(struct timeline *timeline);
DEFINE_CLEANUP(struct timeline, timeline_free)

/* Adds an interval to the step of its first second. -ENOMEM: what it had is missing. -ERANGE:
 * likewise, since sums over the run would be more than 2^63 - 1. */
int timeline_add(struct timeline *timeline, const struct interval *interval) _must_check_;

/* From this second on so many users are on. In ascending order of seconds. -ENOMEM. */
int timeline_set_users(struct timeline *timeline, uint32_t second, uint64_t users) _must_check_;

/* Seconds of a step; steps there are, those in which nothing was counted included. */
uint32_t timeline_step_sec(const struct timeline *timeline);
size_t timeline_steps(const struct timeline *timeline);

/* Calls `visit` for every step, in order, until it returns other than 0; returns that, or 0.
 * -ENOMEM. */
int timeline_each(const struct timeline *timeline,
                  int (*visit)(const struct timeline_step *step, void *context), void *context)
    _must_check_;

#endif
