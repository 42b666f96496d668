/* SPDX-License-Identifier: MPL-2.0 */
/* Each threshold with a duration has a ring of the last seconds, in which what is counted is put by
 * the second that it is of. A second is judged once, when the lag is over; what comes later for it
 * is in the totals only. */
#include "metrics/thresholds.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define RING 8 /* seconds; more than the lag */

struct watched {
    struct threshold threshold;
    struct measure ring[RING]; /* by second % RING, from next_second on */
    uint32_t streak;           /* seconds in a row in which it did not hold */
    bool broken;
    double value; /* that broke it */
    uint32_t broken_sec;
};

struct thresholds {
    size_t count;
    uint32_t next_second; /* the first one that isn't judged */
    struct watched watched[];
};

int thresholds_new(struct thresholds **ret, const struct strlist *texts, struct error *error)
{
    _cleanup_(thresholds_freep) struct thresholds *thresholds =
        calloc(1, sizeof *thresholds + texts->count * sizeof thresholds->watched[0]);

    if (!thresholds) {
        return error_set_errno(error, -ENOMEM, "thresholds");
    }
    for (size_t i = 0; i < texts->count; i++) {
        int r = threshold_parse(texts->items[i], &thresholds->watched[i].threshold, error);
        if (r < 0) {
            return r;
        }
        thresholds->count++;
    }
    *ret = TAKE_PTR(thresholds);
    return 0;
}

struct thresholds *thresholds_free(struct thresholds *thresholds)
{
    for (size_t i = 0; thresholds && i < thresholds->count; i++) {
        for (unsigned slot = 0; slot < RING; slot++) {
            measure_clear(&thresholds->watched[i].ring[slot]);
        }
    }
    free(thresholds);
    return NULL;
}

/* ---- second by second ---- */

/* For good: what comes later doesn't mend it. */
static void break_it(struct watched *watched, double value, uint32_t second)
{
    if (!watched->broken) {
        watched->broken = true;
        watched->value = value;
        watched->broken_sec = second;
    }
}

static uint64_t seconds_of(const struct threshold *threshold)
{
    return threshold->for_usec / USEC_PER_SEC;
}

void thresholds_add(struct thresholds *thresholds, const struct interval *interval,
                    const struct names *names)
{
    if (interval->second < thresholds->next_second ||
        interval->second - thresholds->next_second >= RING) {
        return;
    }
    for (size_t i = 0; i < thresholds->count; i++) {
        struct watched *watched = &thresholds->watched[i];
        if (watched->threshold.for_usec > 0) {
            (void)!measure_add(&watched->ring[interval->second % RING], &watched->threshold,
                               interval, names);
        }
    }
}

/* A second without anything to judge by neither breaks nor mends. */
static void judge_second(struct watched *watched, uint32_t second)
{
    struct measure *measure = &watched->ring[second % RING];

    measure->seconds = 1;
    struct judgement judgement = threshold_judge(&watched->threshold, measure);
    measure_clear(measure);
    if (!judgement.is_known) {
        return;
    }
    watched->streak = judgement.holds ? 0 : watched->streak + 1;
    if (watched->streak >= seconds_of(&watched->threshold)) {
        break_it(watched, judgement.value, second);
    }
}

/* Judges the seconds below `end`. */
static void judge_seconds(struct thresholds *thresholds, uint32_t end)
{
    for (; thresholds->next_second < end; thresholds->next_second++) {
        for (size_t i = 0; i < thresholds->count; i++) {
            if (thresholds->watched[i].threshold.for_usec > 0) {
                judge_second(&thresholds->watched[i], thresholds->next_second);
            }
        }
    }
}

/* ---- the whole run ---- */

static bool is_whole(const struct watched *watched)
{
    return watched->threshold.for_usec == 0;
}

static struct judgement judge_whole(const struct watched *watched, const struct interval *whole,
                                    const struct names *names, double duration_sec)
{
    struct measure measure = {.seconds = duration_sec};
    struct judgement judgement = {.is_known = false};

    if (measure_add(&measure, &watched->threshold, whole, names) == 0) {
        judgement = threshold_judge(&watched->threshold, &measure);
    }
    measure_clear(&measure);
    return judgement;
}

static bool may_stop(const struct watched *watched)
{
    return watched->threshold.stop &&
           (!is_whole(watched) || !threshold_needs_end(&watched->threshold));
}

/* A run that is stopped for the sake of one is not to pass because its last iterations, in the
 * grace, made up for it. */
static const char *look_at_whole(struct thresholds *thresholds, uint32_t second,
                                 const struct interval *whole, const struct names *names,
                                 double duration_sec)
{
    for (size_t i = 0; i < thresholds->count; i++) {
        struct watched *watched = &thresholds->watched[i];
        if (may_stop(watched) && is_whole(watched)) {
            struct judgement judgement = judge_whole(watched, whole, names, duration_sec);
            if (judgement.is_known && !judgement.holds) {
                break_it(watched, judgement.value, second);
                return watched->threshold.text;
            }
        }
    }
    return NULL;
}

const char *thresholds_look(struct thresholds *thresholds, uint32_t second,
                            const struct totals *totals, const struct names *names,
                            double duration_sec)
{
    _cleanup_(interval_freep) struct interval *whole = NULL;
    bool any = false;

    judge_seconds(thresholds, second > THRESHOLDS_LAG_SEC ? second - THRESHOLDS_LAG_SEC : 0);
    for (size_t i = 0; i < thresholds->count; i++) {
        const struct watched *watched = &thresholds->watched[i];
        any = any || (may_stop(watched) && is_whole(watched));
        if (watched->broken && watched->threshold.stop) {
            return watched->threshold.text;
        }
    }
    /* Rates of less than a second say nothing; without memory it is looked at a second later. */
    if (!any || duration_sec < 1 || totals_interval(totals, &whole) < 0) {
        return NULL;
    }
    return look_at_whole(thresholds, second, whole, names, duration_sec);
}

/* ---- the end ---- */

static void describe(struct threshold_result *result, const struct threshold *threshold)
{
    result->stop = threshold->stop;
    result->bound = threshold->value;
    result->unit = threshold_unit(threshold);
}

void threshold_result_describe(struct threshold_result *result)
{
    struct threshold threshold;

    if (threshold_parse(result->text, &threshold, NULL) == 0) {
        describe(result, &threshold);
    }
}

static void end_one(struct watched *watched, const struct interval *whole,
                    const struct names *names, double duration_sec, struct threshold_result *ret)
{
    struct judgement judgement = judge_whole(watched, whole, names, duration_sec);

    if (watched->broken) {
        judgement = (struct judgement){.is_known = true, .value = watched->value};
    } else if (!is_whole(watched)) {
        judgement.holds = true;
    }
    (void)snprintf(ret->text, sizeof ret->text, "%s", watched->threshold.text);
    describe(ret, &watched->threshold);
    ret->holds = judgement.holds;
    ret->has_value = judgement.is_known;
    ret->value = judgement.value;
    ret->has_broken_sec = watched->broken;
    ret->broken_sec = watched->broken_sec;
    if (judgement.is_known) {
        (void)threshold_show(&watched->threshold, judgement.value, ret->shown);
    }
}

int thresholds_end(struct thresholds *thresholds, const struct totals *totals,
                   const struct names *names, double duration_sec, struct threshold_result **ret,
                   size_t *ret_count)
{
    _cleanup_(interval_freep) struct interval *whole = NULL;
    struct threshold_result *results = calloc(thresholds->count + 1, sizeof *results);

    if (!results || totals_interval(totals, &whole) < 0) {
        free(results);
        return -ENOMEM;
    }
    judge_seconds(thresholds, (uint32_t)duration_sec);
    for (size_t i = 0; i < thresholds->count; i++) {
        end_one(&thresholds->watched[i], whole, names, duration_sec, &results[i]);
    }
    *ret = results;
    *ret_count = thresholds->count;
    return 0;
}

static bool are_about(const struct thresholds *thresholds, enum threshold_metric metric)
{
    for (size_t i = 0; thresholds && i < thresholds->count; i++) {
        if (thresholds->watched[i].threshold.metric == metric) {
            return true;
        }
    }
    return false;
}

bool thresholds_allow(const struct thresholds *thresholds, uint64_t successes, uint64_t errors,
                      uint64_t failures)
{
    bool some_errors = are_about(thresholds, METRIC_ERRORS);
    bool some_failures = are_about(thresholds, METRIC_FAILURES);

    return (errors == 0 || some_errors) && (failures == 0 || some_failures) &&
           successes + errors + failures > 0;
}
