/* SPDX-License-Identifier: MPL-2.0 */
/* How a run goes just now, for those who watch it: the rate of its last whole second, the
 * percentiles of its last seconds, the 95th percentile of each second before. Histograms are
 * merged, so percentiles are those of all hits, however many workers and agents there are. */
#ifndef LOADS_METRICS_RECENT_H
#define LOADS_METRICS_RECENT_H

#include "metrics/interval.h"

#define RECENT_SEC       10 /* what percentiles are of */
#define RECENT_TREND_SEC 60
#define RECENT_LAG_SEC   1 /* how late a source may be */

struct recent;

struct recent_numbers {
    double hits_per_sec;
    uint64_t p50_usec, p95_usec, p99_usec; /* 0: there was no hit */
    /* The 95th percentile of each second, the oldest first; 0: there was no hit. */
    uint64_t trend_usec[RECENT_TREND_SEC];
    unsigned n_trend;
    unsigned last_error; /* the id of the error or failure that came last; 0: none came */
};

int recent_new(struct recent **ret) _must_check_;
struct recent *recent_free(struct recent *recent);
DEFINE_CLEANUP(struct recent, recent_free)

/* Something was counted. What can't be taken for want of memory is in no percentile. */
void recent_add(struct recent *recent, const struct interval *interval);

/* It is `usec` after the beginning of the run's second 0. Without memory the percentiles are 0. */
void recent_look(struct recent *recent, uint64_t usec, struct recent_numbers *ret);

#endif
