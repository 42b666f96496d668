/* SPDX-License-Identifier: MPL-2.0 */
/* How far a run is, on standard error: redrawn in place on a terminal, a plain line every 10 s off
 * one. */
#ifndef LOADS_SHARED_PROGRESS_H
#define LOADS_SHARED_PROGRESS_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

struct progress;

struct progress_numbers {
    double done; /* 0 to 1 */
    uint64_t hits, errors, failures;
    unsigned users;
    unsigned cycle, cycles; /* 0-based, and how many */
    double elapsed_sec;
};

/* Calls `look` whenever it draws. -ENOMEM. */
int progress_new(struct progress **ret, struct ev_loop *loop,
                 void (*look)(struct progress_numbers *ret, void *context), void *context)
    _must_check_;

/* Takes the bar away, so that a message can be written; the next tick draws it again. */
void progress_hide(struct progress *progress);

/* Draws no more, or again: somebody is asked something on the terminal. */
void progress_pause(struct progress *progress, bool pause);

/* Draws a last time: the bar stays. */
void progress_finish(struct progress *progress);

struct progress *progress_free(struct progress *progress);
DEFINE_CLEANUP(struct progress, progress_free)

/* One line for these numbers, with a bar if there is room for it, too: less than `width` columns
 * (the terminal's). Returns `line`. */
const char *progress_format(const struct progress_numbers *numbers, bool bar, unsigned width,
                            char *line, size_t size);

#endif
