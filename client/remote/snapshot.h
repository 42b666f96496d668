/* SPDX-License-Identifier: MPL-2.0 */
/* What a broker says of a run, in the structs that local runs have, so that outputs can't tell the
 * difference. */
#ifndef LOADS_REMOTE_SNAPSHOT_H
#define LOADS_REMOTE_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strlist.h"
#include "metrics/summary.h"
#include "metrics/thresholds.h"
#include "metrics/totals.h"
#include "outputs/output.h"
#include "wire/json.h"
#include "wire/spec.h"

struct snapshot {
    struct run_spec *spec;                                /* run_id and all */
    char *name;                                           /* test or URL */
    char *state, *outcome, *trouble;                      /* the latter two NULL: not (yet) */
    uint64_t submitted_usec, started_usec, finished_usec; /* realtime; 0: not (yet) */
    struct strlist agents, lost;
    struct output_usage *usage; /* n_usage; their texts are `usage_agents`' */
    size_t n_usage;
    struct strlist usage_agents;
    struct threshold_result *thresholds; /* n_thresholds, of a run that is over */
    size_t n_thresholds;
    char *stopped_for; /* NULL */
    bool save_hits;    /* every hit is kept */
    uint64_t number, active_usec;
    struct names *names;
    void *names_memory;
    struct totals *totals;
};

/* Reads the result of CTRL_SNAPSHOT. -EBADMSG: a text names the key; -ENOMEM. */
int snapshot_decode(const json_t *json, struct snapshot **ret, struct error *error) _must_check_;
struct snapshot *snapshot_free(struct snapshot *snapshot);
DEFINE_CLEANUP(struct snapshot, snapshot_free)

/* Whether the run is over. */
bool snapshot_is_over(const struct snapshot *snapshot);

#endif
