/* SPDX-License-Identifier: MPL-2.0 */
/* Their answer was made somewhere between our question and its arrival; the middle is wrong by half
 * of the round trip at most, so the shortest one is the best. Only the last exchanges count, since
 * two clocks drift apart. */
#include "clock_offset.h"

#include "base/macros.h"

void clock_offset_add(struct clock_offset *offset, uint64_t sent_usec, uint64_t theirs_usec,
                      uint64_t received_usec)
{
    if (sent_usec > received_usec || received_usec > INT64_MAX || theirs_usec > INT64_MAX) {
        return;
    }
    uint64_t round_trip = received_usec - sent_usec;
    uint64_t middle = sent_usec + round_trip / 2;

    offset->exchanges[offset->next].round_trip_usec = round_trip;
    offset->exchanges[offset->next].offset_usec = (int64_t)theirs_usec - (int64_t)middle;
    offset->next = (offset->next + 1) % CLOCK_OFFSET_EXCHANGES;
    offset->count = MIN(offset->count + 1, (unsigned)CLOCK_OFFSET_EXCHANGES);
}

int64_t clock_offset_usec(const struct clock_offset *offset)
{
    unsigned best = 0;

    for (unsigned i = 1; i < offset->count; i++) {
        if (offset->exchanges[i].round_trip_usec < offset->exchanges[best].round_trip_usec) {
            best = i;
        }
    }
    return offset->count > 0 ? offset->exchanges[best].offset_usec : 0;
}

uint64_t clock_offset_to_ours(const struct clock_offset *offset, uint64_t theirs_usec)
{
    int64_t difference = clock_offset_usec(offset);

    if (difference >= 0) {
        uint64_t back = (uint64_t)difference;
        return theirs_usec > back ? theirs_usec - back : 0;
    }
    uint64_t ahead = (uint64_t)-difference;
    return theirs_usec < UINT64_MAX - ahead ? theirs_usec + ahead : UINT64_MAX;
}
