/* SPDX-License-Identifier: MPL-2.0 */
/* The state of a run on one machine, and the one function that changes it.
 *
 * A cycle is prepared (workers are started and report ready), begins for all workers at once, and
 * is over when all of them are gone. Workers count into files that outlive them, so an orderly end
 * and a crash take the same way: read what is left, then see who is missing. The users of a worker
 * that crashed go on in a new one. */
#include "run/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "loop/child.h"
#include "run/casualties.h"
#include "run/run_dir.h"
#include "run/symbolize.h"
#include "run/worker_process.h"

#define TICK_SEC        0.25
#define DETAIL_TICK_SEC 0.02
#define KILL_AFTER_USEC (5 * USEC_PER_SEC) /* from asking with TERM to KILL */
#define LATE_USEC       (3 * USEC_PER_SEC) /* what a worker may be late before it is asked */

enum state { NEW, PREPARING, RUNNING, STOPPING, ABANDONING, FINISHED, STATES };

enum event {
    START,      /* the first cycle */
    READY,      /* all workers are */
    STOP,       /* asked for from outside */
    CYCLE_OVER, /* all workers are gone, cycles are left */
    RUN_OVER,   /* all workers are gone, and that was it */
    FAIL,       /* there is no way on */
    EVENTS
};

struct supervisor {
    struct ev_loop *loop;
    struct supervisor_options options;
    enum state state;
    struct names_file *names;
    ev_timer tick;
    ev_timer killer; /* ends workers that don't end by themselves */
    ev_timer ending; /* tells the end a turn later, when nothing of ours is on the stack */
    bool asked;      /* they were sent TERM */
    bool cutting;    /* users of a worker that is killed now were interrupted, not in error */
    unsigned cycle;
    struct worker_process **workers; /* of this cycle; NULL: gone */
    unsigned n_workers;
    unsigned next_serial;
    unsigned takeovers;
    uint64_t run_start_usec, cycle_start_usec, active_usec;
    uint64_t deadline_usec;
    uint64_t hits_before, iterations_before; /* of workers that are gone */
    uint64_t stop_grace_usec;
    struct error error;
};

static void happen(struct supervisor *s, enum event event);

/* ---- workers --------------------------------------------------------------------------------- */

static unsigned alive(const struct supervisor *s)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->n_workers; i++) {
        n += s->workers[i] ? 1 : 0;
    }
    return n;
}

static bool all_ready(const struct supervisor *s)
{
    for (unsigned i = 0; i < s->n_workers; i++) {
        if (!s->workers[i] || !worker_is_ready(s->workers[i])) {
            return false;
        }
    }
    return true;
}

static void on_ready(struct worker_process *worker, void *context)
{
    struct supervisor *s = context;

    if (s->state == RUNNING) { /* a takeover */
        worker_go(worker, s->run_start_usec, s->deadline_usec);
    } else if (s->state == STOPPING) {
        worker_go(worker, s->run_start_usec, s->deadline_usec);
        worker_stop(worker, s->stop_grace_usec);
    } else if (all_ready(s)) {
        happen(s, READY);
    }
}

static void on_interval(struct worker_process *worker _unused_, const struct interval *interval,
                        void *context)
{
    struct supervisor *s = context;
    s->options.callbacks.interval(interval, s->options.callbacks.context);
}

static void on_detail(struct worker_process *worker _unused_, const struct detail *detail,
                      void *context)
{
    struct supervisor *s = context;
    s->options.callbacks.detail(detail, s->options.callbacks.context);
}

static void on_gone(struct worker_process *worker, int status, void *context);

static int launch(struct supervisor *s, unsigned slot, unsigned first_user, unsigned n_users,
                  const uint64_t *words)
{
    struct cycle cycle = cycles_at(s->options.spec, s->cycle);
    struct worker_launch launch = {
        .program = s->options.worker_program,
        .run_dir = s->options.run_dir,
        .directory = s->options.spec->test_dir,
        .serial = s->next_serial++,
        .cycle = s->cycle,
        .hits = cycle.hits,
        .first_user = first_user,
        .n_users = n_users,
        .words = words,
        .detail = s->options.spec->detail,
    };
    struct worker_callbacks callbacks = {on_ready, on_gone, on_interval, on_detail, s};

    return worker_launch(&s->workers[slot], s->loop, &launch, &callbacks, &s->error);
}

/* Whether the cycle's time is over, if it has one. */
static bool is_late(const struct supervisor *s)
{
    return s->deadline_usec > 0 && clock_monotonic_usec() >= s->deadline_usec;
}

/* Whether a worker that exited had done all it was to do. */
static bool is_done(const struct supervisor *s, const struct worker_process *worker)
{
    struct cycle cycle = cycles_at(s->options.spec, s->cycle);
    const uint64_t *words = worker_words(worker);
    bool early = s->state == RUNNING && !is_late(s);

    for (unsigned i = 0; i < worker_n_users(worker); i++) {
        if (user_word_phase(words[i]) != USER_BETWEEN ||
            (early && (cycle.hits == 0 || user_word_iterations(words[i]) < cycle.hits))) {
            return false;
        }
    }
    return true;
}

/* Starts another worker for the users of one that crashed, if they have time left. */
static bool take_over(struct supervisor *s, unsigned slot, const struct worker_process *dead,
                      const uint64_t *words, const char *reason)
{
    if (s->state != RUNNING || is_late(s)) {
        return false;
    }
    if (s->takeovers == SUPERVISOR_MAX_TAKEOVERS) {
        error_set(&s->error, -ECHILD, "gave up after %u crashes of workers; the last one: %s",
                  s->takeovers + 1, reason);
        supervisor_stop(s, s->options.spec->grace_usec);
        return false;
    }
    s->takeovers++;
    if (launch(s, slot, worker_first_user(dead), worker_n_users(dead), words) < 0) {
        happen(s, FAIL);
        return false;
    }
    return true;
}

/* Counts what a dead worker left undone: `words` (of each of its users) and *ret_left as for
 * casualties_count(). */
static int count_losses(struct supervisor *s, const struct worker_process *dead,
                        const struct casualty_text *text, uint64_t *words, unsigned *ret_left)
{
    struct cycle cycle = cycles_at(s->options.spec, s->cycle);
    uint64_t elapsed_usec = s->run_start_usec ? clock_monotonic_usec() - s->run_start_usec : 0;
    _cleanup_(interval_freep) struct interval *losses = NULL;
    struct casualties casualties = {
        .spec = s->options.spec,
        .names = s->names->names,
        .words = worker_words(dead),
        .n_users = worker_n_users(dead),
        .first_user = worker_first_user(dead),
        .hits = cycle.hits,
        .second = (uint32_t)(elapsed_usec / USEC_PER_SEC),
        .interrupted = s->cutting,
        .cycle = s->cycle,
        .text = text,
    };
    int r = casualties_count(&casualties, words, ret_left, &losses);
    if (r < 0) {
        return r;
    }
    if (losses->n_tests > 0) {
        s->options.callbacks.interval(losses, s->options.callbacks.context);
        casualties_tell(&casualties, worker_times(dead), s->options.callbacks.detail,
                        s->options.callbacks.context);
    }
    return 0;
}

/* Counts what a dead worker left undone, and starts another one for its users. */
static void replace(struct supervisor *s, unsigned slot, struct worker_process *dead, int status)
{
    unsigned n = worker_n_users(dead), left = 0;
    _cleanup_free_ uint64_t *words = calloc(n, sizeof *words);
    struct casualty_text text;

    worker_describe_end(dead, s->options.spec, status, &text);
    if (!s->cutting) {
        s->options.callbacks.problem(text.message, s->options.callbacks.context);
    }
    int r = words ? count_losses(s, dead, &text, words, &left) : -ENOMEM;
    if (r < 0) {
        error_set_errno(&s->error, r, "cannot account for a worker that died");
        happen(s, FAIL);
        return;
    }
    if (left == 0 || !take_over(s, slot, dead, words, text.message)) {
        s->iterations_before += casualties_iterations(words, n);
    } /* else the new worker counts them as well */
}

/* A worker can't run, or not any more: that is the end of the run. What its users had begun is cut,
 * as what the others' had is. */
static void give_up(struct supervisor *s, const struct worker_process *worker)
{
    const struct casualty_text none = {.user = -1};
    unsigned n = worker_n_users(worker), left = 0;
    _cleanup_free_ uint64_t *words = calloc(n, sizeof *words);

    error_set(&s->error, -EINVAL, "%s", worker_refusal(worker));
    s->cutting = true;
    if (words &&
        count_losses(s, worker, &none, words, &left) == 0) { /* else there are worse errors */
        s->iterations_before += casualties_iterations(words, n);
    }
    happen(s, FAIL);
}

/* What a worker counted is lost in part: for want of memory that is the end, else it is told. */
static void check_damage(struct supervisor *s, const struct worker_process *worker)
{
    int damage = worker_damage(worker);

    if (damage == -EBADMSG) {
        s->options.callbacks.problem("a test wrote over what its worker had counted: some is lost",
                                     s->options.callbacks.context);
    } else if (damage < 0 && s->state != ABANDONING) {
        error_set_errno(&s->error, damage, "cannot read what a worker counted");
        happen(s, FAIL);
    }
}

static void on_gone(struct worker_process *worker, int status, void *context)
{
    struct supervisor *s = context;
    struct casualty_text text;
    unsigned slot = 0;

    while (s->workers[slot] != worker) {
        slot++;
    }
    s->workers[slot] = NULL;
    s->hits_before += worker_live_hits(worker);
    check_damage(s, worker);
    if (s->state != ABANDONING && worker_refusal(worker)) {
        give_up(s, worker);
    } else if (s->state == PREPARING) {
        worker_describe_end(worker, s->options.spec, status, &text);
        error_set(&s->error, -ECHILD, "a worker did not start: %s", text.message);
        happen(s, FAIL);
    } else if (status != 0 || !is_done(s, worker)) {
        replace(s, slot, worker, status);
    } else {
        s->iterations_before += casualties_iterations(worker_words(worker), worker_n_users(worker));
    }
    worker_process_free(worker);
    if (alive(s) == 0 && s->state != PREPARING) {
        bool more = s->state == RUNNING && s->cycle + 1 < cycles_count(s->options.spec);
        happen(s, more ? CYCLE_OVER : RUN_OVER);
    }
}

static void drop_workers(struct supervisor *s)
{
    for (unsigned i = 0; i < s->n_workers; i++) {
        s->workers[i] = worker_process_free(s->workers[i]);
    }
    free(s->workers);
    s->workers = NULL;
    s->n_workers = 0;
}

/* ---- what events do -------------------------------------------------------------------------- */

static void prepare_cycle(struct supervisor *s)
{
    struct cycle cycle = cycles_at(s->options.spec, s->cycle);

    drop_workers(s);
    s->n_workers = MAX(1u, MIN(s->options.workers, cycle.users));
    s->workers = calloc(s->n_workers, sizeof *s->workers);
    if (!s->workers) {
        s->n_workers = 0;
        error_set_errno(&s->error, -ENOMEM, "cannot start %u users", cycle.users);
        happen(s, FAIL);
        return;
    }
    for (unsigned i = 0; i < s->n_workers; i++) {
        unsigned first, n;
        cycles_share(cycle.users, s->n_workers, i, &first, &n);
        if (launch(s, i, first, n, NULL) < 0) {
            happen(s, FAIL);
            return;
        }
    }
    ev_timer_again(s->loop, &s->tick);
}

static void close_cycle(struct supervisor *s)
{
    s->active_usec += clock_monotonic_usec() - s->cycle_start_usec;
    s->cycle_start_usec = 0;
    ev_timer_stop(s->loop, &s->killer);
    s->asked = false;
    s->cutting = false;
}

static void next_cycle(struct supervisor *s)
{
    close_cycle(s);
    s->cycle++;
    prepare_cycle(s);
}

/* The worker ends itself in time; this is for one that can't. */
static void arm_killer(struct supervisor *s, uint64_t at_usec)
{
    uint64_t now = clock_monotonic_usec();
    double after = at_usec > now ? (double)(at_usec - now) / 1e6 : 0;

    ev_now_update(s->loop);
    ev_timer_stop(s->loop, &s->killer);
    ev_timer_set(&s->killer, after + (double)s->options.late_usec / 1e6, 0);
    ev_timer_start(s->loop, &s->killer);
}

static void begin_cycle(struct supervisor *s)
{
    struct cycle cycle = cycles_at(s->options.spec, s->cycle);

    s->options.callbacks.cycle(s->cycle, &cycle, s->options.callbacks.context);
    s->cycle_start_usec = clock_monotonic_usec();
    if (s->run_start_usec == 0) {
        s->run_start_usec = s->cycle_start_usec;
    }
    s->deadline_usec = cycle.duration_usec ? s->cycle_start_usec + cycle.duration_usec : 0;
    for (unsigned i = 0; i < s->n_workers; i++) {
        worker_go(s->workers[i], s->run_start_usec, s->deadline_usec);
    }
    if (s->deadline_usec > 0) {
        arm_killer(s, s->deadline_usec + s->options.spec->grace_usec);
    }
}

static void stop_workers(struct supervisor *s)
{
    for (unsigned i = 0; i < s->n_workers; i++) {
        if (s->workers[i]) {
            worker_stop(s->workers[i], s->stop_grace_usec);
        }
    }
    arm_killer(s, clock_monotonic_usec() + s->stop_grace_usec);
}

static void on_ending(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct supervisor *s = timer->data;
    int result = s->error.code;

    s->options.callbacks.finished(result, result < 0 ? &s->error : NULL,
                                  s->options.callbacks.context);
}

static void finish(struct supervisor *s)
{
    if (s->cycle_start_usec > 0) {
        close_cycle(s);
    }
    ev_timer_stop(s->loop, &s->tick);
    ev_timer_stop(s->loop, &s->killer);
    ev_timer_start(s->loop, &s->ending);
}

/* Ends the workers; what happens to their users now is no error of theirs. The end is told when all
 * are gone and what they counted was read. */
static void abandon(struct supervisor *s)
{
    s->cutting = true;
    for (unsigned i = 0; i < s->n_workers; i++) {
        if (s->workers[i]) {
            worker_signal(s->workers[i], SIGKILL);
        }
    }
    if (alive(s) == 0) {
        happen(s, RUN_OVER);
    }
}

static const struct {
    enum state next; /* NEW: the event means nothing here */
    void (*action)(struct supervisor *s);
} transitions[STATES][EVENTS] = {
    [NEW][START] = {PREPARING, prepare_cycle},   [NEW][STOP] = {FINISHED, finish},
    [PREPARING][READY] = {RUNNING, begin_cycle}, [PREPARING][STOP] = {ABANDONING, abandon},
    [PREPARING][FAIL] = {ABANDONING, abandon},   [RUNNING][CYCLE_OVER] = {PREPARING, next_cycle},
    [RUNNING][RUN_OVER] = {FINISHED, finish},    [RUNNING][STOP] = {STOPPING, stop_workers},
    [RUNNING][FAIL] = {ABANDONING, abandon},     [STOPPING][STOP] = {STOPPING, stop_workers},
    [STOPPING][RUN_OVER] = {FINISHED, finish},   [ABANDONING][RUN_OVER] = {FINISHED, finish},
    [STOPPING][FAIL] = {ABANDONING, abandon},
};

static void happen(struct supervisor *s, enum event event)
{
    enum state next = transitions[s->state][event].next;

    if (next != NEW) {
        void (*action)(struct supervisor *) = transitions[s->state][event].action;
        s->state = next;
        action(s);
    }
}

/* ---- time ------------------------------------------------------------------------------------ */

static void on_tick(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct supervisor *s = timer->data;

    for (unsigned i = 0; i < s->n_workers; i++) {
        if (s->workers[i]) {
            worker_drain(s->workers[i]);
            worker_end_stalled(s->workers[i], s->options.spec->stall_timeout_usec);
        }
    }
}

static void on_killer(struct ev_loop *loop, ev_timer *timer, int events _unused_)
{
    struct supervisor *s = timer->data;
    int signal_number = s->asked ? SIGKILL : SIGTERM;

    s->cutting = true;
    for (unsigned i = 0; i < s->n_workers; i++) {
        if (s->workers[i]) {
            worker_signal(s->workers[i], signal_number);
        }
    }
    if (!s->asked) {
        s->asked = true;
        ev_timer_set(timer, (double)s->options.kill_after_usec / 1e6, 0);
        ev_timer_start(loop, timer);
    }
}

/* ---- from outside ---------------------------------------------------------------------------- */

int supervisor_check_users(const struct run_spec *spec, unsigned workers, struct error *error)
{
    for (unsigned i = 0; i < spec->users.count; i++) {
        uint64_t users = spec->users.values[i];
        if (users > (uint64_t)MAX(1u, workers) * SUPERVISOR_MAX_USERS_PER_WORKER) {
            return error_set(
                error, -EINVAL,
                "%ju users need --workers %ju at least: a worker holds %d, since every "
                "user's stack takes two of the kernel's vm.max_map_count mappings",
                (uintmax_t)users, (uintmax_t)((users - 1) / SUPERVISOR_MAX_USERS_PER_WORKER + 1),
                SUPERVISOR_MAX_USERS_PER_WORKER);
        }
    }
    return 0;
}

static int write_spec(const struct supervisor_options *options, struct error *error)
{
    _cleanup_free_ char *path = run_dir_file(options->run_dir, "spec.json");
    _cleanup_free_ char *text = NULL;

    int r = run_spec_encode(options->spec, &text, error);
    if (r < 0) {
        return r;
    }
    FILE *file = path ? fopen(path, "we") : NULL;
    if (!file) {
        return error_set_errno(error, path ? -errno : -ENOMEM, "cannot write the specification");
    }
    bool good = fputs(text, file) >= 0;
    good = fclose(file) == 0 && good;
    return good ? 0 : error_set_errno(error, -errno, "cannot write %s", path);
}

int supervisor_new(struct supervisor **ret, struct ev_loop *loop,
                   const struct supervisor_options *options, struct error *error)
{
    _cleanup_(supervisor_freep) struct supervisor *s = NULL;
    _cleanup_free_ char *names = run_dir_file(options->run_dir, "names");

    int r = supervisor_check_users(options->spec, options->workers, error);
    if (r < 0) {
        return r;
    }
    s = names ? calloc(1, sizeof *s) : NULL;
    if (!s) {
        return error_set_errno(error, -ENOMEM, "cannot start the run");
    }
    s->loop = loop;
    s->options = *options;
    s->options.late_usec = options->late_usec ? options->late_usec : LATE_USEC;
    s->options.kill_after_usec =
        options->kill_after_usec ? options->kill_after_usec : KILL_AFTER_USEC;
    double tick = options->spec->detail ? DETAIL_TICK_SEC : TICK_SEC;
    ev_timer_init(&s->tick, on_tick, tick, tick);
    ev_timer_init(&s->killer, on_killer, 0, 0);
    ev_timer_init(&s->ending, on_ending, 0, 0);
    s->tick.data = s->killer.data = s->ending.data = s;
    r = names_file_create(&s->names, names, error);
    if (r == 0) {
        r = write_spec(options, error);
    }
    if (r < 0) {
        return r;
    }
    *ret = TAKE_PTR(s);
    return 0;
}

struct supervisor *supervisor_free(struct supervisor *s)
{
    if (s) {
        s->state = FINISHED;
        ev_timer_stop(s->loop, &s->tick);
        ev_timer_stop(s->loop, &s->killer);
        ev_timer_stop(s->loop, &s->ending);
        drop_workers(s);
        names_file_free(s->names);
        free(s);
    }
    return NULL;
}

void supervisor_start(struct supervisor *s)
{
    happen(s, START);
}

void supervisor_stop(struct supervisor *s, uint64_t grace_usec)
{
    s->stop_grace_usec = grace_usec;
    happen(s, STOP);
}

struct names *supervisor_names(struct supervisor *s)
{
    return s->names->names;
}

void supervisor_live(const struct supervisor *s, struct supervisor_live *ret)
{
    *ret = (struct supervisor_live){
        .hits = s->hits_before,
        .iterations_done = s->iterations_before,
        .users = cycles_at(s->options.spec, s->cycle).users,
        .cycle = s->cycle,
        .active_usec = s->active_usec,
    };
    if (s->cycle_start_usec > 0) {
        ret->active_usec += clock_monotonic_usec() - s->cycle_start_usec;
    }
    for (unsigned i = 0; i < s->n_workers; i++) {
        if (s->workers[i]) {
            ret->hits += worker_live_hits(s->workers[i]);
            ret->iterations_done +=
                casualties_iterations(worker_words(s->workers[i]), worker_n_users(s->workers[i]));
        }
    }
}
