/* SPDX-License-Identifier: MPL-2.0 */
/* Dates as text, with microseconds. */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

const char *clock_format_local(uint64_t realtime_usec, char text[static CLOCK_TEXT_BYTES])
{
    time_t seconds = (time_t)(realtime_usec / USEC_PER_SEC);
    struct tm parts;
    (void)localtime_r(&seconds, &parts); /* fails only for years beyond int */
    size_t length = strftime(text, CLOCK_TEXT_BYTES, "%Y-%m-%d %H:%M:%S", &parts);
    (void)snprintf(text + length, CLOCK_TEXT_BYTES - length, ".%06u",
                   (unsigned)(realtime_usec % USEC_PER_SEC));
    return text;
}

const char *clock_format_iso(uint64_t realtime_usec, char text[static CLOCK_TEXT_BYTES])
{
    time_t seconds = (time_t)(realtime_usec / USEC_PER_SEC);
    struct tm parts;
    (void)gmtime_r(&seconds, &parts); /* fails only for years beyond int */
    size_t length = strftime(text, CLOCK_TEXT_BYTES, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(text + length, CLOCK_TEXT_BYTES - length, ".%06uZ",
                   (unsigned)(realtime_usec % USEC_PER_SEC));
    return text;
}
