/* SPDX-License-Identifier: MPL-2.0 */
/* The memory of one iteration: taken piece by piece, given back all at once. */
#ifndef LOADS_WORKER_ARENA_H
#define LOADS_WORKER_ARENA_H

#include <stdarg.h>

#include "base/macros.h"

#define ARENA_CHUNK_BYTES ((size_t)16 * 1024)

struct arena_pool;
struct arena_chunk;

/* An arena that holds nothing costs these pointers. Filled by arena_init(); private otherwise. */
struct arena {
    struct arena_pool *pool;
    struct arena_chunk *chunks; /* the pool's size, the one in use first */
    struct arena_chunk *large;  /* larger ones */
};

/* The chunks that all arenas of a worker share. */
int arena_pool_new(struct arena_pool **ret) _must_check_;

/* All arenas must have been reset. */
struct arena_pool *arena_pool_free(struct arena_pool *pool);
DEFINE_CLEANUP(struct arena_pool, arena_pool_free)

/* An empty arena, which borrows the pool. */
void arena_init(struct arena *arena, struct arena_pool *pool);

/* Gives everything back; the arena can be used again. */
void arena_reset(struct arena *arena);

/* `size` bytes (0 is fine) at a multiple of 16, of no particular content. NULL: out of memory. */
void *arena_alloc(struct arena *arena, size_t size) _must_check_;

/* The first old_size bytes of `old` (from this arena, or NULL and 0), with room for new_size: in
 * place where the arena's last piece has the room, else elsewhere, and `old` is not to be used
 * again. NULL: out of memory, `old` is as it was. Shrinking keeps it in place. */
void *arena_grow(struct arena *arena, void *old, size_t old_size, size_t new_size) _must_check_;

/* A string as by printf(), or NULL: out of memory. */
char *arena_vprintf(struct arena *arena, const char *format, va_list arguments) _printf_(2, 0)
    _must_check_;
char *arena_printf(struct arena *arena, const char *format, ...) _printf_(2, 3) _must_check_;

/* A string of at most `size` bytes of `text`, up to its NUL if there is one. NULL: out of memory.
 */
char *arena_strndup(struct arena *arena, const char *text, size_t size) _must_check_;

#endif
