/* SPDX-License-Identifier: MPL-2.0 */
/* What this agent can hold its runs with: sub-groups of its unit's cgroup, or itself. */
#ifndef LOADS_AGENT_CONFINEMENT_H
#define LOADS_AGENT_CONFINEMENT_H

#include <ev.h>

#include "run/enclosure.h"

struct confinement {
    char *cgroup;
    struct orphans *orphans;
    struct enclosure_options options; /* for runs */
};

/* Moves this process to a leaf of its cgroup, if it is in one that systemd has delegated to it,
 * else makes it the one to whom orphans go. Logs which limits can't be set. Borrows `limits`.
 * -errno with a text. */
int confinement_begin(struct confinement *confinement, struct ev_loop *loop,
                      const struct cgroup_limits *limits, struct error *error) _must_check_;

/* All zero is fine. */
void confinement_clear(struct confinement *confinement);

#endif
