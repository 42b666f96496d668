/* SPDX-License-Identifier: MPL-2.0 */
/* What reports say of a run beside its numbers, whoever makes them: outputs on the client, the
 * broker for observers. */
#ifndef LOADS_REPORT_OUTPUT_RUN_H
#define LOADS_REPORT_OUTPUT_RUN_H

#include "metrics/names.h"
#include "metrics/thresholds.h"
#include "metrics/timeline.h"
#include "metrics/totals.h"
#include "wire/spec.h"

/* What processes of the run used on an agent; 0: not known. */
struct output_usage {
    const char *agent;
    uint64_t cpu_usec, memory_peak_bytes;
};

/* What is known of the run beside its numbers. Borrowed. */
struct output_run {
    const struct run_spec *spec;
    const struct names *names; /* for ids in detail */
    uint64_t started_usec;     /* realtime */
    uint64_t ended_usec;       /* realtime; 0 while it is on */
    unsigned workers;          /* per cycle at most; 0: not known */
    /* "passed", "failed", "aborted" (gave up), "interrupted", "lost" (went on without some agents);
     * NULL while on */
    const char *outcome;
    const char *trouble;                 /* why it was given up, or what was lost; NULL */
    const struct strlist *agents, *lost; /* of a run on agents; NULL */
    const struct output_usage *usage;    /* n_usage, of agents that know */
    size_t n_usage;
    const char *detail_agent;        /* whose the detail is that comes; NULL: it is a run here */
    const struct timeline *timeline; /* for outputs that want it; NULL: not known */
    const struct totals *totals;     /* what the summary is of; at the end */
    const struct threshold_result *thresholds; /* n_thresholds, at the end */
    size_t n_thresholds;
    const char *stopped_for; /* the threshold for whose sake it was stopped; NULL */
};

#endif
