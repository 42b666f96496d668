/* SPDX-License-Identifier: MPL-2.0 */
/* From a tally's buffer to an interval. The memory belongs to a process that runs other people's
 * tests: whatever is read from it is read once, into a variable, and checked there, and what comes
 * out is an interval that interval_decode() would accept, or an error. */
#include <errno.h>

#include "metrics/tally_memory.h"

/* Reads a word that somebody may be writing to. */
#define READ(word) __atomic_load_n(&(word), __ATOMIC_RELAXED)

static bool series_used(const struct tally_series *slot)
{
    return READ(slot->sum_usec) != 0 || READ(slot->errors) != 0 || READ(slot->sent_bytes) != 0 ||
           READ(slot->received_bytes) != 0;
}

static int read_page(const uint32_t *counters, unsigned page, struct histogram *histogram)
{
    for (unsigned i = 0; i < HISTOGRAM_PAGE_BUCKETS; i++) {
        unsigned bucket = page * HISTOGRAM_PAGE_BUCKETS + i;
        uint32_t count = READ(counters[i]);
        if (count == 0) {
            continue;
        }
        if (bucket >= HISTOGRAM_BUCKETS) {
            return -EBADMSG;
        }
        int r = histogram_add_bucket(histogram, bucket, count);
        if (r < 0) {
            return r;
        }
        histogram->count += count;
    }
    return 0;
}

static int read_series(const struct tally *tally, unsigned buffer, unsigned pages,
                       const struct tally_series *slot, struct interval_series *ret)
{
    ret->errors = READ(slot->errors);
    ret->sent_bytes = READ(slot->sent_bytes);
    ret->received_bytes = READ(slot->received_bytes);
    ret->latency.sum_usec = READ(slot->sum_usec);
    ret->latency.min_usec = READ(slot->min_usec);
    ret->latency.max_usec = READ(slot->max_usec);
    for (unsigned i = 0; i < HISTOGRAM_PAGES; i++) {
        uint32_t number = READ(slot->pages[i]);
        if (number == 0) {
            continue;
        }
        if (number > pages) {
            return -EBADMSG;
        }
        const uint32_t *counters =
            tally->pool[buffer] + (size_t)(number - 1) * HISTOGRAM_PAGE_BUCKETS;
        int r = read_page(counters, i, &ret->latency);
        if (r < 0) {
            return r;
        }
    }
    return histogram_is_valid(&ret->latency) ? 0 : -EBADMSG;
}

/* Makes the array of those slots that hold something. */
static int read_all_series(const struct tally *tally, unsigned buffer,
                           const struct tally_series *slots, unsigned n_slots,
                           struct interval_series **ret, size_t *ret_n)
{
    unsigned pages = MIN(READ(tally->shared->pages), TALLY_MAX_PAGES);
    size_t n = 0;

    for (unsigned id = 0; id < n_slots; id++) {
        n += series_used(&slots[id]);
    }
    *ret = calloc(MAX(n, 1), sizeof **ret);
    if (!*ret) {
        return -ENOMEM;
    }
    for (unsigned id = 0; id < n_slots && *ret_n < n; id++) {
        if (series_used(&slots[id])) {
            struct interval_series *series = &(*ret)[(*ret_n)++];
            series->id = id;
            int r = read_series(tally, buffer, pages, &slots[id], series);
            if (r < 0) {
                return r;
            }
        }
    }
    return 0;
}

static int read_timers(const struct tally *tally, unsigned buffer, struct interval *interval)
{
    const struct tally_counts *counts = &tally->shared->buffers[buffer].counts;
    int r = read_all_series(tally, buffer, counts->timers, ELEMENTSOF(counts->timers),
                            &interval->timers, &interval->n_timers);

    for (size_t i = 0; r == 0 && i < interval->n_timers; i++) {
        const struct interval_series *timer = &interval->timers[i];
        if (timer->sent_bytes > 0 || timer->received_bytes > 0) {
            return -EBADMSG;
        }
    }
    return r;
}

/* Makes the array of those counts that aren't 0, and are at least `min`. */
static int read_counts(const int64_t *words, unsigned n_words, int64_t min,
                       struct interval_count **ret, size_t *ret_n)
{
    size_t n = 0;

    for (unsigned id = 0; id < n_words; id++) {
        n += READ(words[id]) != 0;
    }
    struct interval_count *counts = calloc(MAX(n, 1), sizeof *counts);
    if (!counts) {
        return -ENOMEM;
    }
    *ret = counts;
    for (unsigned id = 0; id < n_words && *ret_n < n; id++) {
        int64_t count = READ(words[id]);
        if (count < min) {
            return -EBADMSG;
        }
        if (count != 0) {
            counts[(*ret_n)++] = (struct interval_count){.id = id, .count = count};
        }
    }
    return 0;
}

static int read_tests(const struct tally_counts *counts, struct interval *interval)
{
    interval->tests = calloc(ELEMENTSOF(counts->outcomes), sizeof *interval->tests);
    if (!interval->tests) {
        return -ENOMEM;
    }
    for (unsigned id = 0; id < ELEMENTSOF(counts->outcomes); id++) {
        struct interval_test test = {.id = id};
        uint64_t any = 0;
        for (unsigned outcome = 0; outcome < OUTCOMES; outcome++) {
            test.outcomes[outcome] = READ(counts->outcomes[id][outcome]);
            any |= test.outcomes[outcome];
        }
        if (any != 0) {
            interval->tests[interval->n_tests++] = test;
        }
    }
    return 0;
}

static int read_seconds(const struct tally_buffer *buffer, struct interval *interval)
{
    uint32_t first = READ(buffer->first_second), last = READ(buffer->last_second);

    if (first > last || last == UINT32_MAX) {
        return -EBADMSG;
    }
    interval->second = first;
    interval->seconds = last - first + 1;
    return 0;
}

static int read_buffer(const struct tally *tally, unsigned number, struct interval **ret)
{
    const struct tally_buffer *buffer = &tally->shared->buffers[number];
    const struct tally_counts *counts = &buffer->counts;
    _cleanup_(interval_freep) struct interval *interval = calloc(1, sizeof *interval);
    int r;

    if (!interval) {
        return -ENOMEM;
    }
    r = read_seconds(buffer, interval);
    if (r < 0) {
        return r;
    }
    r = read_all_series(tally, number, counts->series, ELEMENTSOF(counts->series),
                        &interval->series, &interval->n_series);
    if (r < 0) {
        return r;
    }
    r = read_timers(tally, number, interval);
    if (r < 0) {
        return r;
    }
    r = read_counts((const int64_t *)counts->errors, ELEMENTSOF(counts->errors), 0,
                    &interval->errors, &interval->n_errors);
    if (r < 0) {
        return r;
    }
    r = read_counts(counts->counters, ELEMENTSOF(counts->counters), INT64_MIN, &interval->counters,
                    &interval->n_counters);
    if (r < 0) {
        return r;
    }
    r = read_tests(counts, interval);
    if (r < 0) {
        return r;
    }
    *ret = TAKE_PTR(interval);
    return 0;
}

/* The older of the buffers that may be taken, or -1. */
static int oldest_buffer(const struct tally *tally, bool active_too)
{
    int oldest = -1;
    uint64_t opened = 0;

    for (int i = 0; i < 2; i++) {
        const struct tally_buffer *buffer = &tally->shared->buffers[i];
        uint32_t state = __atomic_load_n(&buffer->state, __ATOMIC_ACQUIRE);
        uint64_t number = READ(buffer->opened);
        if ((state == TALLY_SEALED || (active_too && state == TALLY_ACTIVE)) &&
            (oldest < 0 || number < opened)) {
            oldest = i;
            opened = number;
        }
    }
    return oldest;
}

/* Whether the states are what a writer makes of them. */
static bool has_active(const struct tally *tally)
{
    bool active = false;

    for (unsigned i = 0; i < 2; i++) {
        uint32_t state = __atomic_load_n(&tally->shared->buffers[i].state, __ATOMIC_ACQUIRE);
        if (state > TALLY_SEALED) {
            return false;
        }
        active = active || state == TALLY_ACTIVE;
    }
    return active;
}

/* Whether a state was written over: then a buffer may never be seen again. Told once. (A writer
 * that changes buffers between our two looks at them seems to have none that is active, but it
 * can't do that twice without us.) */
static bool states_are_lost(struct tally *tally)
{
    if (tally->told || has_active(tally) || has_active(tally)) {
        return false;
    }
    tally->told = true;
    return true;
}

/* Takes the oldest buffer that has anything in it. */
static int take(struct tally *tally, bool active_too, struct interval **ret)
{
    if (states_are_lost(tally)) {
        return -EBADMSG;
    }
    tally->told = tally->told || active_too; /* the active one is taken now */
    for (unsigned attempt = 0; attempt < 2; attempt++) {
        _cleanup_(interval_freep) struct interval *interval = NULL;
        int number = oldest_buffer(tally, active_too);
        if (number < 0) {
            return 0;
        }
        int r = read_buffer(tally, (unsigned)number, &interval);
        if (r == -ENOMEM) {
            return r;
        }
        __atomic_store_n(&tally->shared->buffers[number].state, TALLY_FREE, __ATOMIC_RELEASE);
        if (r < 0) {
            return r;
        }
        if (interval->n_series + interval->n_errors + interval->n_counters + interval->n_tests +
                interval->n_timers >
            0) {
            *ret = TAKE_PTR(interval);
            return 1;
        }
    }
    return 0;
}

int tally_take(struct tally *tally, struct interval **ret)
{
    return take(tally, false, ret);
}

int tally_take_rest(struct tally *tally, struct interval **ret)
{
    tally_recover(tally);
    return take(tally, true, ret);
}
