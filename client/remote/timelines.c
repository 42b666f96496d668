/* SPDX-License-Identifier: MPL-2.0 */
/* Each step is checked as an interval from outside is: what can't be the counts of samples would
 * make percentiles of nothing. */
#include "remote/timelines.h"

#include <errno.h>

#include "base/clock.h"
#include "remote/fields.h"
#include "run/cycles.h"

#define PAGE_SECONDS 120

/* ---- pages ---- */

static int read_buckets(const json_t *step, struct histogram *latency, struct error *error)
{
    const json_t *buckets, *counts;

    int r = field_array(step, "buckets", &buckets, error);
    if (r == 0) {
        r = field_array(step, "counts", &counts, error);
    }
    for (size_t i = 0; r == 0 && i < json_array_size(buckets); i++) {
        const json_t *bucket = json_array_get(buckets, i), *count = json_array_get(counts, i);
        if (!json_is_integer(bucket) || json_integer_value(bucket) < 0 ||
            json_integer_value(bucket) >= HISTOGRAM_BUCKETS || !json_is_integer(count) ||
            json_integer_value(count) < 1) {
            return error_set(error, -EBADMSG, "buckets and counts: entry %zu makes no sense", i);
        }
        r = histogram_add_bucket(latency, (unsigned)json_integer_value(bucket),
                                 (uint64_t)json_integer_value(count));
    }
    return r == -ENOMEM ? error_set_errno(error, r, "buckets") : r;
}

static int read_latency(const json_t *step, struct histogram *latency, struct error *error)
{
    int r = field_number(step, "hits", &latency->count, error);

    if (r == 0) {
        r = field_number(step, "sum_usec", &latency->sum_usec, error);
    }
    if (r == 0) {
        r = field_number(step, "min_usec", &latency->min_usec, error);
    }
    if (r == 0) {
        r = field_number(step, "max_usec", &latency->max_usec, error);
    }
    if (r == 0) {
        r = read_buckets(step, latency, error);
    }
    if (r == 0 && !histogram_is_valid(latency)) {
        r = error_set(error, -EBADMSG,
                      "hits, sum_usec, min_usec and max_usec aren't of the counts");
    }
    return r;
}

static int read_counts(const json_t *step, struct interval_series *series,
                       struct interval_test *test, struct error *error)
{
    const struct {
        const char *key;
        uint64_t *value;
    } fields[] = {
        {"request_errors", &series->errors},
        {"sent_bytes", &series->sent_bytes},
        {"received_bytes", &series->received_bytes},
        {"successes", &test->outcomes[OUTCOME_SUCCESS]},
        {"failures", &test->outcomes[OUTCOME_FAILURE]},
        {"errors", &test->outcomes[OUTCOME_ERROR]},
        {"interrupted", &test->outcomes[OUTCOME_INTERRUPTED]},
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ELEMENTSOF(fields); i++) {
        r = field_number(step, fields[i].key, fields[i].value, error);
    }
    return r;
}

static int take_step(struct timeline *timeline, const json_t *step, struct error *error)
{
    struct interval_series series = {.id = 0};
    struct interval_test test = {.id = 0};
    struct interval interval = {
        .seconds = 1, .series = &series, .n_series = 1, .tests = &test, .n_tests = 1};
    uint64_t second = UINT64_MAX;

    int r = field_number(step, "second", &second, error);
    if (r == 0 && second > INT32_MAX) {
        r = error_set(error, -EBADMSG, "second: a number up to %d is expected", INT32_MAX);
    }
    if (r == 0) {
        r = read_latency(step, &series.latency, error);
    }
    if (r == 0) {
        r = read_counts(step, &series, &test, error);
    }
    if (r == 0) {
        interval.second = (uint32_t)second;
        r = timeline_add(timeline, &interval);
        r = r == -ERANGE ? error_set(error, -EBADMSG, "the sums are too large")
            : r < 0      ? error_set_errno(error, r, "steps")
                         : 0;
    }
    histogram_clear(&series.latency);
    return r;
}

int timeline_take(struct timeline *timeline, const json_t *page, uint64_t *ret, struct error *error)
{
    const json_t *steps = NULL;
    json_t *step;
    size_t index;

    *ret = 0;
    int r = field_number(page, "seconds", ret, error);
    if (r == 0 && *ret > INT32_MAX) {
        r = error_set(error, -EBADMSG, "seconds: a number up to %d is expected", INT32_MAX);
    }
    if (r == 0) {
        r = field_array(page, "steps", &steps, error);
    }
    if (r < 0) {
        return r;
    }
    json_array_foreach(steps, index, step)
    {
        r = take_step(timeline, step, error);
        if (r < 0) {
            return error_prefix(error, r, "steps: entry %zu", index);
        }
    }
    return 0;
}

/* ---- users ---- */

/* Nobody keeps when cycles began. One that is alone begins with the run; those that last a time
 * follow each other, but for what it takes to start workers; of others nothing is known. */
static int add_users(struct timeline *timeline, const struct snapshot *snapshot)
{
    const struct run_spec *spec = snapshot->spec;
    unsigned cycles = cycles_count(spec);
    size_t agents = MAX(snapshot->agents.count, (size_t)1);
    int r = 0;

    if (cycles > 1 && spec->duration_usec == 0) {
        return 0;
    }
    for (unsigned i = 0; r == 0 && i < cycles; i++) {
        uint64_t second = i * (spec->duration_usec / USEC_PER_SEC);
        r = timeline_set_users(timeline, (uint32_t)MIN(second, (uint64_t)UINT32_MAX),
                               (uint64_t)cycles_at(spec, i).users * agents);
    }
    return r;
}

/* ---- the whole ---- */

int request_timeline(struct frontend *frontend, const struct snapshot *snapshot,
                     struct timeline **ret, struct error *error)
{
    _cleanup_(timeline_freep) struct timeline *timeline = NULL;
    uint64_t seconds = 1;

    int r = timeline_new(&timeline, TIMELINE_MAX_STEPS);
    if (r == 0) {
        r = add_users(timeline, snapshot);
    }
    if (r < 0) {
        return error_set_errno(error, r, "the run over time");
    }
    for (uint64_t start = 0; start < seconds; start += PAGE_SECONDS) {
        _cleanup_(json_decrefp) json_t *result = NULL;
        _cleanup_(json_decrefp) json_t *request =
            json_pack("{ssss sI si}", "command", "CTRL_TIMELINE", "run_id", snapshot->spec->run_id,
                      "start", (json_int_t)start, "size", PAGE_SECONDS);
        if (!request) {
            return error_set_errno(error, -ENOMEM, "the run over time");
        }
        r = frontend_ask(frontend, request, NULL, &result, error);
        if (r < 0) {
            return r;
        }
        r = timeline_take(timeline, result, &seconds, error);
        if (r < 0) {
            return error_prefix(error, r, "the broker's answer to CTRL_TIMELINE");
        }
    }
    *ret = TAKE_PTR(timeline);
    return 0;
}
