/* SPDX-License-Identifier: MPL-2.0 */
/* The state of a run on one machine, and the one function that changes it.
 *
 * A cycle is prepared (workers are started and report ready), begins for all workers at once (when
 * there are other agents, at the time that all of them were told), and is over when all of them are
 * gone. Workers count into files that outlive them, so an orderly end and a crash take the same
 * way: read what is left, then see who is missing. The users of a worker that crashed go on in a
 * new one. */
#include "run/supervisor_state.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "run/casualties.h"
#include "run/deal.h"
#include "run/run_dir.h"

#define TICK_SEC        0.25
#define DETAIL_TICK_SEC 0.02
#define KILL_AFTER_USEC (5 * USEC_PER_SEC) /* from asking with TERM to KILL */
#define LATE_USEC       (3 * USEC_PER_SEC) /* what a worker may be late before it is asked */

/* ---- what events do -------------------------------------------------------------------------- */

static void prepare_cycle(struct supervisor *s)
{
    struct cycle cycle = cycles_at(s->options.spec, s->cycle);

    supervisor_drop_workers(s);
    s->n_workers = MAX(1u, MIN(s->options.workers, cycle.users));
    s->workers = calloc(s->n_workers, sizeof *s->workers);
    if (!s->workers) {
        s->n_workers = 0;
        error_set_errno(&s->error, -ENOMEM, "cannot start %u users", cycle.users);
        supervisor_happen(s, FAIL);
        return;
    }
    for (unsigned i = 0; i < s->n_workers; i++) {
        unsigned first, n;
        cycles_share(cycle.users, s->n_workers, i, &first, &n);
        first += s->options.agent_index * cycle.users;
        if (supervisor_launch(s, i, first, n, NULL) < 0) {
            supervisor_happen(s, FAIL);
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

/* GO, or a timer until then. A timer that comes too early, by the kernel's clock, is set again. */
static void await_start(struct supervisor *s)
{
    uint64_t now = clock_monotonic_usec();

    ev_timer_stop(s->loop, &s->starting);
    if (s->start_usec <= now) {
        supervisor_happen(s, GO);
        return;
    }
    ev_now_update(s->loop);
    ev_timer_set(&s->starting, (double)(s->start_usec - now) / 1e6, 0);
    ev_timer_start(s->loop, &s->starting);
}

static void on_start(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    await_start(timer->data);
}

static void wait_for_go(struct supervisor *s)
{
    if (s->options.callbacks.ready) {
        s->options.callbacks.ready(s->cycle, s->options.callbacks.context);
    } else {
        supervisor_happen(s, GO);
    }
}

static void begin_cycle(struct supervisor *s)
{
    struct cycle cycle = cycles_at(s->options.spec, s->cycle);

    s->options.callbacks.cycle(s->cycle, &cycle, s->options.callbacks.context);
    s->cycle_start_usec = s->options.callbacks.ready ? s->start_usec : clock_monotonic_usec();
    if (s->run_start_usec == 0) {
        s->run_start_usec = s->cycle_start_usec;
    }
    s->deadline_usec = cycle.duration_usec ? s->cycle_start_usec + cycle.duration_usec : 0;
    for (unsigned i = 0; i < s->n_workers; i++) {
        worker_go(s->workers[i], s->run_start_usec, s->deadline_usec);
    }
    if (s->deadline_usec > 0) {
        arm_killer(s, s->deadline_usec + s->options.spec->grace_usec +
                          s->options.spec->external_timeout_usec);
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
    ev_timer_stop(s->loop, &s->starting);
    for (unsigned i = 0; i < s->n_workers; i++) {
        if (s->workers[i]) {
            worker_signal(s->workers[i], SIGKILL);
        }
    }
    if (supervisor_alive(s) == 0) {
        supervisor_happen(s, RUN_OVER);
    }
}

static const struct {
    enum state next; /* NEW: the event means nothing here */
    void (*action)(struct supervisor *s);
} transitions[STATES][EVENTS] = {
    [NEW][START] = {PREPARING, prepare_cycle},       [NEW][STOP] = {FINISHED, finish},
    [PREPARING][READY] = {WAITING, wait_for_go},     [PREPARING][STOP] = {ABANDONING, abandon},
    [PREPARING][FAIL] = {ABANDONING, abandon},       [WAITING][GO] = {RUNNING, begin_cycle},
    [WAITING][STOP] = {ABANDONING, abandon},         [WAITING][FAIL] = {ABANDONING, abandon},
    [RUNNING][CYCLE_OVER] = {PREPARING, next_cycle}, [RUNNING][RUN_OVER] = {FINISHED, finish},
    [RUNNING][STOP] = {STOPPING, stop_workers},      [RUNNING][FAIL] = {ABANDONING, abandon},
    [STOPPING][STOP] = {STOPPING, stop_workers},     [STOPPING][RUN_OVER] = {FINISHED, finish},
    [STOPPING][FAIL] = {ABANDONING, abandon},        [ABANDONING][RUN_OVER] = {FINISHED, finish},
};

void supervisor_happen(struct supervisor *s, enum event event)
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

/* Every user of every agent has a number. */
static int check_numbers(const struct supervisor_options *options, struct error *error)
{
    unsigned agents = MAX(1u, options->agents);

    if (options->agent_index >= agents) {
        return error_set(error, -EINVAL, "agent %u of %u makes no sense", options->agent_index,
                         agents);
    }
    for (unsigned i = 0; i < options->spec->users.count; i++) {
        uint64_t users = options->spec->users.values[i];
        if (users * agents > INT32_MAX) {
            return error_set(error, -EINVAL, "%u agents with %ju users are more than %d users",
                             agents, (uintmax_t)users, INT32_MAX);
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
    _cleanup_free_ char *deal = run_dir_file(options->run_dir, "deal");

    int r = supervisor_check_users(options->spec, options->workers, error);
    if (r == 0) {
        r = check_numbers(options, error);
    }
    if (r < 0) {
        return r;
    }
    s = names && deal ? calloc(1, sizeof *s) : NULL;
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
    ev_timer_init(&s->starting, on_start, 0, 0);
    ev_timer_init(&s->ending, on_ending, 0, 0);
    s->tick.data = s->killer.data = s->starting.data = s->ending.data = s;
    r = names_file_create(&s->names, names, error);
    if (r == 0) {
        r = deal_create(deal, MAX(1u, options->agents), options->agent_index, error);
    }
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
        ev_timer_stop(s->loop, &s->starting);
        ev_timer_stop(s->loop, &s->ending);
        supervisor_drop_workers(s);
        names_file_free(s->names);
        free(s);
    }
    return NULL;
}

void supervisor_start(struct supervisor *s)
{
    supervisor_happen(s, START);
}

void supervisor_go(struct supervisor *s, uint64_t start_usec)
{
    if (s->state == WAITING) {
        s->start_usec = MAX(start_usec, (uint64_t)1);
        await_start(s);
    }
}

void supervisor_stop(struct supervisor *s, uint64_t grace_usec)
{
    s->stop_grace_usec = grace_usec;
    supervisor_happen(s, STOP);
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

void supervisor_each_worker(const struct supervisor *s,
                            void (*visit)(const struct supervisor_worker *worker, void *context),
                            void *context)
{
    for (unsigned i = 0; i < s->n_workers; i++) {
        if (s->workers[i]) {
            struct supervisor_worker worker = {.pid = worker_pid(s->workers[i]),
                                               .users = worker_n_users(s->workers[i]),
                                               .ready = worker_is_ready(s->workers[i])};
            visit(&worker, context);
        }
    }
}
