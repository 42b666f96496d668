/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "allocation.h"
#include "metrics/tally.h"
#include "metrics/tally_memory.h"
#include "metrics/totals.h"
#include "random.h"
#include "shared_memory.h"

#define PAGES 4000
#define WORDS 8 /* of the caller, behind the tally */

struct tallies {
    unsigned char *memory;
    size_t size_bytes;
    struct tally_layout layout;
    uint64_t *words;
    struct tally *writer, *reader;
    struct totals *totals; /* of what the reader took */
    unsigned taken;
    long life_nsec; /* of a writer that is to be killed */
};

static void make_tallies(struct tallies *tallies, unsigned pages)
{
    *tallies = (struct tallies){0};
    tally_layout(&tallies->layout);
    tallies->size_bytes = tallies->layout.size_bytes + WORDS * sizeof(uint64_t);
    tallies->memory = share_memory(tallies->size_bytes);
    tallies->words = (void *)(tallies->memory + tallies->layout.size_bytes);
    assert_int_equal(tally_new(&tallies->writer, tallies->memory, tallies->size_bytes, pages), 0);
    assert_int_equal(tally_attach(&tallies->reader, tallies->memory, tallies->size_bytes), 0);
    assert_int_equal(totals_new(&tallies->totals), 0);
}

static void drop_tallies(struct tallies *tallies)
{
    tally_free(tallies->writer);
    tally_free(tallies->reader);
    totals_free(tallies->totals);
    unshare_memory(tallies->memory, tallies->size_bytes);
}

/* An interval must be one that the codec lets through. */
static void check_interval(const struct interval *interval)
{
    _cleanup_(interval_freep) struct interval *decoded = NULL;
    _cleanup_free_ uint8_t *bytes = NULL;
    struct error error = {0};
    size_t size;

    assert_int_equal(interval_encode(interval, &bytes, &size), 0);
    if (interval_decode(bytes, size, &decoded, &error) < 0) {
        fail_msg("%s", error.text);
    }
}

static int take(struct tallies *tallies, bool rest, struct interval **ret)
{
    struct interval *interval = NULL;
    int r =
        rest ? tally_take_rest(tallies->reader, &interval) : tally_take(tallies->reader, &interval);
    if (r == 1) {
        check_interval(interval);
        assert_int_equal(totals_add(tallies->totals, interval), 0);
        tallies->taken++;
        if (ret) {
            *ret = interval;
        } else {
            interval_free(interval);
        }
    }
    return r;
}

static void take_all_rest(struct tallies *tallies)
{
    int r = 1;
    while (r == 1) {
        r = take(tallies, true, NULL);
    }
    assert_int_equal(r, 0);
}

static void hit(struct tally *tally, unsigned series, uint64_t usec)
{
    tally_stage_hit(tally, series, usec, 10, 100);
    tally_commit(tally);
}

/* ---- one process ---- */

static void test_refuses_what_is_no_tally(void **state _unused_)
{
    struct tally_layout layout;
    struct tally *tally = NULL;

    tally_layout(&layout);
    unsigned char *memory = share_memory(layout.size_bytes + 64);
    assert_int_equal(tally_attach(&tally, memory, layout.size_bytes), -EINVAL);
    assert_int_equal(tally_new(&tally, memory, layout.size_bytes - 1, 0), -EINVAL);
    assert_int_equal(tally_new(&tally, memory + 8, layout.size_bytes, 0), -EINVAL);
    assert_int_equal(tally_new(&tally, memory, layout.size_bytes, layout.max_pages + 1), -EINVAL);
    assert_int_equal(tally_new(&tally, memory, layout.size_bytes, layout.max_pages), 0);
    tally = tally_free(tally);
    assert_int_equal(tally_attach(&tally, memory, layout.size_bytes + 64), -EINVAL);
    assert_int_equal(tally_attach(&tally, memory, 64), -EINVAL);
    assert_null(tally);
    assert_int_equal(layout.head_bytes % 4096, 0);
    assert_int_equal(layout.pool_offset_bytes[0] % 4096, 0);
    assert_int_equal(layout.pool_offset_bytes[1] % 4096, 0);
    assert_true(layout.pool_offset_bytes[1] + layout.max_pages * layout.page_bytes <=
                layout.size_bytes);
    unshare_memory(memory, layout.size_bytes + 64);
}

static void test_one_of_each(void **state _unused_)
{
    struct tallies tallies;
    _cleanup_(interval_freep) struct interval *interval = NULL;

    make_tallies(&tallies, PAGES);
    tally_advance(tallies.writer, 5);
    tally_stage_hit(tallies.writer, 7, 1234, 11, 22);
    tally_stage_request_error(tallies.writer, 9);
    tally_stage_time(tallies.writer, NAMES_MAX_TIMERS, 4000000);
    tally_stage_timer_error(tallies.writer, 8);
    tally_stage_error(tallies.writer, 3);
    tally_stage_counter(tallies.writer, 4, -17);
    tally_stage_outcome(tallies.writer, 2, OUTCOME_FAILURE);
    tally_stage_store(tallies.writer, &tallies.words[0], UINT64_MAX);
    tally_stage_store(tallies.writer, &tallies.words[WORDS - 1], 99);
    assert_int_equal(tally_live_hits(tallies.reader), 0); /* not before the commit */
    assert_int_equal(tallies.words[0], 0);
    tally_commit(tallies.writer);
    assert_int_equal(tally_live_hits(tallies.reader), 1);
    assert_int_equal(tallies.words[0], UINT64_MAX);
    assert_int_equal(tallies.words[WORDS - 1], 99);

    assert_int_equal(take(&tallies, false, NULL), 0); /* not sealed */
    tally_advance(tallies.writer, 6);
    assert_int_equal(take(&tallies, false, &interval), 1);
    assert_int_equal(interval->second, 5);
    assert_int_equal(interval->seconds, 1);
    assert_int_equal(interval->n_series, 2);
    assert_int_equal(interval->series[0].id, 7);
    assert_int_equal(interval->series[0].latency.count, 1);
    assert_int_equal(interval->series[0].latency.sum_usec, 1234);
    assert_int_equal(interval->series[0].sent_bytes, 11);
    assert_int_equal(interval->series[0].received_bytes, 22);
    assert_int_equal(interval->series[1].id, 9);
    assert_int_equal(interval->series[1].errors, 1);
    assert_int_equal(interval->series[1].latency.count, 0);
    assert_int_equal(interval->n_timers, 2);
    assert_int_equal(interval->timers[0].id, 8);
    assert_int_equal(interval->timers[0].errors, 1);
    assert_int_equal(interval->timers[0].latency.count, 0);
    assert_int_equal(interval->timers[1].id, NAMES_MAX_TIMERS);
    assert_int_equal(interval->timers[1].latency.count, 1);
    assert_int_equal(interval->timers[1].latency.sum_usec, 4000000);
    assert_int_equal(interval->n_errors, 1);
    assert_int_equal(interval->errors[0].id, 3);
    assert_int_equal(interval->errors[0].count, 1);
    assert_int_equal(interval->n_counters, 1);
    assert_int_equal(interval->counters[0].id, 4);
    assert_int_equal(interval->counters[0].count, -17);
    assert_int_equal(interval->n_tests, 1);
    assert_int_equal(interval->tests[0].id, 2);
    assert_int_equal(interval->tests[0].outcomes[OUTCOME_FAILURE], 1);
    assert_int_equal(take(&tallies, false, NULL), 0);
    drop_tallies(&tallies);
}

/* The tally's histogram is the histogram: whole range, clamped the same way. */
static void test_latencies_are_those_of_a_histogram(void **state _unused_)
{
    struct tallies tallies;
    struct histogram want = {0};
    uint64_t random = 1;

    make_tallies(&tallies, PAGES);
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t usec = random_next(&random) >> random_below(&random, 64);
        usec = i % 100 == 0 ? 0 : usec;
        hit(tallies.writer, NAMES_MAX_SERIES, usec);
        assert_int_equal(histogram_add(&want, usec, 1), 0);
        tally_advance(tallies.writer, i / 1000);
        (void)take(&tallies, false, NULL);
    }
    assert_true(tally_seal(tallies.writer));
    assert_int_equal(take(&tallies, false, NULL), 1);
    const struct interval_series *got = &tallies.totals->series[NAMES_MAX_SERIES];
    assert_int_equal(got->latency.count, 20000);
    assert_int_equal(got->latency.sum_usec, want.sum_usec);
    assert_int_equal(got->latency.min_usec, want.min_usec);
    assert_int_equal(got->latency.max_usec, want.max_usec);
    for (unsigned percent = 0; percent <= 100; percent++) {
        assert_int_equal(histogram_percentile_usec(&got->latency, percent * 1000),
                         histogram_percentile_usec(&want, percent * 1000));
    }
    assert_int_equal(got->sent_bytes, 200000);
    assert_int_equal(got->received_bytes, 2000000);
    histogram_clear(&want);
    drop_tallies(&tallies);
}

/* A reader that comes late gets everything, in intervals of several seconds. */
static void test_late_reader(void **state _unused_)
{
    struct tallies tallies;
    _cleanup_(interval_freep) struct interval *first = NULL;
    _cleanup_(interval_freep) struct interval *second = NULL;

    make_tallies(&tallies, PAGES);
    for (uint32_t now = 10; now < 20; now++) {
        tally_advance(tallies.writer, now);
        hit(tallies.writer, 1, 1000);
    }
    assert_false(tally_seal(tallies.writer));
    assert_int_equal(take(&tallies, false, &first), 1);
    assert_int_equal(first->second, 10);
    assert_int_equal(first->seconds, 1);
    assert_int_equal(first->series[0].latency.count, 1);
    assert_int_equal(take(&tallies, false, NULL), 0);
    tally_advance(tallies.writer, 20);
    hit(tallies.writer, 1, 1000);
    assert_int_equal(take(&tallies, false, &second), 1);
    assert_int_equal(second->second, 11);
    assert_int_equal(second->seconds, 9);
    assert_int_equal(second->series[0].latency.count, 9);
    assert_true(tally_seal(tallies.writer));
    assert_int_equal(take(&tallies, false, NULL), 1);
    assert_int_equal(tallies.totals->hits, 11);
    drop_tallies(&tallies);
}

/* Seconds in which nothing happened make no interval, and a clock that steps back is not followed.
 */
static void test_idle_seconds(void **state _unused_)
{
    struct tallies tallies;
    _cleanup_(interval_freep) struct interval *interval = NULL;

    make_tallies(&tallies, PAGES);
    for (uint32_t now = 0; now < 50; now++) {
        tally_advance(tallies.writer, now);
    }
    hit(tallies.writer, 1, 1000);
    tally_advance(tallies.writer, 3);
    assert_int_equal(take(&tallies, false, NULL), 0);
    tally_advance(tallies.writer, UINT32_MAX);
    assert_int_equal(take(&tallies, false, &interval), 1);
    assert_int_equal(interval->second, 49);
    assert_int_equal(interval->seconds, 1);
    hit(tallies.writer, 1, 1000);
    assert_int_equal(take(&tallies, true, NULL), 1);
    assert_true(tally_seal(tallies.reader)); /* nothing there */
    drop_tallies(&tallies);
}

/* Ids that no table gives out count as "(other)". */
static void test_ids_out_of_range(void **state _unused_)
{
    struct tallies tallies;

    make_tallies(&tallies, PAGES);
    tally_stage_hit(tallies.writer, NAMES_MAX_SERIES + 1, 50, 0, 0);
    tally_stage_error(tallies.writer, UINT32_MAX);
    tally_stage_counter(tallies.writer, UINT32_MAX, 5);
    tally_stage_outcome(tallies.writer, UINT32_MAX, OUTCOME_ERROR);
    tally_commit(tallies.writer);
    tally_stage_request_error(tallies.writer, UINT32_MAX);
    tally_stage_counter(tallies.writer, 1, INT64_MAX);
    tally_commit(tallies.writer);
    tally_stage_counter(tallies.writer, 1, 1); /* stays where it is */
    tally_commit(tallies.writer);
    take_all_rest(&tallies);
    assert_int_equal(tallies.totals->series[0].latency.count, 1);
    assert_int_equal(tallies.totals->series[0].errors, 1);
    assert_int_equal(tallies.totals->errors[0], 1);
    assert_int_equal(tallies.totals->counters[0], 5);
    assert_int_equal(tallies.totals->counters[1], INT64_MAX);
    assert_int_equal(tallies.totals->outcomes[0][OUTCOME_ERROR], 1);
    drop_tallies(&tallies);
}

/* Storage for pages comes as it is needed; the other buffer starts with what there is. */
static void test_pages_grow(void **state _unused_)
{
    struct tallies tallies;
    unsigned grown = 0;

    make_tallies(&tallies, 0);
    for (unsigned second = 0; second < 4; second++) {
        tally_advance(tallies.writer, second);
        for (unsigned series = 1; series <= 100; series++) {
            for (uint64_t usec = 1; usec < HISTOGRAM_MAX_USEC; usec *= 7) {
                if (tally_pages_wanted(tallies.writer)) {
                    unsigned pages = tally_pages(tallies.writer) + 50;
                    tally_pages_backed(tallies.writer, pages);
                    assert_int_equal(tally_pages(tallies.writer), pages);
                    grown++;
                }
                assert_false(tally_pages_wanted(tallies.writer));
                hit(tallies.writer, series, usec);
            }
        }
        if (second == 0) {
            assert_true(grown > 10);
            grown = 0;
        }
        (void)take(&tallies, false, NULL);
    }
    assert_int_equal(grown, 0);
    take_all_rest(&tallies);
    assert_int_equal(tallies.taken, 4);
    assert_int_equal(tallies.totals->hits, tally_live_hits(tallies.reader));
    assert_int_equal(tallies.totals->series[100].latency.count, tallies.totals->hits / 100);
    tally_pages_backed(tallies.writer, tallies.layout.max_pages);
    assert_false(tally_pages_wanted(tallies.writer));
    drop_tallies(&tallies);
}

/* The largest run that can be fits into the pool. */
static void test_all_pages(void **state _unused_)
{
    struct tallies tallies;
    _cleanup_(interval_freep) struct interval *interval = NULL;

    make_tallies(&tallies, 0);
    tally_pages_backed(tallies.writer, tallies.layout.max_pages);
    for (unsigned series = 0; series <= NAMES_MAX_SERIES; series++) {
        for (unsigned page = 0; page < HISTOGRAM_PAGES; page++) {
            hit(tallies.writer, series,
                histogram_bucket_low_usec(page * HISTOGRAM_PAGE_BUCKETS + (page == 0)));
        }
    }
    assert_int_equal(tally_take_rest(tallies.reader, &interval), 1);
    assert_int_equal(interval->n_series, NAMES_MAX_SERIES + 1);
    for (unsigned series = 0; series <= NAMES_MAX_SERIES; series++) {
        assert_int_equal(interval->series[series].latency.count, HISTOGRAM_PAGES);
    }
    drop_tallies(&tallies);
}

/* Without memory for an interval its buffer stays, for another try. */
static void test_without_memory(void **state _unused_)
{
    struct tallies tallies;
    struct tally *other = NULL;
    struct interval *interval = NULL;
    int r = -ENOMEM;

    make_tallies(&tallies, PAGES);
    hit(tallies.writer, 1, 1000);
    hit(tallies.writer, 1, 100000);
    tally_advance(tallies.writer, 1);
    for (long n = 0; r < 0; n++) {
        allocation_fails_after = n;
        r = tally_take(tallies.reader, &interval);
        allocation_fails_after = -1;
        assert_true(r == 1 || (r == -ENOMEM && n < 50));
    }
    assert_int_equal(interval->series[0].latency.count, 2);
    interval_free(interval);
    allocation_fails_after = 0;
    assert_int_equal(tally_attach(&other, tallies.memory, tallies.size_bytes), -ENOMEM);
    assert_null(other);
    drop_tallies(&tallies);
}

/* ---- two processes ---- */

#define STREAM_HITS       60000
#define STREAM_PER_SECOND 500

static unsigned stream_series(uint64_t number)
{
    return 1 + (unsigned)(number % 37);
}

static uint64_t stream_usec(uint64_t number)
{
    uint64_t random = number;
    return random_next(&random) >> (40 + random_below(&random, 24));
}

static int write_stream(void *context)
{
    struct tally *tally = context;

    for (uint64_t number = 0; number < STREAM_HITS; number++) {
        tally_advance(tally, (uint32_t)(number / STREAM_PER_SECOND));
        tally_stage_hit(tally, stream_series(number), stream_usec(number), number, 1);
        if (number % 2) {
            tally_stage_outcome(tally, (unsigned)(number % 5), OUTCOME_SUCCESS);
        }
        tally_commit(tally);
    }
    while (!tally_seal(tally)) {
        sched_yield();
    }
    return 0;
}

static void test_reader_beside_writer(void **state _unused_)
{
    struct tallies tallies;
    struct histogram want[38] = {[0] = {.count = 0}};
    int status = 0;

    make_tallies(&tallies, PAGES);
    pid_t child = start_child(write_stream, tallies.writer);
    while (waitpid(child, &status, WNOHANG) == 0) {
        assert_true(take(&tallies, false, NULL) >= 0);
        assert_true(tallies.totals->hits <= tally_live_hits(tallies.reader));
    }
    assert_int_equal(status, 0);
    take_all_rest(&tallies);
    assert_int_equal(tallies.totals->hits, STREAM_HITS);
    assert_int_equal(tally_live_hits(tallies.reader), STREAM_HITS);
    assert_int_equal(totals_outcome(tallies.totals, OUTCOME_SUCCESS), STREAM_HITS / 2);
    assert_true(tallies.taken > 1);

    uint64_t sent = 0;
    for (uint64_t number = 0; number < STREAM_HITS; number++) {
        assert_int_equal(histogram_add(&want[stream_series(number)], stream_usec(number), 1), 0);
    }
    for (unsigned series = 1; series < ELEMENTSOF(want); series++) {
        const struct interval_series *got = &tallies.totals->series[series];
        sent += got->sent_bytes;
        assert_int_equal(got->latency.count, want[series].count);
        assert_int_equal(got->latency.sum_usec, want[series].sum_usec);
        assert_int_equal(got->latency.min_usec, want[series].min_usec);
        assert_int_equal(got->latency.max_usec, want[series].max_usec);
        for (unsigned p = 0; p <= 100000; p += 2500) {
            assert_int_equal(histogram_percentile_usec(&got->latency, p),
                             histogram_percentile_usec(&want[series], p));
        }
        histogram_clear(&want[series]);
    }
    assert_int_equal(sent, (uint64_t)STREAM_HITS * (STREAM_HITS - 1) / 2);
    drop_tallies(&tallies);
}

/* Has this process killed, wherever it is then. */
static void die_after(long nsec)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    const struct itimerspec when = {.it_value = {.tv_nsec = nsec}};
    timer_t timer;

    if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0 ||
        timer_settime(timer, 0, &when, NULL) < 0) {
        abort();
    }
}

/* Counts until it is killed. Each event says in the same commit which one it is, so that whoever
 * reads what is left can tell exactly what must be there. */
static int count_until_killed(void *context)
{
    struct tallies *tallies = context;
    struct tally *tally = tallies->writer;

    die_after(tallies->life_nsec);
    for (uint64_t event = 1; event < UINT32_MAX; event++) {
        tally_advance(tally, (uint32_t)(event / 64));
        if (tally_pages_wanted(tally)) {
            tally_pages_backed(tally, tally_pages(tally) + HISTOGRAM_PAGES);
        }
        tally_stage_hit(tally, stream_series(event), stream_usec(event), event, 3);
        tally_stage_outcome(tally, 1, OUTCOME_SUCCESS);
        tally_stage_counter(tally, 2, -1);
        tally_stage_store(tally, &tallies->words[0], event);
        tally_stage_store(tally, &tallies->words[1], event * event);
        tally_commit(tally);
    }
    return 1;
}

static void check_killed(struct tallies *tallies)
{
    uint64_t event = tallies->words[0], sent = 0, received = 0, usec = 0, want_usec = 0;

    assert_int_equal(tallies->words[1], event * event);
    assert_int_equal(tally_live_hits(tallies->reader), event);
    assert_int_equal(tallies->totals->hits, event);
    assert_int_equal(totals_outcome(tallies->totals, OUTCOME_SUCCESS), event);
    assert_int_equal(tallies->totals->counters[2], -(int64_t)event);
    for (unsigned series = 0; series <= NAMES_MAX_SERIES; series++) {
        sent += tallies->totals->series[series].sent_bytes;
        received += tallies->totals->series[series].received_bytes;
        usec += tallies->totals->series[series].latency.sum_usec;
    }
    for (uint64_t i = 1; i <= event; i++) {
        want_usec += MAX(stream_usec(i), 1);
    }
    assert_int_equal(sent, event * (event + 1) / 2);
    assert_int_equal(received, 3 * event);
    assert_int_equal(usec, want_usec);
}

#define MAX_PATIENCE 256

static void test_killed_writer(void **state _unused_)
{
    uint64_t random = 2, events = 0;
    long patience = 1; /* under valgrind a life is over before the first event */

    for (unsigned round = 0; round < 60; round++) {
        struct tallies tallies;
        int status = 0;
        make_tallies(&tallies, HISTOGRAM_PAGES);
        tallies.life_nsec = patience * (20000 + (long)random_below(&random, 3000000));
        pid_t child = start_child(count_until_killed, &tallies);
        if (round % 4 == 0) { /* this reader leaves both buffers for the end */
            status = wait_for_child(child);
        } else {
            while (waitpid(child, &status, WNOHANG) == 0) {
                assert_true(take(&tallies, false, NULL) >= 0);
            }
        }
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        take_all_rest(&tallies);
        check_killed(&tallies);
        events += tallies.words[0];
        patience = tallies.words[0] > 0 ? patience : MIN(2 * patience, MAX_PATIENCE);
        drop_tallies(&tallies);
    }
    assert_true(events > 0);
}

/* ---- what a kill leaves, at every point ---- */

static void stage_event(struct tally *tally)
{
    tally_stage_hit(tally, 3, 70000, 5, 6); /* on a new page */
    tally_stage_outcome(tally, 1, OUTCOME_ERROR);
}

/* Stores as many entries of the journal as a writer did before it died. */
static void store_entries(struct tallies *tallies, unsigned n)
{
    const struct tally_shared *shared = (void *)tallies->memory;

    for (unsigned i = 0; i < n; i++) {
        const struct tally_entry *entry = &shared->journal.entries[i];
        memcpy(tallies->memory + entry->offset, &entry->value, entry->width);
    }
}

/* A writer that died before the commit's first store has counted nothing; after it, everything,
 * wherever it died. */
static void test_recovery_from_every_store(void **state _unused_)
{
    struct tallies tallies, whole;
    make_tallies(&tallies, PAGES);
    make_tallies(&whole, PAGES);
    struct tally_shared *shared = (void *)tallies.memory;
    size_t used = tallies.layout.head_bytes + 2 * tallies.layout.page_bytes;
    unsigned char *staged = malloc(used);
    assert_non_null(staged);

    hit(whole.writer, 3, 500);
    stage_event(whole.writer);
    tally_commit(whole.writer);

    hit(tallies.writer, 3, 500);
    stage_event(tallies.writer);
    unsigned n = tallies.writer->staged;
    assert_true(n >= 6 && n <= TALLY_JOURNAL_ENTRIES);
    tally_recover(tallies.reader);
    assert_int_equal(tally_live_hits(tallies.reader), 1);
    memcpy(staged, tallies.memory, used);
    for (unsigned stored = 0; stored <= n; stored++) {
        memcpy(tallies.memory, staged, used);
        shared->journal.count = n;
        store_entries(&tallies, stored);
        tally_recover(tallies.reader);
        assert_memory_equal(tallies.memory, whole.memory, used);
    }
    take_all_rest(&tallies);
    assert_int_equal(tallies.totals->hits, 2);
    assert_int_equal(totals_outcome(tallies.totals, OUTCOME_ERROR), 1);
    free(staged);
    drop_tallies(&tallies);
    drop_tallies(&whole);
}

/* A journal that can't be is not applied, not even what is good in it. */
static void test_bad_journals_are_not_applied(void **state _unused_)
{
    static const struct tally_entry bad[] = {
        {.offset = UINT32_MAX - 7, .width = 8},
        {.offset = 4, .width = 8},
        {.offset = 2, .width = 4},
        {.offset = 64, .width = 0},
        {.offset = 64, .width = 16},
    };
    struct tallies tallies;
    make_tallies(&tallies, PAGES);
    struct tally_shared *shared = (void *)tallies.memory;

    for (unsigned i = 0; i <= ELEMENTSOF(bad); i++) {
        tally_stage_store(tallies.writer, &tallies.words[0], 77);
        tallies.writer->staged = 0;
        shared->journal.entries[1] = bad[i % ELEMENTSOF(bad)];
        shared->journal.count = i < ELEMENTSOF(bad) ? 2 : TALLY_JOURNAL_ENTRIES + 1;
        tally_recover(tallies.reader);
        assert_int_equal(tallies.words[0], 0);
        assert_int_equal(shared->journal.count, 0);
    }
    drop_tallies(&tallies);
}

/* ---- written over ---- */

static void fill(struct tallies *tallies, uint64_t *random)
{
    for (uint32_t second = 0; second < 3; second++) {
        tally_advance(tallies->writer, second);
        for (unsigned i = 0; i < 50; i++) {
            tally_stage_hit(tallies->writer, (unsigned)random_below(random, 20),
                            random_below(random, 100000), 1, 2);
            tally_stage_error(tallies->writer, (unsigned)random_below(random, 10));
            tally_stage_counter(tallies->writer, 1, 5);
            tally_stage_outcome(tallies->writer, 0, OUTCOME_ERROR);
            tally_commit(tallies->writer);
        }
    }
}

static void scribble(struct tallies *tallies, uint64_t *random, size_t from, size_t to, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        size_t at = from + random_below(random, (to - from) / 4) * 4;
        uint32_t noise = (uint32_t)random_next(random) >> random_below(random, 32);
        memcpy(tallies->memory + at, &noise, sizeof noise);
    }
}

/* Tests run beside the tally; whatever they write over, the reader gets an interval that could be,
 * or says that it can't. */
static void test_written_over(void **state _unused_)
{
    uint64_t random = 3;
    unsigned refused = 0, accepted = 0;

    for (unsigned round = 0; round < 300; round++) {
        struct tallies tallies;
        make_tallies(&tallies, PAGES);
        fill(&tallies, &random);
        size_t head = tallies.layout.head_bytes;
        size_t pool = tallies.layout.pool_offset_bytes[round % 2];
        switch (round % 4) {
        case 0: /* the head of the head */
            scribble(&tallies, &random, 0, 1024, 10);
            break;
        case 1: /* the first series and what is before them */
            scribble(&tallies, &random, 0, 4096, 5);
            break;
        case 2:
            scribble(&tallies, &random, 0, head, 2000);
            break;
        default:
            scribble(&tallies, &random, pool, pool + 20 * tallies.layout.page_bytes, 3);
            break;
        }
        int r = 1;
        for (unsigned i = 0; i < 10 && r != 0; i++) {
            struct interval *interval = NULL;
            r = i % 2 ? tally_take(tallies.reader, &interval)
                      : tally_take_rest(tallies.reader, &interval);
            assert_true(r == 0 || r == 1 || r == -EBADMSG);
            if (r == 1) {
                check_interval(interval);
            }
            refused += r < 0;
            accepted += r == 1;
            interval_free(interval);
        }
        assert_int_equal(r, 0); /* what was refused is given up */
        tallies.reader = tally_free(tallies.reader);
        r = tally_attach(&tallies.reader, tallies.memory, tallies.size_bytes);
        assert_true(r == 0 || r == -EINVAL);
        drop_tallies(&tallies);
    }
    assert_true(refused > 20 && accepted > 20);
}

/* After a buffer was given up, the writer goes on with it. */
static void test_goes_on_after_a_refusal(void **state _unused_)
{
    struct tallies tallies;

    make_tallies(&tallies, PAGES);
    hit(tallies.writer, 1, 1000);
    memset(tallies.memory + tallies.layout.pool_offset_bytes[0], 0xff, tallies.layout.page_bytes);
    tally_advance(tallies.writer, 1);
    assert_int_equal(take(&tallies, false, NULL), -EBADMSG);
    for (uint32_t second = 2; second < 6; second++) {
        hit(tallies.writer, 1, 1000);
        tally_advance(tallies.writer, second);
        assert_int_equal(take(&tallies, false, NULL), 1);
    }
    assert_int_equal(tallies.totals->hits, 4);
    drop_tallies(&tallies);
}

/* The word that says what a buffer is for: then what is in it may never be seen, which is told,
 * once. The writer goes on, and may bring the word in order. */
static void test_written_over_state(void **state _unused_)
{
    const uint32_t values[] = {TALLY_FREE, TALLY_SEALED, TALLY_SEALED + 1, UINT32_MAX};

    for (unsigned i = 0; i < 2 * ELEMENTSOF(values); i++) {
        struct tallies tallies;
        bool dead = i % 2;
        make_tallies(&tallies, PAGES);
        struct tally_buffer *buffers = ((struct tally_shared *)(void *)tallies.memory)->buffers;
        hit(tallies.writer, 1, 1000);
        assert_int_equal(take(&tallies, false, NULL), 0);
        buffers[0].state = values[i / 2];
        assert_int_equal(take(&tallies, dead, NULL), -EBADMSG);
        if (!dead) {
            tally_advance(tallies.writer, 1);
            hit(tallies.writer, 1, 1000);
            take_all_rest(&tallies);
            assert_true(tallies.totals->hits >= 1);
        }
        take_all_rest(&tallies);
        drop_tallies(&tallies);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses_what_is_no_tally),
        cmocka_unit_test(test_one_of_each),
        cmocka_unit_test(test_latencies_are_those_of_a_histogram),
        cmocka_unit_test(test_late_reader),
        cmocka_unit_test(test_idle_seconds),
        cmocka_unit_test(test_ids_out_of_range),
        cmocka_unit_test(test_pages_grow),
        cmocka_unit_test(test_all_pages),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_reader_beside_writer),
        cmocka_unit_test(test_killed_writer),
        cmocka_unit_test(test_recovery_from_every_store),
        cmocka_unit_test(test_bad_journals_are_not_applied),
        cmocka_unit_test(test_written_over),
        cmocka_unit_test(test_goes_on_after_a_refusal),
        cmocka_unit_test(test_written_over_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
