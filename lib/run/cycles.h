/* SPDX-License-Identifier: MPL-2.0 */
/* The steps of a run: -u 10:20:30 × --hits 10:20, each combination to its end before the next. */
#ifndef LOADS_RUN_CYCLES_H
#define LOADS_RUN_CYCLES_H

#include <stdint.h>

#include "wire/spec.h"

struct cycle {
    unsigned users;
    unsigned hits;          /* iterations of each user; 0: as many as the duration allows */
    uint64_t duration_usec; /* 0: until the hits are done */
};

/* How many cycles there are: users × hits. */
unsigned cycles_count(const struct run_spec *spec);

/* The cycle of an index below that: users in their order, for each of them hits in theirs. */
struct cycle cycles_at(const struct run_spec *spec, unsigned index);

/* Iterations of the whole run, one agent's: the sum of the products; 0 when it lasts a duration. */
uint64_t cycles_iterations(const struct run_spec *spec);

/* The users of worker `worker` of `workers`: a block; sizes differ by one at most. */
void cycles_share(unsigned users, unsigned workers, unsigned worker, unsigned *ret_first,
                  unsigned *ret_count);

#endif
