/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "allocation.h"
#include "broker/results.h"
#include "metrics/detail_codec.h"

#define SOURCES 3
#define RUN     "6b0f7d5c-0c5e-4c52-9d8e-000000000001"

/* What the store is given is noted here. */
static struct {
    unsigned calls;
    int answer;
    struct {
        unsigned source;
        uint64_t seq, hits;
        uint32_t second;
    } intervals[16];
    size_t n_intervals;
    struct {
        unsigned source, id;
        uint64_t seq;
        size_t n_records;
    } details[16];
    size_t n_details;
    uint64_t hits; /* of the totals */
    const struct names *names;
    uint64_t started_usec;
} stored;

int __wrap_store_results(struct store *store, const struct store_batch *batch, store_done *done,
                         void *context);
int __wrap_store_results(struct store *store _unused_, const struct store_batch *batch,
                         store_done *done _unused_, void *context _unused_)
{
    stored.calls++;
    if (stored.answer < 0) {
        return stored.answer;
    }
    assert_string_equal(batch->run_id, RUN);
    assert_true(batch->n_intervals <= ELEMENTSOF(stored.intervals));
    for (size_t i = 0; i < batch->n_intervals; i++) {
        const struct store_interval *given = &batch->intervals[i];
        stored.intervals[i].source = given->source;
        stored.intervals[i].seq = given->seq;
        stored.intervals[i].second = given->interval->second;
        stored.intervals[i].hits =
            given->interval->n_series > 0 ? given->interval->series[0].latency.count : 0;
    }
    stored.n_intervals = batch->n_intervals;
    assert_true(batch->n_details <= ELEMENTSOF(stored.details));
    for (size_t i = 0; i < batch->n_details; i++) {
        const struct store_details *given = &batch->details[i];
        stored.details[i].source = given->source;
        stored.details[i].seq = given->seq;
        stored.details[i].n_records = given->n_records;
        stored.details[i].id = given->n_records > 0 ? given->records[0].id : 0;
    }
    stored.n_details = batch->n_details;
    stored.hits = batch->totals->hits;
    stored.names = batch->names;
    stored.started_usec = batch->started_usec;
    return 0;
}

static struct results *results;
static struct error error;

static int set_up(void **state _unused_)
{
    memset(&stored, 0, sizeof stored);
    error = (struct error){0};
    return results_new(&results, SOURCES);
}

static int tear_down(void **state _unused_)
{
    results = results_free(results);
    return 0;
}

/* ---- messages ---- */

#define SERIES(name_)                                                                              \
    "T.t\x1f" name_ "\x1fGET\x1f"                                                                  \
    "200"

static enum results_verdict take_message(enum agent_message_type type, unsigned source,
                                         uint64_t seq, const struct agent_name *names,
                                         size_t n_names, const void *bytes, size_t size)
{
    struct agent_message message = {.type = type,
                                    .run_id = RUN,
                                    .source = source,
                                    .seq = seq,
                                    .names = names,
                                    .n_names = n_names};
    error = (struct error){0};
    return results_take(results, source, &message, bytes, size, &error);
}

static enum results_verdict take_interval(unsigned source, uint64_t seq,
                                          const struct agent_name *names, size_t n_names,
                                          const struct interval *interval)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;

    assert_int_equal(interval_encode(interval, &bytes, &size), 0);
    return take_message(AGENT_RESULTS, source, seq, names, n_names, bytes, size);
}

/* So many hits of 1 ms in one series; `name` NULL: it isn't named. */
static enum results_verdict take(unsigned source, uint64_t seq, unsigned id, const char *name,
                                 uint64_t hits)
{
    const struct agent_name names[] = {{NAME_SERIES, id, name}};
    struct interval_series series = {.id = id};
    struct interval interval = {
        .second = (uint32_t)seq, .seconds = 1, .series = &series, .n_series = 1};

    assert_int_equal(histogram_add(&series.latency, 1000, hits), 0);
    enum results_verdict verdict = take_interval(source, seq, names, name ? 1 : 0, &interval);
    histogram_clear(&series.latency);
    return verdict;
}

static uint64_t hits_of(const char *name)
{
    unsigned id = names_find(results_names(results), NAME_SERIES, name, strlen(name));
    return results_totals(results)->series[id].latency.count;
}

/* ---- taking ---- */

/* Sources number names as they like; by name they are added up. */
static void test_names_of_several_sources(void **state _unused_)
{
    assert_int_equal(take(0, 1, 1, SERIES("a"), 10), RESULTS_TAKEN);
    assert_int_equal(take(1, 1, 1, SERIES("b"), 200), RESULTS_TAKEN);
    assert_int_equal(take(1, 2, 2, SERIES("a"), 3000), RESULTS_TAKEN);
    assert_int_equal(take(0, 2, 7, SERIES("b"), 40000), RESULTS_TAKEN);
    assert_int_equal(take(0, 3, 1, NULL, 500000), RESULTS_TAKEN); /* named before */
    assert_int_equal(hits_of(SERIES("a")), 503010);
    assert_int_equal(hits_of(SERIES("b")), 40200);
    assert_int_equal(results_totals(results)->hits, 543210);
    assert_int_equal(names_count(results_names(results), NAME_SERIES), 3);
    assert_int_equal(results_expected(results, 0, STREAM_INTERVALS), 4);
    assert_int_equal(results_expected(results, 1, STREAM_INTERVALS), 3);
    assert_int_equal(results_expected(results, 2, STREAM_INTERVALS), 1);
}

static void test_every_kind(void **state _unused_)
{
    static const struct agent_name names[] = {
        {NAME_TEST, 3, "T.t"}, {NAME_ERROR, 2, "an error"}, {NAME_COUNTER, 5, "logins"}};
    struct interval_test test = {3, {1, 2, 3, 4}};
    struct interval_count errors = {2, 7}, counters = {5, -9};
    struct interval interval = {.seconds = 1,
                                .tests = &test,
                                .n_tests = 1,
                                .errors = &errors,
                                .n_errors = 1,
                                .counters = &counters,
                                .n_counters = 1};
    const struct totals *totals = results_totals(results);

    assert_int_equal(take_interval(0, 1, names, ELEMENTSOF(names), &interval), RESULTS_TAKEN);
    assert_int_equal(take_interval(0, 2, NULL, 0, &interval), RESULTS_TAKEN);
    assert_int_equal(totals->outcomes[1][OUTCOME_ERROR], 6);
    assert_int_equal(totals->errors[1], 14);
    assert_int_equal(totals->counters[1], -18);
}

/* What is known is not counted twice; what comes too early is not counted before its time. */
static void test_known_and_gap(void **state _unused_)
{
    assert_int_equal(take(0, 2, 1, SERIES("a"), 1), RESULTS_EXPECTED);
    assert_int_equal(results_expected(results, 0, STREAM_INTERVALS), 1);
    assert_int_equal(results_totals(results)->hits, 0);
    assert_int_equal(take(0, 1, 1, NULL, 10), RESULTS_TAKEN); /* its name came with the other */
    assert_int_equal(take(0, 2, 1, NULL, 200), RESULTS_TAKEN);
    assert_int_equal(take(0, 1, 1, NULL, 10), RESULTS_KNOWN);
    assert_int_equal(take(0, 2, 1, NULL, 200), RESULTS_KNOWN);
    assert_int_equal(take(0, 4, 1, NULL, 200), RESULTS_EXPECTED);
    assert_int_equal(take(0, UINT64_MAX, 1, NULL, 1), RESULTS_EXPECTED);
    assert_int_equal(results_expected(results, 0, STREAM_INTERVALS), 3);
    assert_int_equal(results_totals(results)->hits, 210);
    assert_int_equal(take_message(AGENT_RESULTS, 0, 1, NULL, 0, "nonsense", 8),
                     RESULTS_KNOWN); /* not looked at */
}

/* A number that can never be understood must not be in the way of those that come after it. */
static void test_rejected(void **state _unused_)
{
    assert_int_equal(take(0, 1, 1, SERIES("a"), 1), RESULTS_TAKEN);
    assert_int_equal(take_message(AGENT_RESULTS, 0, 2, NULL, 0, "\xff", 1), RESULTS_REJECTED);
    assert_non_null(strstr(error.text, "interval"));
    assert_int_equal(take_message(AGENT_RESULTS, 0, 3, NULL, 0, NULL, 0), RESULTS_REJECTED);
    assert_int_equal(results_rejected(results, 0), 2);
    assert_int_equal(results_rejected(results, 1), 0);
    assert_int_equal(take_message(AGENT_RESULTS, 0, 2, NULL, 0, "\xff", 1), RESULTS_KNOWN);
    assert_int_equal(take(0, 4, 1, NULL, 1), RESULTS_TAKEN);
    assert_int_equal(results_totals(results)->hits, 2);

    /* They are stored, so that their numbers are: as seconds in which nothing was. */
    assert_int_equal(results_store(results, NULL, RUN, 1, NULL, NULL), 0);
    assert_int_equal(stored.n_intervals, 4);
    assert_int_equal(stored.intervals[1].seq, 2);
    assert_int_equal(stored.intervals[1].hits, 0);
    results_stored(results);
    assert_int_equal(results_stored_seq(results, 0, STREAM_INTERVALS), 4);
}

/* The message with the name may have been lost: what needs it is asked for again, once. */
static void test_unknown_id(void **state _unused_)
{
    assert_int_equal(take(0, 1, 9, NULL, 1), RESULTS_EXPECTED);
    assert_int_equal(results_expected(results, 0, STREAM_INTERVALS), 1);
    assert_int_equal(take(0, 1, 9, SERIES("a"), 1), RESULTS_TAKEN); /* sent with its names */
    assert_int_equal(take(0, 2, 8, NULL, 1), RESULTS_EXPECTED);
    assert_int_equal(take(0, 2, 8, NULL, 1), RESULTS_REJECTED);
    assert_string_equal(error.text, "it has an id that was not named");
    assert_int_equal(take(0, 3, 7, NULL, 1), RESULTS_EXPECTED);
    assert_int_equal(take(0, 3, 7, NULL, 1), RESULTS_REJECTED);
    assert_int_equal(results_rejected(results, 0), 2);
    assert_int_equal(results_totals(results)->hits, 1);
    assert_int_equal(take(1, 1, 9, NULL, 1), RESULTS_EXPECTED); /* names are a source's own */
}

/* Ids that can't be are learnt by nobody; a name stays what it was. */
static void test_strange_names(void **state _unused_)
{
    static const struct agent_name names[] = {{NAME_SERIES, 0, SERIES("zero")},
                                              {NAME_SERIES, NAMES_MAX_SERIES + 1, SERIES("far")},
                                              {NAME_SERIES, 1, SERIES("a")},
                                              {NAME_SERIES, 1, SERIES("b")},
                                              {NAME_SERIES, NAMES_MAX_SERIES, SERIES("last")}};
    struct interval interval = {.seconds = 1};

    assert_int_equal(take_interval(0, 1, names, ELEMENTSOF(names), &interval), RESULTS_TAKEN);
    assert_int_equal(take(0, 2, 1, NULL, 1), RESULTS_TAKEN);
    assert_int_equal(take(0, 3, NAMES_MAX_SERIES, NULL, 2), RESULTS_TAKEN);
    assert_int_equal(take(0, 4, 0, NULL, 4), RESULTS_TAKEN);
    assert_int_equal(hits_of(SERIES("a")), 1);
    assert_int_equal(hits_of(SERIES("last")), 2);
    assert_int_equal(results_totals(results)->series[0].latency.count, 4); /* "(other)" */
    assert_int_equal(names_count(results_names(results), NAME_SERIES), 3);
}

/* ---- sums that don't fit ---- */

#define MOST (INT64_MAX / 2)

static void expect_too_large(unsigned source, uint64_t seq, const struct agent_name *name,
                             const struct interval *interval)
{
    assert_int_equal(take_interval(source, seq, name, 1, interval), RESULTS_REJECTED);
    assert_string_equal(error.text, "the sums are too large");
}

static void test_bytes_that_do_not_fit(void **state _unused_)
{
    static const struct agent_name name = {NAME_SERIES, 1, SERIES("a")};
    struct interval_series series = {.id = 1, .sent_bytes = MOST};
    struct interval interval = {.seconds = 1, .series = &series, .n_series = 1};

    assert_int_equal(take_interval(0, 1, &name, 1, &interval), RESULTS_TAKEN);
    series.sent_bytes = 1;
    expect_too_large(0, 2, &name, &interval);
    series = (struct interval_series){.id = 1, .received_bytes = (uint64_t)MOST + 1};
    expect_too_large(0, 3, &name, &interval);
    series = (struct interval_series){.id = 1, .errors = (uint64_t)MOST + 1};
    expect_too_large(0, 4, &name, &interval);
    series = (struct interval_series){.id = 1, .errors = 5};
    assert_int_equal(take_interval(0, 5, &name, 1, &interval), RESULTS_TAKEN);
    assert_int_equal(results_totals(results)->series[1].sent_bytes, MOST);
    assert_int_equal(results_totals(results)->request_errors, 5);
}

/* Each series alone would fit, and all of them don't. */
static void test_sums_over_series_that_do_not_fit(void **state _unused_)
{
    static const struct agent_name names[] = {{NAME_SERIES, 1, SERIES("a")},
                                              {NAME_SERIES, 2, SERIES("b")}};
    struct interval_series series[] = {{.id = 1, .errors = MOST}, {.id = 2, .errors = 1}};
    struct interval interval = {.seconds = 1, .series = series, .n_series = 2};

    assert_int_equal(take_interval(0, 1, names, 2, &interval), RESULTS_REJECTED);
    assert_string_equal(error.text, "the sums are too large");
    assert_int_equal(results_totals(results)->request_errors, 0);
    interval.n_series = 1;
    assert_int_equal(take_interval(0, 2, NULL, 0, &interval), RESULTS_TAKEN);
}

static void test_counts_that_do_not_fit(void **state _unused_)
{
    static const struct agent_name test_name = {NAME_TEST, 1, "T.t"};
    static const struct agent_name error_name = {NAME_ERROR, 1, "an error"};
    struct interval_test test = {1, {1, 0, 0, (uint64_t)MOST + 1}};
    struct interval_count errors = {1, -1};
    struct interval tests = {.seconds = 1, .tests = &test, .n_tests = 1};
    struct interval counts = {.seconds = 1, .errors = &errors, .n_errors = 1};

    expect_too_large(0, 1, &test_name, &tests);
    test.outcomes[OUTCOME_INTERRUPTED] = MOST;
    assert_int_equal(take_interval(0, 2, NULL, 0, &tests), RESULTS_TAKEN);
    expect_too_large(0, 3, &test_name, &tests);
    assert_int_equal(results_totals(results)->outcomes[1][OUTCOME_SUCCESS], 1);
    assert_int_equal(take_interval(1, 1, &error_name, 1, &counts), RESULTS_REJECTED);
    errors.count = MOST;
    assert_int_equal(take_interval(1, 2, &error_name, 1, &counts), RESULTS_TAKEN);
    errors.count = 1;
    expect_too_large(1, 3, &error_name, &counts);
    assert_int_equal(results_totals(results)->errors[1], MOST);
}

static void test_seconds_that_do_not_fit(void **state _unused_)
{
    static const struct agent_name name = {NAME_SERIES, 1, SERIES("a")};
    struct interval interval = {.second = INT32_MAX / 2, .seconds = 1};

    expect_too_large(0, 1, &name, &interval);
    interval = (struct interval){.second = INT32_MAX / 2 - 1, .seconds = 1};
    assert_int_equal(take_interval(0, 2, NULL, 0, &interval), RESULTS_TAKEN);
}

/* ---- what is full ---- */

static void test_overflows(void **state _unused_)
{
    struct agent_message message = {.type = AGENT_RESULTS, .seq = 1, .overflows = {0, 30, 0, 1}};
    _cleanup_free_ uint8_t *bytes = NULL;
    struct interval interval = {.seconds = 1};
    uint64_t overflows[NAME_KINDS];
    size_t size;

    assert_int_equal(interval_encode(&interval, &bytes, &size), 0);
    assert_int_equal(results_take(results, 0, &message, bytes, size, &error), RESULTS_TAKEN);
    message.overflows[NAME_SERIES] = 20; /* an older message: they only grow */
    assert_int_equal(results_take(results, 0, &message, bytes, size, &error), RESULTS_KNOWN);
    message.overflows[NAME_SERIES] = 4;
    assert_int_equal(results_take(results, 1, &message, bytes, size, &error), RESULTS_TAKEN);
    results_overflows(results, overflows);
    assert_int_equal(overflows[NAME_SERIES], 34);
    assert_int_equal(overflows[NAME_COUNTER], 2);
    assert_int_equal(overflows[NAME_ERROR], 0);
}

/* The store is slow: beyond a number of messages none is taken, until some are with it. */
static void test_full(void **state _unused_)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    struct interval interval = {.seconds = 1};
    size_t size;

    assert_int_equal(interval_encode(&interval, &bytes, &size), 0);
    for (uint64_t seq = 1; seq <= RESULTS_MAX_PENDING; seq++) {
        assert_int_equal(take_message(AGENT_RESULTS, 0, seq, NULL, 0, bytes, size), RESULTS_TAKEN);
    }
    assert_false(results_have_room(results, STREAM_INTERVALS));
    assert_int_equal(take(1, 1, 1, SERIES("a"), 1), RESULTS_FULL);
    assert_int_equal(results_expected(results, 1, STREAM_INTERVALS), 1);
    assert_int_equal(results_totals(results)->hits, 0);
    assert_int_equal(take_message(AGENT_RESULTS, 0, RESULTS_MAX_PENDING, NULL, 0, bytes, size),
                     RESULTS_KNOWN);
    assert_int_equal(take_message(AGENT_RESULTS, 0, RESULTS_MAX_PENDING + 2, NULL, 0, bytes, size),
                     RESULTS_EXPECTED);
}

static void test_without_memory(void **state _unused_)
{
    enum results_verdict verdict = RESULTS_FULL;

    for (long n = 0; verdict != RESULTS_TAKEN; n++) {
        static const struct agent_name name = {NAME_SERIES, 1, SERIES("a")};
        struct agent_message message = {
            .type = AGENT_RESULTS, .seq = 1, .names = &name, .n_names = 1};
        struct interval_series series = {.id = 1};
        struct interval interval = {.seconds = 1, .series = &series, .n_series = 1};
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t size;

        assert_int_equal(histogram_add(&series.latency, 1000, 5), 0);
        assert_int_equal(interval_encode(&interval, &bytes, &size), 0);
        histogram_clear(&series.latency);
        allocation_fails_after = n;
        verdict = results_take(results, 0, &message, bytes, size, &error);
        bool failed = allocation_fails_after < 0;
        allocation_fails_after = -1;
        assert_int_equal(results_expected(results, 0, STREAM_INTERVALS),
                         verdict == RESULTS_TAKEN ? 2 : 1);
        assert_int_equal(results_totals(results)->hits, verdict == RESULTS_TAKEN ? 5 : 0);
        assert_true(verdict == RESULTS_TAKEN || (verdict == RESULTS_FULL && failed));
        assert_true(n < 100);
    }
    assert_int_equal(results_rejected(results, 0), 0);
}

static void test_nothing_is_made_without_memory(void **state _unused_)
{
    struct results *made = NULL;
    int r = -ENOMEM;

    for (long n = 0; r < 0; n++) {
        allocation_fails_after = n;
        r = results_new(&made, SOURCES);
        allocation_fails_after = -1;
        assert_true(r == 0 ? made != NULL : r == -ENOMEM && !made);
    }
    results_free(made);
}

/* ---- storing ---- */

/* Batches are stored in the order in which they were given, and an acknowledgement follows the
 * oldest of them. */
static void test_batches(void **state _unused_)
{
    assert_false(results_are_pending(results));
    assert_int_equal(take(0, 1, 1, SERIES("a"), 1), RESULTS_TAKEN);
    assert_int_equal(take(2, 1, 1, SERIES("a"), 2), RESULTS_TAKEN);
    assert_int_equal(take(0, 2, 1, NULL, 4), RESULTS_TAKEN);
    assert_true(results_are_pending(results));
    assert_false(results_are_being_stored(results));

    assert_int_equal(results_store(results, NULL, RUN, 4711, NULL, NULL), 0);
    assert_int_equal(stored.n_intervals, 3);
    assert_int_equal(stored.started_usec, 4711);
    assert_int_equal(stored.hits, 7);
    assert_ptr_equal(stored.names, results_names(results));
    static const uint64_t expected[][3] = {{0, 1, 1}, {2, 1, 2}, {0, 2, 4}};
    for (size_t i = 0; i < ELEMENTSOF(expected); i++) {
        assert_int_equal(stored.intervals[i].source, expected[i][0]);
        assert_int_equal(stored.intervals[i].seq, expected[i][1]);
        assert_int_equal(stored.intervals[i].hits, expected[i][2]);
        assert_int_equal(stored.intervals[i].second, expected[i][1]);
    }
    assert_false(results_are_pending(results));
    assert_true(results_are_being_stored(results));

    assert_int_equal(take(0, 3, 1, NULL, 8), RESULTS_TAKEN);
    assert_int_equal(results_store(results, NULL, RUN, 4711, NULL, NULL), 0);
    assert_int_equal(stored.n_intervals, 1);
    assert_int_equal(stored.intervals[0].seq, 3);
    assert_int_equal(stored.hits, 15); /* all that was taken, the first batch's included */

    assert_int_equal(results_stored_seq(results, 0, STREAM_INTERVALS), 0);
    results_stored(results);
    assert_int_equal(results_stored_seq(results, 0, STREAM_INTERVALS), 2);
    assert_int_equal(results_stored_seq(results, 1, STREAM_INTERVALS), 0);
    assert_int_equal(results_stored_seq(results, 2, STREAM_INTERVALS), 1);
    assert_true(results_are_being_stored(results));
    results_stored(results);
    assert_int_equal(results_stored_seq(results, 0, STREAM_INTERVALS), 3);
    assert_false(results_are_being_stored(results));
    assert_int_equal(take(0, 4, 1, NULL, 16), RESULTS_TAKEN); /* and it goes on */
    assert_int_equal(results_store(results, NULL, RUN, 4711, NULL, NULL), 0);
    results_stored(results);
    assert_int_equal(results_stored_seq(results, 0, STREAM_INTERVALS), 4);
}

/* What the store doesn't take stays, and is offered again. */
static void test_a_store_that_has_no_room(void **state _unused_)
{
    assert_int_equal(take(0, 1, 1, SERIES("a"), 1), RESULTS_TAKEN);
    stored.answer = -EAGAIN;
    assert_int_equal(results_store(results, NULL, RUN, 1, NULL, NULL), -EAGAIN);
    assert_true(results_are_pending(results));
    assert_false(results_are_being_stored(results));
    stored.answer = 0;
    for (long n = 0; n < 2; n++) { /* nor does it matter where memory was out */
        allocation_fails_after = n;
        assert_int_equal(results_store(results, NULL, RUN, 1, NULL, NULL), -ENOMEM);
        allocation_fails_after = -1;
        assert_true(results_are_pending(results));
    }
    assert_int_equal(take(0, 2, 1, NULL, 1), RESULTS_TAKEN);
    assert_int_equal(results_store(results, NULL, RUN, 1, NULL, NULL), 0);
    assert_int_equal(stored.n_intervals, 2);
    assert_int_equal(stored.calls, 2);
    results_stored(results);
    assert_int_equal(results_stored_seq(results, 0, STREAM_INTERVALS), 2);
}

/* ---- reading back ---- */

/* After a restart each source goes on where the database is, with names that are new to us. */
static void test_restore(void **state _unused_)
{
    static struct store_name names[] = {{NAME_SERIES, 1, (char *)SERIES("b")},
                                        {NAME_SERIES, 2, (char *)SERIES("a")}};
    struct interval_series series[] = {{.id = 1, .errors = 4}, {.id = 2}};
    struct interval totals = {.seconds = 1, .series = series, .n_series = 2};
    struct store_source sources[] = {{.number = 0, .last_seq = 7}, {.number = 2, .last_seq = 1}};
    struct store_record record = {
        .sources = sources, .n_sources = 2, .names = names, .n_names = 2, .totals = &totals};

    assert_int_equal(histogram_add(&series[1].latency, 1000, 100), 0);
    assert_int_equal(results_restore(results, &record), 0);
    histogram_clear(&series[1].latency);
    assert_int_equal(results_expected(results, 0, STREAM_INTERVALS), 8);
    assert_int_equal(results_expected(results, 1, STREAM_INTERVALS), 1);
    assert_int_equal(results_expected(results, 2, STREAM_INTERVALS), 2);
    assert_int_equal(results_stored_seq(results, 0, STREAM_INTERVALS), 7);
    assert_int_equal(results_stored_seq(results, 2, STREAM_INTERVALS), 1);
    assert_false(results_are_pending(results));
    assert_int_equal(take(0, 7, 1, SERIES("a"), 1), RESULTS_KNOWN);
    assert_int_equal(take(0, 8, 1, NULL, 1), RESULTS_TAKEN);
    assert_int_equal(take(2, 2, 1, NULL, 1), RESULTS_EXPECTED); /* it has to name it again */
    assert_int_equal(take(2, 2, 1, SERIES("c"), 1), RESULTS_TAKEN);
    assert_int_equal(hits_of(SERIES("a")), 101);
    assert_int_equal(hits_of(SERIES("c")), 1);
    assert_int_equal(results_totals(results)->request_errors, 4);
    assert_int_equal(results_store(results, NULL, RUN, 1, NULL, NULL), 0);
    results_stored(results);
    assert_int_equal(results_stored_seq(results, 0, STREAM_INTERVALS), 8);
    assert_int_equal(results_stored_seq(results, 2, STREAM_INTERVALS), 2);
}

static void test_restore_what_makes_no_sense(void **state _unused_)
{
    static struct store_name names[] = {{NAME_SERIES, 2, (char *)SERIES("a")}};
    struct interval nothing = {.seconds = 1};
    struct store_source source = {.number = SOURCES};
    struct store_record record = {
        .sources = &source, .n_sources = 1, .totals = &nothing, .names = names};

    assert_int_equal(results_restore(results, &record), -EBADMSG); /* more sources than agents */
    record.n_sources = 0;
    record.n_names = 1;
    assert_int_equal(results_restore(results, &record), -EBADMSG); /* a second name, and no first */
}

/* ---- detail ---- */

/* So many hits of one series; `name` NULL: it isn't named. */
static enum results_verdict take_detail(unsigned source, uint64_t seq, unsigned id,
                                        const char *name, unsigned hits)
{
    const struct agent_name names[] = {{NAME_SERIES, id, name}};
    struct detail_chunk chunk = {0};
    size_t size = 0;

    for (unsigned i = 0; i < hits; i++) {
        struct detail hit = {.type = DETAIL_HIT, .id = id, .text = "/", .text_size = 1};
        assert_int_equal(detail_chunk_add(&chunk, &hit), 0);
    }
    _cleanup_free_ uint8_t *bytes = detail_chunk_take(&chunk, &size);
    return take_message(AGENT_DETAIL, source, seq, names, name ? 1 : 0, bytes, size);
}

/* It is numbered apart from intervals, taken once and in order, and stored with them. */
static void test_detail(void **state _unused_)
{
    assert_int_equal(take(0, 1, 1, SERIES("a"), 10), RESULTS_TAKEN);
    assert_int_equal(take_detail(0, 1, 1, NULL, 10), RESULTS_TAKEN);
    assert_int_equal(take_detail(1, 1, 5, SERIES("a"), 3), RESULTS_TAKEN);
    assert_int_equal(take_detail(1, 1, 5, NULL, 3), RESULTS_KNOWN);
    assert_int_equal(take_detail(1, 3, 5, NULL, 3), RESULTS_EXPECTED);
    assert_int_equal(results_expected(results, 1, STREAM_DETAIL), 2);
    assert_int_equal(results_expected(results, 1, STREAM_INTERVALS), 1);
    assert_int_equal(results_totals(results)->hits, 10); /* detail counts nothing */
    assert_int_equal(results_store(results, NULL, RUN, 0, NULL, NULL), 0);
    assert_int_equal(stored.n_intervals, 1);
    assert_int_equal(stored.n_details, 2);
    assert_int_equal(stored.details[0].n_records, 10);
    assert_int_equal(stored.details[1].source, 1);
    assert_int_equal(stored.details[1].seq, 1);
    assert_int_equal(stored.details[1].id, stored.details[0].id);
    assert_false(results_are_pending(results));
    assert_int_equal(results_stored_seq(results, 1, STREAM_DETAIL), 0);
    results_stored(results);
    assert_int_equal(results_stored_seq(results, 0, STREAM_DETAIL), 1);
    assert_int_equal(results_stored_seq(results, 1, STREAM_DETAIL), 1);
    assert_int_equal(results_stored_seq(results, 1, STREAM_INTERVALS), 0);
}

/* The number of what makes no sense is stored, and nothing else of it. */
static void test_bad_detail(void **state _unused_)
{
    assert_int_equal(take_message(AGENT_DETAIL, 0, 1, NULL, 0, "\2", 1), RESULTS_REJECTED);
    assert_string_equal(error.text, "detail: it is of another version");
    assert_int_equal(take_detail(0, 2, 1, NULL, 1), RESULTS_EXPECTED); /* its name was lost? */
    assert_int_equal(take_detail(0, 2, 1, NULL, 1), RESULTS_REJECTED);
    assert_string_equal(error.text, "it has an id that was not named");
    assert_int_equal(take_message(AGENT_DETAIL, 0, 3, NULL, 0, NULL, 0),
                     RESULTS_TAKEN); /* was rejected */
    assert_int_equal(results_rejected(results, 0), 2);
    assert_int_equal(results_store(results, NULL, RUN, 0, NULL, NULL), 0);
    assert_int_equal(stored.n_details, 3);
    assert_int_equal(stored.details[0].n_records + stored.details[1].n_records, 0);
    results_stored(results);
    assert_int_equal(results_stored_seq(results, 0, STREAM_DETAIL), 3);
}

/* The store is slower than the agents: detail is refused, intervals aren't. */
static void test_detail_without_room(void **state _unused_)
{
    enum results_verdict verdict = RESULTS_TAKEN;
    uint64_t seq = 0;

    while (verdict == RESULTS_TAKEN) {
        verdict = take_detail(0, ++seq, 1, SERIES("a"), 10000);
    }
    assert_int_equal(verdict, RESULTS_FULL);
    assert_true(seq > 10 && seq < 100);
    assert_false(results_have_room(results, STREAM_DETAIL));
    assert_int_equal(take(0, 1, 1, NULL, 10), RESULTS_TAKEN);
    stored.answer = -ENOBUFS;
    assert_int_equal(results_store(results, NULL, RUN, 0, NULL, NULL), -ENOBUFS);
    assert_int_equal(take_detail(0, seq, 1, NULL, 1), RESULTS_FULL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_names_of_several_sources),
        TEST(test_every_kind),
        TEST(test_known_and_gap),
        TEST(test_rejected),
        TEST(test_unknown_id),
        TEST(test_strange_names),
        TEST(test_bytes_that_do_not_fit),
        TEST(test_sums_over_series_that_do_not_fit),
        TEST(test_counts_that_do_not_fit),
        TEST(test_seconds_that_do_not_fit),
        TEST(test_overflows),
        TEST(test_full),
        TEST(test_without_memory),
        cmocka_unit_test(test_nothing_is_made_without_memory),
        TEST(test_batches),
        TEST(test_a_store_that_has_no_room),
        TEST(test_restore),
        TEST(test_restore_what_makes_no_sense),
        TEST(test_detail),
        TEST(test_bad_detail),
        TEST(test_detail_without_room),
    };
    return cmocka_run_group_tests_name("results", tests, NULL, NULL);
}
