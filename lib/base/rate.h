/* SPDX-License-Identifier: MPL-2.0 */
/* How fast something goes, over the last seconds: for people, who look now and then. */
#ifndef LOADS_BASE_RATE_H
#define LOADS_BASE_RATE_H

#include <stdint.h>

#define RATE_SAMPLES 6 /* a second or more apart */

/* All zero: nothing is known. */
struct rate {
    struct {
        uint64_t usec, count;
    } samples[RATE_SAMPLES]; /* the newest first */
    unsigned n;
};

/* How much there is by now. May be called as often as one likes. */
void rate_add(struct rate *rate, uint64_t now_usec, uint64_t count);

/* Per second; 0 until two samples are there, or when there is less than there was. */
double rate_per_sec(const struct rate *rate);

#endif
