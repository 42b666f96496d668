/* SPDX-License-Identifier: MPL-2.0 */
/* Draws a panel in place on a terminal, in a scrolling one's last lines. */
#ifndef LOADS_SHARED_SCREEN_H
#define LOADS_SHARED_SCREEN_H

#include "shared/panel.h"

struct screen {
    int fd;
    bool in_line; /* others wrote a line that has no end yet */
    bool drawn;   /* `shown` stands there, and the cursor at the beginning of its first line */
    struct panel shown;
};

/* Whether it is a terminal that can draw. */
bool screen_can_draw(int fd);

/* Draws it, over the one before. A terminal that takes nothing just now (somebody stopped it, or a
 * network is slow) keeps what it has: nobody waits for it. */
void screen_draw(struct screen *screen, const struct panel *panel);

/* Takes it away, so that something can be written in its place. */
void screen_hide(struct screen *screen);

/* Writes what others wrote, in its place. Waits until the terminal takes it. */
void screen_put(struct screen *screen, const char *text, size_t size);

/* Ends a line that was written without its end. */
void screen_end_line(struct screen *screen);

/* Its size, 0 by 0 when it doesn't tell. */
void screen_size(const struct screen *screen, unsigned *ret_columns, unsigned *ret_rows);

/* Its size is another one: what it shows is to be drawn anew. */
void screen_resized(struct screen *screen);

#endif
