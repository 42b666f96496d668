/* SPDX-License-Identifier: MPL-2.0 */
/* Everything is computed and printed by what local runs use: metrics/summary.h, client/outputs. */
#include "remote/console_report.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "report/summary_json.h"
#include "run/cycles.h"

void console_report_live(const struct publication *live, struct progress_numbers *ret)
{
    *ret = (struct progress_numbers){
        .done = live->done,
        .hits = live->hits,
        .errors = live->errors,
        .failures = live->failures,
        .users = (unsigned)live->users,
        .cycle = (unsigned)live->cycle,
        .cycles = (unsigned)live->cycles,
        .elapsed_sec = (double)live->elapsed_usec / 1e6,
    };
}

/* Iterations of all agents that are over. */
static uint64_t iterations_done(const struct totals *totals)
{
    uint64_t sum = 0;

    for (unsigned outcome = 0; outcome < OUTCOMES; outcome++) {
        sum += totals_outcome(totals, (enum outcome)outcome);
    }
    return sum;
}

void console_report_numbers(const struct snapshot *snapshot, struct progress_numbers *ret)
{
    const struct run_spec *spec = snapshot->spec;
    unsigned cycles = cycles_count(spec);
    size_t agents = MAX(snapshot->agents.count, (size_t)1);
    double done = spec->duration_usec > 0
                      ? (double)snapshot->active_usec / ((double)spec->duration_usec * cycles)
                      : (double)iterations_done(snapshot->totals) /
                            ((double)cycles_iterations(spec) * (double)agents);

    *ret = (struct progress_numbers){
        .done = done,
        .hits = snapshot->totals->hits,
        .errors = totals_outcome(snapshot->totals, OUTCOME_ERROR),
        .failures = totals_outcome(snapshot->totals, OUTCOME_FAILURE),
        .users = spec->users.values[0] * (unsigned)agents,
        .cycles = cycles,
        .elapsed_sec = (double)snapshot->active_usec / 1e6,
    };
}

static struct output_run describe(const struct snapshot *snapshot)
{
    return (struct output_run){
        .spec = snapshot->spec,
        .names = snapshot->names,
        .started_usec = snapshot->started_usec,
        .ended_usec = snapshot->finished_usec,
        .outcome = snapshot->outcome,
        .trouble = snapshot->trouble,
        .agents = &snapshot->agents,
        .lost = &snapshot->lost,
        .usage = snapshot->usage,
        .n_usage = snapshot->n_usage,
    };
}

static int summarize(const struct snapshot *snapshot, struct summary **ret)
{
    int r =
        summary_new(ret, snapshot->totals, snapshot->names, (double)snapshot->active_usec / 1e6);
    if (r < 0) {
        log_error("out of memory: no summary");
    }
    return r;
}

void console_report_so_far(const struct snapshot *snapshot)
{
    _cleanup_(summary_freep) struct summary *summary = NULL;
    _cleanup_(output_freep) struct output *output = NULL;
    const struct output_run run = describe(snapshot);
    struct error error;

    if (summarize(snapshot, &summary) < 0) {
        return;
    }
    int r = output_open(&output, "stdout", &error);
    if (r == 0) {
        r = output_begin(output, &run, &error);
    }
    if (r == 0) {
        r = output_end(output, &run, summary, &error);
    }
    if (r < 0) {
        log_error("%s", error.text);
    }
}

json_t *console_report_json(const struct snapshot *snapshot)
{
    _cleanup_(summary_freep) struct summary *summary = NULL;
    const struct output_run run = describe(snapshot);

    return summarize(snapshot, &summary) < 0 ? NULL : json_summary(&run, summary);
}

/* A run that never started is none that failed its tests. */
static enum exit_code verdict(const char *state, const char *outcome)
{
    static const struct {
        const char *outcome;
        enum exit_code code;
    } verdicts[] = {
        {"passed", EXIT_PASSED},
        {"failed", EXIT_FAILED},
    };

    for (size_t i = 0; outcome && strcmp(state, "failed") != 0 && i < ELEMENTSOF(verdicts); i++) {
        if (strcmp(verdicts[i].outcome, outcome) == 0) {
            return verdicts[i].code;
        }
    }
    return EXIT_ABORTED;
}

enum exit_code console_report_end(const struct snapshot *snapshot, bool stopped,
                                  struct reports *reports)
{
    _cleanup_(summary_freep) struct summary *summary = NULL;
    struct output_run run = describe(snapshot);
    enum exit_code code = verdict(snapshot->state, snapshot->outcome);

    if (stopped && run.outcome && strcmp(run.outcome, "aborted") == 0) {
        run.outcome = "interrupted";
        run.trouble = NULL; /* it was what we asked for */
        code = EXIT_INTERRUPTED;
    }
    if (snapshot->started_usec == 0) { /* no cycle began: nothing to report */
        struct error line;
        (void)error_set(&line, 0, "%s",
                        snapshot->trouble ? snapshot->trouble : "stopped before it started");
        log_error("%s", line.text);
        return code;
    }
    if (summarize(snapshot, &summary) < 0) {
        return EXIT_ABORTED;
    }
    reports_begin(reports, &run);
    int r = reports_end(reports, &run, summary);
    return r < 0 && code == EXIT_PASSED ? EXIT_FAILED : code;
}
