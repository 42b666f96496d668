/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "metrics/thresholds.h"

struct fixture {
    void *memory;
    struct names *names;
    struct totals *totals;
    struct thresholds *thresholds;
};

static int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){.memory = calloc(1, names_size_bytes())};
    assert_non_null(f.memory);
    assert_int_equal(names_new(&f.names, f.memory, names_size_bytes()), 0);
    assert_int_equal(totals_new(&f.totals), 0);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    thresholds_free(f->thresholds);
    totals_free(f->totals);
    names_free(f->names);
    free(f->memory);
    return 0;
}

static void watch(struct fixture *f, const char *const *texts, size_t count)
{
    struct strlist list = {.items = NULL};

    for (size_t i = 0; i < count; i++) {
        assert_int_equal(strlist_add(&list, texts[i]), 0);
    }
    assert_int_equal(thresholds_new(&f->thresholds, &list, NULL), 0);
    strlist_clear(&list);
}

/* So many hits of so long in a second of the run, which is told of. */
static void count(struct fixture *f, uint32_t second, uint64_t usec, uint64_t hits)
{
    struct interval_series series = {
        .id = names_series(f->names, &(struct series_key){"S.t", "/", "GET", 200})};
    struct interval interval = {.second = second, .seconds = 1, .series = &series, .n_series = 1};

    assert_int_equal(histogram_add(&series.latency, usec, hits), 0);
    assert_int_equal(totals_add(f->totals, &interval), 0);
    thresholds_add(f->thresholds, &interval, f->names);
    histogram_clear(&series.latency);
}

static const char *look(struct fixture *f, uint32_t second)
{
    return thresholds_look(f->thresholds, second, f->totals, f->names, second);
}

static struct threshold_result *end(struct fixture *f, double duration_sec, size_t expected)
{
    struct threshold_result *results = NULL;
    size_t n;

    assert_int_equal(thresholds_end(f->thresholds, f->totals, f->names, duration_sec, &results, &n),
                     0);
    assert_int_equal(n, expected);
    return results;
}

static void test_seconds_in_a_row(void **state)
{
    static const char *const texts[] = {"p95 < 10ms for 3s, stop", "p95 < 10ms for 4s",
                                        "rps > 5 for 2s"};
    struct fixture *f = *state;

    watch(f, texts, 3);
    for (uint32_t second = 0; second < 4; second++) { /* two bad ones, then a good one */
        count(f, second, second < 2 ? 20000 : 1000, 10);
        assert_null(look(f, second + 1));
    }
    for (uint32_t second = 4; second < 6; second++) {
        count(f, second, 20000, 10);
        assert_null(look(f, second + 1));
    }
    count(f, 6, 20000, 3);
    count(f, 6, 20000, 3); /* of another source */
    assert_null(look(f, 7));
    assert_null(look(f, 8));                   /* the lag isn't over */
    assert_string_equal(look(f, 9), texts[0]); /* 4, 5, 6 */
    count(f, 6, 1, 1000);                      /* too late for second 6 */
    count(f, 7, 1000, 10);
    assert_string_equal(look(f, 10), texts[0]); /* it stays broken */
    _cleanup_free_ struct threshold_result *results = end(f, 10, 3);
    assert_false(results[0].holds);
    assert_string_equal(results[0].shown, "20.0 ms");
    assert_true(results[0].has_broken_sec);
    assert_int_equal(results[0].broken_sec, 6);
    assert_true(results[1].holds);
    assert_false(results[2].holds); /* nothing in seconds 8 and 9 */
    assert_string_equal(results[2].shown, "0.0");
}

/* A second without hits says nothing about latencies. */
static void test_seconds_without_hits(void **state)
{
    static const char *const texts[] = {"p95 < 10ms for 3s"};
    struct fixture *f = *state;

    watch(f, texts, 1);
    count(f, 0, 20000, 1);
    count(f, 1, 20000, 1);
    count(f, 3, 20000, 1);
    assert_null(look(f, 6));
    _cleanup_free_ struct threshold_result *results = end(f, 6, 1);
    assert_false(results[0].holds);
}

static void test_the_whole_run(void **state)
{
    static const char *const texts[] = {"max < 10ms, stop", "hits > 100, stop", "avg < 1s",
                                        "failures == 0", "p50{url=/none} < 1s"};
    struct fixture *f = *state;

    watch(f, texts, 5);
    count(f, 0, 5000, 10);
    assert_null(look(f, 1));
    count(f, 1, 15000, 1);
    assert_null(thresholds_look(f->thresholds, 0, f->totals, f->names, 0.5)); /* too early */
    assert_string_equal(look(f, 2), texts[0]);
    _cleanup_free_ struct threshold_result *results = end(f, 2.5, 5);
    static const bool holds[] = {false, false, true, true, false};
    static const char *const shown[] = {"15.0 ms", "11", "5.91 ms", "0", ""};
    for (size_t i = 0; i < 5; i++) {
        assert_true(results[i].holds == holds[i]);
        assert_string_equal(results[i].shown, shown[i]);
        assert_string_equal(results[i].text, texts[i]);
        assert_true(results[i].has_value == (shown[i][0] != '\0'));
        assert_true(results[i].stop == (i < 2));
        assert_true(results[i].has_broken_sec == (i == 0)); /* only one that stops is looked at */
    }
    assert_true(thresholds_allow(f->thresholds, 5, 0, 3));
    assert_false(thresholds_allow(f->thresholds, 5, 1, 3));
    assert_false(thresholds_allow(f->thresholds, 0, 0, 0));
    assert_true(thresholds_allow(NULL, 1, 0, 0));
    assert_false(thresholds_allow(NULL, 1, 0, 1));
}

/* What the run's last iterations do in their grace doesn't mend what it was stopped for. */
static void test_one_that_recovers(void **state)
{
    static const char *const texts[] = {"avg < 10ms, stop"};
    struct fixture *f = *state;

    watch(f, texts, 1);
    count(f, 0, 20000, 1);
    assert_string_equal(look(f, 3), texts[0]);
    count(f, 4, 1000, 100);
    _cleanup_free_ struct threshold_result *results = end(f, 5, 1);
    assert_false(results[0].holds);
    assert_string_equal(results[0].shown, "20.0 ms");
    assert_true(results[0].has_broken_sec);
    assert_int_equal(results[0].broken_sec, 3);
    assert_string_equal(results[0].unit, "usec");
}

/* As of a run that is read from somewhere. */
static void test_what_a_text_says(void **state _unused_)
{
    struct threshold_result result = {.text = "errors < 1%, stop"};

    threshold_result_describe(&result);
    assert_true(result.stop);
    assert_string_equal(result.unit, "share");
    assert_true(result.bound > 0.0099 && result.bound < 0.0101);
    result = (struct threshold_result){.text = "of a later version"};
    threshold_result_describe(&result);
    assert_null(result.unit);
}

static void test_one_that_is_wrong(void **state)
{
    struct fixture *f = *state;
    struct strlist list = {.items = NULL};
    struct error error = {0};

    assert_int_equal(strlist_add(&list, "p95 < 1s"), 0);
    assert_int_equal(strlist_add(&list, "p95 < 1"), 0);
    assert_int_equal(thresholds_new(&f->thresholds, &list, &error), -EINVAL);
    assert_null(f->thresholds);
    assert_non_null(strstr(error.text, "a unit of time"));
    strlist_clear(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_seconds_in_a_row),  TEST(test_seconds_without_hits), TEST(test_the_whole_run),
        TEST(test_one_that_recovers), TEST(test_what_a_text_says),     TEST(test_one_that_is_wrong),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
