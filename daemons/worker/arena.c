/* SPDX-License-Identifier: MPL-2.0 */
/* The memory of one iteration. What a test gets from the API (answers, their bodies, texts) lives
 * until its iteration ends and never needs to be freed by it, however it leaves. Pieces are cut
 * from chunks of one size that all users of a worker share, so that a user who waits between
 * iterations holds none and memory follows the iterations that are on. Something larger than a
 * chunk is a chunk of its own, in a list apart, and goes back to the C library at the end.
 *
 * Under AddressSanitizer and valgrind what isn't given out is poisoned, with a gap behind each
 * piece: a test that writes past its memory is told so. */
#include "worker/arena.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "worker/annotate.h"

#define ALIGNMENT 16
#define GAP_BYTES 16 /* between pieces when something watches */
#define MAX_BYTES (SIZE_MAX / 4)

struct arena_chunk {
    struct arena_chunk *next;
    struct arena_chunk **back; /* what points at this one; for large chunks */
    size_t used;               /* bytes given out, gaps included */
    size_t last;               /* where the last piece begins */
    _Alignas(ALIGNMENT) char bytes[];
};

#define PAYLOAD_BYTES (ARENA_CHUNK_BYTES - sizeof(struct arena_chunk))

struct arena_pool {
    struct arena_chunk *free;
    size_t gap;   /* bytes kept between pieces */
    size_t taken; /* chunks that arenas hold, large ones too */
};

int arena_pool_new(struct arena_pool **ret)
{
    struct arena_pool *pool = calloc(1, sizeof *pool);
    if (!pool) {
        return -ENOMEM;
    }
    pool->gap = annotate_watched() ? GAP_BYTES : 0;
    *ret = pool;
    return 0;
}

struct arena_pool *arena_pool_free(struct arena_pool *pool)
{
    if (pool) {
        assert(pool->taken == 0);
        while (pool->free) {
            struct arena_chunk *chunk = pool->free;
            pool->free = chunk->next;
            annotate_unpoison(chunk->bytes, PAYLOAD_BYTES);
            free(chunk);
        }
        free(pool);
    }
    return NULL;
}

void arena_init(struct arena *arena, struct arena_pool *pool)
{
    *arena = (struct arena){.pool = pool};
}

void arena_reset(struct arena *arena)
{
    struct arena_pool *pool = arena->pool;

    while (arena->chunks) {
        struct arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->next;
        annotate_poison(chunk->bytes, PAYLOAD_BYTES);
        chunk->next = pool->free;
        pool->free = chunk;
        pool->taken--;
    }
    while (arena->large) {
        struct arena_chunk *chunk = arena->large;
        arena->large = chunk->next;
        free(chunk);
        pool->taken--;
    }
}

/* What a piece takes of a chunk. */
static size_t footprint(const struct arena_pool *pool, size_t size)
{
    return (MAX(size, (size_t)1) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + pool->gap;
}

/* Links a large chunk, new or moved by realloc(), in front. */
static void link_large(struct arena *arena, struct arena_chunk *chunk)
{
    chunk->back = &arena->large;
    chunk->next = arena->large;
    if (chunk->next) {
        chunk->next->back = &chunk->next;
    }
    arena->large = chunk;
}

static void unlink_large(struct arena_chunk *chunk)
{
    *chunk->back = chunk->next;
    if (chunk->next) {
        chunk->next->back = chunk->back;
    }
}

static void *alloc_large(struct arena *arena, size_t size)
{
    struct arena_chunk *chunk = malloc(sizeof *chunk + size);
    if (!chunk) {
        return NULL;
    }
    link_large(arena, chunk);
    arena->pool->taken++;
    return chunk->bytes;
}

/* Puts an empty chunk in front. */
static struct arena_chunk *add_chunk(struct arena *arena)
{
    struct arena_pool *pool = arena->pool;
    struct arena_chunk *chunk = pool->free;

    if (chunk) {
        pool->free = chunk->next;
    } else {
        chunk = malloc(ARENA_CHUNK_BYTES);
        if (!chunk) {
            return NULL;
        }
        annotate_poison(chunk->bytes, PAYLOAD_BYTES);
    }
    chunk->next = arena->chunks;
    chunk->used = chunk->last = 0;
    arena->chunks = chunk;
    pool->taken++;
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > MAX_BYTES) {
        return NULL;
    }
    size_t taken = footprint(arena->pool, size);
    if (taken > PAYLOAD_BYTES) {
        return alloc_large(arena, size);
    }
    struct arena_chunk *chunk = arena->chunks;
    if (!chunk || taken > PAYLOAD_BYTES - chunk->used) {
        chunk = add_chunk(arena);
        if (!chunk) {
            return NULL;
        }
    }
    chunk->last = chunk->used;
    chunk->used += taken;
    annotate_unpoison(chunk->bytes + chunk->last, size);
    return chunk->bytes + chunk->last;
}

/* A large piece grows as the C library can, which for really large ones copies nothing. */
static void *grow_large(struct arena *arena, void *old, size_t new_size)
{
    struct arena_chunk *chunk = CONTAINER_OF(old, struct arena_chunk, bytes);

    unlink_large(chunk);
    struct arena_chunk *larger = realloc(chunk, sizeof *chunk + new_size);
    link_large(arena, larger ? larger : chunk);
    return larger ? larger->bytes : NULL;
}

void *arena_grow(struct arena *arena, void *old, size_t old_size, size_t new_size)
{
    struct arena_chunk *chunk = arena->chunks;

    if (old && new_size <= old_size) {
        return old;
    }
    if (new_size > MAX_BYTES) {
        return NULL;
    }
    if (old && footprint(arena->pool, old_size) > PAYLOAD_BYTES) {
        return grow_large(arena, old, new_size);
    }
    size_t taken = footprint(arena->pool, new_size);
    if (old && chunk && (char *)old == chunk->bytes + chunk->last &&
        taken <= PAYLOAD_BYTES - chunk->last) {
        chunk->used = MAX(chunk->used, chunk->last + taken);
        annotate_unpoison((char *)old + old_size, new_size - old_size);
        return old;
    }
    void *moved = arena_alloc(arena, new_size);
    if (moved && old && old_size > 0) {
        memcpy(moved, old, old_size);
        annotate_poison(old, old_size);
    }
    return moved;
}

char *arena_vprintf(struct arena *arena, const char *format, va_list arguments)
{
    va_list again;

    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    char *text = length < 0 ? NULL : arena_alloc(arena, (size_t)length + 1);
    if (text) {
        (void)vsnprintf(text, (size_t)length + 1, format, again); /* has the room */
    }
    va_end(again);
    return text;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    char *text = arena_vprintf(arena, format, arguments);
    va_end(arguments);
    return text;
}

char *arena_strndup(struct arena *arena, const char *text, size_t size)
{
    size_t length = strnlen(text, size);
    char *copy = arena_alloc(arena, length + 1);

    if (copy) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}
