/* SPDX-License-Identifier: MPL-2.0 */
/* A supervisor with fake workers, for tests of it: a run of 10 users × 4 hits on 2 workers unless a
 * test changes that, and what came of it. */
#ifndef LOADS_TESTS_UNIT_SUPERVISOR_FIXTURE_H
#define LOADS_TESTS_UNIT_SUPERVISOR_FIXTURE_H

#include "test.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "allocation.h"
#include "base/clock.h"
#include "metrics/totals.h"
#include "processes.h"
#include "run/run_dir.h"
#include "run/supervisor.h"

#define MAX_CYCLES 8

/* No worker that is well needs so long for anything, and the machine is on for longer. */
#define STALL_USEC (30 * USEC_PER_SEC)

struct fixture {
    struct ev_loop *loop;
    ev_timer look;
    char *run_dir;
    struct run_spec *spec;
    struct supervisor_options options;
    struct supervisor *supervisor;
    struct names *names;
    struct totals *totals;
    unsigned n_descriptors;
    struct cycle cycles[MAX_CYCLES];
    unsigned n_cycles, n_problems, n_finished;
    unsigned n_details[DETAIL_TYPES];
    char problem[600];
    bool finished, free_when_finished, stop_in_cycle, stop_in_problem;
    unsigned n_ready;
    uint64_t go_usec; /* what ready() answers: so long from now; UINT64_MAX: nothing */
    bool ready;
    uint64_t start_usec; /* the last that was told */
    uint32_t first_second;
    unsigned first_user, last_user; /* of what detail told of */
    char output[2][100];            /* of workers 0 and 1 */
    uint64_t hits_wanted;
    bool hit; /* there were that many and one more, when we looked */
    int result;
    struct error error;
};

static _unused_ void on_interval(const struct interval *interval, void *context)
{
    struct fixture *f = context;
    long fails_after = allocation_fails_after;

    assert_false(f->finished);
    allocation_fails_after = -1; /* our own must not fail */
    assert_int_equal(totals_add(f->totals, interval), 0);
    f->first_second = MIN(f->first_second, interval->second);
    allocation_fails_after = fails_after;
}

static _unused_ void on_detail(const struct detail *detail, void *context)
{
    struct fixture *f = context;

    assert_false(f->finished);
    assert_true(detail->type > 0 && detail->type < DETAIL_TYPES);
    f->n_details[detail->type]++;
    f->first_user = MIN(f->first_user, detail->user);
    f->last_user = MAX(f->last_user, detail->user);
}

static _unused_ void go(struct fixture *f, uint64_t start_usec)
{
    f->start_usec = start_usec;
    supervisor_go(f->supervisor, start_usec);
}

static _unused_ void on_ready(unsigned cycle, void *context)
{
    struct fixture *f = context;

    assert_int_equal(cycle, f->n_ready);
    assert_int_equal(cycle, f->n_cycles);
    f->n_ready++;
    f->ready = true;
    if (f->go_usec < UINT64_MAX) {
        go(f, clock_monotonic_usec() + f->go_usec);
    }
}

static _unused_ void on_output(unsigned worker, const char *text, size_t size, void *context)
{
    struct fixture *f = context;

    assert_true(worker < ELEMENTSOF(f->output));
    size_t length = strlen(f->output[worker]);
    assert_true(length + size < sizeof f->output[worker]);
    memcpy(f->output[worker] + length, text, size);
}

static _unused_ void on_cycle(unsigned index, const struct cycle *cycle, void *context)
{
    struct fixture *f = context;

    assert_int_equal(index, f->n_cycles);
    assert_true(index < MAX_CYCLES);
    assert_true(clock_monotonic_usec() >= f->start_usec);
    f->cycles[f->n_cycles++] = *cycle;
    /* all of the cycles before are counted */
    assert_int_equal(f->totals->hits, totals_outcome(f->totals, OUTCOME_SUCCESS));
    if (f->stop_in_cycle) {
        supervisor_stop(f->supervisor, 0);
    }
}

static _unused_ void on_problem(pid_t worker, const char *text, void *context)
{
    struct fixture *f = context;

    assert_true(worker > 1);
    assert_false(f->finished);
    f->n_problems++;
    (void)snprintf(f->problem, sizeof f->problem, "%s", text);
    if (f->stop_in_problem) {
        supervisor_stop(f->supervisor, 0);
    }
}

static _unused_ void on_finished(int result, const struct error *error, void *context)
{
    struct fixture *f = context;

    f->finished = true;
    f->n_finished++;
    f->result = result;
    assert_true((error != NULL) == (result < 0));
    if (error) {
        assert_int_equal(error->code, result);
        f->error = *error;
    }
    assert_no_children();
    if (f->free_when_finished) {
        f->supervisor = supervisor_free(f->supervisor);
    }
}

static _unused_ void on_look(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct fixture *f = timer->data;
    struct supervisor_live live;

    if (f->supervisor) {
        supervisor_live(f->supervisor, &live);
        f->hit = live.hits > f->hits_wanted;
    }
}

static _unused_ int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){
        .loop = ev_loop_new(EVFLAG_AUTO), .first_second = UINT32_MAX, .first_user = UINT32_MAX};
    assert_non_null(f.loop);
    ev_timer_init(&f.look, on_look, 0.001, 0.001);
    f.look.data = &f;
    ev_timer_start(f.loop, &f.look);
    ev_run(f.loop, EVRUN_NOWAIT); /* makes descriptors of its own */
    f.n_descriptors = count_descriptors();
    assert_int_equal(run_dir_make(&f.run_dir, NULL), 0);
    assert_int_equal(run_spec_new(&f.spec), 0);
    assert_int_equal(totals_new(&f.totals), 0);
    strcpy(f.spec->run_id, "01234567-89ab-cdef-0123-456789abcdef");
    f.spec->url = strdup("http://127.0.0.1/");
    assert_non_null(f.spec->url);
    f.spec->users = (struct number_list){.values = {10}, .count = 1};
    f.spec->hits = (struct number_list){.values = {4}, .count = 1};
    f.options = (struct supervisor_options){.spec = f.spec,
                                            .worker_program = FAKE_WORKER,
                                            .run_dir = f.run_dir,
                                            .workers = 2,
                                            .callbacks = {.interval = on_interval,
                                                          .detail = on_detail,
                                                          .cycle = on_cycle,
                                                          .problem = on_problem,
                                                          .finished = on_finished,
                                                          .context = &f}};
    *state = &f;
    return 0;
}

static _unused_ void set_duration(struct fixture *f, uint64_t usec)
{
    f->spec->hits.count = 0;
    f->spec->duration_usec = usec;
}

static _unused_ int tear_down(void **state)
{
    struct fixture *f = *state;

    allocation_fails_after = -1;
    f->supervisor = supervisor_free(f->supervisor);
    assert_no_children();
    ev_run(f->loop, EVRUN_NOWAIT); /* nothing comes of what is freed */
    assert_true(f->n_finished <= 1);
    ev_timer_stop(f->loop, &f->look);
    assert_int_equal(count_descriptors(), f->n_descriptors);
    ev_loop_destroy(f->loop);
    totals_free(f->totals);
    run_spec_free(f->spec);
    run_dir_remove(f->run_dir);
    assert_int_equal(unsetenv("FAKE_WORKER"), 0);
    return 0;
}

static _unused_ void start(struct fixture *f, const char *how)
{
    struct error error = {0};

    assert_int_equal(setenv("FAKE_WORKER", how, 1), 0);
    int r = supervisor_new(&f->supervisor, f->loop, &f->options, &error);
    assert_int_equal(r, 0);
    f->names = supervisor_names(f->supervisor);
    supervisor_start(f->supervisor);
}

static _unused_ void run(struct fixture *f, const char *how)
{
    start(f, how);
    run_until(f->loop, &f->finished);
    assert_int_equal(f->n_finished, 1);
}

static _unused_ uint64_t outcome(const struct fixture *f, enum outcome outcome)
{
    return totals_outcome(f->totals, outcome);
}

/* Iterations of all outcomes. */
static _unused_ uint64_t iterations(const struct fixture *f)
{
    uint64_t sum = 0;

    for (enum outcome o = 0; o < OUTCOMES; o++) {
        sum += outcome(f, o);
    }
    return sum;
}

static _unused_ uint64_t errors_with(const struct fixture *f, const char *words)
{
    char buffer[NAME_MAX_BYTES + 1];
    struct error_key key;
    uint64_t sum = 0;

    for (unsigned id = 0; id < names_count(f->names, NAME_ERROR); id++) {
        error_key_parse(names_text(f->names, NAME_ERROR, id), buffer, &key);
        sum += strstr(key.message, words) ? f->totals->errors[id] : 0;
    }
    return sum;
}

/* A run that took its way to the end: every iteration of every user is counted, once, and the
 * numbers that are looked at meanwhile came to the same. */
static _unused_ void assert_adds_up(const struct fixture *f, uint64_t n)
{
    struct supervisor_live live;

    assert_int_equal(f->result, 0);
    assert_int_equal(iterations(f), n);
    assert_int_equal(f->totals->hits, outcome(f, OUTCOME_SUCCESS));
    assert_int_equal(f->totals->request_errors, outcome(f, OUTCOME_ERROR));
    assert_int_equal(errors_with(f, ""), outcome(f, OUTCOME_ERROR));
    supervisor_live(f->supervisor, &live);
    assert_int_equal(live.hits, f->totals->hits);
    assert_int_equal(live.iterations_done, n);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
