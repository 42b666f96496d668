/* SPDX-License-Identifier: MPL-2.0 */
/* The thresholds of a run while it is on. Those about the whole run are judged by its totals; those
 * with a duration by each second's own numbers, some seconds later, when all sources have told
 * theirs: one that didn't hold in so many seconds in a row is broken for good. */
#ifndef LOADS_METRICS_THRESHOLDS_H
#define LOADS_METRICS_THRESHOLDS_H

#include "base/strlist.h"
#include "metrics/threshold.h"
#include "metrics/totals.h"

#define THRESHOLDS_MAX     50
#define THRESHOLDS_LAG_SEC 2 /* how late a source may be */

struct thresholds;

/* -EINVAL with a text: one can't be read; -ENOMEM. */
int thresholds_new(struct thresholds **ret, const struct strlist *texts, struct error *error)
    _must_check_;
struct thresholds *thresholds_free(struct thresholds *thresholds);
DEFINE_CLEANUP(struct thresholds, thresholds_free)

/* Something was counted. What can't be taken for want of memory is in no second. */
void thresholds_add(struct thresholds *thresholds, const struct interval *interval,
                    const struct names *names);

/* Once a second: it is second `second` of the run. The text of a threshold for whose sake the run
 * is to stop; NULL: there is none. */
const char *thresholds_look(struct thresholds *thresholds, uint32_t second,
                            const struct totals *totals, const struct names *names,
                            double duration_sec);

struct threshold_result {
    char text[THRESHOLD_MAX_BYTES + 1];
    char shown[THRESHOLD_VALUE_BYTES]; /* the value that broke it, or that of the run; "": none */
    bool holds;
    bool stop;      /* as it was given */
    bool has_value; /* `value` is known: something was measured, and by a program that says it */
    bool has_broken_sec; /* it was seen to break while the run was on */
    double value;        /* as `shown` */
    double bound;        /* what it is compared with */
    const char *unit;    /* of both: threshold_unit(); NULL: `text` can't be read */
    uint32_t broken_sec; /* the second of the run in which it broke */
};

/* Fills what follows from the text alone: stop, bound, unit. */
void threshold_result_describe(struct threshold_result *result);

/* How they came out in the end, in their order; *ret is malloc'ed, the caller's. -ENOMEM. */
int thresholds_end(struct thresholds *thresholds, const struct totals *totals,
                   const struct names *names, double duration_sec, struct threshold_result **ret,
                   size_t *ret_count) _must_check_;

/* Whether the iterations of a run that all hold for are good: errors and failures there may be only
 * where a threshold says how many. NULL: there are no thresholds. */
bool thresholds_allow(const struct thresholds *thresholds, uint64_t successes, uint64_t errors,
                      uint64_t failures);

#endif
