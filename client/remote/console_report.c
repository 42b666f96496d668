/* SPDX-License-Identifier: MPL-2.0 */
/* Everything is computed and printed by what local runs use: metrics/summary.h, client/outputs. */
#include "remote/console_report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "remote/details.h"
#include "remote/timelines.h"
#include "report/summary_json.h"
#include "run/cycles.h"

static void set_state(struct progress_numbers *ret, const char *state)
{
    if (strcmp(state, "running") != 0) {
        (void)snprintf(ret->state, sizeof ret->state, "%s", state); /* cut is fine */
    }
}

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
        .agents = (unsigned)live->agents,
        .lost = (unsigned)live->lost,
        .has_recent = live->has_recent,
        .recent = live->recent,
    };
    set_state(ret, live->state);
    (void)snprintf(ret->last_error, sizeof ret->last_error, "%s",
                   live->last_error ? live->last_error : "");
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
        .agents = (unsigned)snapshot->agents.count,
        .lost = (unsigned)snapshot->lost.count,
    };
    set_state(ret, snapshot->state);
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
        .thresholds = snapshot->thresholds,
        .n_thresholds = snapshot->n_thresholds,
        .stopped_for = snapshot->stopped_for,
        .totals = snapshot->totals,
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
    int r = output_open(&output, "stdout", NULL, &error);
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

static bool thresholds_hold(const struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->n_thresholds; i++) {
        if (!snapshot->thresholds[i].holds) {
            return false;
        }
    }
    return true;
}

/* A run that never started is none that failed its tests. */
static enum exit_code verdict(const struct snapshot *snapshot)
{
    const char *state = snapshot->state, *outcome = snapshot->outcome;
    static const struct {
        const char *outcome;
        enum exit_code code;
    } verdicts[] = {
        {"passed", EXIT_PASSED},
        {"failed", EXIT_FAILED},
    };

    for (size_t i = 0; outcome && strcmp(state, "failed") != 0 && i < ELEMENTSOF(verdicts); i++) {
        if (strcmp(verdicts[i].outcome, outcome) == 0) {
            return verdicts[i].code == EXIT_FAILED && !thresholds_hold(snapshot) ? EXIT_THRESHOLD
                                                                                 : verdicts[i].code;
        }
    }
    return EXIT_ABORTED;
}

/* The run over time, for outputs that show it. Without it they show the rest. */
static struct timeline *ask_timeline(const struct snapshot *snapshot, struct frontend *frontend,
                                     const struct reports *reports)
{
    struct timeline *timeline = NULL;
    struct error error;

    if (reports->wants_timeline && request_timeline(frontend, snapshot, &timeline, &error) < 0) {
        log_warning("the run over time is missing in the outputs: %s", error.text);
        return NULL;
    }
    return timeline;
}

struct telling {
    struct reports *reports;
    struct output_run *run;
};

static void tell(const struct detail *detail, const char *agent_id, void *context)
{
    struct telling *telling = context;

    telling->run->detail_agent = agent_id;
    reports_detail(telling->reports, telling->run, detail);
}

/* All that outputs show of a run. -EIO: not all could be had, or written; it was said. */
static int write_reports(const struct snapshot *snapshot, struct output_run *run,
                         const struct summary *summary, struct frontend *frontend,
                         struct reports *reports)
{
    _cleanup_(timeline_freep) struct timeline *timeline = ask_timeline(snapshot, frontend, reports);
    struct telling telling = {reports, run};
    struct error error;
    int told = 0;

    run->timeline = timeline;
    reports_begin(reports, run);
    if (reports->wants_detail) {
        told = request_details(frontend, snapshot, tell, &telling, &error);
    }
    if (told < 0) {
        log_error("hits and test events are missing in the outputs: %s", error.text);
    }
    int written = reports_end(reports, run, summary);
    run->timeline = NULL;
    return told < 0 || written < 0 ? -EIO : 0;
}

int console_report_check(const struct snapshot *snapshot, const struct reports *reports,
                         struct error *error)
{
    return reports->wants_detail && !snapshot->save_hits
               ? error_set(error, -EINVAL,
                           "--output file, funkload and exec need every hit, and this run keeps "
                           "none: submit it with --save-hits")
               : 0;
}

enum exit_code console_report_now(const struct snapshot *snapshot, struct frontend *frontend,
                                  struct reports *reports)
{
    _cleanup_(summary_freep) struct summary *summary = NULL;
    struct output_run run = describe(snapshot);

    if (snapshot->started_usec == 0) {
        log_error("the run has not started: there is nothing to report");
        return EXIT_ABORTED;
    }
    if (summarize(snapshot, &summary) < 0) {
        return EXIT_ABORTED;
    }
    return write_reports(snapshot, &run, summary, frontend, reports) < 0 ? EXIT_FAILED
                                                                         : EXIT_PASSED;
}

enum exit_code console_report_end(const struct snapshot *snapshot, bool stopped,
                                  struct frontend *frontend, struct reports *reports)
{
    _cleanup_(summary_freep) struct summary *summary = NULL;
    struct output_run run = describe(snapshot);
    enum exit_code code = verdict(snapshot);

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
    int r = write_reports(snapshot, &run, summary, frontend, reports);
    return r < 0 && code == EXIT_PASSED ? EXIT_FAILED : code;
}
