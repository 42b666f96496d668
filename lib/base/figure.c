/* SPDX-License-Identifier: MPL-2.0 */
/* The comma is ours, not the locale's: lines look the same wherever a service runs. */
#include "base/figure.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAX_ROUNDED 1e18

const char *figure_whole(uint64_t number, char text[static FIGURE_BYTES])
{
    char digits[FIGURE_BYTES];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, number);
    size_t used = 0;

    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            text[used++] = ',';
        }
        text[used++] = digits[i];
    }
    text[used] = '\0';
    return text;
}

const char *figure_rounded(double number, char text[static FIGURE_BYTES])
{
    uint64_t step = 1;

    if (!(number >= 0.005)) {
        return figure_whole(0, text);
    }
    if (number < 999.5) {
        (void)snprintf(text, FIGURE_BYTES, number < 1 ? "%.2f" : "%.3g", number);
        return text;
    }
    uint64_t whole = number < MAX_ROUNDED ? (uint64_t)(number + 0.5) : (uint64_t)MAX_ROUNDED;
    while (whole / step >= 1000) {
        step *= 10;
    }
    return figure_whole((whole + step / 2) / step * step, text);
}

const char *figure_usec(double usec, char text[static FIGURE_BYTES])
{
    /* The limits are those from which rounding would write a fourth digit. */
    if (usec < 999.5) {
        (void)snprintf(text, FIGURE_BYTES, "%.0f µs", usec);
        return text;
    }
    const char *unit = usec < 999.5e3 ? "ms" : "s";
    double value = usec < 999.5e3 ? usec / 1e3 : usec / 1e6;
    int digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    (void)snprintf(text, FIGURE_BYTES, "%.*f %s", digits, value, unit);
    return text;
}

const char *figure_seconds(double seconds, char text[static FIGURE_BYTES])
{
    char number[FIGURE_BYTES];

    if (!(seconds >= 59.95)) {
        (void)snprintf(text, FIGURE_BYTES, "%.28s s", figure_rounded(seconds, number));
        return text;
    }
    uint64_t whole = seconds < MAX_ROUNDED ? (uint64_t)(seconds + 0.5) : (uint64_t)MAX_ROUNDED;
    uint64_t minutes = whole / 60;
    if (minutes < 60) {
        (void)snprintf(text, FIGURE_BYTES, "%u:%02u min", (unsigned)minutes,
                       (unsigned)(whole % 60));
    } else {
        (void)snprintf(text, FIGURE_BYTES, "%" PRIu64 ":%02u:%02u h", minutes / 60,
                       (unsigned)(minutes % 60), (unsigned)(whole % 60));
    }
    return text;
}
