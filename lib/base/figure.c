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
