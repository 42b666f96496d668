/* SPDX-License-Identifier: MPL-2.0 */
/* Stacks for coroutines: mapped on demand, with a guard page below, recycled. */
#ifndef LOADS_WORKER_STACK_H
#define LOADS_WORKER_STACK_H

#include <stdbool.h>

#include "base/error.h"

#define STACK_MIN_BYTES ((size_t)16 * 1024)

struct stack_pool;

/* A stack in use. The guard page ends where `base` begins. */
struct stack {
    void *base; /* the low end; NULL: none */
    size_t size;
    size_t guard_size;
    unsigned valgrind_id; /* the pool's */
};

/* A pool of stacks of one size: `size` bytes, at least STACK_MIN_BYTES, rounded up to whole pages.
 * Maps nothing yet. -ENOMEM; -EINVAL: a size beyond any address space. */
int stack_pool_new(struct stack_pool **ret, size_t size) _must_check_;

/* Unmaps everything. All stacks must have been given back. */
struct stack_pool *stack_pool_free(struct stack_pool *pool);
DEFINE_CLEANUP(struct stack_pool, stack_pool_free)

/* Takes a stack, an old one if there is one. What it holds means nothing. -ENOMEM, with a text that
 * names vm.max_map_count, which is what runs out first. */
int stack_take(struct stack_pool *pool, struct stack *ret, struct error *error) _must_check_;

/* Gives it back and empties *stack (harmless when it is empty). Nothing may run on it. */
void stack_give_back(struct stack_pool *pool, struct stack *stack);

/* Gives memory back that was touched by what ran deeper than the caller, on whose stack this is.
 * For before a long wait. */
void stack_trim(const struct stack *stack);

/* Whether an address lies in the guard page: what ran there overflowed this stack.
 * Async-signal-safe. */
bool stack_guard_contains(const struct stack *stack, const void *address);

/* How many stacks a process can have: two mappings each, with room for everything else it maps.
 * 30,000 at the kernel's default of vm.max_map_count. */
size_t stack_pool_limit(void);

#endif
