/* SPDX-License-Identifier: MPL-2.0 */
/* What the workers of a run deal out among themselves, each piece once: numbers per pile, in a file
 * of the run's directory that outlives workers, so for all of its cycles. Beside it, which place
 * this machine has in the run. */
#ifndef LOADS_RUN_DEAL_H
#define LOADS_RUN_DEAL_H

#include <stdint.h>

#include "base/error.h"

#define DEAL_MAX_PILES 250

struct deal;

/* Supervisor: makes the file, which must not exist. `agents` run at the same time, 1 at least, and
 * this is one of those, counted from 0. -errno with a text. */
int deal_create(const char *path, unsigned agents, unsigned agent_index, struct error *error)
    _must_check_;

/* Worker: maps it. -errno with a text. */
int deal_open(struct deal **ret, const char *path, struct error *error) _must_check_;
struct deal *deal_free(struct deal *deal);
DEFINE_CLEANUP(struct deal, deal_free)

unsigned deal_agents(const struct deal *deal);
unsigned deal_agent_index(const struct deal *deal);

/* The next number of a pile, from 0 on: nobody else gets it. A pile is known by a number other than
 * 0. -ENOSPC: there are DEAL_MAX_PILES others. */
int deal_next(struct deal *deal, uint64_t pile, uint64_t *ret) _must_check_;

#endif
