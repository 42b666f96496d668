/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>

#include "allocation.h"
#include "metrics/interval_remap.h"

#define N 4

/* Ids 1 to 4 of each kind, 0 beside them. */
static struct interval *make_interval(void)
{
    struct interval *interval = calloc(1, sizeof *interval);
    assert_non_null(interval);
    interval->seconds = 1;
    interval->series = calloc(N + 1, sizeof *interval->series);
    interval->errors = calloc(N + 1, sizeof *interval->errors);
    interval->counters = calloc(N + 1, sizeof *interval->counters);
    interval->tests = calloc(N + 1, sizeof *interval->tests);
    interval->timers = calloc(N + 1, sizeof *interval->timers);
    for (unsigned id = 0; id <= N; id++) {
        interval->series[id] = (struct interval_series){
            .id = id, .errors = 1, .sent_bytes = 10 * id, .received_bytes = 100 * id};
        assert_int_equal(histogram_add(&interval->series[id].latency, 1000 << id, id + 1), 0);
        interval->timers[id] = (struct interval_series){.id = id, .errors = 2};
        assert_int_equal(histogram_add(&interval->timers[id].latency, 7 << id, id + 1), 0);
        interval->errors[id] = (struct interval_count){id, 1 << id};
        interval->counters[id] = (struct interval_count){id, id % 2 ? 5 : -5};
        interval->tests[id] = (struct interval_test){id, {1, id, 2, 3}};
    }
    interval->n_series = interval->n_errors = interval->n_counters = interval->n_tests = N + 1;
    interval->n_timers = N + 1;
    return interval;
}

static struct interval_map map_of(const uint32_t ids[static N + 1])
{
    struct interval_map map = {0};
    for (unsigned kind = 0; kind < NAME_KINDS; kind++) {
        map.ids[kind] = ids;
        map.counts[kind] = N + 1;
    }
    return map;
}

static void test_other_order(void **state _unused_)
{
    static const uint32_t ids[N + 1] = {0, 9, 7, 1, 8};
    struct interval_map map = map_of(ids);
    _cleanup_(interval_freep) struct interval *interval = make_interval();

    assert_int_equal(interval_remap(interval, &map), 0);
    static const unsigned sorted[] = {0, 1, 7, 8, 9}, was[] = {0, 3, 2, 4, 1};
    assert_int_equal(interval->n_series, N + 1);
    for (unsigned i = 0; i <= N; i++) {
        assert_int_equal(interval->series[i].id, sorted[i]);
        assert_int_equal(interval->series[i].latency.count, was[i] + 1);
        assert_int_equal(interval->series[i].latency.max_usec, 1000 << was[i]);
        assert_int_equal(interval->series[i].sent_bytes, 10 * was[i]);
        assert_int_equal(interval->timers[i].id, sorted[i]);
        assert_int_equal(interval->timers[i].latency.max_usec, 7 << was[i]);
        assert_int_equal(interval->errors[i].id, sorted[i]);
        assert_int_equal(interval->errors[i].count, 1 << was[i]);
        assert_int_equal(interval->counters[i].count, was[i] % 2 ? 5 : -5);
        assert_int_equal(interval->tests[i].outcomes[OUTCOME_FAILURE], was[i]);
    }
}

/* As when names have no room: 2 and 4 join 0; counters cancel each other out. */
static void test_same_id(void **state _unused_)
{
    static const uint32_t ids[N + 1] = {0, 1, 0, 2, 0}, crossed[N + 1] = {0, 1, 1, 2, 2};
    struct interval_map map = map_of(ids);
    _cleanup_(interval_freep) struct interval *interval = make_interval();

    map.ids[NAME_COUNTER] = crossed;
    assert_int_equal(interval_remap(interval, &map), 0);
    assert_int_equal(interval->n_series, 3);
    assert_int_equal(interval->series[0].id, 0);
    assert_int_equal(interval->series[0].errors, 3);
    assert_int_equal(interval->series[0].latency.count, 1 + 3 + 5);
    assert_int_equal(interval->series[0].latency.min_usec, 1000);
    assert_int_equal(interval->series[0].latency.max_usec, 16000);
    assert_int_equal(interval->series[0].received_bytes, 600);
    assert_int_equal(interval->series[2].id, 2);
    assert_int_equal(interval->n_timers, 3);
    assert_int_equal(interval->timers[0].errors, 6);
    assert_int_equal(interval->timers[0].latency.count, 1 + 3 + 5);
    assert_int_equal(interval->n_errors, 3);
    assert_int_equal(interval->errors[0].count, 1 + 4 + 16);
    assert_int_equal(interval->n_tests, 3);
    assert_int_equal(interval->tests[0].outcomes[OUTCOME_SUCCESS], 3);
    assert_int_equal(interval->tests[0].outcomes[OUTCOME_FAILURE], 6);
    assert_int_equal(interval->n_counters, 1); /* 1 and 2, 3 and 4 have cancelled out */
    assert_int_equal(interval->counters[0].id, 0);
    assert_int_equal(interval->counters[0].count, -5);
}

static void test_unknown_id(void **state _unused_)
{
    static const uint32_t ids[N + 1] = {0, 4, 3, 2, INTERVAL_UNMAPPED};
    struct interval_map map = map_of(ids);
    _cleanup_(interval_freep) struct interval *interval = make_interval();

    assert_int_equal(interval_remap(interval, &map), -ENOENT);
    map.counts[NAME_TEST] = map.counts[NAME_SERIES] = map.counts[NAME_ERROR] = 4;
    map.counts[NAME_COUNTER] = 0;
    assert_int_equal(interval_remap(interval, &map), -ENOENT);
    for (unsigned id = 0; id <= N; id++) {
        assert_int_equal(interval->series[id].id, id);
        assert_int_equal(interval->counters[id].id, id);
    }
}

static void test_nothing_in_it(void **state _unused_)
{
    struct interval interval = {.seconds = 1};
    struct interval_map map = {0};
    assert_int_equal(interval_remap(&interval, &map), 0);
    assert_int_equal(interval.n_series, 0);
}

/* Nothing is lost or freed twice, whichever merge fails; a sanitizer sees it. */
static void test_without_memory(void **state _unused_)
{
    static const uint32_t ids[N + 1] = {0, 0, 0, 0, 0};
    struct interval_map map = map_of(ids);
    int r = -ENOMEM;

    for (int n = 0; r < 0; n++) {
        _cleanup_(interval_freep) struct interval *interval = make_interval();
        allocation_fails_after = n;
        r = interval_remap(interval, &map);
        allocation_fails_after = -1;
        assert_true(r == 0 || r == -ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_order),    cmocka_unit_test(test_same_id),
        cmocka_unit_test(test_unknown_id),     cmocka_unit_test(test_nothing_in_it),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
