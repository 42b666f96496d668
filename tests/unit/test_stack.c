/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "worker/annotate.h"
#include "worker/stack.h"

static void test_take(void **state _unused_)
{
    _cleanup_(stack_pool_freep) struct stack_pool *pool = NULL;
    struct stack stack;
    struct error error;

    assert_int_equal(stack_pool_new(&pool, 100001), 0);
    assert_int_equal(stack_take(pool, &stack, &error), 0);
    assert_true(stack.size >= 100001);
    assert_int_equal(stack.size % (size_t)sysconf(_SC_PAGESIZE), 0);
    assert_int_equal((uintptr_t)stack.base % (uintptr_t)sysconf(_SC_PAGESIZE), 0);
    memset(stack.base, 'x', stack.size);
    stack_give_back(pool, &stack);
    assert_null(stack.base);
    stack_give_back(pool, &stack);
}

static void test_minimum(void **state _unused_)
{
    _cleanup_(stack_pool_freep) struct stack_pool *pool = NULL;
    struct stack stack;

    assert_int_equal(stack_pool_new(&pool, 0), 0);
    assert_int_equal(stack_take(pool, &stack, NULL), 0);
    assert_true(stack.size >= STACK_MIN_BYTES);
    stack_give_back(pool, &stack);
}

static void test_guard(void **state _unused_)
{
    _cleanup_(stack_pool_freep) struct stack_pool *pool = NULL;
    struct stack stack, none = {0};

    assert_int_equal(stack_pool_new(&pool, 65536), 0);
    assert_int_equal(stack_take(pool, &stack, NULL), 0);
    char *base = stack.base;
    assert_false(stack_guard_contains(&stack, base));
    assert_true(stack_guard_contains(&stack, base - 1));
    assert_true(stack_guard_contains(&stack, base - stack.guard_size));
    assert_false(stack_guard_contains(&stack, base - stack.guard_size - 1));
    assert_false(stack_guard_contains(&stack, NULL));
    assert_false(stack_guard_contains(&none, NULL));
    assert_false(stack_guard_contains(&none, base));

    /* The kernel agrees: it can't read there for us. */
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], base - 1, 1), -1);
    assert_int_equal(errno, EFAULT);
    *base = 1;
    assert_int_equal(write(fds[1], base, 1), 1);
    close_fd(fds[0]);
    close_fd(fds[1]);
    stack_give_back(pool, &stack);
}

/* Stacks are used again, and there are never more than were in use at once. */
static void test_recycle(void **state _unused_)
{
    enum { N = 200 };
    _cleanup_(stack_pool_freep) struct stack_pool *pool = NULL;
    static struct stack stacks[N];
    static void *bases[N];

    assert_int_equal(stack_pool_new(&pool, 65536), 0);
    for (unsigned round = 0; round < 5; round++) {
        for (size_t i = 0; i < N; i++) {
            assert_int_equal(stack_take(pool, &stacks[i], NULL), 0);
            bool known = false;
            for (size_t k = 0; k < N; k++) {
                known = known || bases[k] == stacks[i].base;
            }
            assert_int_equal(known, round > 0);
            if (round == 0) {
                bases[i] = stacks[i].base;
            }
        }
        for (size_t i = 0; i < N; i++) {
            stack_give_back(pool, &stacks[i]);
        }
    }
}

/* Redzones that a coroutine left behind would be false alarms for the next one. */
static void test_recycled_is_clean(void **state _unused_)
{
    _cleanup_(stack_pool_freep) struct stack_pool *pool = NULL;
    struct stack stack;

    assert_int_equal(stack_pool_new(&pool, 65536), 0);
    assert_int_equal(stack_take(pool, &stack, NULL), 0);
    annotate_poison((char *)stack.base + 4096, 4096);
    stack_give_back(pool, &stack);
    assert_int_equal(stack_take(pool, &stack, NULL), 0);
    memset(stack.base, 'x', stack.size);
    stack_give_back(pool, &stack);
}

#if ANNOTATE_ASAN
static __attribute__((noinline)) void hide_on(struct stack *stack)
{
    *(void **)stack->base = malloc(100);
}

/* What only a coroutine's stack points to is no leak. */
static void test_leak_root(void **state _unused_)
{
    _cleanup_(stack_pool_freep) struct stack_pool *pool = NULL;
    struct stack stack;

    assert_int_equal(stack_pool_new(&pool, 65536), 0);
    assert_int_equal(stack_take(pool, &stack, NULL), 0);
    hide_on(&stack);
    assert_int_equal(__lsan_do_recoverable_leak_check(), 0);
    free(*(void **)stack.base);
    stack_give_back(pool, &stack);
}
#endif

/* No address space has this room: the error names the setting that usually is the reason. */
static void test_no_room(void **state _unused_)
{
    _cleanup_(stack_pool_freep) struct stack_pool *pool = NULL;
    struct stack stack;
    struct error error = {0};
    char line[32] = "";
    FILE *setting = fopen("/proc/sys/vm/max_map_count", "re");

    assert_non_null(setting);
    assert_non_null(fgets(line, sizeof line, setting));
    (void)fclose(setting);
    line[strcspn(line, "\n")] = '\0';
    assert_int_equal(stack_pool_new(&pool, SIZE_MAX), -EINVAL);
    if (RUNNING_ON_VALGRIND) {
        return; /* has its own idea of what mmap() answers */
    }
    assert_int_equal(stack_pool_new(&pool, SIZE_MAX / 8), 0);
    assert_int_equal(stack_take(pool, &stack, &error), -ENOMEM);
    assert_non_null(strstr(error.text, "vm.max_map_count"));
    assert_non_null(strstr(error.text, line));
    assert_int_equal(stack_take(pool, &stack, NULL), -ENOMEM);
}

/* As many as promised can be had at once, and where mappings run out it is an error, not a crash.
 * Not under sanitizers and valgrind, which need mappings of their own when it happens. */
static void test_limit(void **state _unused_)
{
    _cleanup_(stack_pool_freep) struct stack_pool *pool = NULL;
    size_t limit = stack_pool_limit(), count = 0;
    struct error error = {0};

    assert_true(limit > 0);
    if (annotate_watched()) {
        return;
    }
    struct stack *stacks = calloc(limit * 2, sizeof *stacks);
    assert_non_null(stacks);
    assert_int_equal(stack_pool_new(&pool, STACK_MIN_BYTES), 0);
    while (count < limit * 2 && stack_take(pool, &stacks[count], &error) == 0) {
        count++;
    }
    int code = error.code;
    bool named = strstr(error.text, "vm.max_map_count");
    for (size_t i = 0; i < count; i++) {
        stack_give_back(pool, &stacks[i]);
    }
    free(stacks);
    assert_true(count >= limit);
    if (count < limit * 2) {
        assert_int_equal(code, -ENOMEM);
        assert_true(named);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_minimum),
        cmocka_unit_test(test_guard),
        cmocka_unit_test(test_recycle),
        cmocka_unit_test(test_recycled_is_clean),
#if ANNOTATE_ASAN
        cmocka_unit_test(test_leak_root),
#endif
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
