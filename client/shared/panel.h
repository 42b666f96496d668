/* SPDX-License-Identifier: MPL-2.0 */
/* What a terminal shows of a run that is on, as lines of text: no I/O. */
#ifndef LOADS_SHARED_PANEL_H
#define LOADS_SHARED_PANEL_H

#include <locale.h>
#include <stdbool.h>
#include <stdint.h>

#include "metrics/recent.h"

#define PANEL_ERROR_BYTES 512
#define PANEL_MAX_COLUMNS 200
#define PANEL_MAX_LINES   8
#define PANEL_LINE_BYTES  1024

/* How a run is. What isn't known is 0. */
struct progress_numbers {
    double done;    /* 0 to 1 */
    char state[16]; /* "": it runs */
    uint64_t hits, errors, failures;
    unsigned users;
    unsigned cycle, cycles; /* 0-based, and how many */
    double elapsed_sec;
    unsigned agents, lost; /* 0: here; how many of them are lost */
    bool has_recent;
    struct recent_numbers recent;
    char last_error[PANEL_ERROR_BYTES]; /* a text from outside; "": none */
};

/* What a terminal can do. */
struct panel_style {
    unsigned columns, rows; /* 0: it doesn't tell */
    bool colour;
    locale_t utf8; /* a locale of UTF-8, borrowed; 0: nothing but ASCII */
};

struct panel {
    char lines[PANEL_MAX_LINES][PANEL_LINE_BYTES];
    unsigned count; /* 1 to PANEL_MAX_LINES, and fewer than the terminal has, if it has 2 */
};

/* Each line takes fewer columns than the terminal has. Where there is room the first one is empty,
 * for what others write and what somebody types. */
void panel_render(const struct progress_numbers *numbers, const struct panel_style *style,
                  struct panel *ret);

/* The same as one line of ASCII, for where nothing can be drawn and for what is left at the end;
 * with a bar if there is room for it, too: fewer than `width` columns. Returns `line`. */
const char *panel_line(const struct progress_numbers *numbers, bool bar, unsigned width, char *line,
                       size_t size);

#endif
