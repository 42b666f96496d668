/* SPDX-License-Identifier: MPL-2.0 */
/* The clocks. Elapsed times and the seconds of a run come from the monotonic one, dates from the
 * other. Always read, never taken from the event loop's idea of now. */
#ifndef LOADS_BASE_CLOCK_H
#define LOADS_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/macros.h"

#define USEC_PER_SEC  UINT64_C(1000000)
#define USEC_PER_MSEC UINT64_C(1000)

/* Microseconds of CLOCK_MONOTONIC: the same in every process of this machine. */
static inline uint64_t clock_monotonic_usec(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* can't fail for this clock */
    return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}

/* Microseconds since 1970, UTC. */
static inline uint64_t clock_realtime_usec(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* can't fail for this clock */
    return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}

/* Microseconds for which this thread could have run and had no processor, since it began. 0: the
 * kernel doesn't say. */
uint64_t clock_run_delay_usec(void);

#define CLOCK_TEXT_BYTES 40

/* "2026-06-15 12:15:06.375365" in local time, as consoles show it. Returns `text`. */
const char *clock_format_local(uint64_t realtime_usec, char text[static CLOCK_TEXT_BYTES]);

/* "2026-06-15T10:15:06.375365Z": ISO 8601 in UTC, as files and messages carry it. Returns `text`.
 */
const char *clock_format_iso(uint64_t realtime_usec, char text[static CLOCK_TEXT_BYTES]);

/* Reads such a date; the fraction may be missing or have any number of digits, of which six count.
 * -EINVAL: it isn't one, or is before 1970. */
int clock_parse_iso(const char *text, uint64_t *ret_usec) _must_check_;

#endif
