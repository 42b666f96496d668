/* SPDX-License-Identifier: MPL-2.0 */
/* The last seconds have their histograms, in a ring; of those before there is the percentile only,
 * since a histogram takes tens of KiB. What comes for a second that left the ring is too old to be
 * of interest. A look costs merging some histograms, tens of microseconds, and that only when
 * something came or another second began; between two of these it is a copy. */
#include "metrics/recent.h"

#include <errno.h>

#include "base/clock.h"

#define HELD  (RECENT_SEC + 3)                        /* those of a window, and one that is ahead */
#define TREND (RECENT_TREND_SEC + RECENT_LAG_SEC + 2) /* the same */
#define NONE  UINT32_MAX

struct second {
    uint32_t number; /* of the run; NONE: nothing was counted */
    struct histogram latency;
};

struct trend {
    uint32_t number;
    uint64_t p95_usec;
};

struct recent {
    struct second held[HELD];   /* by number % HELD */
    struct trend trends[TREND]; /* by number % TREND */
    uint32_t looked_at;         /* the second that `numbers` are of */
    bool is_stale;              /* `numbers` are */
    struct recent_numbers numbers;
};

int recent_new(struct recent **ret)
{
    struct recent *recent = calloc(1, sizeof *recent);

    if (!recent) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < HELD; i++) {
        recent->held[i].number = NONE;
    }
    for (size_t i = 0; i < TREND; i++) {
        recent->trends[i].number = NONE;
    }
    recent->is_stale = true;
    *ret = recent;
    return 0;
}

struct recent *recent_free(struct recent *recent)
{
    if (recent) {
        for (size_t i = 0; i < HELD; i++) {
            histogram_clear(&recent->held[i].latency);
        }
        free(recent);
    }
    return NULL;
}

static void note_trend(struct recent *recent, const struct second *second)
{
    struct trend *trend = &recent->trends[second->number % TREND];

    if (second->number != NONE && (trend->number == NONE || trend->number <= second->number)) {
        trend->number = second->number;
        trend->p95_usec = histogram_percentile_usec(&second->latency, 95000);
    }
}

void recent_add(struct recent *recent, const struct interval *interval)
{
    struct second *second = &recent->held[interval->second % HELD];

    if (interval->n_errors > 0) { /* the last one got its id last */
        recent->numbers.last_error = interval->errors[interval->n_errors - 1].id;
    }
    if (interval->second == NONE || (second->number != NONE && interval->second < second->number)) {
        return;
    }
    if (second->number != interval->second) {
        note_trend(recent, second);
        histogram_clear(&second->latency);
        second->number = interval->second;
    }
    for (size_t i = 0; i < interval->n_series; i++) {
        /* As the header says. */
        (void)!histogram_merge(&second->latency, &interval->series[i].latency);
    }
    recent->is_stale = true;
}

/* The second of that number; NULL: nothing was counted in it, or too long ago. */
static const struct second *find(const struct recent *recent, int64_t number)
{
    const struct second *second = number < 0 ? NULL : &recent->held[number % HELD];

    return second && second->number == number ? second : NULL;
}

static void merge_last(const struct recent *recent, int64_t now, struct recent_numbers *ret)
{
    struct histogram all = {.count = 0};
    int r = 0;

    for (int64_t number = now - RECENT_SEC; r == 0 && number <= now; number++) {
        const struct second *second = find(recent, number);
        r = second ? histogram_merge(&all, &second->latency) : 0;
    }
    ret->p50_usec = r < 0 ? 0 : histogram_percentile_usec(&all, 50000);
    ret->p95_usec = r < 0 ? 0 : histogram_percentile_usec(&all, 95000);
    ret->p99_usec = r < 0 ? 0 : histogram_percentile_usec(&all, 99000);
    histogram_clear(&all);
}

/* Up to the last second that all sources have told of. */
static void draw_trend(struct recent *recent, int64_t last, struct recent_numbers *ret)
{
    for (size_t i = 0; i < HELD; i++) {
        note_trend(recent, &recent->held[i]);
    }
    ret->n_trend = 0;
    for (int64_t n = MAX(last - RECENT_TREND_SEC + 1, (int64_t)0); n <= last; n++) {
        const struct trend *trend = &recent->trends[n % TREND];
        ret->trend_usec[ret->n_trend++] = trend->number == n ? trend->p95_usec : 0;
    }
}

/* Of the last second that all sources have told of; before there is one, of what there is. */
static double rate(const struct recent *recent, int64_t last)
{
    const struct second *second = find(recent, MAX(last, (int64_t)0));

    return second ? (double)second->latency.count : 0;
}

void recent_look(struct recent *recent, uint64_t usec, struct recent_numbers *ret)
{
    uint32_t now = (uint32_t)MIN(usec / USEC_PER_SEC, (uint64_t)NONE - 1);
    int64_t last = (int64_t)now - RECENT_LAG_SEC - 1;

    if (recent->is_stale || recent->looked_at != now) {
        merge_last(recent, now, &recent->numbers);
        draw_trend(recent, last, &recent->numbers);
        recent->numbers.hits_per_sec = rate(recent, last);
        recent->looked_at = now;
        recent->is_stale = false;
    }
    *ret = recent->numbers;
}
