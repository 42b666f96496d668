/* SPDX-License-Identifier: MPL-2.0 */
/* What becomes of a request when the answer sends it elsewhere. */
#ifndef LOADS_WORKER_REDIRECT_H
#define LOADS_WORKER_REDIRECT_H

#include <stdbool.h>

#include "loop/url.h"
#include "worker/arena.h"

/* The next hop. */
struct redirect {
    const char *method; /* the one given, or "GET" */
    bool drop_body;     /* neither the body nor the headers that describe it are sent again */
};

/* Whether an answer is a redirect to follow: 301, 302, 303, 307 or 308 with a Location,
 * which isn't empty. */
bool redirect_next(const char *method, int status, bool has_location, struct redirect *ret);

/* A Location as a reference that a URL can be made of: blanks, which servers leave in, become %20.
 * `location` itself if there are none, else a copy in the arena. NULL: no memory. */
const char *redirect_location(struct arena *arena, const char *location) _must_check_;

/* Whether the next hop goes to another scheme, host or port. */
bool redirect_leaves(const struct url *from, const struct url *to);

/* Whether a header that the test gave ("Name: value") is sent with the next hop, which leaves where
 * it was meant for, and bares it: without encryption, after a hop that had it. */
bool redirect_keeps(const char *line, const struct redirect *redirect, bool leaves, bool bares);

#endif
