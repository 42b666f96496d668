/* SPDX-License-Identifier: MPL-2.0 */
/* What is counted comes in lumps of a second, a little earlier or later, so the last second alone
 * would jump between nothing and twice as much. */
#include "base/rate.h"

#include <string.h>

#include "base/clock.h"

void rate_add(struct rate *rate, uint64_t now_usec, uint64_t count)
{
    if (rate->n > 0 && now_usec - rate->samples[0].usec < USEC_PER_SEC) {
        return;
    }
    memmove(&rate->samples[1], &rate->samples[0], (RATE_SAMPLES - 1) * sizeof rate->samples[0]);
    rate->samples[0].usec = now_usec;
    rate->samples[0].count = count;
    rate->n = MIN(rate->n + 1, (unsigned)RATE_SAMPLES);
}

double rate_per_sec(const struct rate *rate)
{
    unsigned last = MAX(rate->n, 1u) - 1;

    if (last == 0 || rate->samples[0].count < rate->samples[last].count) {
        return 0;
    }
    uint64_t count = rate->samples[0].count - rate->samples[last].count;
    uint64_t usec = rate->samples[0].usec - rate->samples[last].usec;
    return (double)count * (double)USEC_PER_SEC / (double)usec;
}
