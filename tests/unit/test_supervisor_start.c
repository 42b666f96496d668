/* SPDX-License-Identifier: MPL-2.0 */
/* A supervisor that is one of several: whose users these are, and when cycles begin. */
#include "supervisor_fixture.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

static void set_agents(struct fixture *f, unsigned agents, unsigned index)
{
    f->options.agents = agents;
    f->options.agent_index = index;
    f->options.callbacks.ready = on_ready;
}

/* In each cycle of -u 4:10 the third of three has the last users. */
static void test_users_of_an_agent(void **state)
{
    struct fixture *f = *state;

    set_agents(f, 3, 2);
    f->spec->detail = true;
    f->spec->users = (struct number_list){.values = {4, 10}, .count = 2};
    run(f, "kill@0");
    assert_adds_up(f, 56);
    assert_int_equal(f->n_ready, 2);
    assert_int_equal(f->first_user, 2 * 4);
    assert_int_equal(f->last_user, 2 * 10 + 9);
}

static void test_more_users_than_numbers(void **state)
{
    struct fixture *f = *state;
    struct error error = {0};

    set_agents(f, INT32_MAX / 10 + 1, 0);
    assert_int_equal(supervisor_new(&f->supervisor, f->loop, &f->options, &error), -EINVAL);
    assert_non_null(strstr(error.text, "214748365 agents with 10 users"));
    set_agents(f, 3, 3);
    assert_int_equal(supervisor_new(&f->supervisor, f->loop, &f->options, &error), -EINVAL);
    assert_null(f->supervisor);
}

static void start_waiting(struct fixture *f, const char *how)
{
    f->go_usec = UINT64_MAX;
    set_agents(f, 2, 1);
    start(f, how);
    run_until(f->loop, &f->ready);
    assert_int_equal(f->n_cycles, 0);
}

static void test_start_that_lies_ahead(void **state)
{
    struct fixture *f = *state;
    struct supervisor_live live;

    f->go_usec = 50000;
    f->spec->users = (struct number_list){.values = {4, 10}, .count = 2};
    set_agents(f, 2, 1);
    run(f, "");
    assert_adds_up(f, 56);
    assert_int_equal(f->n_ready, 2);
    assert_int_equal(f->first_second, 0);
    supervisor_live(f->supervisor, &live);
    assert_true(live.active_usec > 0);
}

/* Late by 7 s: what it counts are not the run's first seconds. The second one says nothing new. */
static void test_start_that_lies_back(void **state)
{
    struct fixture *f = *state;

    start_waiting(f, "");
    go(f, clock_monotonic_usec() - 7 * USEC_PER_SEC);
    go(f, clock_monotonic_usec());
    run_until(f->loop, &f->finished);
    assert_adds_up(f, 40);
    assert_true(f->first_second >= 7);
    assert_true(f->first_second < 1000);
}

static void test_start_is_moved(void **state)
{
    struct fixture *f = *state;

    start_waiting(f, "");
    go(f, clock_monotonic_usec() + 3600 * USEC_PER_SEC);
    go(f, 0);
    run_until(f->loop, &f->finished);
    assert_adds_up(f, 40);
}

/* A cycle's time is counted from the start that all were told. */
static void test_starts_when_its_time_is_over(void **state)
{
    struct fixture *f = *state;

    set_duration(f, USEC_PER_SEC);
    start_waiting(f, "");
    go(f, 0);
    run_until(f->loop, &f->finished);
    assert_int_equal(f->result, 0);
    assert_int_equal(f->n_cycles, 1);
    assert_int_equal(iterations(f), 0);
}

static void test_start_before_it_is_ready(void **state)
{
    struct fixture *f = *state;

    f->go_usec = UINT64_MAX;
    set_agents(f, 1, 0);
    start(f, "");
    supervisor_go(f->supervisor, 0); /* of what? */
    run_until(f->loop, &f->ready);
    supervisor_stop(f->supervisor, 0);
    run_until(f->loop, &f->finished);
    assert_int_equal(f->n_cycles, 0);
}

static void test_stopped_while_waiting(void **state)
{
    struct fixture *f = *state;

    start_waiting(f, "");
    go(f, clock_monotonic_usec() + 3600 * USEC_PER_SEC);
    supervisor_stop(f->supervisor, 5 * USEC_PER_SEC);
    supervisor_go(f->supervisor, 0);
    run_until(f->loop, &f->finished);
    assert_int_equal(f->result, 0);
    assert_int_equal(f->n_cycles, 0);
    assert_int_equal(iterations(f), 0);
    assert_int_equal(f->n_problems, 0);
}

static void kill_worker(const struct supervisor_worker *worker, void *context)
{
    unsigned *users = context;

    assert_true(worker->ready);
    *users += worker->users;
    assert_int_equal(kill(worker->pid, SIGKILL), 0);
}

static void test_workers_die_while_waiting(void **state)
{
    struct fixture *f = *state;
    unsigned users = 0;

    start_waiting(f, "");
    supervisor_each_worker(f->supervisor, kill_worker, &users);
    assert_int_equal(users, 10);
    run_until(f->loop, &f->finished);
    assert_int_equal(f->result, -ECHILD);
    assert_non_null(strstr(f->error.text, "killed by signal 9"));
    assert_int_equal(f->n_cycles, 0);
    supervisor_each_worker(f->supervisor, kill_worker, &users);
    assert_int_equal(users, 10);
}

/* A worker's loop stands still while it waits, in the second cycle, too, when others' may not. */
static void test_waiting_is_no_stall(void **state)
{
    struct fixture *f = *state;

    f->go_usec = 600000;
    f->spec->stall_timeout_usec = STALL_USEC;
    f->spec->users = (struct number_list){.values = {4, 10}, .count = 2};
    set_agents(f, 2, 1);
    run(f, "turn-early");
    assert_adds_up(f, 56);
    assert_int_equal(f->n_problems, 0);
}

static void test_freed_while_waiting(void **state)
{
    struct fixture *f = *state;

    start_waiting(f, "");
    go(f, clock_monotonic_usec() + 3600 * USEC_PER_SEC);
    f->supervisor = supervisor_free(f->supervisor);
    assert_no_children();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_users_of_an_agent),
        TEST(test_more_users_than_numbers),
        TEST(test_start_that_lies_ahead),
        TEST(test_start_that_lies_back),
        TEST(test_start_is_moved),
        TEST(test_starts_when_its_time_is_over),
        TEST(test_start_before_it_is_ready),
        TEST(test_stopped_while_waiting),
        TEST(test_workers_die_while_waiting),
        TEST(test_waiting_is_no_stall),
        TEST(test_freed_while_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
