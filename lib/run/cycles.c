/* SPDX-License-Identifier: MPL-2.0 */
/* The arithmetic of cycles, apart from running them. */
#include "run/cycles.h"

static unsigned hits_steps(const struct run_spec *spec)
{
    return spec->duration_usec > 0 ? 1 : spec->hits.count;
}

unsigned cycles_count(const struct run_spec *spec)
{
    return spec->users.count * hits_steps(spec);
}

struct cycle cycles_at(const struct run_spec *spec, unsigned index)
{
    unsigned steps = hits_steps(spec);
    struct cycle cycle = {.users = spec->users.values[index / steps],
                          .duration_usec = spec->duration_usec};
    if (spec->duration_usec == 0) {
        cycle.hits = spec->hits.values[index % steps];
    }
    return cycle;
}

uint64_t cycles_iterations(const struct run_spec *spec)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < cycles_count(spec); i++) {
        struct cycle cycle = cycles_at(spec, i);
        sum += (uint64_t)cycle.users * cycle.hits;
    }
    return sum;
}

void cycles_share(unsigned users, unsigned workers, unsigned worker, unsigned *ret_first,
                  unsigned *ret_count)
{
    uint64_t first = (uint64_t)users * worker / workers;
    uint64_t end = (uint64_t)users * (worker + 1) / workers;

    *ret_first = (unsigned)first;
    *ret_count = (unsigned)(end - first);
}
