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

#endif
