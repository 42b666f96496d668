/* SPDX-License-Identifier: MPL-2.0 */
/* Numbers that look random and can be had again: the same seed, the same numbers. Not for secrets.
 */
#ifndef LOADS_BASE_PRNG_H
#define LOADS_BASE_PRNG_H

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct prng {
    uint64_t state[4];
};

/* One number of several: each of them, and their order, changes all of it. */
uint64_t prng_key(const uint64_t *parts, size_t count);

void prng_seed(struct prng *prng, uint64_t key);

uint64_t prng_next(struct prng *prng);

/* Below `limit`, which is not 0; all equally likely. */
uint64_t prng_below(struct prng *prng, uint64_t limit);

/* From `low` to `high`, both included; low ≤ high. */
int64_t prng_between(struct prng *prng, int64_t low, int64_t high);

/* At least 0, less than 1. */
double prng_double(struct prng *prng);

/* A permutation of the numbers below `count` without a list of them: where `index` (below it, too)
 * goes. Another key is another permutation. */
uint64_t prng_permute(uint64_t key, uint64_t count, uint64_t index);

#endif
