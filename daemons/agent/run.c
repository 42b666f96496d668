/* SPDX-License-Identifier: MPL-2.0 */
/* Everything that happens to a run goes through happen() and the table of run_state.c: orders of
 * the broker, which may come twice, and what children and workers tell. */
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "gather.h"
#include "run/preparation.h"
#include "run/program.h"
#include "run/runner_command.h"
#include "run_files.h"

/* So long after its end a second is taken for complete: what a worker counted in it comes a little
 * later, and what comes after that is a further interval. */
#define LATE_USEC (500 * USEC_PER_MSEC)

struct run {
    struct ev_loop *loop;
    struct run_options options;
    struct run_spec *spec;
    enum run_state state;
    struct run_files *files;
    struct enclosure *enclosure;
    char *external; /* NULL: the run needs none */
    struct preparation *preparation;
    struct supervisor *supervisor;
    struct gather gather;
    struct outbox_queue *queue;
    struct detail_queue *details; /* NULL: none is wanted */
    struct run_log *log;          /* for who asks for the run's log */
    struct run_log *words;        /* what was said while it was prepared, again */
    unsigned cycle;
    bool begun;          /* a cycle was on */
    uint64_t start_usec; /* of the cycle, as ordered */
    uint64_t zero_usec;  /* second 0 of the run */
    uint64_t grace_usec;
    bool stopped;
    int result;
    char *reason;
};

static void happen(struct run *run, enum run_event event);

/* The end of the run has a reason from here on, the first one that there is. */
static void note(struct run *run, int result, const char *text)
{
    if (run->result == 0) {
        run->result = result;
        run->reason = strdup(text); /* without memory: no words */
    }
}

/* ---- preparing ------------------------------------------------------------------------------- */

static void fetch(struct run *run)
{
    struct error error = {0};
    int r;

    if (run->options.archive_bytes > RUN_MAX_ARCHIVE_BYTES) {
        r = error_set(&error, -EFBIG, "the run's files have %ju bytes, of %ju at most",
                      (uintmax_t)run->options.archive_bytes, (uintmax_t)RUN_MAX_ARCHIVE_BYTES);
    } else {
        r = run_files_open_archive(run->files, &error);
    }
    if (r < 0) {
        note(run, r, error.text);
        happen(run, RUN_CANT);
    }
}

void run_add_archive(struct run *run, uint64_t offset, const void *bytes, size_t size)
{
    struct error error = {0};
    uint64_t got = run_archive_got(run);

    if (run->state != RUN_FETCHING || offset != got || size > run->options.archive_bytes - got) {
        return;
    }
    int r = run_files_write(run->files, bytes, size, &error);
    if (r < 0) {
        note(run, r, error.text);
        happen(run, RUN_CANT);
    } else if (got + size == run->options.archive_bytes) {
        happen(run, RUN_COMPLETE);
    }
}

uint64_t run_archive_got(const struct run *run)
{
    return run->files ? run_files_written(run->files) : 0;
}

static void on_words(const char *text, size_t size, void *context)
{
    struct run *run = context;

    run_log_add(run->log, RUN_LOG_PREPARING, text, size);
    run_log_add(run->words, RUN_LOG_PREPARING, text, size);
}

/* An error's text, and below it what the compiler said. */
static void note_with_words(struct run *run, const struct error *error)
{
    _cleanup_free_ char *text = malloc(RUN_MAX_REASON_BYTES);
    struct run_log_piece piece;

    if (!text) {
        note(run, error->code, error->text);
        return;
    }
    size_t size = (size_t)snprintf(text, RUN_MAX_REASON_BYTES, "%s\n", error->text);
    while (run_log_next(run->words, &piece) && size + strlen(piece.text) < RUN_MAX_REASON_BYTES) {
        memcpy(text + size, piece.text, strlen(piece.text) + 1);
        size += strlen(piece.text);
        run_log_advance(run->words);
    }
    while (size > 0 && text[size - 1] == '\n') {
        text[--size] = '\0';
    }
    note(run, error->code, text);
}

/* All is there that the test needs, but perhaps the command that others execute it by. */
static void conclude_preparation(struct run *run, int r)
{
    struct error error = {.text = "no memory"};

    if (r == 0 && run_spec_is_external(run->spec)) {
        r = runner_command_check(run->spec, run_files_test_dir(run->files), &error);
        r = r < 0 ? r : program_find("loads-external", &run->external, &error);
    }
    if (r < 0) {
        note(run, r, error.text);
    }
    happen(run, r < 0 ? RUN_CANT : RUN_PREPARED);
}

static void on_prepared(int result, const struct prepared *prepared, const struct error *error,
                        void *context)
{
    struct run *run = context;

    run->preparation = preparation_free(run->preparation);
    run_files_drop_archive(run->files);
    if (result < 0) {
        note_with_words(run, error);
        happen(run, RUN_CANT);
        return;
    }
    conclude_preparation(run, prepared_use(prepared, run->spec));
}

static void prepare(struct run *run)
{
    struct error error = {0};
    struct preparation_options options = {
        .worker_program = run->options.worker_program,
        .name = run->spec->url || run->spec->test_runner ? NULL : run_spec_tests(run->spec),
        .test_dir = run_files_test_dir(run->files),
        .archive = run_files_archive(run->files),
        .cflags = run->spec->cflags,
        .libs = run->spec->libs,
        .no_patching = run->spec->no_patching,
        .temporary_dir = run_files_shared(run->files),
        .python_deps = &run->spec->python_deps,
        .python_dir = run_files_python_dir(run->files),
        .cgroup = enclosure_cgroup(run->enclosure),
        .load_timeout_usec = run->spec->stall_timeout_usec,
        .output = on_words,
        .done = on_prepared,
        .context = run,
    };

    if (!options.name && !options.archive) { /* the test is the worker's own, or others' */
        conclude_preparation(run, 0);
        return;
    }
    int r = preparation_start(&run->preparation, run->loop, &options, &error);
    if (r < 0) {
        note(run, r, error.text);
        happen(run, RUN_CANT);
    }
}

/* ---- counting -------------------------------------------------------------------------------- */

/* Without memory the run's numbers would be wrong: it ends. */
static void give_up(struct run *run)
{
    note(run, -ENOMEM, "out of memory: the run's numbers would be wrong");
    supervisor_stop(run->supervisor, 0);
}

static void queue_until(struct run *run, uint64_t second)
{
    struct interval *interval;

    while ((interval = gather_take(&run->gather, second))) {
        int r = outbox_add(run->queue, interval);
        interval_free(interval);
        if (r < 0) {
            give_up(run);
        }
    }
}

static void on_interval(const struct interval *interval, void *context)
{
    struct run *run = context;
    int r = gather_add(&run->gather, interval);

    if (r == -ENOBUFS) { /* somebody comes with many seconds at once */
        queue_until(run, UINT64_MAX);
        r = gather_add(&run->gather, interval);
    }
    if (r < 0) {
        give_up(run);
    }
}

void run_tick(struct run *run)
{
    uint64_t now = clock_monotonic_usec();

    if (run->details) {
        detail_queue_flush(run->details);
    }
    if (run->begun && !run_is_over(run) && now > run->zero_usec + LATE_USEC) {
        queue_until(run, (now - run->zero_usec - LATE_USEC) / USEC_PER_SEC);
    }
}

/* ---- what the supervisor tells --------------------------------------------------------------- */

static bool is_outcome(enum detail_type type)
{
    return type == DETAIL_SUCCESS || type == DETAIL_FAILURE || type == DETAIL_ERROR ||
           type == DETAIL_INTERRUPTED;
}

/* A worker's record of how an iteration ended says that it ended, too; others get two, as in the
 * output `file`. */
static void on_detail(const struct detail *detail, void *context)
{
    struct run *run = context;

    if (!run->details) {
        return;
    }
    detail_queue_add(run->details, detail);
    if (is_outcome(detail->type)) {
        struct detail end = *detail;
        end.type = DETAIL_STOP_TEST;
        detail_queue_add(run->details, &end);
    }
}

static bool on_wants_detail(void *context)
{
    struct run *run = context;

    return !run->details || detail_queue_has_room(run->details) ||
           !run->options.is_connected(run->options.context);
}

static void on_ready(unsigned cycle, void *context)
{
    struct run *run = context;

    run->cycle = cycle;
    happen(run, RUN_WORKERS_READY);
}

static void on_cycle(unsigned index _unused_, const struct cycle *cycle _unused_, void *context)
{
    struct run *run = context;

    if (!run->begun) {
        run->begun = true;
        run->zero_usec = run->start_usec;
    }
    happen(run, RUN_BEGUN);
}

static void on_problem(pid_t worker, const char *text, void *context)
{
    struct run *run = context;
    run->options.problem(run, worker, text, run->options.context);
}

static void on_output(unsigned worker, const char *text, size_t size, void *context)
{
    struct run *run = context;
    run_log_add(run->log, (int)MIN(worker, (unsigned)INT32_MAX), text, size);
}

static void on_finished(int result, const struct error *error, void *context)
{
    struct run *run = context;

    if (result < 0) {
        note(run, result, error->text);
    }
    happen(run, RUN_FINISHED);
}

static void supervise(struct run *run)
{
    struct error error = {0};
    struct supervisor_options options = {
        .spec = run->spec,
        .worker_program = run->external ? run->external : run->options.worker_program,
        .agent_id = run->external ? run->options.agent_id : NULL,
        .run_dir = run_files_shared(run->files),
        .cgroup = enclosure_cgroup(run->enclosure),
        .workers = run->spec->workers ? (unsigned)run->spec->workers : run->options.workers,
        .agents = run->options.agents,
        .agent_index = run->options.agent_index,
        .callbacks = {.interval = on_interval,
                      .detail = on_detail,
                      .wants_detail = on_wants_detail,
                      .ready = on_ready,
                      .cycle = on_cycle,
                      .problem = on_problem,
                      .output = on_output,
                      .finished = on_finished,
                      .context = run},
    };
    free(run->spec->test_dir);
    run->spec->test_dir = strdup(run_files_test_dir(run->files));
    int r = run->spec->test_dir ? supervisor_new(&run->supervisor, run->loop, &options, &error)
                                : error_set_errno(&error, -ENOMEM, "cannot start the run");
    if (r < 0) {
        note(run, r, error.text);
        happen(run, RUN_CANT);
        return;
    }
    supervisor_start(run->supervisor);
}

/* ---- what events do -------------------------------------------------------------------------- */

static void nothing(struct run *run _unused_)
{
}

static void tell(struct run *run)
{
    run->options.changed(run, run->options.context);
}

static void go(struct run *run)
{
    supervisor_go(run->supervisor, run->start_usec);
}

static void stop_supervisor(struct run *run)
{
    supervisor_stop(run->supervisor, run->grace_usec);
}

static void on_cleared(int result, const struct error *error, void *context)
{
    struct run *run = context;

    if (result < 0) {
        note(run, result, error->text);
    }
    happen(run, RUN_CLEARED);
}

/* Children are gone, or go now; what these have left is ended. */
static void clear(struct run *run)
{
    run->preparation = preparation_free(run->preparation);
    if (run->enclosure) {
        enclosure_end(run->enclosure, on_cleared, run);
    } else { /* that is what could not be made */
        happen(run, RUN_CLEARED);
    }
}

/* Its last numbers are known, and so is how many messages there will have been. */
static void finish(struct run *run)
{
    queue_until(run, UINT64_MAX);
    outbox_close(run->queue);
    if (run->details) {
        detail_queue_flush(run->details);
    }
    tell(run);
}

static void (*const actions[])(struct run *run) = {
    [RUN_NOTHING] = nothing,
    [RUN_FETCH] = fetch,
    [RUN_PREPARE] = prepare,
    [RUN_SUPERVISE] = supervise,
    [RUN_REPORT_READY] = tell,
    [RUN_GO] = go,
    [RUN_STOP_SUPERVISOR] = stop_supervisor,
    [RUN_CLEAR] = clear,
    [RUN_REPORT_FAILED] = tell,
    [RUN_REPORT_ENDED] = finish,
};

static void happen(struct run *run, enum run_event event)
{
    struct run_transition transition = run_state_after(run->state, event);

    if (transition.action != RUN_IGNORE) {
        run->state = transition.next;
        actions[transition.action](run);
    }
}

/* ---- from outside ---------------------------------------------------------------------------- */

int run_new(struct run **ret, struct ev_loop *loop, const struct run_options *options,
            struct run_spec **spec)
{
    _cleanup_(run_freep) struct run *run = calloc(1, sizeof *run);

    if (!run) {
        return -ENOMEM;
    }
    run->loop = loop;
    run->options = *options;
    int r = outbox_queue_new(&run->queue, options->outbox);
    if (r == 0) {
        r = run_log_new(&run->log);
    }
    if (r == 0) {
        r = run_log_new(&run->words);
    }
    if (r == 0 && options->save_hits) {
        r = detail_queue_new(&run->details, options->detail_outbox);
    }
    if (r < 0) {
        return r;
    }
    run->spec = TAKE_PTR(*spec);
    run->spec->detail = options->save_hits;
    *ret = TAKE_PTR(run);
    return 0;
}

struct run *run_free(struct run *run)
{
    if (run) {
        preparation_free(run->preparation);
        supervisor_free(run->supervisor);
        enclosure_free(run->enclosure);
        run_files_free(run->files);
        gather_clear(&run->gather);
        outbox_queue_free(run->queue);
        detail_queue_free(run->details);
        run_log_free(run->log);
        run_log_free(run->words);
        run_spec_free(run->spec);
        free(run->reason);
        free(run->external);
        free(run);
    }
    return NULL;
}

void run_start(struct run *run)
{
    struct enclosure_options options = *run->options.enclosure;
    struct error error = {0};

    options.name = run_id(run);
    int r = enclosure_new(&run->enclosure, run->loop, &options, &error);
    if (r == 0) {
        r = run_files_new(&run->files, run->spec->test_dir, run->options.agent_id,
                          run->options.work_dir, &error);
    }
    if (r < 0) {
        note(run, r, error.text);
        happen(run, RUN_CANT);
    } else {
        happen(run, run->options.archive_bytes > 0 ? RUN_ARCHIVE : RUN_COMPLETE);
    }
}

void run_begin_cycle(struct run *run, unsigned cycle, uint64_t start_usec)
{
    if (run->state == RUN_READY && cycle == run->cycle) {
        run->start_usec = start_usec;
        happen(run, RUN_START);
    }
}

void run_stop(struct run *run, uint64_t grace_usec)
{
    run->stopped = run->stopped || !run_is_over(run);
    run->grace_usec = grace_usec;
    happen(run, RUN_STOP);
}

/* ---- looking --------------------------------------------------------------------------------- */

const char *run_id(const struct run *run)
{
    return run->spec->run_id;
}

uint64_t run_source(const struct run *run)
{
    return run->options.source;
}

uint64_t run_grace_usec(const struct run *run)
{
    return run->spec->grace_usec;
}

enum run_state run_state(const struct run *run)
{
    return run->state;
}

const char *run_word(const struct run *run)
{
    return run_state_word(run->state);
}

bool run_is_over(const struct run *run)
{
    return run->state == RUN_ENDED || run->state == RUN_FAILED;
}

unsigned run_cycle(const struct run *run)
{
    return run->cycle;
}

struct outbox_queue *run_queue(struct run *run)
{
    return run->queue;
}

struct outbox_queue *run_details(struct run *run)
{
    return run->details ? detail_queue_outbox(run->details) : NULL;
}

struct run_log *run_printed(struct run *run)
{
    return run->log;
}

struct names *run_names(struct run *run)
{
    return run->supervisor ? supervisor_names(run->supervisor) : NULL;
}

struct supervisor_live run_live(const struct run *run)
{
    struct supervisor_live live = {0};

    if (run->supervisor) {
        supervisor_live(run->supervisor, &live);
    }
    return live;
}

void run_end(const struct run *run, struct run_end *ret)
{
    struct supervisor_live live = run_live(run);

    *ret = (struct run_end){.result = run->result,
                            .reason = run->reason ? run->reason : "",
                            .interrupted = run->stopped,
                            .hits = live.hits,
                            .active_usec = live.active_usec,
                            .detail_lost = run->details ? detail_queue_lost(run->details) : 0};
    if (run->enclosure) {
        enclosure_usage(run->enclosure, &ret->usage);
    }
}

void run_each_worker(const struct run *run,
                     void (*visit)(const struct supervisor_worker *worker, void *context),
                     void *context)
{
    if (run->supervisor) {
        supervisor_each_worker(run->supervisor, visit, context);
    }
}
