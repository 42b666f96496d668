/* SPDX-License-Identifier: MPL-2.0 */
/* What a broker says of a run over time: a page that is accepted, twice, can be looked at. */
#include <errno.h>

#include "fuzz.h"
#include "remote/timelines.h"

#define MAX_JSON (1 << 20)

static int count(const struct timeline_step *step, void *context)
{
    uint64_t p50 = histogram_percentile_usec(step->latency, 50000);

    assert(p50 >= step->latency->min_usec && p50 <= step->latency->max_usec);
    *(uint64_t *)context += step->latency->count;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(json_decrefp) json_t *json = NULL;
    _cleanup_(timeline_freep) struct timeline *timeline = NULL;
    uint64_t seconds, hits = 0;
    struct error error;

    if (wire_json_load((const char *)data, size, MAX_JSON, &json, NULL) < 0) {
        return 0;
    }
    assert(timeline_new(&timeline, 4) == 0);
    for (int i = 0; i < 2; i++) {
        int r = timeline_take(timeline, json, &seconds, &error);
        if (r < 0) {
            assert(r == -EBADMSG);
            check_error(r, &error);
        }
    }
    assert(timeline_each(timeline, count, &hits) == 0);
    assert(timeline_steps(timeline) <= 4);
    return 0;
}
