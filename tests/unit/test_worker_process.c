/* SPDX-License-Identifier: MPL-2.0 */
/* One worker and what its supervisor sees of it, whatever it does. */
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "allocation.h"
#include "base/clock.h"
#include "metrics/totals.h"
#include "processes.h"
#include "run/run_dir.h"
#include "run/worker_process.h"

#define DRAIN_SEC 0.001

struct fixture {
    struct ev_loop *loop;
    ev_timer drain;
    char *run_dir;
    struct names_file *names;
    struct totals *totals;
    struct worker_process *worker;
    struct worker_launch launch;
    unsigned n_descriptors; /* before the worker */
    bool ready, gone, free_when_gone, go_when_ready;
    bool wants_no_detail; /* till it waits for us */
    bool on;              /* the first user's iteration was, when we looked */
    unsigned n_ready, n_gone, n_details, next_iteration;
    int status;
};

static void on_drain(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct fixture *f = timer->data;

    if (f->worker) {
        worker_drain(f->worker);
        if (f->wants_no_detail && user_word_iterations(worker_words(f->worker)[0]) > 1000) {
            assert_int_equal(f->n_details, 0);
            f->wants_no_detail = false;
        }
        f->on = user_word_phase(worker_words(f->worker)[0]) != USER_BETWEEN;
    }
}

static int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){.loop = ev_loop_new(EVFLAG_AUTO), .go_when_ready = true};
    assert_non_null(f.loop);
    assert_int_equal(run_dir_make(&f.run_dir, NULL), 0);
    _cleanup_free_ char *names = run_dir_file(f.run_dir, "names");
    assert_int_equal(names_file_create(&f.names, names, NULL), 0);
    assert_int_equal(totals_new(&f.totals), 0);
    ev_timer_init(&f.drain, on_drain, DRAIN_SEC, DRAIN_SEC);
    f.drain.data = &f;
    ev_timer_start(f.loop, &f.drain);
    ev_run(f.loop, EVRUN_NOWAIT); /* makes descriptors of its own */
    f.n_descriptors = count_descriptors();
    f.launch = (struct worker_launch){
        .program = FAKE_WORKER, .run_dir = f.run_dir, .hits = 5, .first_user = 10, .n_users = 3};
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    allocation_fails_after = -1;
    worker_process_free(f->worker);
    assert_no_children();
    assert_int_equal(count_descriptors(), f->n_descriptors);
    ev_timer_stop(f->loop, &f->drain);
    ev_loop_destroy(f->loop);
    totals_free(f->totals);
    names_file_free(f->names);
    run_dir_remove(f->run_dir);
    assert_int_equal(unsetenv("FAKE_WORKER"), 0);
    return 0;
}

static void on_ready(struct worker_process *worker, void *context)
{
    struct fixture *f = context;

    assert_true(worker_is_ready(worker));
    assert_false(f->gone);
    f->ready = true;
    f->n_ready++;
    if (f->go_when_ready) {
        worker_go(worker, clock_monotonic_usec(), 0);
    }
}

static void on_gone(struct worker_process *worker, int status, void *context)
{
    struct fixture *f = context;

    assert_ptr_equal(worker, f->worker);
    f->gone = true;
    f->n_gone++;
    f->status = status;
    if (f->free_when_gone) {
        f->worker = worker_process_free(f->worker);
    }
}

static void on_interval(struct worker_process *worker _unused_, const struct interval *interval,
                        void *context)
{
    struct fixture *f = context;
    long fails_after = allocation_fails_after;

    assert_false(f->gone);
    allocation_fails_after = -1; /* our own must not fail */
    assert_int_equal(totals_add(f->totals, interval), 0);
    allocation_fails_after = fails_after;
}

static void on_detail(struct worker_process *worker _unused_, const struct detail *detail,
                      void *context)
{
    struct fixture *f = context;

    assert_false(f->gone);
    /* of one user: begin and end in turns */
    assert_int_equal(detail->type, f->n_details % 2 ? DETAIL_STOP_TEST : DETAIL_START_TEST);
    assert_int_equal(detail->iteration, f->n_details / 2);
    assert_int_equal(detail->user, 10);
    assert_int_equal(detail->text_size, 1500);
    f->n_details++;
}

static bool on_wants_detail(struct worker_process *worker _unused_, void *context)
{
    struct fixture *f = context;
    return !f->wants_no_detail;
}

static const struct worker_callbacks *callbacks(struct fixture *f)
{
    static struct worker_callbacks callbacks;
    callbacks = (struct worker_callbacks){.ready = on_ready,
                                          .gone = on_gone,
                                          .interval = on_interval,
                                          .detail = on_detail,
                                          .wants_detail = on_wants_detail,
                                          .context = f};
    return &callbacks;
}

static void start(struct fixture *f, const char *how)
{
    struct error error = {0};

    assert_int_equal(setenv("FAKE_WORKER", how, 1), 0);
    assert_int_equal(worker_launch(&f->worker, f->loop, &f->launch, callbacks(f), &error), 0);
    assert_true(worker_pid(f->worker) > 0);
}

static void run(struct fixture *f, const char *how)
{
    start(f, how);
    run_until(f->loop, &f->gone);
    assert_int_equal(f->n_gone, 1);
}

static uint64_t successes(const struct fixture *f)
{
    return totals_outcome(f->totals, OUTCOME_SUCCESS);
}

/* Every count of `n` whole iterations arrived, once. */
static void assert_counts(const struct fixture *f, uint64_t n)
{
    unsigned counter = names_find(f->names->names, NAME_COUNTER, "rounds", 6);
    uint64_t sum_sent = 0, sum_received = 0;

    assert_int_equal(f->totals->hits, n);
    assert_int_equal(f->totals->request_errors, 0);
    assert_int_equal(successes(f), n);
    assert_true(counter > 0);
    assert_int_equal(f->totals->counters[counter], n);
    for (unsigned i = 0; i <= NAMES_MAX_SERIES; i++) {
        sum_sent += f->totals->series[i].sent_bytes;
        sum_received += f->totals->series[i].received_bytes;
    }
    assert_int_equal(sum_sent, 10 * n);
    assert_int_equal(sum_received, 100 * n);
}

/* ---- workers that do their work -------------------------------------------------------------- */

static void test_counts_arrive(void **state)
{
    struct fixture *f = *state;

    run(f, "");
    assert_int_equal(f->status, 0);
    assert_int_equal(f->n_ready, 1);
    assert_counts(f, 15);
    assert_null(worker_crash(f->worker));
    assert_null(worker_refusal(f->worker));
    assert_int_equal(worker_damage(f->worker), 0);
    assert_int_equal(worker_live_hits(f->worker), 15);
    assert_int_equal(worker_first_user(f->worker), 10);
    assert_int_equal(worker_n_users(f->worker), 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(worker_words(f->worker)[i], user_word(5, USER_BETWEEN, 0));
    }
}

static void test_freed_when_gone(void **state)
{
    struct fixture *f = *state;

    f->free_when_gone = true;
    run(f, "");
    assert_null(f->worker);
    assert_counts(f, 15);
}

static void test_takeover(void **state)
{
    struct fixture *f = *state;
    const uint64_t words[] = {user_word(5, USER_BETWEEN, 0), user_word(3, USER_BETWEEN, 0), 0};

    f->launch.words = words;
    run(f, "");
    assert_counts(f, 0 + 2 + 5);
}

/* More than the ring holds: the worker waits, and nothing is lost or out of order. */
static void test_detail(void **state)
{
    struct fixture *f = *state;

    f->launch.detail = true;
    f->launch.n_users = 1;
    f->launch.hits = 2000; /* two records of 1.5 KiB each: the ring has 4 MiB */
    run(f, "");
    assert_int_equal(f->status, 0);
    assert_int_equal(f->n_details, 4000);
    assert_counts(f, 2000);
}

/* Nobody wants it for a while: it stays where it is. */
static void test_detail_is_not_wanted(void **state)
{
    struct fixture *f = *state;

    f->launch.detail = f->wants_no_detail = true;
    f->launch.n_users = 1;
    f->launch.hits = 2000; /* the ring is full before */
    run(f, "");
    assert_int_equal(f->status, 0);
    assert_false(f->wants_no_detail);
    assert_int_equal(f->n_details, 4000);
    assert_counts(f, 2000);
}

static void test_stop(void **state)
{
    struct fixture *f = *state;

    f->launch.hits = 0;
    start(f, "wait-for-stop");
    run_until(f->loop, &f->on);
    worker_stop(f->worker, 0);
    worker_stop(f->worker, 0);
    run_until(f->loop, &f->gone);
    assert_int_equal(f->status, 0);
    assert_int_equal(totals_outcome(f->totals, OUTCOME_INTERRUPTED), 3);
}

/* Its channel is full when it is told to stop: it hears of it all the same. */
static void test_stop_on_a_full_channel(void **state)
{
    struct fixture *f = *state;

    f->go_when_ready = false;
    start(f, "deaf");
    run_until(f->loop, &f->ready);
    for (unsigned i = 0; i < 2000; i++) {
        worker_go(f->worker, 1, 0);
    }
    worker_stop(f->worker, 0);
    worker_signal(f->worker, SIGUSR1);
    run_until(f->loop, &f->gone);
    assert_int_equal(f->status, 0);
}

static void test_serials(void **state)
{
    struct fixture *f = *state;
    struct error error = {0};
    struct worker_process *other = NULL;

    run(f, "");
    f->gone = false;
    assert_int_equal(worker_launch(&other, f->loop, &f->launch, callbacks(f), &error), -EEXIST);
    assert_null(other);
    f->worker = worker_process_free(f->worker);
    f->launch.serial = 1;
    f->n_gone = 0;
    run(f, "");
    assert_counts(f, 30);
}

/* ---- workers that don't ---------------------------------------------------------------------- */

/* Three users, the second round, the first is over: 4 iterations are counted, 2 are on. */
static void assert_left(const struct fixture *f)
{
    const uint64_t *words = worker_words(f->worker);

    assert_counts(f, 4);
    assert_int_equal(worker_live_hits(f->worker), 4);
    assert_int_equal(words[0], user_word(2, USER_BETWEEN, 0));
    for (unsigned i = 1; i < 3; i++) {
        assert_int_equal(user_word_iterations(words[i]), 1);
        assert_int_equal(user_word_phase(words[i]), USER_REQUESTING);
    }
}

static void test_crash_with_words(void **state)
{
    struct fixture *f = *state;

    run(f, "abort");
    assert_true(WIFSIGNALED(f->status));
    assert_int_equal(WTERMSIG(f->status), SIGABRT);
    const struct message_crash *crash = worker_crash(f->worker);
    assert_non_null(crash);
    assert_int_equal(crash->signal, SIGABRT);
    assert_int_equal(crash->user, 11);
    assert_left(f);
}

static void test_crash_without_words(void **state)
{
    struct fixture *f = *state;

    run(f, "kill");
    assert_int_equal(WTERMSIG(f->status), SIGKILL);
    assert_null(worker_crash(f->worker));
    assert_left(f);
}

static void test_exits(void **state)
{
    struct fixture *f = *state;

    run(f, "exit-3");
    assert_int_equal(WEXITSTATUS(f->status), 3);
    assert_left(f);
}

static void test_refusal(void **state)
{
    struct fixture *f = *state;

    run(f, "refuse");
    assert_int_equal(f->n_ready, 0);
    assert_string_equal(worker_refusal(f->worker), "I will not");
    assert_null(worker_crash(f->worker));
    assert_int_equal(worker_damage(f->worker), 0);
    assert_int_equal(worker_live_hits(f->worker), 0);
    worker_drain(f->worker); /* there is nothing, and nothing happens */
}

/* Says that it is ready and has nothing to show for it: it is ended. */
static void test_ready_with_nothing(void **state)
{
    struct fixture *f = *state;

    run(f, "unformatted");
    assert_int_equal(f->n_ready, 0);
    assert_false(worker_is_ready(f->worker));
    assert_int_equal(WTERMSIG(f->status), SIGKILL);
    assert_non_null(strstr(worker_refusal(f->worker), "cannot read"));
}

static void test_garbage(void **state)
{
    struct fixture *f = *state;

    run(f, "garbage");
    assert_int_equal(f->status, 0);
    assert_int_equal(f->n_ready, 1);
    assert_counts(f, 15);
}

static void test_scribbled_counts(void **state)
{
    struct fixture *f = *state;

    run(f, "scribble-counts");
    assert_int_equal(WTERMSIG(f->status), SIGKILL);
    assert_int_equal(worker_damage(f->worker), -EBADMSG);
}

/* Whatever is in the memory, the end comes, and what is believed is within bounds. */
static void test_scribbled_memory(void **state)
{
    struct fixture *f = *state;

    run(f, "scribble-all");
    assert_int_equal(WTERMSIG(f->status), SIGKILL);
    assert_true(successes(f) <= 15);
}

/* A worker that is ready has nothing to turn for until it may go. */
static void test_waiting_is_no_stalling(void **state)
{
    struct fixture *f = *state;

    f->go_when_ready = false;
    start(f, "turn-early");
    run_until(f->loop, &f->ready);
    worker_end_stalled(f->worker, USEC_PER_SEC);
    worker_go(f->worker, clock_monotonic_usec(), 0);
    worker_end_stalled(f->worker, 60 * USEC_PER_SEC);
    run_until(f->loop, &f->gone);
    assert_int_equal(f->status, 0);
    assert_counts(f, 15);
}

/* When it last turned is in memory that tests can write to. */
static void test_time_of_turn_written_over(void **state)
{
    struct fixture *f = *state;

    f->launch.hits = 0;
    start(f, "turn-never wait-for-stop");
    run_until(f->loop, &f->on);
    worker_end_stalled(f->worker, 3600 * USEC_PER_SEC);
    worker_end_stalled(f->worker, 0);
    worker_stop(f->worker, 0);
    run_until(f->loop, &f->gone);
    assert_int_equal(f->status, 0);
    assert_false(worker_was_stalled(f->worker));
}

static void test_hangs(void **state)
{
    struct fixture *f = *state;

    start(f, "hang ignore-term");
    run_until(f->loop, &f->ready);
    worker_signal(f->worker, SIGTERM);
    worker_signal(f->worker, SIGKILL);
    run_until(f->loop, &f->gone);
    assert_int_equal(WTERMSIG(f->status), SIGKILL);
}

static void test_freed_while_running(void **state)
{
    struct fixture *f = *state;

    start(f, "never-ready");
    f->worker = worker_process_free(f->worker);
    assert_no_children();
    f->launch.serial = 1;
    start(f, "hang");
    run_until(f->loop, &f->ready);
    f->worker = worker_process_free(f->worker);
    assert_no_children();
    ev_run(f->loop, EVRUN_NOWAIT);
    assert_int_equal(f->n_gone, 0);
}

static void test_no_program(void **state)
{
    struct fixture *f = *state;
    struct error error = {0};

    f->launch.program = "/nonexistent/loads-worker";
    assert_int_equal(worker_launch(&f->worker, f->loop, &f->launch, callbacks(f), &error), -ENOENT);
    assert_non_null(strstr(error.text, "/nonexistent/loads-worker"));
    f->launch.serial = 1;
    f->launch.program = FAKE_WORKER;
    f->launch.run_dir = "/nonexistent";
    assert_int_equal(worker_launch(&f->worker, f->loop, &f->launch, callbacks(f), &error), -ENOENT);
    assert_null(f->worker);
}

/* Each allocation fails in turn: it doesn't start, or tells that something is missing, or all is
 * there. */
static void test_without_memory(void **state)
{
    struct fixture *f = *state;
    unsigned failures = 0;
    bool failed = true;

    assert_int_equal(setenv("FAKE_WORKER", "", 1), 0);
    for (; failed; failures++) {
        f->gone = f->ready = false;
        f->launch.serial = failures;
        allocation_fails_after = failures;
        int r = worker_launch(&f->worker, f->loop, &f->launch, callbacks(f), NULL);
        if (r == 0) {
            run_until(f->loop, &f->gone);
        }
        failed = allocation_fails_after < 0;
        allocation_fails_after = -1;
        if (r < 0) {
            assert_int_equal(r, -ENOMEM);
            assert_true(failed);
        } else if (worker_damage(f->worker) == 0 && !worker_refusal(f->worker)) {
            assert_counts(f, 15);
        } else {
            assert_true(failed);
        }
        f->worker = worker_process_free(f->worker);
        f->totals = totals_free(f->totals);
        assert_int_equal(totals_new(&f->totals), 0);
    }
    assert_true(failures > 8);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_counts_arrive),
        TEST(test_freed_when_gone),
        TEST(test_takeover),
        TEST(test_detail),
        TEST(test_detail_is_not_wanted),
        TEST(test_stop),
        TEST(test_stop_on_a_full_channel),
        TEST(test_serials),
        TEST(test_crash_with_words),
        TEST(test_crash_without_words),
        TEST(test_exits),
        TEST(test_refusal),
        TEST(test_ready_with_nothing),
        TEST(test_garbage),
        TEST(test_scribbled_counts),
        TEST(test_scribbled_memory),
        TEST(test_waiting_is_no_stalling),
        TEST(test_time_of_turn_written_over),
        TEST(test_hangs),
        TEST(test_freed_while_running),
        TEST(test_no_program),
        TEST(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
