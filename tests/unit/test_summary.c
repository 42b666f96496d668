/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "allocation.h"
#include "metrics/summary.h"

struct fixture {
    void *memory;
    struct names *names;
    struct totals *totals;
};

static int set_up(void **state)
{
    static struct fixture f;

    f.memory = calloc(1, names_size_bytes());
    assert_non_null(f.memory);
    assert_int_equal(names_new(&f.names, f.memory, names_size_bytes()), 0);
    assert_int_equal(totals_new(&f.totals), 0);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    totals_free(f->totals);
    names_free(f->names);
    free(f->memory);
    return 0;
}

static void add_hits(struct fixture *f, unsigned id, uint64_t usec, uint64_t count)
{
    assert_int_equal(histogram_add(&f->totals->series[id].latency, usec, count), 0);
    f->totals->hits += count;
}

static unsigned series(struct fixture *f, const char *test, const char *name, const char *method,
                       unsigned status)
{
    struct series_key key = {test, name, method, status};
    unsigned id = names_series(f->names, &key);
    assert_int_not_equal(id, 0);
    return id;
}

static void add_error(struct fixture *f, enum error_kind kind, const char *message,
                      const char *place, uint64_t count)
{
    struct error_key key = {
        .kind = kind, .class = "class", .message = message, .place = place, .test = "S.t"};
    f->totals->errors[names_error(f->names, &key)] = count;
}

static void add_counter(struct fixture *f, const char *name, int64_t count)
{
    f->totals->counters[names_id(f->names, NAME_COUNTER, name, strlen(name))] = count;
}

static void add_outcome(struct fixture *f, const char *test, enum outcome outcome, uint64_t count)
{
    f->totals->outcomes[names_id(f->names, NAME_TEST, test, strlen(test))][outcome] = count;
}

static void test_empty(void **state)
{
    struct fixture *f = *state;
    _cleanup_(summary_freep) struct summary *s = NULL;

    assert_int_equal(summary_new(&s, f->totals, f->names, 0), 0);
    assert_int_equal(s->hits, 0);
    assert_int_equal(s->request_errors, 0);
    assert_true(s->hits_per_sec == 0 && s->latency.average_usec == 0);
    assert_int_equal(s->latency.max_usec, 0);
    assert_int_equal(s->n_names + s->n_counters + s->n_tests + s->n_failures_and_errors, 0);
    assert_null(s->slowest);
    assert_null(summary_free(NULL));
}

/* Statuses of one name become one row with percentiles of all of its hits. */
static void test_names(void **state)
{
    struct fixture *f = *state;
    _cleanup_(summary_freep) struct summary *s = NULL;

    add_hits(f, series(f, "S.t", "/a", "GET", 500), 9000, 10);
    add_hits(f, series(f, "S.t", "/a", "GET", 200), 1000, 89);
    f->totals->series[series(f, "S.t", "/a", "GET", 200)].sent_bytes = 5;
    f->totals->series[series(f, "S.t", "/a", "GET", 500)].sent_bytes = 7;
    f->totals->series[series(f, "S.t", "/a", "GET", 0)].errors = 1;
    f->totals->request_errors = 1;
    add_hits(f, series(f, "S.t", "/a", "POST", 399), 50000, 2);
    add_hits(f, series(f, "S.t", "/b", "GET", 204), 2000, 99);
    add_hits(f, series(f, "S.u", "/a", "GET", 200), 10, 99);

    assert_int_equal(summary_new(&s, f->totals, f->names, 2), 0);
    assert_int_equal(s->hits, 299);
    assert_int_equal(s->hits, f->totals->hits);
    assert_int_equal(s->request_errors, 1);
    assert_int_equal(s->sent_bytes, 12);
    assert_true(s->hits_per_sec == 149.5);
    assert_int_equal(s->n_names, 4);

    /* As many hits: by name, then method, then test. */
    const struct summary_name *name = &s->names[0];
    assert_string_equal(name->name, "/a");
    assert_string_equal(name->method, "GET");
    assert_string_equal(name->test, "S.t");
    assert_int_equal(name->hits, 99);
    assert_int_equal(name->errors, 1);
    assert_int_equal(name->good, 89);
    assert_true(name->success_rate == 0.89);
    assert_true(name->hits_per_sec == 49.5);
    assert_int_equal(name->sent_bytes, 12);
    assert_int_equal(name->n_statuses, 2); /* those with hits */
    assert_int_equal(name->statuses[0].status, 200);
    assert_int_equal(name->statuses[0].hits, 89);
    assert_int_equal(name->statuses[1].status, 500);
    assert_int_equal(name->statuses[1].hits, 10);
    assert_int_equal(name->latency.min_usec, 1000);
    assert_int_equal(name->latency.max_usec, 9000);
    assert_int_equal(name->latency.p50_usec, 1000);
    assert_in_range(name->latency.p90_usec, 8991, 9000); /* rank 90 of 99: among the slow ones */
    assert_true(name->latency.average_usec == (89 * 1000 + 10 * 9000) / 99.0);

    assert_string_equal(s->names[1].test, "S.u");
    assert_string_equal(s->names[2].name, "/b");
    assert_string_equal(s->names[3].method, "POST");
    assert_int_equal(s->names[3].good, 2);
    assert_ptr_equal(s->slowest, &s->names[3]);
    assert_int_equal(s->latency.max_usec, 50000);
    assert_int_equal(s->latency.min_usec, 10);
}

/* A name that never got an answer is a row, but isn't the slowest. */
static void test_only_request_errors(void **state)
{
    struct fixture *f = *state;
    _cleanup_(summary_freep) struct summary *s = NULL;

    f->totals->series[series(f, "S.t", "/a", "GET", 0)].errors = 3;
    assert_int_equal(summary_new(&s, f->totals, f->names, 1), 0);
    assert_int_equal(s->request_errors, 3);
    assert_int_equal(s->n_names, 1);
    assert_int_equal(s->names[0].errors, 3);
    assert_int_equal(s->names[0].n_statuses, 0);
    assert_true(s->names[0].success_rate == 0);
    assert_null(s->slowest);
}

static void test_errors(void **state)
{
    struct fixture *f = *state;
    _cleanup_(summary_freep) struct summary *s = NULL;

    add_error(f, ERROR_KIND_FAILURE, "b", "x.c:1", 5);
    add_error(f, ERROR_KIND_FAILURE, "a", "x.c:2", 5);
    add_error(f, ERROR_KIND_ERROR, "z", "", 5);
    add_error(f, ERROR_KIND_ERROR, "many\nlines", "x.c:3", 6);
    add_error(f, ERROR_KIND_ERROR, "never", "x.c:3", 0);
    assert_int_equal(summary_new(&s, f->totals, f->names, 1), 0);
    assert_int_equal(s->n_failures_and_errors, 4);
    const struct summary_error *errors = s->failures_and_errors;
    assert_string_equal(errors[0].message, "many\nlines");
    assert_int_equal(errors[0].count, 6);
    assert_string_equal(errors[0].place, "x.c:3");
    assert_string_equal(errors[0].test, "S.t");
    assert_string_equal(errors[0].class, "class");
    assert_string_equal(errors[0].traceback, "");
    assert_string_equal(errors[1].message, "z");
    assert_int_equal(errors[1].kind, ERROR_KIND_ERROR);
    assert_string_equal(errors[2].message, "a");
    assert_int_equal(errors[2].kind, ERROR_KIND_FAILURE);
    assert_string_equal(errors[3].message, "b");
}

static void test_counters(void **state)
{
    struct fixture *f = *state;
    _cleanup_(summary_freep) struct summary *s = NULL;

    add_counter(f, "logins", 7);
    add_counter(f, "debts", -3);
    add_counter(f, "up and down", 0);
    add_counter(f, COUNTER_SOCKETS_OPENED, 4);
    add_counter(f, COUNTER_SOCKETS_CLOSED, 3);
    add_counter(f, COUNTER_SOCKETS_SENT, 9);
    add_counter(f, COUNTER_SOCKETS_SENT_BYTES, 90);
    add_counter(f, COUNTER_SOCKETS_RECEIVED, 8);
    add_counter(f, COUNTER_SOCKETS_RECEIVED_BYTES, 1 << 20);
    assert_int_equal(summary_new(&s, f->totals, f->names, 1), 0);
    assert_int_equal(s->sockets.opened, 4);
    assert_int_equal(s->sockets.closed, 3);
    assert_int_equal(s->sockets.sent, 9);
    assert_int_equal(s->sockets.sent_bytes, 90);
    assert_int_equal(s->sockets.received, 8);
    assert_int_equal(s->sockets.received_bytes, 1 << 20);
    assert_int_equal(s->n_counters, 3);
    assert_string_equal(s->counters[0].name, "debts");
    assert_int_equal(s->counters[0].count, -3);
    assert_string_equal(s->counters[1].name, "logins");
    assert_int_equal(s->counters[1].count, 7);
    assert_string_equal(s->counters[2].name, "up and down");
}

static void test_tests(void **state)
{
    struct fixture *f = *state;
    _cleanup_(summary_freep) struct summary *s = NULL;

    add_outcome(f, "S.b", OUTCOME_SUCCESS, 10);
    add_outcome(f, "S.b", OUTCOME_FAILURE, 3);
    add_outcome(f, "S.a", OUTCOME_ERROR, 2);
    add_outcome(f, "S.a", OUTCOME_INTERRUPTED, 1);
    add_outcome(f, "S.a", OUTCOME_SUCCESS, 1);
    assert_int_equal(summary_new(&s, f->totals, f->names, 1), 0);
    assert_int_equal(s->successes, 11);
    assert_int_equal(s->failures, 3);
    assert_int_equal(s->errors, 2);
    assert_int_equal(s->interrupted, 1);
    assert_int_equal(s->n_tests, 2);
    assert_string_equal(s->tests[0].name, "S.a");
    assert_int_equal(s->tests[0].outcomes[OUTCOME_ERROR], 2);
    assert_string_equal(s->tests[1].name, "S.b");
    assert_int_equal(s->tests[1].outcomes[OUTCOME_FAILURE], 3);
}

static unsigned timer(struct fixture *f, enum timer_kind kind, const char *test, const char *name)
{
    struct timer_key key = {kind, test, name};
    unsigned id = names_timer(f->names, &key);
    assert_int_not_equal(id, 0);
    return id;
}

/* They are no hits, whatever they time. */
static void test_timers(void **state)
{
    struct fixture *f = *state;
    _cleanup_(summary_freep) struct summary *s = NULL;
    unsigned ids[] = {
        timer(f, TIMER_ROUND_TRIP, "S.a", "ws://host/"), timer(f, TIMER_TRANSACTION, "S.b", "buy"),
        timer(f, TIMER_TRANSACTION, "S.a", "buy/pay"), timer(f, TIMER_TRANSACTION, "S.a", "buy"),
        timer(f, TIMER_TRANSACTION, "S.a", "never")};

    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(histogram_add(&f->totals->timers[ids[i]].latency, 1000 << i, i + 1), 0);
    }
    f->totals->timers[ids[3]].errors = 9;
    assert_int_equal(summary_new(&s, f->totals, f->names, 1), 0);
    assert_int_equal(s->hits + s->request_errors + s->n_names, 0);
    assert_int_equal(s->latency.max_usec, 0);
    assert_int_equal(s->n_timers, 4);
    assert_string_equal(s->timers[0].name, "buy");
    assert_string_equal(s->timers[0].test, "S.a");
    assert_int_equal(s->timers[0].count, 4);
    assert_int_equal(s->timers[0].errors, 9);
    assert_int_equal(s->timers[0].time.max_usec, 8000);
    assert_string_equal(s->timers[1].name, "buy/pay");
    assert_string_equal(s->timers[2].test, "S.b");
    assert_int_equal(s->timers[3].kind, TIMER_ROUND_TRIP);
    assert_int_equal(s->timers[3].time.p50_usec, 1000);
    assert_int_equal(s->other_timers, 0);
}

/* What had no room for a name, and ids that no name is known of, are in one row: sums stay right.
 */
static void test_other(void **state)
{
    struct fixture *f = *state;
    _cleanup_(summary_freep) struct summary *s = NULL;

    for (unsigned i = 0; i < NAMES_MAX_COUNTERS + 5; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "counter %u", i);
        f->totals->counters[names_id(f->names, NAME_COUNTER, name, strlen(name))]++;
    }
    add_hits(f, 0, 100, 3);
    add_hits(f, 77, 200, 4);
    f->totals->series[78].errors = 2;
    f->totals->errors[0] = 9;
    f->totals->timers[0].errors = 6;
    f->totals->outcomes[0][OUTCOME_SUCCESS] = 1;
    assert_int_equal(summary_new(&s, f->totals, f->names, 1), 0);
    assert_int_equal(s->hits, 7);
    assert_int_equal(s->n_names, 1);
    assert_string_equal(s->names[0].name, "(other)");
    assert_string_equal(s->names[0].method, "");
    assert_string_equal(s->names[0].test, "");
    assert_int_equal(s->names[0].hits, 7);
    assert_int_equal(s->names[0].errors, 2);
    assert_int_equal(s->names[0].n_statuses, 1);
    assert_int_equal(s->names[0].statuses[0].status, 0);
    assert_int_equal(s->names[0].statuses[0].hits, 7);
    assert_int_equal(s->n_counters, NAMES_MAX_COUNTERS + 1);
    assert_string_equal(s->counters[0].name, "(other)");
    assert_int_equal(s->counters[0].count, 5);
    assert_int_equal(s->other_counters, 5);
    assert_int_equal(s->other_series, 3);
    assert_int_equal(s->other_errors, 9);
    assert_int_equal(s->other_timers, 6);
    assert_string_equal(s->timers[0].name, "(other)");
    assert_string_equal(s->timers[0].test, "");
    assert_string_equal(s->failures_and_errors[0].message, "(other)");
    assert_string_equal(s->tests[0].name, "(other)");
}

/* Each allocation in turn fails: -ENOMEM, nothing leaks, nothing is returned. */
static void test_no_memory(void **state)
{
    struct fixture *f = *state;
    int r = -ENOMEM;

    add_hits(f, series(f, "S.t", "/a", "GET", 200), 1000, 10);
    add_hits(f, series(f, "S.t", "/a", "GET", 404), 5000, 10);
    add_hits(f, series(f, "S.t", "/b", "GET", 200), 900000, 1);
    add_error(f, ERROR_KIND_ERROR, "z", "", 5);
    add_counter(f, "logins", 7);
    add_outcome(f, "S.t", OUTCOME_SUCCESS, 11);
    f->totals->timers[timer(f, TIMER_TRANSACTION, "S.t", "buy")].errors = 1;
    for (long n = 0; r == -ENOMEM; n++) {
        struct summary *s = NULL;
        allocation_fails_after = n;
        r = summary_new(&s, f->totals, f->names, 1);
        bool all_done = allocation_fails_after >= 0;
        allocation_fails_after = -1;
        assert_int_equal(r, all_done ? 0 : -ENOMEM);
        assert_int_equal(s == NULL, r < 0);
        summary_free(s);
        assert_true(n < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_empty),  TEST(test_names),    TEST(test_only_request_errors),
        TEST(test_errors), TEST(test_counters), TEST(test_tests),
        TEST(test_timers), TEST(test_other),    TEST(test_no_memory),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
