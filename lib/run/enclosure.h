/* SPDX-License-Identifier: MPL-2.0 */
/* What holds all processes of a run, so that none of them outlives it: a cgroup where there may be
 * some, else our being the one to whom orphans go (loop/orphans.h). */
#ifndef LOADS_RUN_ENCLOSURE_H
#define LOADS_RUN_ENCLOSURE_H

#include <ev.h>

#include "base/error.h"
#include "loop/orphans.h"
#include "run/cgroup.h"

struct enclosure;

struct enclosure_options {
    const char *parent;                 /* a cgroup of ours (cgroup_settle()); NULL: none */
    const char *name;                   /* of the sub-group */
    const struct cgroup_limits *limits; /* of the sub-group */
    struct orphans *orphans;            /* without a cgroup; NULL: nobody is to be looked after */
};

/* Borrows loop and orphans. -errno with a text. */
int enclosure_new(struct enclosure **ret, struct ev_loop *loop,
                  const struct enclosure_options *options, struct error *error) _must_check_;

/* Where children of the run begin, for child_spawn(): a directory, or NULL. */
const char *enclosure_cgroup(const struct enclosure *enclosure);

/* Ends what is left in it, and tells when nothing is, one turn of the loop later or more: 0, or
 * -errno with a text when something would not go in some seconds. To be called when the run's
 * children are gone, once. The enclosure may be freed in done(). */
void enclosure_end(struct enclosure *enclosure,
                   void (*done)(int result, const struct error *error, void *context),
                   void *context);

/* What its processes have used: nothing is known without a cgroup. */
void enclosure_usage(const struct enclosure *enclosure, struct cgroup_usage *ret);

/* One that was not ended is now, waiting for some seconds at most. */
struct enclosure *enclosure_free(struct enclosure *enclosure);
DEFINE_CLEANUP(struct enclosure, enclosure_free)

#endif
