/* SPDX-License-Identifier: MPL-2.0 */
/* Intervals of several sources, each with numbers of its own for names, made ready to be added up.
 */
#ifndef LOADS_METRICS_INTERVAL_REMAP_H
#define LOADS_METRICS_INTERVAL_REMAP_H

#include "metrics/interval.h"
#include "metrics/names.h"

#define INTERVAL_UNMAPPED UINT32_MAX

/* What the ids of each kind become: ids[kind][id], for ids below counts[kind]; INTERVAL_UNMAPPED:
 * nothing is known of it. 0 is "(other)" everywhere and needs no entry. */
struct interval_map {
    const uint32_t *ids[NAME_KINDS];
    size_t counts[NAME_KINDS];
};

/* What an id becomes, INTERVAL_UNMAPPED included. */
uint32_t interval_map_id(const struct interval_map *map, enum name_kind kind, unsigned id);

/* Replaces the ids; what has the same one then is added up. -ENOENT: an id is unmapped; nothing has
 * changed. -ENOMEM: only good for interval_free() now. */
int interval_remap(struct interval *interval, const struct interval_map *map) _must_check_;

#endif
