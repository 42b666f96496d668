/* SPDX-License-Identifier: MPL-2.0 */
/* A step is an interval with one series and one test, both with the id 0, since interval.c can
 * merge and encode just that. Encoded, a second takes two bytes per distinct latency instead of
 * pages of counts, so that an hour of them fits where a few minutes would. Each addition decodes
 * one step and encodes it again, which takes microseconds, once per worker and second. */
#include "metrics/timeline.h"

#include <errno.h>
#include <string.h>

struct step {
    uint8_t *bytes; /* an encoded interval; NULL: nothing was counted */
    size_t size;
};

struct change {
    uint32_t second;
    uint64_t users;
};

struct timeline {
    struct step *steps; /* max_steps */
    size_t max_steps, n_steps;
    uint32_t step_sec;
    uint64_t sums[5 + OUTCOMES]; /* of all steps, which no step can exceed */
    struct change *changes;
    size_t n_changes;
};

int timeline_new(struct timeline **ret, size_t max_steps)
{
    assert(max_steps >= 2 && max_steps % 2 == 0);
    _cleanup_(timeline_freep) struct timeline *timeline = calloc(1, sizeof *timeline);
    if (!timeline) {
        return -ENOMEM;
    }
    timeline->steps = calloc(max_steps, sizeof *timeline->steps);
    if (!timeline->steps) {
        return -ENOMEM;
    }
    timeline->max_steps = max_steps;
    timeline->step_sec = 1;
    *ret = TAKE_PTR(timeline);
    return 0;
}

struct timeline *timeline_free(struct timeline *timeline)
{
    if (timeline) {
        for (size_t i = 0; i < timeline->n_steps; i++) {
            free(timeline->steps[i].bytes);
        }
        free(timeline->steps);
        free(timeline->changes);
        free(timeline);
    }
    return NULL;
}

/* ---- steps ---- */

/* NULL in `ret`: nothing was counted. Our own bytes: they can only fail for want of memory. */
static int decode_step(const struct step *step, struct interval **ret)
{
    *ret = NULL;
    if (!step->bytes) {
        return 0;
    }
    int r = interval_decode(step->bytes, step->size, ret, NULL);
    assert(r == 0 || r == -ENOMEM);
    return r;
}

static int store_step(struct step *step, const struct interval *interval)
{
    uint8_t *bytes;
    size_t size;

    int r = interval_encode(interval, &bytes, &size);
    if (r < 0) {
        return r;
    }
    free(step->bytes);
    *step = (struct step){bytes, size};
    return 0;
}

/* Adds what is an interval of one series and test already. */
static int add_to_step(struct step *step, const struct interval *flat)
{
    _cleanup_(interval_freep) struct interval *sum = NULL;

    int r = decode_step(step, &sum);
    if (r < 0) {
        return r;
    }
    if (!sum) {
        return store_step(step, flat);
    }
    r = interval_merge(sum, flat);
    return r < 0 ? r : store_step(step, sum);
}

/* Two steps become one. When memory runs out on the way, some steps are empty and their numbers are
 * in the one before, until it is tried again. */
static int halve(struct timeline *timeline)
{
    for (size_t i = 1; i < timeline->n_steps; i += 2) {
        _cleanup_(interval_freep) struct interval *second = NULL;
        int r = decode_step(&timeline->steps[i], &second);
        if (r == 0 && second) {
            r = add_to_step(&timeline->steps[i - 1], second);
        }
        if (r < 0) {
            return r;
        }
        free(timeline->steps[i].bytes);
        timeline->steps[i] = (struct step){NULL, 0};
    }
    size_t half = (timeline->n_steps + 1) / 2;
    for (size_t i = 1; i < half; i++) {
        timeline->steps[i] = timeline->steps[2 * i];
        timeline->steps[2 * i] = (struct step){NULL, 0};
    }
    timeline->n_steps = half;
    timeline->step_sec *= 2;
    return 0;
}

/* ---- adding ---- */

/* All of an interval as that of one series and one test. */
static int flatten(const struct interval *interval, struct interval *flat,
                   struct interval_series *series, struct interval_test *test)
{
    uint64_t iterations = 0;

    for (size_t i = 0; i < interval->n_series; i++) {
        const struct interval_series *from = &interval->series[i];
        int r = histogram_merge(&series->latency, &from->latency);
        if (r < 0) {
            return r;
        }
        series->errors += from->errors;
        series->sent_bytes += from->sent_bytes;
        series->received_bytes += from->received_bytes;
    }
    for (size_t i = 0; i < interval->n_tests; i++) {
        for (unsigned outcome = 0; outcome < OUTCOMES; outcome++) {
            test->outcomes[outcome] += interval->tests[i].outcomes[outcome];
            iterations += interval->tests[i].outcomes[outcome];
        }
    }
    *flat = (struct interval){
        .second = interval->second,
        .seconds = 1,
        .series = series,
        .n_series = series->latency.count > 0 || series->errors > 0 || series->sent_bytes > 0 ||
                    series->received_bytes > 0,
        .tests = test,
        .n_tests = iterations > 0,
    };
    return 0;
}

/* Counts may come from a peer, and a step that can't be decoded any more must not be made. */
static int check_sums(struct timeline *timeline, const struct interval_series *series,
                      const struct interval_test *test)
{
    uint64_t sums[ELEMENTSOF(timeline->sums)] = {series->latency.count, series->latency.sum_usec,
                                                 series->errors, series->sent_bytes,
                                                 series->received_bytes};
    for (size_t i = 0; i < OUTCOMES; i++) {
        sums[5 + i] = test->outcomes[i];
    }
    for (size_t i = 0; i < ELEMENTSOF(sums); i++) {
        if (__builtin_add_overflow(sums[i], timeline->sums[i], &sums[i]) || sums[i] > INT64_MAX) {
            return -ERANGE;
        }
    }
    memcpy(timeline->sums, sums, sizeof sums);
    return 0;
}

int timeline_add(struct timeline *timeline, const struct interval *interval)
{
    struct interval_series series = {.id = 0};
    struct interval_test test = {.id = 0};
    struct interval flat = {.seconds = 1};

    int r = flatten(interval, &flat, &series, &test);
    if (r == 0) {
        r = check_sums(timeline, &series, &test);
    }
    while (r == 0 && interval->second / timeline->step_sec >= timeline->max_steps) {
        r = halve(timeline);
    }
    if (r == 0 && (flat.n_series > 0 || flat.n_tests > 0)) {
        size_t index = interval->second / timeline->step_sec;
        flat.second = (uint32_t)index * timeline->step_sec;
        timeline->n_steps = MAX(timeline->n_steps, index + 1);
        r = add_to_step(&timeline->steps[index], &flat);
    }
    histogram_clear(&series.latency);
    return r;
}

int timeline_set_users(struct timeline *timeline, uint32_t second, uint64_t users)
{
    struct change *changes =
        realloc(timeline->changes, (timeline->n_changes + 1) * sizeof *changes);

    if (!changes) {
        return -ENOMEM;
    }
    changes[timeline->n_changes++] = (struct change){second, users};
    timeline->changes = changes;
    return 0;
}

/* ---- reading ---- */

uint32_t timeline_step_sec(const struct timeline *timeline)
{
    return timeline->step_sec;
}

size_t timeline_steps(const struct timeline *timeline)
{
    return timeline->n_steps;
}

/* The most from the first second of a step to its last. */
static uint64_t users_in(const struct timeline *timeline, uint32_t second)
{
    uint64_t users = 0;

    for (size_t i = 0; i < timeline->n_changes; i++) {
        const struct change *change = &timeline->changes[i];
        if (change->second <= second) {
            users = change->users;
        } else if (change->second - second < timeline->step_sec) {
            users = MAX(users, change->users);
        }
    }
    return users;
}

int timeline_each(const struct timeline *timeline,
                  int (*visit)(const struct timeline_step *step, void *context), void *context)
{
    static const struct histogram empty;

    for (size_t i = 0; i < timeline->n_steps; i++) {
        _cleanup_(interval_freep) struct interval *interval = NULL;
        struct timeline_step step = {
            .second = (uint32_t)i * timeline->step_sec,
            .seconds = timeline->step_sec,
            .latency = &empty,
        };
        int r = decode_step(&timeline->steps[i], &interval);
        if (r < 0) {
            return r;
        }
        step.users = users_in(timeline, step.second);
        if (interval && interval->n_series > 0) {
            const struct interval_series *series = &interval->series[0];
            step.latency = &series->latency;
            step.request_errors = series->errors;
            step.sent_bytes = series->sent_bytes;
            step.received_bytes = series->received_bytes;
        }
        if (interval && interval->n_tests > 0) {
            memcpy(step.outcomes, interval->tests[0].outcomes, sizeof step.outcomes);
        }
        r = visit(&step, context);
        if (r != 0) {
            return r;
        }
    }
    return 0;
}
