/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "allocation.h"
#include "metrics/timeline.h"

/* One hit of series 1 that took so long, and an iteration that ended so. */
static int add(struct timeline *timeline, uint32_t second, uint64_t usec, enum outcome outcome)
{
    struct interval_series series[] = {{.id = 1, .sent_bytes = 10, .received_bytes = 20},
                                       {.id = 5, .errors = 1}};
    struct interval_test test = {.id = 2};
    struct interval interval = {.second = second,
                                .seconds = 1,
                                .series = series,
                                .n_series = 2,
                                .tests = &test,
                                .n_tests = 1};

    int r = histogram_add(&series[0].latency, usec, 1);
    test.outcomes[outcome] = 1;
    if (r == 0) {
        r = timeline_add(timeline, &interval);
    }
    histogram_clear(&series[0].latency);
    return r;
}

struct seen {
    struct timeline_step steps[16];      /* without their latency, */
    uint64_t hits[16], p50[16], max[16]; /* of which this is kept */
    size_t count;
};

static int see(const struct timeline_step *step, void *context)
{
    struct seen *seen = context;

    assert_true(seen->count < ELEMENTSOF(seen->steps));
    seen->steps[seen->count] = *step;
    seen->hits[seen->count] = step->latency->count;
    seen->p50[seen->count] = histogram_percentile_usec(step->latency, 50000);
    seen->max[seen->count++] = step->latency->max_usec;
    return 0;
}

static struct seen look(const struct timeline *timeline)
{
    struct seen seen = {.count = 0};

    assert_int_equal(timeline_each(timeline, see, &seen), 0);
    assert_int_equal(seen.count, timeline_steps(timeline));
    return seen;
}

/* Workers and series are merged, seconds aren't; one without anything is there, empty. */
static void test_steps(void **state _unused_)
{
    _cleanup_(timeline_freep) struct timeline *timeline = NULL;

    assert_int_equal(timeline_new(&timeline, TIMELINE_MAX_STEPS), 0);
    assert_int_equal(timeline_steps(timeline), 0);
    assert_int_equal(add(timeline, 2, 500, OUTCOME_ERROR), 0);
    for (uint64_t usec = 1; usec <= 9; usec++) {
        assert_int_equal(add(timeline, 0, usec * 100, OUTCOME_SUCCESS), 0);
    }
    const struct seen seen = look(timeline);
    assert_int_equal(timeline_step_sec(timeline), 1);
    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.hits[0], 9);
    assert_int_equal(seen.p50[0], 500);
    assert_int_equal(seen.max[0], 900);
    assert_int_equal(seen.steps[0].request_errors, 9);
    assert_int_equal(seen.steps[0].sent_bytes, 90);
    assert_int_equal(seen.steps[0].received_bytes, 180);
    assert_int_equal(seen.steps[0].outcomes[OUTCOME_SUCCESS], 9);
    assert_int_equal(seen.steps[1].second, 1);
    assert_int_equal(seen.hits[1], 0);
    assert_int_equal(seen.steps[1].request_errors, 0);
    assert_int_equal(seen.steps[2].second, 2);
    assert_int_equal(seen.steps[2].outcomes[OUTCOME_ERROR], 1);
}

/* A percentile of a step that was two is that of all its hits, and nothing is lost. */
static void test_coarser(void **state _unused_)
{
    _cleanup_(timeline_freep) struct timeline *timeline = NULL;
    uint64_t hits = 0;

    assert_int_equal(timeline_new(&timeline, 4), 0);
    for (uint32_t second = 0; second < 11; second++) {
        assert_int_equal(add(timeline, second, second + 1, OUTCOME_SUCCESS), 0);
    }
    const struct seen seen = look(timeline);
    assert_int_equal(timeline_step_sec(timeline), 4);
    assert_int_equal(seen.count, 3);
    for (size_t i = 0; i < seen.count; i++) {
        assert_int_equal(seen.steps[i].second, i * 4);
        assert_int_equal(seen.steps[i].seconds, 4);
        hits += seen.hits[i];
    }
    assert_int_equal(hits, 11);
    assert_int_equal(seen.p50[0], 2);
    assert_int_equal(seen.max[1], 8);
    assert_int_equal(seen.max[2], 11);
    assert_int_equal(add(timeline, 0, 1000, OUTCOME_FAILURE), 0); /* a late one */
    assert_int_equal(look(timeline).max[0], 1000);
}

/* The last second that there can be. */
static void test_far(void **state _unused_)
{
    _cleanup_(timeline_freep) struct timeline *timeline = NULL;

    assert_int_equal(timeline_new(&timeline, 2), 0);
    assert_int_equal(add(timeline, 1, 7, OUTCOME_SUCCESS), 0);
    assert_int_equal(add(timeline, UINT32_MAX, 9, OUTCOME_SUCCESS), 0);
    const struct seen seen = look(timeline);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.hits[0] + seen.hits[1], 2);
    assert_int_equal(timeline_step_sec(timeline), UINT32_C(1) << 31);
}

/* Of a step that two cycles share, the greater number. */
static void test_users(void **state _unused_)
{
    _cleanup_(timeline_freep) struct timeline *timeline = NULL;

    assert_int_equal(timeline_new(&timeline, 4), 0);
    assert_int_equal(timeline_set_users(timeline, 0, 10), 0);
    assert_int_equal(timeline_set_users(timeline, 2, 30), 0);
    assert_int_equal(timeline_set_users(timeline, 3, 20), 0);
    for (uint32_t second = 0; second < 4; second++) {
        assert_int_equal(add(timeline, second, 1, OUTCOME_SUCCESS), 0);
    }
    const struct seen fine = look(timeline);
    assert_int_equal(fine.steps[0].users, 10);
    assert_int_equal(fine.steps[1].users, 10);
    assert_int_equal(fine.steps[2].users, 30);
    assert_int_equal(fine.steps[3].users, 20);
    assert_int_equal(add(timeline, 5, 1, OUTCOME_SUCCESS), 0);
    const struct seen coarse = look(timeline);
    assert_int_equal(coarse.steps[0].users, 10);
    assert_int_equal(coarse.steps[1].users, 30);
    assert_int_equal(coarse.steps[2].users, 20);
}

/* More than can be counted is refused, and what was there stays. */
static void test_too_much(void **state _unused_)
{
    _cleanup_(timeline_freep) struct timeline *timeline = NULL;
    struct interval_series series = {.id = 1, .errors = INT64_MAX};
    struct interval interval = {.seconds = 1, .series = &series, .n_series = 1};

    assert_int_equal(timeline_new(&timeline, 8), 0);
    assert_int_equal(timeline_add(timeline, &interval), 0);
    interval.second = 3;
    series.errors = 1;
    assert_int_equal(timeline_add(timeline, &interval), -ERANGE);
    series = (struct interval_series){.id = 1, .received_bytes = UINT64_MAX};
    assert_int_equal(timeline_add(timeline, &interval), -ERANGE);
    const struct seen seen = look(timeline);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.steps[0].request_errors, INT64_MAX);
}

static int stop(const struct timeline_step *step, void *context)
{
    ++*(unsigned *)context;
    return step->second == 1 ? 17 : 0;
}

static void test_stops(void **state _unused_)
{
    _cleanup_(timeline_freep) struct timeline *timeline = NULL;
    unsigned visits = 0;

    assert_int_equal(timeline_new(&timeline, 8), 0);
    assert_int_equal(add(timeline, 5, 1, OUTCOME_SUCCESS), 0);
    assert_int_equal(timeline_each(timeline, stop, &visits), 17);
    assert_int_equal(visits, 2);
    assert_null(timeline_free(NULL));
}

/* What couldn't be added is missing, and nothing else is; tried again, it is there. */
static void test_no_memory(void **state _unused_)
{
    for (long n = 0, r = -ENOMEM; r < 0; n++) {
        _cleanup_(timeline_freep) struct timeline *timeline = NULL;
        struct seen seen = {.count = 0};
        uint64_t hits = 0;

        assert_int_equal(timeline_new(&timeline, 2), 0);
        assert_int_equal(add(timeline, 0, 1, OUTCOME_SUCCESS), 0);
        assert_int_equal(add(timeline, 1, 2, OUTCOME_SUCCESS), 0);
        allocation_fails_after = n;
        r = add(timeline, 2, 3, OUTCOME_SUCCESS);
        r = r == 0 ? timeline_set_users(timeline, 0, 1) : r;
        r = r == 0 ? timeline_each(timeline, see, &seen) : r;
        bool was_last = allocation_fails_after >= 0;
        allocation_fails_after = -1;
        assert_true(was_last ? r == 0 : r == -ENOMEM);
        const struct seen after = look(timeline);
        for (size_t i = 0; i < after.count; i++) {
            hits += after.hits[i];
        }
        assert_true(hits == 2 || hits == 3);
    }
    for (long n = 0; n < 2; n++) {
        struct timeline *timeline = NULL;
        allocation_fails_after = n;
        assert_int_equal(timeline_new(&timeline, 2), -ENOMEM);
        allocation_fails_after = -1;
        assert_null(timeline);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),     cmocka_unit_test(test_coarser),
        cmocka_unit_test(test_far),       cmocka_unit_test(test_users),
        cmocka_unit_test(test_too_much),  cmocka_unit_test(test_stops),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
