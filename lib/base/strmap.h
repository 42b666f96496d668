/* SPDX-License-Identifier: MPL-2.0 */
/* A map from byte strings to pointers. Keys are copied; values are borrowed. */
#ifndef LOADS_BASE_STRMAP_H
#define LOADS_BASE_STRMAP_H

#include <stdint.h>

#include "base/macros.h"

struct strmap;

int strmap_new(struct strmap **ret) _must_check_;
struct strmap *strmap_free(struct strmap *map);
DEFINE_CLEANUP(struct strmap, strmap_free)

/* The value at a key of `size` bytes, or NULL. */
void *strmap_get(const struct strmap *map, const void *key, size_t size);

/* Stores a value (not NULL) under a key, in place of an older one. -ENOMEM: nothing changed. */
int strmap_put(struct strmap *map, const void *key, size_t size, void *value) _must_check_;

/* Takes a key out and returns its value, or NULL. */
void *strmap_remove(struct strmap *map, const void *key, size_t size);

size_t strmap_count(const struct strmap *map);

/* Calls `visit` for every value, in no order. The map must not change meanwhile. */
void strmap_each(const struct strmap *map, void (*visit)(void *value, void *context),
                 void *context);

#endif
