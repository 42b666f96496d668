/* SPDX-License-Identifier: MPL-2.0 */
/* Latency histograms: log-linear, 3 significant digits, 1 microsecond to 1 hour.
 *
 * A value of at most 10 bits has a bucket of its own; above, each octave has 512 buckets. With
 * e = max(0, bits(value) - 10) the bucket is e * 512 + (value >> e); a bucket stands for its lower
 * end plus half its width, so it is off by 1/1024 of the value at most. Pages of 512 buckets are
 * allocated on first use: dense, a histogram would be 94 KiB. Merging adds counts, so it loses
 * nothing. */
#ifndef LOADS_METRICS_HISTOGRAM_H
#define LOADS_METRICS_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

#define HISTOGRAM_MIN_USEC     UINT64_C(1)
#define HISTOGRAM_MAX_USEC     UINT64_C(3600000000)
#define HISTOGRAM_PAGE_BUCKETS 512
#define HISTOGRAM_BUCKETS      12123 /* histogram_bucket(HISTOGRAM_MAX_USEC) + 1 */
#define HISTOGRAM_PAGES        24

/* The bucket of a value; values outside of 1 µs … 1 h count as the nearer end. */
unsigned histogram_bucket(uint64_t usec);

/* The value that a bucket stands for, and the least value that falls into it. */
uint64_t histogram_bucket_usec(unsigned bucket);
uint64_t histogram_bucket_low_usec(unsigned bucket);

struct histogram {
    uint64_t *pages[HISTOGRAM_PAGES]; /* NULL: all zero */
    uint64_t count;
    uint64_t sum_usec;           /* exact */
    uint64_t min_usec, max_usec; /* exact; both 0 while count is 0 */
};

/* An empty histogram is all zero. Empties one, frees its pages. */
void histogram_clear(struct histogram *histogram);

/* Adds `count` times one value. -ENOMEM: nothing changed. */
int histogram_add(struct histogram *histogram, uint64_t usec, uint64_t count) _must_check_;

/* Adds counts to a bucket; count, sum, min and max are the caller's to keep, as a decoder does. */
int histogram_add_bucket(struct histogram *histogram, unsigned bucket, uint64_t count) _must_check_;

/* Adds all of `from`. -ENOMEM: nothing changed. */
int histogram_merge(struct histogram *into, const struct histogram *from) _must_check_;

/* Makes room for all that `like` has, without changing a count: merging it can't fail after this.
 */
int histogram_reserve(struct histogram *histogram, const struct histogram *like) _must_check_;

/* Whether count, sum, min and max can be those of the samples in the buckets. */
bool histogram_is_valid(const struct histogram *histogram);

/* The value at a percentile, given in thousandths of a percent (99.9 % is 99900): what the bucket
 * of the sample of rank ceil(count × p), at least 1, stands for, kept within min and max. 100000 is
 * the maximum itself. 0 when empty. The test vectors in tests/vectors/percentiles.json define this
 * for every language. */
uint64_t histogram_percentile_usec(const struct histogram *histogram, unsigned millipercent);

/* Calls visit(bucket, count) for every bucket that isn't empty, in ascending order. */
void histogram_each(const struct histogram *histogram,
                    void (*visit)(unsigned bucket, uint64_t count, void *context), void *context);

#endif
