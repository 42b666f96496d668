/* SPDX-License-Identifier: MPL-2.0 */
/* Which agents a run gets. */
#ifndef LOADS_BROKER_SCHEDULER_H
#define LOADS_BROKER_SCHEDULER_H

#include "registry.h"

/* How many could be chosen now. */
size_t scheduler_count_free(struct agent *const *agents, size_t count);

/* Chooses `wanted` of the agents that are free: from hosts that have least to do, there those that
 * have been idle for longest. *ret is an array of them, malloc'ed, the caller's. -EAGAIN with the
 * numbers in a text: too few are free; -ENOMEM. */
int scheduler_choose(struct agent *const *agents, size_t count, size_t wanted, struct agent ***ret,
                     struct error *error) _must_check_;

/* Takes the agents of these ids. -ENOENT: one isn't there; -EAGAIN: one isn't free; -EINVAL: one is
 * there twice; each with a text. */
int scheduler_take(const struct registry *registry, const char *const *ids, size_t n_ids,
                   struct agent ***ret, struct error *error) _must_check_;

#endif
