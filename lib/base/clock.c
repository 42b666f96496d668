/* SPDX-License-Identifier: MPL-2.0 */
/* Dates as text, with microseconds; and what a busy machine takes from a thread. */
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The kernel's Documentation/scheduler/sched-stats.rst: the second number, in nanoseconds. */
uint64_t clock_run_delay_usec(void)
{
    char text[128] = "";
    uint64_t on_usec, delay_nsec = 0;
    _cleanup_fd_ int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);

    if (fd >= 0 && read(fd, text, sizeof text - 1) > 0 &&
        sscanf(text, "%" SCNu64 " %" SCNu64, &on_usec, &delay_nsec) < 2) {
        delay_nsec = 0;
    }
    return delay_nsec / 1000;
}

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

/* "YYYY-MM-DDTHH:MM:SS", where 0 stands for a digit. */
static bool has_form(const char *text)
{
    static const char form[] = "0000-00-00T00:00:00";

    for (size_t i = 0; i < sizeof form - 1; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (form[i] == '0' ? !digit : text[i] != form[i]) {
            return false;
        }
    }
    return true;
}

int clock_parse_iso(const char *text, uint64_t *ret_usec)
{
    struct tm parts = {.tm_isdst = 0}, back;
    uint64_t fraction = 0, unit = USEC_PER_SEC;

    if (!has_form(text)) {
        return -EINVAL;
    }
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest && *rest == '.') {
        const char *digit = ++rest;
        for (; *digit >= '0' && *digit <= '9'; digit++) {
            unit /= 10;
            fraction += (uint64_t)(*digit - '0') * unit;
        }
        rest = digit > rest ? digit : NULL;
    }
    if (!rest || strcmp(rest, "Z") != 0) {
        return -EINVAL;
    }
    back = parts;
    time_t seconds = timegm(&back); /* puts a 31st of June right: that is none */
    if (seconds < 0 || back.tm_mday != parts.tm_mday || back.tm_sec != parts.tm_sec) {
        return -EINVAL;
    }
    *ret_usec = (uint64_t)seconds * USEC_PER_SEC + fraction;
    return 0;
}
