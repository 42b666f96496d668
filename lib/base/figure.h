/* SPDX-License-Identifier: MPL-2.0 */
/* Numbers as people read them in lines of text. */
#ifndef LOADS_BASE_FIGURE_H
#define LOADS_BASE_FIGURE_H

#include <stdint.h>

#define FIGURE_BYTES 32

/* "12,400". Returns `text`. */
const char *figure_whole(uint64_t number, char text[static FIGURE_BYTES]);

/* Three digits that matter, two behind the point at most: "0", "0.25", "17.4", "412", "12,400".
 * Returns `text`; what is negative or no number counts as 0. */
const char *figure_rounded(double number, char text[static FIGURE_BYTES]);

/* A latency with three digits that matter: "412 µs", "4.12 ms", "41.2 s", "1234 s". Whole
 * microseconds, nothing is measured more exactly. Returns `text`. */
const char *figure_usec(double usec, char text[static FIGURE_BYTES]);

/* How long something was on: "0.25 s", "30.2 s", "2:05 min", "1:00:00 h". Returns `text`. */
const char *figure_seconds(double seconds, char text[static FIGURE_BYTES]);

#endif
