/* SPDX-License-Identifier: MPL-2.0 */
/* A bar and the few numbers one looks at while waiting. */
#include "shared/progress.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define TERMINAL_TICK_SEC 0.2
#define PLAIN_TICK_SEC    10.0
#define BAR_WIDTH         20u
#define LINE_BYTES        256

struct progress {
    struct ev_loop *loop;
    ev_timer tick;
    bool terminal;
    bool drawn;
    void (*look)(struct progress_numbers *ret, void *context);
    void *context;
};

static unsigned terminal_width(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

const char *progress_format(const struct progress_numbers *numbers, bool bar, unsigned width,
                            char *line, size_t size)
{
    double done = MIN(MAX(numbers->done, 0.0), 1.0);
    unsigned filled = (unsigned)(done * BAR_WIDTH);
    char cycle[48] = "", marks[BAR_WIDTH + 4] = "";

    if (bar) {
        (void)snprintf(marks, sizeof marks, "[%.*s%*s] ", (int)filled,
                       "====================", (int)(BAR_WIDTH - filled), "");
    }
    if (numbers->cycles > 1) {
        (void)snprintf(cycle, sizeof cycle, ", cycle %u/%u", numbers->cycle + 1, numbers->cycles);
    }
    int n =
        snprintf(line, size, "%s%d%%  %.0f s, %ju hits, %u users%s, %ju errors, %ju failures",
                 marks, (int)(done * 100), numbers->elapsed_sec, (uintmax_t)numbers->hits,
                 numbers->users, cycle, (uintmax_t)numbers->errors, (uintmax_t)numbers->failures);
    if (bar && n > 0 && (unsigned)n >= width) {
        return progress_format(numbers, false, width, line, size);
    }
    if (n > 0 && (unsigned)n >= width && width < size) {
        line[width - 1] = '\0'; /* all of it is ASCII */
    }
    return line;
}

static void draw(struct progress *progress)
{
    struct progress_numbers numbers = {0};
    char line[LINE_BYTES];

    progress->look(&numbers, progress->context);
    unsigned width = progress->terminal ? terminal_width() : LINE_BYTES;
    progress_format(&numbers, progress->terminal, width, line, sizeof line);
    (void)fprintf(stderr, progress->terminal ? "\r%s\033[K" : "%s\n", line);
    (void)fflush(stderr); /* nobody looks: nothing is lost */
    progress->drawn = progress->terminal;
}

static void on_tick(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    draw(timer->data);
}

int progress_new(struct progress **ret, struct ev_loop *loop,
                 void (*look)(struct progress_numbers *ret, void *context), void *context)
{
    struct progress *progress = calloc(1, sizeof *progress);

    if (!progress) {
        return -ENOMEM;
    }
    const char *term = getenv("TERM");
    progress->loop = loop;
    progress->terminal = isatty(STDERR_FILENO) && (!term || strcmp(term, "dumb") != 0);
    progress->look = look;
    progress->context = context;
    double tick = progress->terminal ? TERMINAL_TICK_SEC : PLAIN_TICK_SEC;
    ev_timer_init(&progress->tick, on_tick, tick, tick);
    progress->tick.data = progress;
    ev_timer_start(loop, &progress->tick);
    *ret = progress;
    return 0;
}

void progress_hide(struct progress *progress)
{
    if (progress && progress->drawn) {
        (void)fputs("\r\033[K", stderr);
        (void)fflush(stderr); /* nobody looks: nothing is lost */
        progress->drawn = false;
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

void progress_finish(struct progress *progress)
{
    if (progress && progress->terminal) {
        draw(progress);
        (void)fputs("\n", stderr);
        progress->drawn = false;
    }
}

struct progress *progress_free(struct progress *progress)
{
    if (progress) {
        progress_hide(progress);
        ev_timer_stop(progress->loop, &progress->tick);
        free(progress);
    }
    return NULL;
}
