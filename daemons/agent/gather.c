/* SPDX-License-Identifier: MPL-2.0 */
/* Workers seal a second when it is over, each a little later than the others, and what comes late
 * is a further interval of its second. One that covers several seconds, as of a worker that was
 * late, stays apart. */
#include "gather.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"

int gather_add(struct gather *gather, const struct interval *interval)
{
    _cleanup_(interval_freep) struct interval *copy = NULL;
    size_t at = 0;

    while (at < gather->count && gather->intervals[at]->second < interval->second) {
        at++;
    }
    for (size_t i = at; i < gather->count && gather->intervals[i]->second == interval->second;
         i++) {
        if (gather->intervals[i]->seconds == interval->seconds) {
            return interval_merge(gather->intervals[i], interval);
        }
    }
    if (gather->count == GATHER_MAX_SECONDS) {
        return -ENOBUFS;
    }
    copy = calloc(1, sizeof *copy);
    if (!copy) {
        return -ENOMEM;
    }
    copy->second = interval->second;
    copy->seconds = interval->seconds;
    int r = interval_merge(copy, interval);
    if (r < 0) {
        return r;
    }
    memmove(&gather->intervals[at + 1], &gather->intervals[at],
            (gather->count - at) * sizeof gather->intervals[0]);
    gather->intervals[at] = TAKE_PTR(copy);
    gather->count++;
    return 0;
}

struct interval *gather_take(struct gather *gather, uint64_t before_second)
{
    struct interval *first = gather->count > 0 ? gather->intervals[0] : NULL;

    if (!first || (uint64_t)first->second + first->seconds > before_second) {
        return NULL;
    }
    gather->count--;
    memmove(&gather->intervals[0], &gather->intervals[1],
            gather->count * sizeof gather->intervals[0]);
    return first;
}

void gather_clear(struct gather *gather)
{
    while (gather->count > 0) {
        interval_free(gather->intervals[--gather->count]);
    }
}
