/* SPDX-License-Identifier: MPL-2.0 */
/* Totals and seconds are judged by metrics/thresholds.h; here is when, and what follows. */
#include "judge.h"

#include <stdlib.h>

#include "metrics/thresholds.h"
#include "report/summary_json.h"
#include "wire/json.h"

int judge_new(struct run *run, struct error *error)
{
    return run->spec->thresholds.count > 0
               ? thresholds_new(&run->thresholds, &run->spec->thresholds, error)
               : 0;
}

bool judge_look(struct run *run, uint64_t now_usec)
{
    if (!run->thresholds || run->state != RUN_RUNNING || run->stopped_for || !run->results ||
        run->start_usec == 0 || now_usec < run->judge_at_usec || now_usec < run->start_usec) {
        return false;
    }
    run->judge_at_usec = now_usec + USEC_PER_SEC;
    run->stopped_for =
        thresholds_look(run->thresholds, (uint32_t)((now_usec - run->start_usec) / USEC_PER_SEC),
                        results_totals(run->results), results_names(run->results),
                        (double)run_active_usec(run, now_usec) / 1e6);
    if (!run->stopped_for) {
        return false;
    }
    run->stop_grace_usec = run->spec->grace_usec;
    run_happen(run, RUN_GIVE_UP);
    return true;
}

/* Whether all hold. */
static bool judge_thresholds(struct run *run)
{
    _cleanup_free_ struct threshold_result *results = NULL;
    json_auto_t *list = json_array();
    bool hold = true;
    size_t n = 0;

    if (thresholds_end(run->thresholds, results_totals(run->results), results_names(run->results),
                       (double)run->active_usec / 1e6, &results, &n) < 0) {
        run_add_trouble(run, "there was no memory to judge its thresholds");
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        hold = hold && results[i].holds;
        (void)json_array_append_new(list,
                                    json_threshold(&results[i])); /* the dump below fails, too */
    }
    free(run->judged);
    run->judged = NULL;
    if (json_array_size(list) != n || wire_json_dump(list, &run->judged) < 0) {
        run_add_trouble(run, "there was no memory to keep what its thresholds came to");
    }
    return hold;
}

bool judge_end(struct run *run)
{
    const struct totals *totals = results_totals(run->results);
    bool hold = !run->thresholds || judge_thresholds(run);

    return hold && thresholds_allow(run->thresholds, totals_outcome(totals, OUTCOME_SUCCESS),
                                    totals_outcome(totals, OUTCOME_ERROR),
                                    totals_outcome(totals, OUTCOME_FAILURE));
}
