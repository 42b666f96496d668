/* SPDX-License-Identifier: MPL-2.0 */
/* How far another machine's monotonic clock is from ours. */
#ifndef LOADS_AGENT_CLOCK_OFFSET_H
#define LOADS_AGENT_CLOCK_OFFSET_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_OFFSET_EXCHANGES 16 /* the last ones are looked at */

/* All zero: nothing is known yet. Times are microseconds of the monotonic clocks. */
struct clock_offset {
    struct {
        uint64_t round_trip_usec;
        int64_t offset_usec; /* theirs less ours */
    } exchanges[CLOCK_OFFSET_EXCHANGES];
    unsigned count, next;
};

/* One exchange: we asked at `sent`, they answered at `theirs`, which we had at `received`. Nothing
 * happens when it can't be. */
void clock_offset_add(struct clock_offset *offset, uint64_t sent_usec, uint64_t theirs_usec,
                      uint64_t received_usec);

/* Theirs less ours, by the exchange with the shortest round trip of the last ones: the error is at
 * most half of that. 0 when nothing is known. */
int64_t clock_offset_usec(const struct clock_offset *offset);

/* Our time at their time; kept within what a time can be. */
uint64_t clock_offset_to_ours(const struct clock_offset *offset, uint64_t theirs_usec);

#endif
