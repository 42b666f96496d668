/* SPDX-License-Identifier: MPL-2.0 */
/* What our children leave behind when they end becomes ours instead of going to the system's first
 * process (prctl(2), PR_SET_CHILD_SUBREAPER): so it can be found and ended whatever session,
 * process group or name it gave itself. For where there is no cgroup to end. One per process. */
#ifndef LOADS_LOOP_ORPHANS_H
#define LOADS_LOOP_ORPHANS_H

#include <ev.h>

#include "base/error.h"

struct orphans;

/* From now on they are ours, and reaped when they end by themselves. Children that this process has
 * already, having been exec()ed by somebody who had started some, are left alone. -errno with a
 * text. */
int orphans_new(struct orphans **ret, struct ev_loop *loop, struct error *error) _must_check_;

/* Ends all there are and what they leave behind in turn, and tells when none is left, one turn of
 * the loop later or more: how many would not go in some seconds (0, but for the kernel's trouble).
 * Children of child_spawn() are none of them; call it when those are gone. A second call replaces
 * the first, whose end isn't told. */
void orphans_end(struct orphans *orphans, void (*done)(unsigned left, void *context),
                 void *context);

/* The same now, waiting for some seconds at most: how many would not go. What orphans_end() was to
 * tell isn't told. */
unsigned orphans_end_now(struct orphans *orphans);

/* Does that, and takes no more in. */
struct orphans *orphans_free(struct orphans *orphans);
DEFINE_CLEANUP(struct orphans, orphans_free)

#endif
