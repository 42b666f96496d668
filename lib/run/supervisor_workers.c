/* SPDX-License-Identifier: MPL-2.0 */
/* The workers of a supervisor: starting them, hearing that they are ready, and what becomes of the
 * users of one that ended. Nobody here changes the state of the run but by supervisor_happen(). */
#include "run/supervisor_state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "run/casualties.h"

unsigned supervisor_alive(const struct supervisor *s)
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
        supervisor_happen(s, READY);
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

static bool on_wants_detail(struct worker_process *worker _unused_, void *context)
{
    struct supervisor *s = context;
    return !s->options.callbacks.wants_detail ||
           s->options.callbacks.wants_detail(s->options.callbacks.context);
}

static void on_output(struct worker_process *worker, const char *text, size_t size, void *context)
{
    struct supervisor *s = context;
    s->options.callbacks.output(worker_serial(worker), text, size, s->options.callbacks.context);
}

static void on_gone(struct worker_process *worker, int status, void *context);

int supervisor_launch(struct supervisor *s, unsigned slot, unsigned first_user, unsigned n_users,
                      const uint64_t *words)
{
    struct cycle cycle = cycles_at(s->options.spec, s->cycle);
    struct worker_launch launch = {
        .program = s->options.worker_program,
        .agent_id = s->options.agent_id,
        .run_dir = s->options.run_dir,
        .directory = s->options.spec->test_dir,
        .cgroup = s->options.cgroup,
        .serial = s->next_serial++,
        .cycle = s->cycle,
        .hits = cycle.hits,
        .first_user = first_user,
        .n_users = n_users,
        .words = words,
        .detail = s->options.spec->detail,
    };
    struct worker_callbacks callbacks = {
        .ready = on_ready,
        .gone = on_gone,
        .interval = on_interval,
        .detail = on_detail,
        .wants_detail = on_wants_detail,
        .output = s->options.callbacks.output ? on_output : NULL,
        .context = s,
    };

    return worker_launch(&s->workers[slot], s->loop, &launch, &callbacks, &s->error);
}

/* Whether the cycle's time is over, if it has one. */
static bool is_late(const struct supervisor *s)
{
    return s->deadline_usec > 0 && clock_monotonic_usec() >= s->deadline_usec;
}

/* Whether a worker that exited had done all it was to do: one of a test runner, when its processes
 * are gone, whatever they did. */
static bool is_done(const struct supervisor *s, const struct worker_process *worker)
{
    struct cycle cycle = cycles_at(s->options.spec, s->cycle);
    const uint64_t *words = worker_words(worker);
    bool early = s->state == RUNNING && !is_late(s) && !run_spec_is_external(s->options.spec);

    for (unsigned i = 0; i < worker_n_users(worker); i++) {
        if (user_word_is_on(words[i]) ||
            (early && user_word_phase(words[i]) != USER_OVER &&
             (cycle.hits == 0 || user_word_iterations(words[i]) < cycle.hits))) {
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
    if (supervisor_launch(s, slot, worker_first_user(dead), worker_n_users(dead), words) < 0) {
        supervisor_happen(s, FAIL);
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
        s->options.callbacks.problem(worker_pid(dead), text.message, s->options.callbacks.context);
    }
    int r = words ? count_losses(s, dead, &text, words, &left) : -ENOMEM;
    if (r < 0) {
        error_set_errno(&s->error, r, "cannot account for a worker that died");
        supervisor_happen(s, FAIL);
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
    supervisor_happen(s, FAIL);
}

/* What a worker counted is lost in part: for want of memory that is the end, else it is told. */
static void check_damage(struct supervisor *s, const struct worker_process *worker)
{
    int damage = worker_damage(worker);

    if (damage == -EBADMSG) {
        s->options.callbacks.problem(worker_pid(worker),
                                     "a test wrote over what its worker had counted: some is lost",
                                     s->options.callbacks.context);
    } else if (damage < 0 && s->state != ABANDONING) {
        error_set_errno(&s->error, damage, "cannot read what a worker counted");
        supervisor_happen(s, FAIL);
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
    } else if ((s->state == PREPARING || s->state == WAITING)) {
        worker_describe_end(worker, s->options.spec, status, &text);
        error_set(&s->error, -ECHILD, "a worker did not start: %s", text.message);
        supervisor_happen(s, FAIL);
    } else if (status != 0 || !is_done(s, worker)) {
        replace(s, slot, worker, status);
    } else {
        s->iterations_before += casualties_iterations(worker_words(worker), worker_n_users(worker));
    }
    worker_process_free(worker);
    if (supervisor_alive(s) == 0 && s->state != PREPARING && s->state != WAITING) {
        bool more = s->state == RUNNING && s->cycle + 1 < cycles_count(s->options.spec);
        supervisor_happen(s, more ? CYCLE_OVER : RUN_OVER);
    }
}

void supervisor_drop_workers(struct supervisor *s)
{
    for (unsigned i = 0; i < s->n_workers; i++) {
        s->workers[i] = worker_process_free(s->workers[i]);
    }
    free(s->workers);
    s->workers = NULL;
    s->n_workers = 0;
}
