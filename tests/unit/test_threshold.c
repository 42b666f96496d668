/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "metrics/threshold.h"
#include "metrics/totals.h"

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

static struct threshold parse(const char *text)
{
    struct threshold threshold;
    struct error error = {0};

    if (threshold_parse(text, &threshold, &error) < 0) {
        fail_msg("%s", error.text);
    }
    assert_string_equal(threshold.text, text);
    return threshold;
}

static void test_what_is_read(void **state _unused_)
{
    struct threshold t = parse("p99.9{url=/login, method=POST} <= 1.5s for 1m30s, stop");

    assert_int_equal(t.metric, METRIC_PERCENTILE);
    assert_int_equal(t.millipercent, 99900);
    assert_string_equal(t.filters[FILTER_URL], "/login");
    assert_string_equal(t.filters[FILTER_METHOD], "POST");
    assert_string_equal(t.filters[FILTER_TEST], "");
    assert_int_equal(t.comparison, IS_AT_MOST);
    assert_true(t.value > 1499999 && t.value < 1500001);
    assert_int_equal(t.for_usec, 90000000);
    assert_true(t.stop && !t.is_share);
    t = parse("  errors<1%");
    assert_int_equal(t.metric, METRIC_ERRORS);
    assert_true(t.is_share && t.value > 0.0099 && t.value < 0.0101);
    t = parse("rps > 500 , stop ");
    assert_true(t.stop && t.for_usec == 0);
    t = parse("max{transaction=checkout/pay} < 200 µs");
    assert_string_equal(t.filters[FILTER_TRANSACTION], "checkout/pay");
    assert_true(t.value > 199 && t.value < 201);
    t = parse("failures == 0");
    assert_true(t.value == 0 && t.comparison == IS_EQUAL);
}

static void test_what_is_wrong(void **state _unused_)
{
    static const struct {
        const char *text, *words;
        unsigned column;
    } cases[] = {
        {"", "no such metric", 0},
        {"p0 < 1s", "no such metric", 0},
        {"p101 < 1s", "no such metric", 0},
        {"q95 < 1s", "no such metric", 0},
        {"p95", "<, <=, >, >=, == or != is expected", 3},
        {"p95 = 1s", "<, <=, >, >=, == or != is expected", 4},
        {"p95 < x200ms", "a number is expected", 6},
        {"p95 < 1.2.3ms", "a number is expected", 6},
        {"p95 < 200", "a unit of time is expected", 9},
        {"p95 < 200 miles", "a unit of time is expected", 10},
        {"rps > 5%", "'for', ', stop' or the end is expected", 7},
        {"p95 < 1s for ever", "a duration from 1s to 1h is expected", 13},
        {"p95 < 1s for 500ms", "a duration", 13},
        {"hits > 10 for 10s", "hits are of the whole run", 17},
        {"p95 < 1s, go", "'stop' is expected", 10},
        {"p95 < 1s, stop it", "the end is expected", 15},
        {"p95{host=x} < 1s", "no such filter", 4},
        {"p95{url} < 1s", "'=' is expected", 7},
        {"p95{url=} < 1s", "a value is expected", 8},
        {"p95{url=a,url=b} < 1s", "twice", 10},
        {"p95{url=a < 1s", "'}' is expected", 14},
        {"errors{url=a} < 1", "no such filter", 7},
        {"rps{transaction=a} < 1", "no such filter", 4},
        {"p95{url=a,transaction=b} < 1s", "a transaction has no URL", 24},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct threshold threshold = {.text = "untouched"};
        struct error error = {0};
        char caret[100];
        assert_int_equal(threshold_parse(cases[i].text, &threshold, &error), -EINVAL);
        assert_string_equal(threshold.text, "untouched");
        (void)snprintf(caret, sizeof caret, "\n  %s\n  %*s^", cases[i].text, (int)cases[i].column,
                       "");
        if (!strstr(error.text, cases[i].words) || !strstr(error.text, caret)) {
            fail_msg("%s:\n%s", cases[i].text, error.text);
        }
    }
    char text[THRESHOLD_MAX_BYTES + 2];
    struct threshold threshold;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(threshold_parse(text, &threshold, NULL), -EINVAL);
}

/* ---- judging ---- */

static void add_hits(struct fixture *f, const char *test, const char *name, const char *method,
                     unsigned status, uint64_t usec, uint64_t count)
{
    unsigned id = names_series(f->names, &(struct series_key){test, name, method, status});

    if (status == 0) {
        f->totals->series[id].errors += count;
    } else {
        assert_int_equal(histogram_add(&f->totals->series[id].latency, usec, count), 0);
    }
}

/* 10 seconds: 94 hits of the shop, 6 requests without an answer, 10 iterations of one test and 5 of
 * another. */
static void fill(struct fixture *f)
{
    add_hits(f, "Shop.buy", "http://h:80/login", "POST", 200, 500000, 4);
    add_hits(f, "Shop.buy", "http://h:80/", "GET", 200, 1000, 80);
    add_hits(f, "Shop.buy", "http://h:80/", "GET", 404, 2000, 8);
    add_hits(f, "Shop.look", "/login", "GET", 200, 3000, 2);
    add_hits(f, "Shop.look", "/login", "GET", 0, 0, 6);
    unsigned id = names_timer(f->names, &(struct timer_key){TIMER_TRANSACTION, "Shop.buy", "pay"});
    assert_int_equal(histogram_add(&f->totals->timers[id].latency, 700000, 3), 0);
    f->totals->timers[id].errors = 1;
    id = names_timer(f->names, &(struct timer_key){TIMER_ROUND_TRIP, "Shop.buy", "pay"});
    assert_int_equal(histogram_add(&f->totals->timers[id].latency, 1, 1000), 0);
    id = names_id(f->names, NAME_TEST, "Shop.buy", 8);
    f->totals->outcomes[id][OUTCOME_SUCCESS] = 7;
    f->totals->outcomes[id][OUTCOME_FAILURE] = 1;
    f->totals->outcomes[id][OUTCOME_ERROR] = 2;
    id = names_id(f->names, NAME_TEST, "Shop.look", 9);
    f->totals->outcomes[id][OUTCOME_SUCCESS] = 5;
    f->totals->outcomes[id][OUTCOME_INTERRUPTED] = 100;
}

static struct judgement judge(struct fixture *f, const char *text)
{
    struct threshold threshold = parse(text);
    _cleanup_(interval_freep) struct interval *whole = NULL;
    struct measure measure = {.seconds = 10};

    assert_int_equal(totals_interval(f->totals, &whole), 0);
    assert_int_equal(measure_add(&measure, &threshold, whole, f->names), 0);
    struct judgement judgement = threshold_judge(&threshold, &measure);
    measure_clear(&measure);
    return judgement;
}

static void test_what_holds(void **state)
{
    static const char *const hold[] = {
        "max <= 500ms",
        "min == 1ms",
        "p50 < 1.1ms",
        "hits == 94",
        "rps > 9.3",
        "rps < 9.5",
        "request_errors == 6",
        "request_errors <= 6%",
        "errors == 2",
        "failures == 1",
        "errors < 14%",
        "errors > 13%",
        "errors{test=Shop.buy} == 20%",
        "failures{test=Shop.look} == 0",
        "hits{url=/login} == 6",
        "hits{url=/login,method=GET} == 2",
        "hits{url=http://h:80/} == 88",
        "hits{url=http://h:80/*} == 92",
        "hits{status=404} == 8",
        "hits{status=4*} == 8",
        "hits{test=Shop.look} == 2",
        "min{url=/login,test=Shop.buy} > 499ms",
        "max{transaction=pay} < 701ms",
        "min{transaction=p*} > 699ms",
        "errors{transaction=pay} == 25%",
        "p95{status=404} != 3ms",
    };
    static const char *const fail[] = {"max < 500ms",      "p99 < 400ms", "rps >= 9.5",
                                       "failures == 0",    "errors < 2",  "hits > 94",
                                       "hits{url=/} == 0", "avg < 22ms"};

    fill(*state);
    for (size_t i = 0; i < ELEMENTSOF(hold); i++) {
        struct judgement judgement = judge(*state, hold[i]);
        if (!judgement.is_known || !judgement.holds) {
            fail_msg("%s: %g", hold[i], judgement.value);
        }
    }
    for (size_t i = 0; i < ELEMENTSOF(fail); i++) {
        struct judgement judgement = judge(*state, fail[i]);
        if (!judgement.is_known || judgement.holds) {
            fail_msg("%s: %g", fail[i], judgement.value);
        }
    }
}

/* What there is nothing of doesn't hold, but for counts. */
static void test_nothing_to_judge_by(void **state)
{
    static const char *const unknown[] = {
        "p95 < 1s",    "avg > 0us",           "min{url=/} > 0us",
        "errors < 1%", "request_errors < 1%", "errors{transaction=x} < 1%"};
    static const char *const known[] = {"hits == 0", "errors == 0", "failures < 1", "rps == 0"};

    for (size_t i = 0; i < ELEMENTSOF(unknown); i++) {
        struct judgement judgement = judge(*state, unknown[i]);
        assert_false(judgement.is_known || judgement.holds);
    }
    for (size_t i = 0; i < ELEMENTSOF(known); i++) {
        assert_true(judge(*state, known[i]).holds);
    }
}

static void test_those_that_need_the_end(void **state _unused_)
{
    static const struct {
        const char *text;
        bool needs;
    } cases[] = {{"hits > 10", true},     {"hits >= 10", true}, {"hits == 10", true},
                 {"hits < 10", false},    {"errors > 3", true}, {"errors == 0", false},
                 {"failures != 1", true}, {"rps > 3", false},   {"errors > 1%", false},
                 {"p95 > 1s", false}};

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct threshold threshold = parse(cases[i].text);
        assert_true(threshold_needs_end(&threshold) == cases[i].needs);
    }
}

static void test_what_people_see(void **state _unused_)
{
    static const struct {
        const char *text;
        double value;
        const char *shown;
    } cases[] = {
        {"p95 < 1s", 213456, "213 ms"},
        {"p95 < 1s", 324, "324 µs"},
        {"avg < 1s", 2500000, "2.50 s"},
        {"errors < 1%", 0.0042, "0.42 %"},
        {"rps > 1", 512.34, "512.3"},
        {"failures == 0", 3, "3"},
        {"p95 < 200ms", 200000, "200 ms"},
        {"p95 < 200ms", 200300, "200.3 ms"}, /* what doesn't hold doesn't look as if it did */
        {"p95 < 200ms", 200001, "200.001 ms"},
        {"errors < 1%", 0.010004, "1.0004 %"},
        {"rps > 500", 499.96, "499.96"},
        {"max < 1us", 2, "2 µs"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        char shown[THRESHOLD_VALUE_BYTES];
        struct threshold threshold = parse(cases[i].text);
        assert_string_equal(threshold_show(&threshold, cases[i].value, shown), cases[i].shown);
    }
}

/* ---- limits of differences ---- */

static void test_changes_that_are_read(void **state _unused_)
{
    struct threshold limit;
    struct error error;

    assert_int_equal(
        threshold_parse_change(" p95{url=/login, test=Shop.*} + 12.5 % ", &limit, &error), 0);
    assert_int_equal(limit.metric, METRIC_PERCENTILE);
    assert_int_equal(limit.millipercent, 95000);
    assert_int_equal(limit.comparison, IS_MORE);
    assert_true(limit.value > 0.1249 && limit.value < 0.1251);
    assert_true(threshold_matches(
        &limit,
        &(struct series_key){.test = "Shop.buy", .name = "http://x/login", .method = "GET"}));
    assert_false(threshold_matches(
        &limit, &(struct series_key){.test = "Desk.ask", .name = "/login", .method = "GET"}));
    assert_int_equal(threshold_parse_change("errors{method=POST} -1%", &limit, &error), 0);
    assert_int_equal(limit.metric, METRIC_ERRORS);
    assert_int_equal(limit.comparison, IS_LESS);
    assert_true(limit.value > -0.0101 && limit.value < -0.0099);
    assert_int_equal(threshold_parse_change("rps +0%", &limit, &error), 0);
}

static void test_changes_that_are_wrong(void **state _unused_)
{
    static const struct {
        const char *text, *words;
        unsigned column;
    } cases[] = {
        {"", "no such metric: p50, p95, p99, rps, errors", 0},
        {"p90 +1%", "no such metric", 0},
        {"p99.9 +1%", "no such metric", 0},
        {"avg +1%", "no such metric", 0},
        {"failures +1%", "no such metric", 0},
        {"p95 10%", "+ or - is expected", 4},
        {"p95 > 10%", "+ or - is expected", 4},
        {"p95 +10", "'%' is expected", 7},
        {"p95 +ms", "a number is expected", 5},
        {"p95 +10% for 3s", "the end is expected", 9},
        {"p95{status=200} +1%", "this metric has no such filter", 4},
        {"p95{url=/x +1%", "'}' is expected", 14},
        {"rps{url=/x,url=/y} +1%", "this filter is there twice", 11},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct threshold limit;
        struct error error = {0};
        char caret[100];

        assert_int_equal(threshold_parse_change(cases[i].text, &limit, &error), -EINVAL);
        (void)snprintf(caret, sizeof caret, "\n  %s\n  %*s^", cases[i].text, (int)cases[i].column,
                       "");
        if (!strstr(error.text, cases[i].words) || !strstr(error.text, caret)) {
            fail_msg("%s", error.text);
        }
    }
    char longest[THRESHOLD_MAX_BYTES + 2];
    memset(longest, ' ', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(threshold_parse_change(longest, &(struct threshold){0}, &(struct error){0}),
                     -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_what_is_read),
        TEST(test_what_is_wrong),
        TEST(test_what_holds),
        TEST(test_nothing_to_judge_by),
        TEST(test_those_that_need_the_end),
        TEST(test_what_people_see),
        TEST(test_changes_that_are_read),
        TEST(test_changes_that_are_wrong),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
