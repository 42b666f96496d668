/* SPDX-License-Identifier: MPL-2.0 */
/* Whole runs with workers that do their work, and with workers that go wrong in every way: what is
 * counted adds up, the end is told once, and nothing is left. */
#include "supervisor_fixture.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/* ---- runs that go well ----------------------------------------------------------------------- */

static void test_one_cycle(void **state)
{
    struct fixture *f = *state;

    f->spec->users.values[0] = 7;
    f->options.workers = 3;
    run(f, "");
    assert_adds_up(f, 28);
    assert_int_equal(outcome(f, OUTCOME_SUCCESS), 28);
    unsigned counter = names_find(f->names, NAME_COUNTER, "rounds", 6);
    assert_true(counter > 0);
    assert_int_equal(f->totals->counters[counter], 28);
    assert_int_equal(f->n_problems, 0);
    assert_int_equal(f->n_cycles, 1);
    supervisor_start(f->supervisor); /* it is over: nothing happens */
    supervisor_stop(f->supervisor, 0);
    ev_run(f->loop, EVRUN_NOWAIT);
    assert_int_equal(f->n_finished, 1);
}

/* -u 1:2 --hits 3:4 */
static void test_cycles_in_order(void **state)
{
    struct fixture *f = *state;
    const struct cycle expected[] = {{1, 3, 0}, {1, 4, 0}, {2, 3, 0}, {2, 4, 0}};

    f->spec->users = (struct number_list){.values = {1, 2}, .count = 2};
    f->spec->hits = (struct number_list){.values = {3, 4}, .count = 2};
    run(f, "");
    assert_adds_up(f, 21);
    assert_int_equal(f->n_cycles, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(f->cycles[i].users, expected[i].users);
        assert_int_equal(f->cycles[i].hits, expected[i].hits);
    }
}

static void test_more_workers_than_users(void **state)
{
    struct fixture *f = *state;

    f->spec->users.values[0] = 2;
    f->options.workers = 50;
    run(f, "");
    assert_adds_up(f, 8);
    _cleanup_free_ char *last = run_dir_file(f->run_dir, "worker-1");
    _cleanup_free_ char *none = run_dir_file(f->run_dir, "worker-2");
    assert_int_equal(access(last, F_OK), 0);
    assert_int_equal(access(none, F_OK), -1);
}

static void test_freed_when_finished(void **state)
{
    struct fixture *f = *state;

    f->free_when_finished = true;
    run(f, "");
    assert_null(f->supervisor);
    assert_int_equal(outcome(f, OUTCOME_SUCCESS), 40);
}

static void test_duration(void **state)
{
    struct fixture *f = *state;
    struct supervisor_live live;

    f->spec->users = (struct number_list){.values = {1, 3}, .count = 2};
    set_duration(f, 50000);
    run(f, "");
    assert_int_equal(f->n_cycles, 2);
    assert_int_equal(f->cycles[1].duration_usec, 50000);
    assert_adds_up(f, iterations(f));
    assert_int_equal(f->n_problems, 0);
    supervisor_live(f->supervisor, &live);
    assert_true(live.active_usec >= 100000);
    assert_int_equal(live.cycle, 1);
    assert_int_equal(live.users, 3);
}

static void test_detail(void **state)
{
    struct fixture *f = *state;

    f->spec->detail = true;
    run(f, "kill@0");
    assert_adds_up(f, 40);
    /* every iteration began; and ended, by itself or with the worker */
    assert_int_equal(f->n_details[DETAIL_START_TEST], 40);
    assert_int_equal(f->n_details[DETAIL_STOP_TEST], 36);
    assert_int_equal(f->n_details[DETAIL_ERROR], 4);
}

static void test_output(void **state)
{
    struct fixture *f = *state;

    f->options.callbacks.output = on_output;
    run(f, "talk");
    assert_adds_up(f, 40);
    assert_string_equal(f->output[0], "0 speaks\n0 complains\n");
    assert_string_equal(f->output[1], "1 speaks\n1 complains\n");
}

/* ---- crashes --------------------------------------------------------------------------------- */

/* Worker 0 has 5 users; in their second round 1 is done, 4 are on. */
static void assert_one_crash(struct fixture *f)
{
    assert_adds_up(f, 40);
    assert_int_equal(outcome(f, OUTCOME_ERROR), 4);
    assert_int_equal(f->n_problems, 1);
}

static void test_crash(void **state)
{
    struct fixture *f = *state;

    run(f, "abort@0");
    assert_one_crash(f);
    assert_string_equal(f->problem, "Aborted");
    assert_int_equal(errors_with(f, "Aborted"), 1); /* of user 1 */
    assert_int_equal(errors_with(f, "another user"), 3);
}

static void test_killed(void **state)
{
    struct fixture *f = *state;

    run(f, "kill@1");
    assert_one_crash(f);
    assert_int_equal(errors_with(f, "killed by signal 9"), 4);
}

static void test_exits(void **state)
{
    struct fixture *f = *state;

    run(f, "exit-3@0");
    assert_one_crash(f);
    assert_int_equal(errors_with(f, "exited with status 3"), 4);
}

/* A test that calls exit(0): it isn't done, whatever it says. */
static void test_exits_with_success(void **state)
{
    struct fixture *f = *state;

    run(f, "exit-0@0");
    assert_one_crash(f);
    assert_int_equal(errors_with(f, "exit()"), 4);
}

static void test_both_crash(void **state)
{
    struct fixture *f = *state;

    run(f, "abort@0 kill@1 exit-0@2");
    assert_adds_up(f, 40);
    assert_int_equal(f->n_problems, 3);
    assert_int_equal(outcome(f, OUTCOME_ERROR), 12);
}

/* In the last round nothing is left to be taken over. */
static void test_crash_at_the_end(void **state)
{
    struct fixture *f = *state;

    f->spec->hits.values[0] = 2;
    run(f, "kill");
    assert_adds_up(f, 20);
    assert_int_equal(f->n_problems, 2);
    assert_int_equal(outcome(f, OUTCOME_ERROR), 8);
    _cleanup_free_ char *third = run_dir_file(f->run_dir, "worker-2");
    assert_int_equal(access(third, F_OK), -1); /* nobody took over */
}

static void test_gives_up(void **state)
{
    struct fixture *f = *state;

    f->options.workers = 1;
    f->spec->hits.values[0] = 1000;
    run(f, "abort");
    assert_int_equal(f->result, -ECHILD);
    assert_int_equal(f->n_problems, SUPERVISOR_MAX_TAKEOVERS + 1);
    assert_non_null(strstr(f->error.text, "gave up after 4 crashes"));
    assert_non_null(strstr(f->error.text, "Aborted"));
    assert_int_equal(outcome(f, OUTCOME_SUCCESS), 4 * 11);
    assert_int_equal(outcome(f, OUTCOME_ERROR), 4 * 9);
    _cleanup_free_ char *fifth = run_dir_file(f->run_dir, "worker-4");
    assert_int_equal(access(fifth, F_OK), -1);
}

/* Takeovers are counted over the whole run, not per cycle. */
static void test_gives_up_over_cycles(void **state)
{
    struct fixture *f = *state;

    f->options.workers = 1;
    f->spec->users = (struct number_list){.values = {2, 2, 2, 2, 2, 2}, .count = 6};
    run(f, "exit-3");
    assert_int_equal(f->result, -ECHILD);
    assert_true(f->n_problems >= SUPERVISOR_MAX_TAKEOVERS + 1);
    assert_true(f->n_cycles < 6);
}

/* With a duration the users go on as long as it lasts. */
static void test_crash_with_duration(void **state)
{
    struct fixture *f = *state;

    f->options.workers = 1;
    f->hits_wanted = 11; /* what the first worker comes to */
    set_duration(f, 3600 * USEC_PER_SEC);
    start(f, "kill@0");
    run_until(f->loop, &f->hit);
    supervisor_stop(f->supervisor, 0);
    run_until(f->loop, &f->finished);
    assert_adds_up(f, iterations(f));
    assert_int_equal(outcome(f, OUTCOME_ERROR), 9);
    assert_int_equal(f->n_problems, 1);
}

/* ---- runs that can't be made ----------------------------------------------------------------- */

static void assert_not_made(struct fixture *f, const char *how, int result, const char *words)
{
    run(f, how);
    assert_int_equal(f->result, result);
    assert_non_null(strstr(f->error.text, words));
    assert_int_equal(f->n_cycles, 0);
    assert_int_equal(iterations(f), 0);
}

static void test_refused(void **state)
{
    assert_not_made(*state, "refuse@1", -EINVAL, "I will not");
}

static void test_all_refused(void **state)
{
    assert_not_made(*state, "refuse", -EINVAL, "I will not");
}

static void test_died_before_it_was_ready(void **state)
{
    assert_not_made(*state, "crash-early@0", -ECHILD, "exited with status 4");
}

static void test_left_before_it_was_ready(void **state)
{
    assert_not_made(*state, "leave-early@0", -ECHILD, "exited with status 0");
}

static void test_ready_with_nothing(void **state)
{
    assert_not_made(*state, "unformatted@1", -EINVAL, "cannot read what a worker counts");
}

static void test_no_program(void **state)
{
    struct fixture *f = *state;

    f->options.worker_program = "/nonexistent/loads-worker";
    assert_not_made(f, "", -ENOENT, "/nonexistent/loads-worker");
}

/* A worker that can't go on ends the run; what was counted is told before. */
static void test_refused_late(void **state)
{
    struct fixture *f = *state;

    run(f, "refuse-late@0 wait-for-stop@1");
    assert_int_equal(f->result, -EINVAL);
    assert_string_equal(f->error.text, "no room");
    assert_int_equal(outcome(f, OUTCOME_SUCCESS), 6);
}

static void test_too_many_users(void **state)
{
    struct fixture *f = *state;
    struct error error = {0};

    f->spec->users.values[0] = 2 * SUPERVISOR_MAX_USERS_PER_WORKER + 1;
    assert_int_equal(supervisor_new(&f->supervisor, f->loop, &f->options, &error), -EINVAL);
    assert_non_null(strstr(error.text, "60001"));
    assert_non_null(strstr(error.text, "--workers 3"));
    assert_null(f->supervisor);
}

static void test_bad_options(void **state)
{
    struct fixture *f = *state;
    struct error error = {0};
    _cleanup_free_ char *names = run_dir_file(f->run_dir, "names");

    f->spec->hits.count = 0; /* neither hits nor a duration */
    assert_int_equal(supervisor_new(&f->supervisor, f->loop, &f->options, &error), -EINVAL);
    assert_non_null(strstr(error.text, "hits"));
    f->spec->hits.count = 1;
    /* another run's directory */
    assert_int_equal(supervisor_new(&f->supervisor, f->loop, &f->options, &error), -EEXIST);
    assert_int_equal(unlink(names), 0);
    f->options.run_dir = "/nonexistent";
    assert_int_equal(supervisor_new(&f->supervisor, f->loop, &f->options, &error), -ENOENT);
    assert_null(f->supervisor);
}

/* ---- stopping -------------------------------------------------------------------------------- */

static void test_stopped_before_it_starts(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(supervisor_new(&f->supervisor, f->loop, &f->options, NULL), 0);
    supervisor_stop(f->supervisor, 0);
    supervisor_start(f->supervisor);
    run_until(f->loop, &f->finished);
    assert_int_equal(f->result, 0);
    assert_int_equal(f->n_cycles, 0);
}

static void test_stopped_while_preparing(void **state)
{
    struct fixture *f = *state;

    start(f, "never-ready@1");
    supervisor_stop(f->supervisor, 5 * USEC_PER_SEC);
    run_until(f->loop, &f->finished);
    assert_int_equal(f->result, 0);
    assert_int_equal(f->n_cycles, 0);
    assert_int_equal(iterations(f), 0);
    assert_int_equal(f->n_problems, 0);
}

static void test_stopped_in_the_callback_of_a_cycle(void **state)
{
    struct fixture *f = *state;

    f->stop_in_cycle = true;
    f->spec->users = (struct number_list){.values = {2, 2}, .count = 2};
    run(f, "");
    assert_int_equal(f->result, 0);
    assert_int_equal(f->n_cycles, 1);
    assert_int_equal(iterations(f), 0);
}

static void test_stopped_in_the_callback_of_a_problem(void **state)
{
    struct fixture *f = *state;

    f->stop_in_problem = true;
    f->options.workers = 1;
    f->spec->hits.values[0] = 1000;
    run(f, "kill");
    assert_int_equal(f->result, 0);
    assert_int_equal(f->n_problems, 1); /* nobody took over */
    assert_int_equal(outcome(f, OUTCOME_SUCCESS), 11);
    assert_int_equal(outcome(f, OUTCOME_ERROR), 9);
}

static void test_stopped_in_time(void **state)
{
    struct fixture *f = *state;

    set_duration(f, 3600 * USEC_PER_SEC);
    start(f, "");
    run_until(f->loop, &f->hit);
    supervisor_stop(f->supervisor, 60 * USEC_PER_SEC);
    supervisor_stop(f->supervisor, 0);
    run_until(f->loop, &f->finished);
    assert_adds_up(f, iterations(f));
    assert_int_equal(outcome(f, OUTCOME_ERROR), 0);
    assert_int_equal(f->n_problems, 0);
}

/* Worker 1 was done when it waits to be stopped no more; no other cycle begins. */
static void test_stopped_with_iterations_on(void **state)
{
    struct fixture *f = *state;

    f->spec->users = (struct number_list){.values = {10, 10}, .count = 2};
    start(f, "wait-for-stop@1");
    run_until(f->loop, &f->hit);
    supervisor_stop(f->supervisor, 0);
    run_until(f->loop, &f->finished);
    assert_int_equal(f->result, 0);
    assert_int_equal(f->n_cycles, 1);
    assert_int_equal(outcome(f, OUTCOME_ERROR), 0);
    assert_true(outcome(f, OUTCOME_INTERRUPTED) <= 5);
    assert_int_equal(f->n_problems, 0);
}

static void test_freed_while_running(void **state)
{
    struct fixture *f = *state;

    set_duration(f, 3600 * USEC_PER_SEC);
    start(f, "");
    run_until(f->loop, &f->hit);
    f->supervisor = supervisor_free(f->supervisor);
    assert_no_children();
    ev_run(f->loop, EVRUN_NOWAIT);
    assert_int_equal(f->n_finished, 0);
}

/* ---- workers that don't end ------------------------------------------------------------------ */

/* Stops two workers of five users that hang in their second round, when one of five is over. */
static void run_until_cut(struct fixture *f, const char *how)
{
    f->options.late_usec = 1000;
    f->spec->users = (struct number_list){.values = {10, 10}, .count = 2};
    f->hits_wanted = 11;
    start(f, how);
    run_until(f->loop, &f->hit);
    supervisor_stop(f->supervisor, 0);
    run_until(f->loop, &f->finished);
    assert_adds_up(f, 20);
    assert_int_equal(outcome(f, OUTCOME_SUCCESS), 12);
    assert_int_equal(outcome(f, OUTCOME_INTERRUPTED), 8);
    assert_int_equal(f->n_problems, 0);
    assert_int_equal(f->n_cycles, 1);
}

static void test_ended_by_term(void **state)
{
    struct fixture *f = *state;

    f->options.kill_after_usec = 3600 * USEC_PER_SEC; /* which nobody waits for */
    run_until_cut(f, "hang");
}

static void test_ended_by_kill(void **state)
{
    struct fixture *f = *state;

    f->options.kill_after_usec = 1000;
    run_until_cut(f, "hang ignore-term");
}

/* The same at the end of a duration, in each cycle. */
static void test_ended_after_deadline(void **state)
{
    struct fixture *f = *state;

    f->options.late_usec = 1000;
    f->options.kill_after_usec = 1000;
    f->spec->users = (struct number_list){.values = {10, 4}, .count = 2};
    f->spec->grace_usec = 0;
    set_duration(f, 100000);
    run(f, "hang ignore-term");
    assert_adds_up(f, iterations(f));
    assert_int_equal(outcome(f, OUTCOME_ERROR), 0);
    assert_int_equal(f->n_problems, 0);
    assert_int_equal(f->n_cycles, 2);
}

/* A worker whose loop stands still is ended, and its users go on. */
static void run_stalling(struct fixture *f, const char *how)
{
    f->spec->stall_timeout_usec = STALL_USEC;
    run(f, how);
    assert_adds_up(f, 40);
    assert_int_equal(outcome(f, OUTCOME_ERROR), 4);
    assert_int_equal(f->n_problems, 1);
}

static void test_stalled(void **state)
{
    struct fixture *f = *state;

    run_stalling(f, "stall@0");
    assert_int_equal(errors_with(f, "killed by signal 6"), 4);
}

static void test_stalled_without_last_words(void **state)
{
    struct fixture *f = *state;

    run_stalling(f, "stall@0 ignore-abort");
    assert_int_equal(errors_with(f, "stalled for longer than --stall-timeout"), 4);
}

/* It never comes to its first turn. */
static void test_stalled_before_it_was_ready(void **state)
{
    struct fixture *f = *state;

    f->spec->stall_timeout_usec = STALL_USEC;
    assert_not_made(f, "stall-early@1", -ECHILD, "longer than --stall-timeout");
}

static void test_stalled_before_it_took_over(void **state)
{
    struct fixture *f = *state;

    f->spec->stall_timeout_usec = STALL_USEC;
    run(f, "abort@0 stall-early@2");
    assert_adds_up(f, 40);
    assert_int_equal(outcome(f, OUTCOME_ERROR), 4);
    assert_int_equal(f->n_problems, 2);
    assert_non_null(strstr(f->problem, "longer than --stall-timeout"));
}

static void test_channel_closed(void **state)
{
    struct fixture *f = *state;

    run(f, "close-channel@0");
    assert_adds_up(f, 40);
    assert_int_equal(f->n_problems, 1);
    assert_int_equal(errors_with(f, "closed descriptor 3"), 4);
}

/* ---- workers that lie ------------------------------------------------------------------------ */

static void test_garbage(void **state)
{
    struct fixture *f = *state;

    run(f, "garbage");
    assert_adds_up(f, 40);
    assert_int_equal(f->n_problems, 0);
}

/* What was written over is lost, and said to be; no user starts over. */
static void test_scribbled_counts(void **state)
{
    struct fixture *f = *state;

    run(f, "scribble-counts@0");
    assert_int_equal(f->result, 0);
    assert_int_equal(f->n_problems, 2); /* the loss and the crash */
    assert_true(iterations(f) >= 40 - 6);
    assert_true(iterations(f) <= 40);
}

/* Users whose words make no sense are done: nobody knows what they did. */
static void test_scribbled_words(void **state)
{
    struct fixture *f = *state;
    struct supervisor_live live;

    run(f, "scribble-words@0");
    assert_int_equal(f->result, 0);
    assert_int_equal(f->n_problems, 1);
    assert_int_equal(outcome(f, OUTCOME_SUCCESS), 20 + 6);
    assert_true(iterations(f) <= 40);
    supervisor_live(f->supervisor, &live);
    assert_int_equal(live.iterations_done, 40);
}

static void test_scribbled_memory(void **state)
{
    struct fixture *f = *state;

    f->spec->detail = true;
    run(f, "scribble-all@0");
    assert_int_equal(f->result, 0);
    assert_true(f->n_problems >= 1);
    assert_true(iterations(f) >= 20); /* the other worker's */
    assert_true(iterations(f) <= 40);
}

/* ---- without memory -------------------------------------------------------------------------- */

/* Each allocation fails in turn, with a crash and a takeover in it: either the run says that it
 * could not be made, or nothing is missing. */
static void test_without_memory(void **state)
{
    struct fixture *f = *state;
    unsigned failures = 0;
    bool failed = true;

    for (; failed; failures++) {
        f->spec->users.values[0] = 4;
        f->options.workers = 1;
        assert_int_equal(setenv("FAKE_WORKER", "abort@0", 1), 0);
        allocation_fails_after = failures;
        int r = supervisor_new(&f->supervisor, f->loop, &f->options, NULL);
        if (r == 0) {
            f->names = supervisor_names(f->supervisor);
            supervisor_start(f->supervisor);
            run_until(f->loop, &f->finished);
            r = f->result;
        }
        failed = allocation_fails_after < 0;
        allocation_fails_after = -1;
        if (r == 0) {
            assert_int_equal(iterations(f), 16);
        } else {
            assert_true(failed);
        }
        assert_int_equal(tear_down(state), 0);
        assert_int_equal(set_up(state), 0);
    }
    assert_true(failures > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_cycle),
        TEST(test_cycles_in_order),
        TEST(test_more_workers_than_users),
        TEST(test_freed_when_finished),
        TEST(test_duration),
        TEST(test_detail),
        TEST(test_output),
        TEST(test_crash),
        TEST(test_killed),
        TEST(test_exits),
        TEST(test_exits_with_success),
        TEST(test_both_crash),
        TEST(test_crash_at_the_end),
        TEST(test_gives_up),
        TEST(test_gives_up_over_cycles),
        TEST(test_crash_with_duration),
        TEST(test_refused),
        TEST(test_all_refused),
        TEST(test_died_before_it_was_ready),
        TEST(test_left_before_it_was_ready),
        TEST(test_ready_with_nothing),
        TEST(test_no_program),
        TEST(test_refused_late),
        TEST(test_too_many_users),
        TEST(test_bad_options),
        TEST(test_stopped_before_it_starts),
        TEST(test_stopped_while_preparing),
        TEST(test_stopped_in_the_callback_of_a_cycle),
        TEST(test_stopped_in_the_callback_of_a_problem),
        TEST(test_stopped_in_time),
        TEST(test_stopped_with_iterations_on),
        TEST(test_freed_while_running),
        TEST(test_ended_by_term),
        TEST(test_ended_by_kill),
        TEST(test_ended_after_deadline),
        TEST(test_stalled),
        TEST(test_stalled_without_last_words),
        TEST(test_stalled_before_it_was_ready),
        TEST(test_stalled_before_it_took_over),
        TEST(test_channel_closed),
        TEST(test_garbage),
        TEST(test_scribbled_counts),
        TEST(test_scribbled_words),
        TEST(test_scribbled_memory),
        TEST(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
