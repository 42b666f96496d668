/* SPDX-License-Identifier: MPL-2.0 */
/* Round trips of a WebSocket: a message that comes in answers the oldest one that was sent and not
 * answered yet. What comes when nothing is unanswered is no round trip. */
#ifndef LOADS_WORKER_ROUND_TRIP_H
#define LOADS_WORKER_ROUND_TRIP_H

#include <stdbool.h>
#include <stdint.h>

#define ROUND_TRIPS_KEPT 16 /* on their way at once; those beyond are answered, but not timed */

/* All zero at first. */
struct round_trips {
    uint32_t sent, answered;
    struct {
        uint32_t number;
        uint64_t sent_usec; /* 0: none */
    } kept[ROUND_TRIPS_KEPT];
};

/* A message goes out; one came in. True: it answers one that was sent so long before. Times are of
 * CLOCK_MONOTONIC. */
void round_trip_sent(struct round_trips *trips, uint64_t now_usec);
bool round_trip_received(struct round_trips *trips, uint64_t now_usec, uint64_t *ret_usec);

#endif
