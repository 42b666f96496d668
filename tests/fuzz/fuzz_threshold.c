/* SPDX-License-Identifier: MPL-2.0 */
/* Thresholds: what is accepted is within its limits and is read in the same way again; what isn't
 * has a caret somewhere under it. */
#include <errno.h>

#include "fuzz.h"
#include "metrics/threshold.h"

/* The same text as a limit of a difference. */
static void fuzz_change(const char *text)
{
    static struct threshold limit, again;
    struct error error;
    int r = threshold_parse_change(text, &limit, &error);

    if (r < 0) {
        assert(r == -EINVAL);
        check_error(r, &error);
        return;
    }
    assert(limit.metric == METRIC_PERCENTILE || limit.metric == METRIC_RPS ||
           limit.metric == METRIC_ERRORS);
    assert(limit.comparison == IS_MORE ? limit.value >= 0 : limit.value <= 0);
    assert(!limit.filters[FILTER_STATUS][0] && !limit.filters[FILTER_TRANSACTION][0]);
    assert(threshold_parse_change(limit.text, &again, &error) == 0);
    assert(again.metric == limit.metric && again.comparison == limit.comparison);
    (void)threshold_matches(&limit, &(struct series_key){.test = "", .name = text, .method = ""});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct threshold threshold, again;
    char shown[THRESHOLD_VALUE_BYTES];
    struct error error;
    _cleanup_free_ char *text = input_text((struct input){data, size});

    fuzz_change(text);
    int r = threshold_parse(text, &threshold, &error);

    if (r < 0) {
        assert(r == -EINVAL);
        check_error(r, &error);
        return 0;
    }
    assert(threshold.metric < METRICS && threshold.comparison < COMPARISONS);
    assert(threshold.metric != METRIC_PERCENTILE ||
           (threshold.millipercent >= 1 && threshold.millipercent <= 100000));
    assert(threshold.for_usec <= THRESHOLD_MAX_FOR_USEC && threshold.value >= 0);
    assert(!threshold.is_share || threshold.metric >= METRIC_ERRORS);
    assert(threshold_parse(threshold.text, &again, &error) == 0);
    assert(again.metric == threshold.metric && again.for_usec == threshold.for_usec);
    assert(memcmp(again.filters, threshold.filters, sizeof again.filters) == 0);
    assert(strlen(threshold_show(&threshold, threshold.value, shown)) < sizeof shown);
    (void)threshold_judge(&threshold, &(struct measure){.seconds = 1});
    return 0;
}
