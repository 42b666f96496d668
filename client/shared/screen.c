/* SPDX-License-Identifier: MPL-2.0 */
/* A frame is one write, so that no half of one is seen: lines without wrapping, whatever a terminal
 * makes of a character's width, and the cursor back at the beginning of the first line. From there
 * everything below is cleared at once, even after a terminal of another width has broken lines
 * anew; and what other processes write begins there, too (base/log.h clears the same way). */
#include "shared/screen.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NO_WRAP     "\x1b[?7l"
#define WRAP        "\x1b[?7h"
#define CLEAR_LINE  "\x1b[K"
#define CLEAR_REST  "\x1b[J"
#define CLEAR_BELOW "\r" CLEAR_REST
#define FRAME_BYTES (PANEL_MAX_LINES * (PANEL_LINE_BYTES + 8) + 64)

bool screen_can_draw(int fd)
{
    const char *term = getenv("TERM");

    return isatty(fd) && (!term || strcmp(term, "dumb") != 0);
}

void screen_size(const struct screen *screen, unsigned *ret_columns, unsigned *ret_rows)
{
    struct winsize size = {.ws_col = 0};

    (void)ioctl(screen->fd, TIOCGWINSZ, &size); /* then it doesn't tell */
    *ret_columns = size.ws_col;
    *ret_rows = size.ws_row;
}

static void write_all(const struct screen *screen, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = write(screen->fd, text, size);
        if (n <= 0) {
            return; /* nobody looks: nothing is lost */
        }
        text += n;
        size -= (size_t)n;
    }
}

static bool takes_something(const struct screen *screen)
{
    struct pollfd look = {.fd = screen->fd, .events = POLLOUT};

    return poll(&look, 1, 0) == 1;
}

static bool is_shown(const struct screen *screen, const struct panel *panel)
{
    bool same = screen->drawn && screen->shown.count == panel->count;

    for (unsigned i = 0; same && i < panel->count; i++) {
        same = strcmp(screen->shown.lines[i], panel->lines[i]) == 0;
    }
    return same;
}

void screen_draw(struct screen *screen, const struct panel *panel)
{
    char frame[FRAME_BYTES];

    if (is_shown(screen, panel) || !takes_something(screen)) {
        return;
    }
    char *at = stpcpy(frame, screen->in_line ? "\r\n" : "");
    at = stpcpy(at, screen->drawn ? NO_WRAP "\r" : NO_WRAP CLEAR_BELOW);
    for (unsigned i = 0; i < panel->count; i++) {
        at = stpcpy(at, i > 0 ? "\r\n" : "");
        at = stpcpy(at, panel->lines[i]);
        at = stpcpy(at, i + 1 < panel->count ? CLEAR_LINE : CLEAR_REST);
    }
    if (panel->count > 1) {
        at += sprintf(at, "\x1b[%uA", panel->count - 1);
    }
    at = stpcpy(at, "\r" WRAP);
    write_all(screen, frame, (size_t)(at - frame));
    screen->in_line = false;
    screen->drawn = true;
    screen->shown = *panel;
}

void screen_hide(struct screen *screen)
{
    if (screen->drawn) {
        write_all(screen, CLEAR_BELOW, strlen(CLEAR_BELOW));
        screen->drawn = false;
    }
}

void screen_resized(struct screen *screen)
{
    screen->drawn = false;
}

void screen_put(struct screen *screen, const char *text, size_t size)
{
    screen_hide(screen);
    write_all(screen, text, size);
    screen->in_line = size > 0 ? text[size - 1] != '\n' : screen->in_line;
}

void screen_end_line(struct screen *screen)
{
    if (screen->in_line) {
        screen_put(screen, "\n", 1);
    }
}
