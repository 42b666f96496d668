/* SPDX-License-Identifier: MPL-2.0 */
/* Open addressing with linear probing, at most three quarters full; removal shifts the following
 * entries back, so there are no tombstones and a lookup stays short. The hash takes eight bytes at
 * a time: the map stands on the path of every hit. It is seeded per process, so that a server that
 * picks our keys (URLs, cookie names) can't make them collide. */
#include "base/strmap.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

struct entry {
    uint64_t hash;
    size_t size;
    char *key;
    void *value; /* NULL: free */
};

struct strmap {
    struct entry *entries;
    size_t capacity; /* a power of two */
    size_t count;
    uint64_t seed;
};

#define FIRST_CAPACITY 16

static uint64_t mix(uint64_t value)
{
    value ^= value >> 32;
    value *= UINT64_C(0xd6e8feb86659fd93);
    value ^= value >> 32;
    return value;
}

static uint64_t hash_bytes(uint64_t seed, const void *key, size_t size)
{
    const unsigned char *bytes = key;
    uint64_t hash = seed ^ size;
    uint64_t word;

    for (; size >= sizeof word; bytes += sizeof word, size -= sizeof word) {
        memcpy(&word, bytes, sizeof word);
        hash = mix(hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    }
    word = 0;
    if (size > 0) {
        memcpy(&word, bytes, size);
    }
    return mix(hash ^ word);
}

int strmap_new(struct strmap **ret)
{
    _cleanup_(strmap_freep) struct strmap *map = calloc(1, sizeof *map);
    if (!map) {
        return -ENOMEM;
    }
    map->capacity = FIRST_CAPACITY;
    map->entries = calloc(map->capacity, sizeof *map->entries);
    if (!map->entries) {
        return -ENOMEM;
    }
    if (getrandom(&map->seed, sizeof map->seed, GRND_NONBLOCK) != sizeof map->seed) {
        map->seed = (uint64_t)(uintptr_t)map; /* early boot: the address space layout has to do */
    }
    *ret = TAKE_PTR(map);
    return 0;
}

struct strmap *strmap_free(struct strmap *map)
{
    if (map) {
        for (size_t i = 0; map->entries && i < map->capacity; i++) {
            free(map->entries[i].key);
        }
        free(map->entries);
        free(map);
    }
    return NULL;
}

/* The entry that holds the key, or the free one where it belongs. */
static struct entry *find(const struct strmap *map, uint64_t hash, const void *key, size_t size)
{
    size_t mask = map->capacity - 1;

    for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
        struct entry *entry = &map->entries[i];
        if (!entry->value || (entry->hash == hash && entry->size == size &&
                              (size == 0 || memcmp(entry->key, key, size) == 0))) {
            return entry;
        }
    }
}

void *strmap_get(const struct strmap *map, const void *key, size_t size)
{
    return find(map, hash_bytes(map->seed, key, size), key, size)->value;
}

static int grow(struct strmap *map)
{
    struct strmap larger = *map;
    larger.capacity = map->capacity * 2;
    larger.entries = calloc(larger.capacity, sizeof *larger.entries);
    if (!larger.entries) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < map->capacity; i++) {
        struct entry *entry = &map->entries[i];
        if (entry->value) {
            *find(&larger, entry->hash, entry->key, entry->size) = *entry;
        }
    }
    free(map->entries);
    *map = larger;
    return 0;
}

int strmap_put(struct strmap *map, const void *key, size_t size, void *value)
{
    assert(value);
    if ((map->count + 1) * 4 > map->capacity * 3) {
        int r = grow(map);
        if (r < 0) {
            return r;
        }
    }
    uint64_t hash = hash_bytes(map->seed, key, size);
    struct entry *entry = find(map, hash, key, size);
    if (!entry->value) {
        char *copy = malloc(size ? size : 1);
        if (!copy) {
            return -ENOMEM;
        }
        if (size > 0) {
            memcpy(copy, key, size);
        }
        *entry = (struct entry){.hash = hash, .size = size, .key = copy};
        map->count++;
    }
    entry->value = value;
    return 0;
}

void *strmap_remove(struct strmap *map, const void *key, size_t size)
{
    size_t mask = map->capacity - 1;
    struct entry *entry = find(map, hash_bytes(map->seed, key, size), key, size);
    void *value = entry->value;

    if (!value) {
        return NULL;
    }
    free(entry->key);
    size_t hole = (size_t)(entry - map->entries);
    for (size_t i = (hole + 1) & mask; map->entries[i].value; i = (i + 1) & mask) {
        size_t home = (size_t)map->entries[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) { /* may stand at the hole */
            map->entries[hole] = map->entries[i];
            hole = i;
        }
    }
    map->entries[hole] = (struct entry){0};
    map->count--;
    return value;
}

size_t strmap_count(const struct strmap *map)
{
    return map->count;
}

void strmap_each(const struct strmap *map, void (*visit)(void *value, void *context), void *context)
{
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->entries[i].value) {
            visit(map->entries[i].value, context);
        }
    }
}
