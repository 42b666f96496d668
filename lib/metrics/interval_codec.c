/* SPDX-License-Identifier: MPL-2.0 */
/* Intervals on the wire. An interval has one encoding only: numbers are in the shortest form, ids
 * and buckets are gaps from the one before and so can't be out of order, and what follows from
 * something else isn't written (the first bucket is that of the least latency; the count of hits is
 * the sum of the buckets). So a decoder has little to check, and two ends can compare bytes.
 *
 *   interval  = version second seconds n *series n *error n *counter n *test n *timer
 *   series    = gap errors sent-bytes received-bytes n [min max-min sum count-1 *(gap count-1)]
 *   error     = gap zigzag(count)
 *   counter   = gap zigzag(count)
 *   test      = gap success failure error interrupted
 *   timer     = gap errors n [min max-min sum count-1 *(gap count-1)]
 *   gap       = how many ids (or buckets) were skipped since the one before
 */
#include <errno.h>
#include <stdlib.h>

#include "base/varint.h"
#include "metrics/interval.h"
#include "metrics/names.h"

#define VERSION 2

/* The least that one entry of each array takes, so that counts can be held against what is there.
 */
#define MIN_SERIES_BYTES 5
#define MIN_COUNT_BYTES  2
#define MIN_TEST_BYTES   5
#define MIN_TIMER_BYTES  3

/* ---- writing ---- */

/* Writes a number of an ascending sequence; *next is what it would be without a gap. */
static void put_gap(struct varint_writer *writer, unsigned number, unsigned *next)
{
    varint_put(writer, number - *next);
    *next = number + 1;
}

static void count_bucket(unsigned bucket _unused_, uint64_t count _unused_, void *context)
{
    ++*(unsigned *)context;
}

struct bucket_writer {
    struct varint_writer *writer;
    unsigned next; /* 0: the first bucket is still to come */
};

static void put_bucket(unsigned bucket, uint64_t count, void *context)
{
    struct bucket_writer *buckets = context;
    if (buckets->next == 0) {
        buckets->next = bucket + 1;
    } else {
        put_gap(buckets->writer, bucket, &buckets->next);
    }
    varint_put(buckets->writer, count - 1);
}

static void put_histogram(struct varint_writer *writer, const struct histogram *histogram)
{
    struct bucket_writer buckets = {.writer = writer};
    unsigned n = 0;

    histogram_each(histogram, count_bucket, &n);
    varint_put(writer, n);
    if (n > 0) {
        varint_put(writer, histogram->min_usec);
        varint_put(writer, histogram->max_usec - histogram->min_usec);
        varint_put(writer, histogram->sum_usec);
        histogram_each(histogram, put_bucket, &buckets);
    }
}

static void put_counts(struct varint_writer *writer, const struct interval_count *counts, size_t n)
{
    unsigned next = 0;

    varint_put(writer, n);
    for (size_t i = 0; i < n; i++) {
        put_gap(writer, counts[i].id, &next);
        varint_put_signed(writer, counts[i].count);
    }
}

int interval_encode(const struct interval *interval, uint8_t **ret, size_t *ret_size)
{
    struct varint_writer writer = {0};
    unsigned next = 0;

    varint_put(&writer, VERSION);
    varint_put(&writer, interval->second);
    varint_put(&writer, interval->seconds);
    varint_put(&writer, interval->n_series);
    for (size_t i = 0; i < interval->n_series; i++) {
        const struct interval_series *series = &interval->series[i];
        put_gap(&writer, series->id, &next);
        varint_put(&writer, series->errors);
        varint_put(&writer, series->sent_bytes);
        varint_put(&writer, series->received_bytes);
        put_histogram(&writer, &series->latency);
    }
    put_counts(&writer, interval->errors, interval->n_errors);
    put_counts(&writer, interval->counters, interval->n_counters);
    varint_put(&writer, interval->n_tests);
    next = 0;
    for (size_t i = 0; i < interval->n_tests; i++) {
        put_gap(&writer, interval->tests[i].id, &next);
        for (unsigned outcome = 0; outcome < OUTCOMES; outcome++) {
            varint_put(&writer, interval->tests[i].outcomes[outcome]);
        }
    }
    varint_put(&writer, interval->n_timers);
    next = 0;
    for (size_t i = 0; i < interval->n_timers; i++) {
        put_gap(&writer, interval->timers[i].id, &next);
        varint_put(&writer, interval->timers[i].errors);
        put_histogram(&writer, &interval->timers[i].latency);
    }
    if (writer.failed) {
        free(writer.bytes);
        return -ENOMEM;
    }
    *ret = writer.bytes;
    *ret_size = writer.size;
    return 0;
}

/* ---- reading ---- */

/* Reads how many entries follow: `limit` of them at most, of `min_bytes` each at least. */
static size_t get_length(struct varint_reader *reader, size_t limit, size_t min_bytes)
{
    uint64_t n = varint_get(reader);

    if (n > limit) {
        return varint_fail(reader, -E2BIG, "more entries than a run can have");
    }
    if (n > (size_t)(reader->end - reader->at) / min_bytes) {
        return varint_fail(reader, -EBADMSG, "more entries than bytes for them");
    }
    return (size_t)n;
}

/* Reads the next number of an ascending sequence of numbers up to `max`. */
static unsigned get_gap(struct varint_reader *reader, unsigned *next, unsigned max, int r)
{
    uint64_t gap = varint_get(reader);

    if (*next > max || gap > max - *next) {
        return (unsigned)varint_fail(reader, r, "a number is beyond its limit");
    }
    unsigned number = *next + (unsigned)gap;
    *next = number + 1;
    return number;
}

static void get_histogram(struct varint_reader *reader, struct histogram *histogram)
{
    size_t n = get_length(reader, HISTOGRAM_BUCKETS, 1);
    unsigned next = 0;

    if (n == 0) {
        return;
    }
    histogram->min_usec = varint_get(reader);
    histogram->max_usec = histogram->min_usec + varint_get(reader);
    histogram->sum_usec = varint_get(reader);
    for (size_t i = 0; i < n && reader->r == 0; i++) {
        unsigned bucket = i == 0 ? histogram_bucket(histogram->min_usec)
                                 : get_gap(reader, &next, HISTOGRAM_BUCKETS - 1, -EBADMSG);
        next = bucket + 1;
        uint64_t count = varint_get(reader);
        if (reader->r < 0) {
            return;
        }
        if (count == UINT64_MAX ||
            __builtin_add_overflow(histogram->count, count + 1, &histogram->count)) {
            varint_fail(reader, -EBADMSG, "a count has more than 64 bits");
        } else if (histogram_add_bucket(histogram, bucket, count + 1) < 0) {
            varint_fail(reader, -ENOMEM, "out of memory");
        }
    }
    if (!histogram_is_valid(histogram)) {
        varint_fail(reader, -EBADMSG,
                    "sum, least and greatest latency can't be those of the buckets");
    }
}

/* An array of `n` entries; NULL when that fails or n is 0. */
static void *get_array(struct varint_reader *reader, size_t n, size_t entry_bytes)
{
    void *array = n > 0 ? calloc(n, entry_bytes) : NULL;

    if (n > 0 && !array) {
        varint_fail(reader, -ENOMEM, "out of memory");
    }
    return array;
}

static void get_series(struct varint_reader *reader, struct interval *interval)
{
    size_t n = get_length(reader, NAMES_MAX_SERIES + 1, MIN_SERIES_BYTES);
    unsigned next = 0;

    interval->series = get_array(reader, n, sizeof *interval->series);
    while (interval->n_series < n && reader->r == 0) {
        struct interval_series *series = &interval->series[interval->n_series++];
        series->id = get_gap(reader, &next, NAMES_MAX_SERIES, -E2BIG);
        series->errors = varint_get(reader);
        series->sent_bytes = varint_get(reader);
        series->received_bytes = varint_get(reader);
        get_histogram(reader, &series->latency);
        if (series->latency.count == 0 && series->errors == 0 && series->sent_bytes == 0 &&
            series->received_bytes == 0) {
            varint_fail(reader, -EBADMSG, "a series with nothing in it");
        }
    }
}

static struct interval_count *get_counts(struct varint_reader *reader, unsigned max_id, int64_t min,
                                         size_t *ret_n)
{
    size_t n = get_length(reader, (size_t)max_id + 1, MIN_COUNT_BYTES);
    struct interval_count *counts = get_array(reader, n, sizeof *counts);
    unsigned next = 0;

    for (size_t i = 0; i < n && reader->r == 0; i++) {
        counts[i].id = get_gap(reader, &next, max_id, -E2BIG);
        counts[i].count = varint_get_signed(reader);
        if (counts[i].count == 0 || counts[i].count < min) {
            varint_fail(reader, -EBADMSG, "a count that can't be");
        }
    }
    *ret_n = counts ? n : 0;
    return counts;
}

static void get_tests(struct varint_reader *reader, struct interval *interval)
{
    size_t n = get_length(reader, NAMES_MAX_TESTS + 1, MIN_TEST_BYTES);
    unsigned next = 0;

    interval->tests = get_array(reader, n, sizeof *interval->tests);
    while (interval->n_tests < n && reader->r == 0) {
        struct interval_test *test = &interval->tests[interval->n_tests++];
        uint64_t any = 0;
        test->id = get_gap(reader, &next, NAMES_MAX_TESTS, -E2BIG);
        for (unsigned outcome = 0; outcome < OUTCOMES; outcome++) {
            test->outcomes[outcome] = varint_get(reader);
            any |= test->outcomes[outcome];
        }
        if (any == 0) {
            varint_fail(reader, -EBADMSG, "a test with nothing in it");
        }
    }
}

static void get_timers(struct varint_reader *reader, struct interval *interval)
{
    size_t n = get_length(reader, NAMES_MAX_TIMERS + 1, MIN_TIMER_BYTES);
    unsigned next = 0;

    interval->timers = get_array(reader, n, sizeof *interval->timers);
    while (interval->n_timers < n && reader->r == 0) {
        struct interval_series *timer = &interval->timers[interval->n_timers++];
        timer->id = get_gap(reader, &next, NAMES_MAX_TIMERS, -E2BIG);
        timer->errors = varint_get(reader);
        get_histogram(reader, &timer->latency);
        if (timer->latency.count == 0 && timer->errors == 0) {
            varint_fail(reader, -EBADMSG, "a timer with nothing in it");
        }
    }
}

int interval_decode(const uint8_t *bytes, size_t size, struct interval **ret, struct error *error)
{
    struct varint_reader reader = {
        .at = bytes, .end = bytes + size, .what = "interval", .error = error};
    _cleanup_(interval_freep) struct interval *interval = calloc(1, sizeof *interval);

    if (!interval) {
        return error_set(error, -ENOMEM, "interval: out of memory");
    }
    if (varint_get(&reader) != VERSION) {
        varint_fail(&reader, -EBADMSG, "it is of another version");
    }
    uint64_t second = varint_get(&reader);
    uint64_t seconds = varint_get(&reader);
    if (second > UINT32_MAX || seconds == 0 || seconds > UINT32_MAX - second) {
        varint_fail(&reader, -EBADMSG, "its seconds can't be");
    }
    interval->second = (uint32_t)second;
    interval->seconds = (uint32_t)seconds;
    get_series(&reader, interval);
    interval->errors = get_counts(&reader, NAMES_MAX_ERRORS, 1, &interval->n_errors);
    interval->counters = get_counts(&reader, NAMES_MAX_COUNTERS, INT64_MIN, &interval->n_counters);
    get_tests(&reader, interval);
    get_timers(&reader, interval);
    if (reader.r == 0 && reader.at != reader.end) {
        varint_fail(&reader, -EBADMSG, "there is something behind its end");
    }
    if (reader.r < 0) {
        return reader.r;
    }
    *ret = TAKE_PTR(interval);
    return 0;
}
