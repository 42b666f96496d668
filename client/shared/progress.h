/* SPDX-License-Identifier: MPL-2.0 */
/* How far a run is, on standard error: a panel redrawn in place on a terminal (10 times a second at
 * most), a plain line every 10 s off one. */
#ifndef LOADS_SHARED_PROGRESS_H
#define LOADS_SHARED_PROGRESS_H

#include <ev.h>

#include "shared/panel.h"

struct progress;

/* Calls `look` whenever it draws. -ENOMEM. */
int progress_new(struct progress **ret, struct ev_loop *loop,
                 void (*look)(struct progress_numbers *ret, void *context), void *context)
    _must_check_;

/* Takes the panel away, so that a message can be written; the next tick draws it again. */
void progress_hide(struct progress *progress);

/* Draws no more, or again: somebody is asked something on the terminal. */
void progress_pause(struct progress *progress, bool pause);

/* Whether a panel is drawn: what others write goes through progress_put() then. */
bool progress_is_drawn(const struct progress *progress);
void progress_put(struct progress *progress, const char *text, size_t size);

/* One line in the panel's place, which stays. */
void progress_finish(struct progress *progress);

struct progress *progress_free(struct progress *progress);
DEFINE_CLEANUP(struct progress, progress_free)

#endif
