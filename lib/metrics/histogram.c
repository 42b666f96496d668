/* SPDX-License-Identifier: MPL-2.0 */
/* Histograms of latencies. The bucket of a value is a few instructions without a table, since it
 * stands on the path of every hit; everything else here runs once a second or once a run. Sums that
 * come from outside are checked in 128 bits, so that no count a peer may claim can overflow them.
 */
#include "metrics/histogram.h"

#include <errno.h>

#define BITS             10 /* significant bits that a bucket keeps */
#define PERCENT_100      100000
#define PAGE(bucket)     ((bucket) / HISTOGRAM_PAGE_BUCKETS)
#define IN_PAGE(bucket)  ((bucket) % HISTOGRAM_PAGE_BUCKETS)
#define PAGE_START(page) ((page)*HISTOGRAM_PAGE_BUCKETS)

typedef unsigned __int128 wide;

static uint64_t clamp(uint64_t usec)
{
    return MIN(MAX(usec, HISTOGRAM_MIN_USEC), HISTOGRAM_MAX_USEC);
}

unsigned histogram_bucket(uint64_t usec)
{
    uint64_t value = clamp(usec);
    unsigned bits = 64 - (unsigned)__builtin_clzll(value);
    unsigned shift = bits > BITS ? bits - BITS : 0;

    return shift * HISTOGRAM_PAGE_BUCKETS + (unsigned)(value >> shift);
}

/* By how many bits the values of a bucket are shifted: it is 1 << shift wide. */
static unsigned bucket_shift(unsigned bucket)
{
    return bucket < 2 * HISTOGRAM_PAGE_BUCKETS ? 0 : PAGE(bucket) - 1;
}

uint64_t histogram_bucket_low_usec(unsigned bucket)
{
    assert(bucket < HISTOGRAM_BUCKETS);
    unsigned shift = bucket_shift(bucket);
    return (uint64_t)(bucket - PAGE_START(shift)) << shift;
}

uint64_t histogram_bucket_usec(unsigned bucket)
{
    return histogram_bucket_low_usec(bucket) + ((UINT64_C(1) << bucket_shift(bucket)) >> 1);
}

void histogram_clear(struct histogram *histogram)
{
    for (unsigned page = 0; page < HISTOGRAM_PAGES; page++) {
        free(histogram->pages[page]);
    }
    *histogram = (struct histogram){0};
}

static uint64_t *need_page(struct histogram *histogram, unsigned page)
{
    if (!histogram->pages[page]) {
        histogram->pages[page] = calloc(HISTOGRAM_PAGE_BUCKETS, sizeof(uint64_t));
    }
    return histogram->pages[page];
}

static void add_summary(struct histogram *into, uint64_t count, uint64_t sum_usec,
                        uint64_t min_usec, uint64_t max_usec)
{
    if (into->count == 0) {
        into->min_usec = min_usec;
        into->max_usec = max_usec;
    } else {
        into->min_usec = MIN(into->min_usec, min_usec);
        into->max_usec = MAX(into->max_usec, max_usec);
    }
    into->count += count;
    into->sum_usec += sum_usec;
}

int histogram_add(struct histogram *histogram, uint64_t usec, uint64_t count)
{
    if (count == 0) {
        return 0;
    }
    int r = histogram_add_bucket(histogram, histogram_bucket(usec), count);
    if (r < 0) {
        return r;
    }
    uint64_t value = clamp(usec);
    add_summary(histogram, count, value * count, value, value);
    return 0;
}

int histogram_add_bucket(struct histogram *histogram, unsigned bucket, uint64_t count)
{
    assert(bucket < HISTOGRAM_BUCKETS);
    uint64_t *page = need_page(histogram, PAGE(bucket));
    if (!page) {
        return -ENOMEM;
    }
    page[IN_PAGE(bucket)] += count;
    return 0;
}

int histogram_reserve(struct histogram *histogram, const struct histogram *like)
{
    for (unsigned page = 0; page < HISTOGRAM_PAGES; page++) {
        if (like->pages[page] && !need_page(histogram, page)) {
            return -ENOMEM;
        }
    }
    return 0;
}

int histogram_merge(struct histogram *into, const struct histogram *from)
{
    if (from->count == 0) {
        return 0;
    }
    int r = histogram_reserve(into, from);
    if (r < 0) {
        return r;
    }
    for (unsigned page = 0; page < HISTOGRAM_PAGES; page++) {
        for (unsigned i = 0; from->pages[page] && i < HISTOGRAM_PAGE_BUCKETS; i++) {
            into->pages[page][i] += from->pages[page][i];
        }
    }
    add_summary(into, from->count, from->sum_usec, from->min_usec, from->max_usec);
    return 0;
}

/* The bucket that holds the sample of a rank (1 is the smallest), or HISTOGRAM_BUCKETS. */
static unsigned bucket_of_rank(const struct histogram *histogram, uint64_t rank)
{
    uint64_t below = 0;

    for (unsigned page = 0; page < HISTOGRAM_PAGES; page++) {
        for (unsigned i = 0; histogram->pages[page] && i < HISTOGRAM_PAGE_BUCKETS; i++) {
            uint64_t count = histogram->pages[page][i];
            if (count >= rank - below) {
                return PAGE_START(page) + i;
            }
            below += count;
        }
    }
    return HISTOGRAM_BUCKETS;
}

uint64_t histogram_percentile_usec(const struct histogram *histogram, unsigned millipercent)
{
    if (histogram->count == 0) {
        return 0;
    }
    if (millipercent >= PERCENT_100) {
        return histogram->max_usec;
    }
    wide product = (wide)histogram->count * millipercent;
    uint64_t rank = (uint64_t)((product + PERCENT_100 - 1) / PERCENT_100);
    unsigned bucket = bucket_of_rank(histogram, MAX(rank, 1));
    if (bucket >= HISTOGRAM_BUCKETS) {
        return histogram->max_usec;
    }
    return MIN(MAX(histogram_bucket_usec(bucket), histogram->min_usec), histogram->max_usec);
}

void histogram_each(const struct histogram *histogram,
                    void (*visit)(unsigned bucket, uint64_t count, void *context), void *context)
{
    for (unsigned page = 0; page < HISTOGRAM_PAGES; page++) {
        for (unsigned i = 0; histogram->pages[page] && i < HISTOGRAM_PAGE_BUCKETS; i++) {
            if (histogram->pages[page][i] > 0) {
                visit(PAGE_START(page) + i, histogram->pages[page][i], context);
            }
        }
    }
}

/* What the buckets say of the samples in them, whose least and greatest are known. */
struct bounds {
    uint64_t min_usec, max_usec;
    unsigned first, last; /* buckets that hold something */
    wide count;
    wide low_usec, high_usec; /* between which the sum must be */
    bool outside;             /* something is in a bucket that doesn't exist */
};

static void widen_bounds(unsigned bucket, uint64_t count, void *context)
{
    struct bounds *bounds = context;

    if (bucket >= HISTOGRAM_BUCKETS) {
        bounds->outside = true;
        return;
    }
    uint64_t low = histogram_bucket_low_usec(bucket);
    uint64_t high = low + (UINT64_C(1) << bucket_shift(bucket)) - 1;
    if (bounds->count == 0) {
        bounds->first = bucket;
    }
    bounds->last = bucket;
    bounds->count += count;
    bounds->low_usec += (wide)MAX(low, bounds->min_usec) * count;
    bounds->high_usec += (wide)MIN(high, bounds->max_usec) * count;
}

bool histogram_is_valid(const struct histogram *histogram)
{
    uint64_t min = histogram->min_usec, max = histogram->max_usec;
    struct bounds bounds = {.min_usec = min, .max_usec = max};

    histogram_each(histogram, widen_bounds, &bounds);
    if (bounds.outside || bounds.count != histogram->count) {
        return false;
    }
    if (histogram->count == 0) {
        return histogram->sum_usec == 0 && min == 0 && max == 0;
    }
    if (min < HISTOGRAM_MIN_USEC || max > HISTOGRAM_MAX_USEC || min > max ||
        bounds.first != histogram_bucket(min) || bounds.last != histogram_bucket(max)) {
        return false;
    }
    /* One sample is the least and one is the greatest, exactly (the same one if there is but one).
     */
    bounds.low_usec += max - MAX(histogram_bucket_low_usec(bounds.last), min);
    uint64_t high =
        histogram_bucket_low_usec(bounds.first) + (UINT64_C(1) << bucket_shift(bounds.first)) - 1;
    bounds.high_usec -= MIN(high, max) - min;
    return histogram->sum_usec >= bounds.low_usec && histogram->sum_usec <= bounds.high_usec;
}
