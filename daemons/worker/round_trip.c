/* SPDX-License-Identifier: MPL-2.0 */
/* Numbers tell which message answers which, so that one that wasn't kept for want of room is
 * counted and not mistaken for the next. */
#include "round_trip.h"

void round_trip_sent(struct round_trips *trips, uint64_t now_usec)
{
    uint32_t number = trips->sent++;

    if (number - trips->answered < ROUND_TRIPS_KEPT) {
        trips->kept[number % ROUND_TRIPS_KEPT].number = number;
        trips->kept[number % ROUND_TRIPS_KEPT].sent_usec = now_usec;
    }
}

bool round_trip_received(struct round_trips *trips, uint64_t now_usec, uint64_t *ret_usec)
{
    if (trips->answered == trips->sent) {
        return false;
    }
    uint32_t number = trips->answered++, slot = number % ROUND_TRIPS_KEPT;
    uint64_t sent_usec = trips->kept[slot].sent_usec;
    bool kept = sent_usec > 0 && trips->kept[slot].number == number;

    if (kept) {
        trips->kept[slot].sent_usec = 0;
        *ret_usec = now_usec - sent_usec;
    }
    return kept;
}
