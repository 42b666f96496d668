/* SPDX-License-Identifier: MPL-2.0 */
/* Stacks for coroutines. Each is a mapping of its own, reserved but not filled: a user costs the
 * pages that its test really touched. The page below is without access, so that an overflow is a
 * fault at a known place and not silent damage; modules are compiled to touch every page on their
 * way down.
 *
 * A stack given back is kept, since mapping and faulting one in again costs more than all else at
 * the start of a user; so there are never more than were in use at once. The list of free ones is
 * an array that grows when a stack is mapped, so that giving one back can't fail and touches no
 * page.
 *
 * The guard splits the mapping, which makes two per stack, and the kernel counts mappings: at
 * vm.max_map_count mprotect() and mmap() fail with ENOMEM though memory abounds. */
#include "worker/stack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>

#include "worker/annotate.h"

#define DEFAULT_MAX_MAP_COUNT 65530
#define HEADROOM_MAPPINGS     5530 /* for libraries, the heap, modules and sanitizers */
#define HUGE_PAGE_BYTES       ((size_t)2 * 1024 * 1024)

struct stack_pool {
    size_t size, guard_size;
    void **free; /* low ends of stacks nobody uses; as long as there are stacks in all */
    size_t free_count, free_capacity;
    size_t mapped;
};

int stack_pool_new(struct stack_pool **ret, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (size > SIZE_MAX / 4) {
        return -EINVAL;
    }
    struct stack_pool *pool = calloc(1, sizeof *pool);
    if (!pool) {
        return -ENOMEM;
    }
    pool->guard_size = page;
    pool->size = (MAX(size, STACK_MIN_BYTES) + page - 1) / page * page;
    *ret = pool;
    return 0;
}

static void unmap(struct stack_pool *pool, void *base)
{
    (void)munmap((char *)base - pool->guard_size, pool->guard_size + pool->size); /* it is ours */
}

struct stack_pool *stack_pool_free(struct stack_pool *pool)
{
    if (pool) {
        assert(pool->free_count == pool->mapped);
        for (size_t i = 0; i < pool->free_count; i++) {
            unmap(pool, pool->free[i]);
        }
        free(pool->free);
        free(pool);
    }
    return NULL;
}

/* The kernel's limit on mappings. Read without stdio: it is asked for when memory has run out. */
static size_t max_map_count(void)
{
    char text[32];
    _cleanup_fd_ int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    if (length <= 0) {
        return DEFAULT_MAX_MAP_COUNT;
    }
    text[length] = '\0';
    return (size_t)strtoul(text, NULL, 10);
}

size_t stack_pool_limit(void)
{
    size_t count = max_map_count();

    return (count - MIN((size_t)HEADROOM_MAPPINGS, count / 2)) / 2;
}

static int map_error(const struct stack_pool *pool, int code, struct error *error)
{
    if (code != -ENOMEM) {
        return error_set_errno(error, code, "can't map a stack of %zu KiB", pool->size / 1024);
    }
    return error_set(error, code,
                     "can't map a stack of %zu KiB beside %zu others: out of memory mappings or "
                     "address space; vm.max_map_count is %zu, enough for about %zu stacks per "
                     "process: raise it with sysctl, or use more workers",
                     pool->size / 1024, pool->mapped, max_map_count(), stack_pool_limit());
}

/* Makes room in the list of free stacks for one more stack. */
static int reserve(struct stack_pool *pool)
{
    if (pool->mapped < pool->free_capacity) {
        return 0;
    }
    size_t capacity = MAX(pool->free_capacity * 2, (size_t)64);
    void **larger = reallocarray(pool->free, capacity, sizeof *larger);
    if (!larger) {
        return -ENOMEM;
    }
    pool->free = larger;
    pool->free_capacity = capacity;
    return 0;
}

static int map(struct stack_pool *pool, void **ret, struct error *error)
{
    if (reserve(pool) < 0) {
        return error_set_errno(error, -ENOMEM, "can't keep account of %zu stacks",
                               pool->mapped + 1);
    }
    size_t size = pool->guard_size + pool->size;
    char *low = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (low == MAP_FAILED) {
        return map_error(pool, -errno, error);
    }
    if (mprotect(low, pool->guard_size, PROT_NONE) < 0) {
        int code = -errno;
        (void)munmap(low, size); /* it is ours */
        return map_error(pool, code, error);
    }
    if (pool->size >= HUGE_PAGE_BYTES) {
        /* A touched byte must not cost 2 MiB. Fails where the kernel has no such pages: as good. */
        (void)madvise(low + pool->guard_size, pool->size, MADV_NOHUGEPAGE);
    }
    pool->mapped++;
    *ret = low + pool->guard_size;
    return 0;
}

int stack_take(struct stack_pool *pool, struct stack *ret, struct error *error)
{
    void *base = NULL;

    if (pool->free_count > 0) {
        base = pool->free[--pool->free_count];
    } else {
        int r = map(pool, &base, error);
        if (r < 0) {
            return r;
        }
    }
    *ret = (struct stack){
        .base = base,
        .size = pool->size,
        .guard_size = pool->guard_size,
        .valgrind_id = annotate_stack_begin(base, pool->size),
    };
    return 0;
}

void stack_give_back(struct stack_pool *pool, struct stack *stack)
{
    if (stack->base) {
        assert(pool->free_count < pool->mapped);
        annotate_stack_end(stack->base, stack->size, stack->valgrind_id);
        pool->free[pool->free_count++] = stack->base;
        *stack = (struct stack){0};
    }
}

/* What a call needs below its frame's address: this one's own locals, and what madvise() pushes. */
#define FRAME_BYTES ((uintptr_t)1024)

__attribute__((noinline)) void stack_trim(const struct stack *stack)
{
    uintptr_t base = (uintptr_t)stack->base, page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t end = ((uintptr_t)__builtin_frame_address(0) - FRAME_BYTES) & ~(page - 1);

    if (base && end > base && end - base < stack->size) {
        (void)madvise(stack->base, end - base, MADV_DONTNEED); /* else it stays, which is as well */
    }
}

bool stack_guard_contains(const struct stack *stack, const void *address)
{
    uintptr_t base = (uintptr_t)stack->base;
    uintptr_t at = (uintptr_t)address;

    return at < base && base - at <= stack->guard_size;
}
