/* SPDX-License-Identifier: MPL-2.0 */
/* When something is drawn, and for which terminal: panel.c says what, screen.c how. */
#include "shared/progress.h"

#include <errno.h>
#include <langinfo.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/screen.h"

#define PANEL_TICK_SEC 0.1
#define PLAIN_TICK_SEC 10.0
#define LINE_BYTES     256

struct progress {
    struct ev_loop *loop;
    ev_timer tick;
    ev_signal resized;
    bool on_terminal;
    struct screen screen;
    struct panel_style style;
    void (*look)(struct progress_numbers *ret, void *context);
    void *context;
};

/* ---- the terminal ---- */

static void take_size(struct progress *progress)
{
    screen_size(&progress->screen, &progress->style.columns, &progress->style.rows);
    screen_resized(&progress->screen);
}

/* The user's locale, if it is one of UTF-8. */
static locale_t utf8_locale(void)
{
    locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);

    if (locale && strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") != 0) {
        freelocale(locale);
        locale = (locale_t)0;
    }
    return locale;
}

static bool wants_colour(void)
{
    const char *no_colour = getenv("NO_COLOR");

    return !no_colour || !*no_colour;
}

/* ---- drawing ---- */

static void draw(struct progress *progress)
{
    struct progress_numbers numbers = {0};
    struct panel panel;
    char line[LINE_BYTES];

    progress->look(&numbers, progress->context);
    if (progress->on_terminal) {
        panel_render(&numbers, &progress->style, &panel);
        screen_draw(&progress->screen, &panel);
    } else {
        (void)fprintf(stderr, "%s\n", panel_line(&numbers, false, LINE_BYTES, line, sizeof line));
        (void)fflush(stderr); /* nobody looks: nothing is lost */
    }
}

static void on_tick(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    draw(timer->data);
}

/* The next tick draws it: a window that is dragged changes its size more often. */
static void on_resized(struct ev_loop *loop _unused_, ev_signal *watcher, int events _unused_)
{
    take_size(watcher->data);
}

int progress_new(struct progress **ret, struct ev_loop *loop,
                 void (*look)(struct progress_numbers *ret, void *context), void *context)
{
    struct progress *progress = calloc(1, sizeof *progress);

    if (!progress) {
        return -ENOMEM;
    }
    progress->loop = loop;
    progress->look = look;
    progress->context = context;
    progress->screen.fd = STDERR_FILENO;
    progress->on_terminal = screen_can_draw(STDERR_FILENO);
    if (progress->on_terminal) {
        progress->style.colour = wants_colour();
        progress->style.utf8 = utf8_locale();
        take_size(progress);
        ev_signal_init(&progress->resized, on_resized, SIGWINCH);
        progress->resized.data = progress;
        ev_signal_start(loop, &progress->resized);
    }
    double tick = progress->on_terminal ? PANEL_TICK_SEC : PLAIN_TICK_SEC;
    ev_timer_init(&progress->tick, on_tick, tick, tick);
    progress->tick.data = progress;
    ev_timer_start(loop, &progress->tick);
    *ret = progress;
    return 0;
}

void progress_hide(struct progress *progress)
{
    if (progress) {
        screen_hide(&progress->screen);
        screen_end_line(&progress->screen);
    }
}

void progress_pause(struct progress *progress, bool pause)
{
    if (progress && pause) {
        progress_hide(progress);
        ev_timer_stop(progress->loop, &progress->tick);
    } else if (progress) {
        ev_timer_again(progress->loop, &progress->tick);
    }
}

bool progress_is_drawn(const struct progress *progress)
{
    return progress && progress->on_terminal;
}

void progress_put(struct progress *progress, const char *text, size_t size)
{
    screen_put(&progress->screen, text, size);
}

void progress_finish(struct progress *progress)
{
    struct progress_numbers numbers = {0};
    unsigned columns = progress && progress->style.columns > 0 ? progress->style.columns : 80;
    char line[LINE_BYTES];

    if (!progress || !progress->on_terminal) {
        return;
    }
    progress->look(&numbers, progress->context);
    panel_line(&numbers, true, columns, line, sizeof line);
    screen_end_line(&progress->screen);
    screen_put(&progress->screen, line, strlen(line));
    screen_end_line(&progress->screen);
}

struct progress *progress_free(struct progress *progress)
{
    if (progress) {
        progress_hide(progress);
        ev_timer_stop(progress->loop, &progress->tick);
        ev_signal_stop(progress->loop, &progress->resized);
        if (progress->style.utf8) {
            freelocale(progress->style.utf8);
        }
        free(progress);
    }
    return NULL;
}
