/* SPDX-License-Identifier: MPL-2.0 */
/* Prepare, supervise, add up, report. Everything is checked before anything is started: outputs are
 * opened and the test is prepared first. */
#include "local_run.h"

#include <errno.h>
#include <ev.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "loop/orphans.h"
#include "metrics/summary.h"
#include "metrics/thresholds.h"
#include "metrics/timeline.h"
#include "metrics/totals.h"
#include "run/file_list.h"
#include "run/preparation.h"
#include "run/program.h"
#include "run/run_dir.h"
#include "run/runner_command.h"
#include "run/supervisor.h"
#include "shared/progress.h"
#include "shared/reports.h"

struct local_run {
    const struct run_options *options;
    struct ev_loop *loop;
    struct run_spec *spec;
    char *worker_program;
    char *run_dir;
    int run_dir_claim;
    struct orphans *orphans;
    struct preparation *preparation;
    struct strlist tests; /* that the preparation found */
    struct supervisor *supervisor;
    struct totals *totals;
    struct timeline *timeline;     /* NULL: nobody wants it */
    struct thresholds *thresholds; /* NULL: there are none */
    struct threshold_result *judged;
    ev_timer second;
    const char *stopped_for; /* the threshold for whose sake it was stopped; NULL: it wasn't */
    struct progress *progress;
    struct reports reports;
    struct output_run report;
    uint64_t start_usec; /* of the first cycle, monotonic */
    ev_signal signals[3];
    unsigned interrupts;
    int result; /* of the part that the loop runs */
    struct error error;
};

/* ---- signals --------------------------------------------------------------------------------- */

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events _unused_)
{
    struct local_run *run = watcher->data;

    run->interrupts++;
    progress_hide(run->progress);
    if (!run->supervisor) {
        run->result = -EINTR;
        ev_break(loop, EVBREAK_ALL);
    } else if (run->interrupts == 1) {
        log_notice("stopping: tests that are on have %g s to end; interrupt again to cut them",
                   (double)run->spec->grace_usec / 1e6);
        supervisor_stop(run->supervisor, run->spec->grace_usec);
    } else {
        supervisor_stop(run->supervisor, 0);
    }
}

static void watch_signals(struct local_run *run)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction before;

    for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
        ev_signal_init(&run->signals[i], on_signal, numbers[i]);
        if (numbers[i] == SIGHUP && sigaction(SIGHUP, NULL, &before) == 0 &&
            before.sa_handler == SIG_IGN) {
            continue; /* nohup: the run outlives the terminal */
        }
        run->signals[i].data = run;
        ev_signal_start(run->loop, &run->signals[i]);
    }
}

/* ---- preparing ------------------------------------------------------------------------------- */

static void on_prepared(int result, const struct prepared *prepared, const struct error *error,
                        void *context)
{
    struct local_run *run = context;

    run->result = result;
    if (result < 0) {
        run->error = *error;
    } else if (run->spec) {
        run->result = prepared_use(prepared, run->spec);
    }
    for (size_t i = 0; run->result == 0 && i < prepared->tests.count; i++) {
        run->result = strlist_add(&run->tests, prepared->tests.items[i]);
    }
    ev_break(run->loop, EVBREAK_ALL);
}

/* Runs the preparation to its end; what it found is in run->spec and run->tests. */
static int prepare(struct local_run *run, const char *name, bool only_list)
{
    _cleanup_free_ char *python_dir = run_dir_file(run->run_dir, "python");
    if (!python_dir) {
        return error_set_errno(&run->error, -ENOMEM, "cannot prepare the run");
    }
    struct preparation_options options = {
        .worker_program = run->worker_program,
        .name = name,
        .only_list = only_list,
        .cflags = run->options->cflags,
        .libs = run->options->libs,
        .no_patching = run->options->no_patching,
        .temporary_dir = run->run_dir,
        .python_deps = run->spec ? &run->spec->python_deps : NULL,
        .python_dir = python_dir,
        .load_timeout_usec = run->options->stall_timeout_usec,
        .done = on_prepared,
        .context = run,
    };
    int r = preparation_start(&run->preparation, run->loop, &options, &run->error);

    if (r == 0) {
        ev_run(run->loop, 0);
        r = run->interrupts > 0 ? -EINTR : run->result; /* both may have come in one turn */
    }
    run->preparation = preparation_free(run->preparation);
    return r;
}

/* The directory the test runs in, with the files it needs. */
static int make_test_dir(struct local_run *run)
{
    const struct run_options *options = run->options;

    if (!options->test_dir) {
        return 0;
    }
    struct file_list files = {.items = NULL};
    int r = file_list_add_patterns(&files, &options->include_files, &run->error);
    if (r == 0) { /* not before: a mistake leaves nothing behind */
        r = file_list_copy(&files, options->test_dir, &run->error);
    }
    file_list_clear(&files);
    if (r < 0) {
        return r;
    }
    run->spec->test_dir = realpath(options->test_dir, NULL);
    return run->spec->test_dir
               ? 0
               : error_set_errno(&run->error, -errno, "--test-dir %s", options->test_dir);
}

/* ---- what the supervisor tells --------------------------------------------------------------- */

static void on_interval(const struct interval *interval, void *context)
{
    struct local_run *run = context;

    if (run->thresholds) {
        thresholds_add(run->thresholds, interval, run->report.names);
    }
    if (totals_add(run->totals, interval) < 0 ||
        (run->timeline && timeline_add(run->timeline, interval) < 0)) {
        log_error("out of memory: the run's numbers would be wrong");
        supervisor_stop(run->supervisor, 0);
        run->result = -ENOMEM;
    }
}

static void on_detail(const struct detail *detail, void *context)
{
    struct local_run *run = context;

    reports_detail(&run->reports, &run->report, detail);
}

/* A run that is being stopped doesn't wait for a slow program: there is little that still comes. */
static bool on_wants_detail(void *context)
{
    struct local_run *run = context;
    bool stops = run->interrupts > 0 || run->stopped_for;

    return reports_take_detail(&run->reports) || stops;
}

static void on_cycle(unsigned index, const struct cycle *cycle, void *context)
{
    struct local_run *run = context;

    if (index == 0) {
        run->report.started_usec = clock_realtime_usec();
        run->start_usec = clock_monotonic_usec();
        reports_begin(&run->reports, &run->report);
    }
    uint64_t second = (clock_monotonic_usec() - run->start_usec) / USEC_PER_SEC;
    if (run->timeline && timeline_set_users(run->timeline, (uint32_t)second, cycle->users) < 0) {
        log_warning("out of memory: the users of cycle %u are in no output", index);
    }
}

static void on_problem(pid_t worker _unused_, const char *text, void *context)
{
    struct local_run *run = context;

    progress_hide(run->progress);
    log_warning("a worker crashed: %s", text);
}

static void on_finished(int result, const struct error *error, void *context)
{
    struct local_run *run = context;

    if (result < 0) {
        run->result = result;
        run->error = *error;
    }
    ev_break(run->loop, EVBREAK_ALL);
}

static void look(struct progress_numbers *ret, void *context)
{
    struct local_run *run = context;
    struct supervisor_live live;
    unsigned cycles = cycles_count(run->spec);

    supervisor_live(run->supervisor, &live);
    double total = run->spec->duration_usec > 0 ? (double)run->spec->duration_usec * cycles
                                                : (double)cycles_iterations(run->spec);
    *ret = (struct progress_numbers){
        .done = (run->spec->duration_usec > 0 ? (double)live.active_usec
                                              : (double)live.iterations_done) /
                total,
        .hits = live.hits,
        .errors = totals_outcome(run->totals, OUTCOME_ERROR),
        .failures = totals_outcome(run->totals, OUTCOME_FAILURE),
        .users = live.users,
        .cycle = live.cycle,
        .cycles = cycles,
        .elapsed_sec = (double)live.active_usec / 1e6,
    };
}

/* ---- thresholds ------------------------------------------------------------------------------ */

static double duration_sec(const struct local_run *run)
{
    struct supervisor_live live;

    supervisor_live(run->supervisor, &live);
    return (double)live.active_usec / 1e6;
}

static void on_second(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct local_run *run = timer->data;

    if (run->start_usec == 0 || run->stopped_for) {
        return;
    }
    uint64_t second = (clock_monotonic_usec() - run->start_usec) / USEC_PER_SEC;
    run->stopped_for = thresholds_look(run->thresholds, (uint32_t)second, run->totals,
                                       run->report.names, duration_sec(run));
    if (run->stopped_for) {
        progress_hide(run->progress);
        log_notice("stopping: %s does not hold", run->stopped_for);
        supervisor_stop(run->supervisor, run->spec->grace_usec);
    }
}

static int watch_thresholds(struct local_run *run)
{
    if (run->spec->thresholds.count == 0) {
        return 0;
    }
    ev_timer_init(&run->second, on_second, 1, 1);
    run->second.data = run;
    ev_timer_start(run->loop, &run->second);
    return thresholds_new(&run->thresholds, &run->spec->thresholds, &run->error);
}

/* Whether all of them hold. */
static bool judge_thresholds(struct local_run *run)
{
    bool hold = true;

    if (!run->thresholds) {
        return true;
    }
    if (thresholds_end(run->thresholds, run->totals, run->report.names, duration_sec(run),
                       &run->judged, &run->report.n_thresholds) < 0) {
        log_error("out of memory: thresholds can't be judged");
        return false;
    }
    run->report.thresholds = run->judged;
    run->report.stopped_for = run->stopped_for;
    for (size_t i = 0; i < run->report.n_thresholds; i++) {
        hold = hold && run->judged[i].holds;
    }
    return hold;
}

/* ---- running --------------------------------------------------------------------------------- */

static unsigned cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static unsigned workers_wanted(const struct local_run *run)
{
    return run->options->workers ? (unsigned)run->options->workers : cores();
}

static int supervise(struct local_run *run)
{
    unsigned workers = workers_wanted(run);
    struct supervisor_options options = {
        .spec = run->spec,
        .worker_program = run->worker_program,
        .run_dir = run->run_dir,
        .workers = workers,
        .callbacks = {.interval = on_interval,
                      .detail = on_detail,
                      .wants_detail = on_wants_detail,
                      .cycle = on_cycle,
                      .problem = on_problem,
                      .finished = on_finished,
                      .context = run},
    };
    int r = totals_new(&run->totals);
    if (r < 0) {
        return error_set_errno(&run->error, r, "cannot count");
    }
    r = supervisor_new(&run->supervisor, run->loop, &options, &run->error);
    if (r < 0) {
        return r;
    }
    r = watch_thresholds(run);
    if (r < 0) {
        return r;
    }
    if (run->reports.wants_timeline) {
        r = timeline_new(&run->timeline, TIMELINE_MAX_STEPS);
        if (r < 0) {
            return error_set_errno(&run->error, r, "cannot count");
        }
    }
    run->report = (struct output_run){.spec = run->spec,
                                      .names = supervisor_names(run->supervisor),
                                      .workers = workers,
                                      .timeline = run->timeline,
                                      .totals = run->totals};
    if (!run->options->quiet) {
        r = progress_new(&run->progress, run->loop, look, run);
        if (r < 0) {
            return error_set_errno(&run->error, r, "cannot show progress");
        }
        run->reports.progress = run->progress;
    }
    supervisor_start(run->supervisor);
    ev_run(run->loop, 0);
    return run->result;
}

/* What workers, or the preparation, left behind in whatever group or session. */
static void end_orphans(struct local_run *run)
{
    unsigned left = run->orphans ? orphans_end_now(run->orphans) : 0;

    if (left > 0) {
        log_warning("cannot end all processes of the run: %u are left", left);
    }
}

static enum exit_code verdict(struct local_run *run, int result, const struct summary *summary)
{
    bool hold = judge_thresholds(run);

    if (result < 0) {
        run->report.outcome = "aborted";
        run->report.trouble = run->error.text;
        return EXIT_ABORTED;
    }
    if (run->interrupts > 0) {
        run->report.outcome = "interrupted";
        return EXIT_INTERRUPTED;
    }
    if (!hold) {
        run->report.outcome = "failed";
        return EXIT_THRESHOLD;
    }
    bool passed =
        thresholds_allow(run->thresholds, summary->successes, summary->errors, summary->failures);
    run->report.outcome = passed ? "passed" : "failed";
    return passed ? EXIT_PASSED : EXIT_FAILED;
}

static enum exit_code report(struct local_run *run, int result)
{
    _cleanup_(summary_freep) struct summary *summary = NULL;
    struct supervisor_live live;

    supervisor_live(run->supervisor, &live);
    run->report.ended_usec = clock_realtime_usec();
    int r = summary_new(&summary, run->totals, run->report.names, (double)live.active_usec / 1e6);
    if (r < 0) {
        log_error("out of memory: no summary");
        return EXIT_ABORTED;
    }
    enum exit_code code = verdict(run, result, summary);
    if (run->report.started_usec == 0) { /* no cycle began: nothing to report */
        log_error("%s", run->error.code < 0 ? run->error.text : "interrupted before it started");
        return code;
    }
    progress_finish(run->progress);
    r = reports_end(&run->reports, &run->report, summary);
    if (result < 0) {
        log_error("%s", run->error.text);
    }
    return r < 0 && code == EXIT_PASSED ? EXIT_FAILED : code;
}

static void release(struct local_run *run)
{
    if (run->loop) {
        ev_timer_stop(run->loop, &run->second);
    }
    thresholds_free(run->thresholds);
    free(run->judged);
    progress_free(run->progress);
    preparation_free(run->preparation);
    supervisor_free(run->supervisor);
    orphans_free(run->orphans);
    reports_clear(&run->reports);
    totals_free(run->totals);
    timeline_free(run->timeline);
    strlist_clear(&run->tests);
    run_spec_free(run->spec);
    free(run->worker_program);
    for (size_t i = 0; run->loop && i < ELEMENTSOF(run->signals); i++) {
        ev_signal_stop(run->loop, &run->signals[i]);
    }
    if (run->loop) {
        ev_loop_destroy(run->loop);
    }
    run_dir_remove_all(
        run->run_dir); /* this late, since it takes a descriptor and there may be none */
    if (run->run_dir_claim >= 0) {
        close_fd(run->run_dir_claim);
    }
}

/* What libev can't go on without it can only tell here: it would abort. */
static void on_loop_error(const char *what)
{
    log_error("%s: %s", what, strerror(errno));
    _exit(EXIT_ABORTED);
}

static int set_up(struct local_run *run, const struct run_options *options)
{
    ev_set_syserr_cb(on_loop_error);
    *run = (struct local_run){
        .options = options, .loop = ev_loop_new(EVFLAG_AUTO), .run_dir_claim = -1};
    if (!run->loop) {
        return error_set(&run->error, -ENOMEM, "cannot make an event loop");
    }
    watch_signals(run);
    int r = program_find("loads-worker", &run->worker_program, &run->error);
    if (r == 0) {
        r = orphans_new(&run->orphans, run->loop, &run->error);
    }
    if (r == 0) {
        r = run_dir_make(&run->run_dir, &run->error);
    }
    if (r < 0) {
        return r;
    }
    run->run_dir_claim = run_dir_claim(run->run_dir, &run->error);
    run_dir_sweep(run->run_dir);
    return run->run_dir_claim < 0 ? run->run_dir_claim : 0;
}

/* What there is to know of a test that others execute. */
static int prepare_runner(struct local_run *run)
{
    const char *directory = run->spec->test_dir ? run->spec->test_dir : ".";
    int r = runner_command_check(run->spec, directory, &run->error);

    if (r == 0) {
        free(TAKE_PTR(run->worker_program));
        r = program_find("loads-external", &run->worker_program, &run->error);
    }
    return r;
}

/* What can be refused without looking at the test comes first. */
static int prepare_all(struct local_run *run, bool debug_http)
{
    int r = run_options_spec(run->options, &run->spec, &run->error);
    if (r == 0) {
        run->spec->debug_http = debug_http;
        run->spec->single = !run->options->quiet && cycles_iterations(run->spec) == 1;
    }
    if (r == 0) {
        r = run_spec_check(run->spec, &run->error);
    }
    if (r == 0) {
        r = supervisor_check_users(run->spec, workers_wanted(run), &run->error);
    }
    if (r == 0) {
        r = reports_open(&run->reports, &run->options->outputs, &run->options->output_options,
                         run->options->quiet, &run->error);
        run->spec->detail = run->reports.wants_detail;
    }
    if (r == 0 && !run->spec->url && !run->spec->test_runner) {
        r = prepare(run, run_spec_tests(run->spec), false);
    }
    if (r == 0) {
        r = make_test_dir(run);
    }
    if (r == 0 && run->spec->test_runner && debug_http) {
        return error_set(
            &run->error, -EINVAL,
            "--debug-http is for tests in C and in Python, and for URLs, not for those "
            "of --test-runner");
    }
    return r == 0 && run_spec_is_external(run->spec) ? prepare_runner(run) : r;
}

enum exit_code local_run(const struct run_options *options, bool debug_http)
{
    struct local_run run;
    enum exit_code code = EXIT_USAGE;

    int r = set_up(&run, options);
    if (r == 0) {
        r = prepare_all(&run, debug_http);
    }
    if (r == 0) {
        r = supervise(&run);
    }
    end_orphans(&run);
    if (run.report.spec) {
        code = report(&run, r);
    } else if (run.interrupts > 0) {
        code = EXIT_INTERRUPTED;
    } else {
        log_error("%s", run.error.text);
    }
    release(&run);
    return code;
}

enum exit_code local_list(const struct run_options *options, const char *module)
{
    struct local_run run;

    int r = set_up(&run, options);
    if (r == 0) {
        r = prepare(&run, module, true);
    }
    for (size_t i = 0; r == 0 && i < run.tests.count; i++) {
        (void)printf("%s.%s\n", module, run.tests.items[i]); /* main() looks at stdout */
    }
    if (r < 0 && run.interrupts == 0) {
        log_error("%s", run.error.text);
    }
    enum exit_code code = run.interrupts > 0 ? EXIT_INTERRUPTED : r < 0 ? EXIT_USAGE : EXIT_PASSED;
    release(&run);
    return code;
}
