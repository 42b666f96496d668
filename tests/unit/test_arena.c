/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <string.h>

#include "worker/annotate.h"
#include "worker/arena.h"

struct fixture {
    struct arena_pool *pool;
    struct arena arena;
};

static int setup(void **state)
{
    static struct fixture fixture;

    assert_int_equal(arena_pool_new(&fixture.pool), 0);
    arena_init(&fixture.arena, fixture.pool);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    arena_reset(&fixture->arena);
    fixture->pool = arena_pool_free(fixture->pool);
    return 0;
}

/* Pieces of all sizes are aligned, don't overlap and keep what was written. */
static void test_alloc(void **state)
{
    struct fixture *fixture = *state;
    enum { N = 3000 };
    static unsigned char *pieces[N];

    for (size_t i = 0; i < N; i++) {
        size_t size = i * 7 % 600;
        pieces[i] = arena_alloc(&fixture->arena, size);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], (int)(i & 0xff), size);
    }
    for (size_t i = 0; i < N; i++) {
        for (size_t at = 0; at < i * 7 % 600; at++) {
            assert_int_equal(pieces[i][at], i & 0xff);
        }
        assert_true(i == 0 || pieces[i] != pieces[i - 1]);
    }
}

/* Around the size of a chunk a piece moves to a chunk of its own. */
static void test_large(void **state)
{
    struct fixture *fixture = *state;

    for (size_t size = ARENA_CHUNK_BYTES - 100; size < ARENA_CHUNK_BYTES + 100; size++) {
        char *piece = arena_alloc(&fixture->arena, size);
        assert_non_null(piece);
        assert_int_equal((uintptr_t)piece % 16, 0);
        memset(piece, 'x', size);
    }
    char *huge = arena_alloc(&fixture->arena, 10 * 1024 * 1024);
    assert_non_null(huge);
    huge[10 * 1024 * 1024 - 1] = 'y';
    assert_null(arena_alloc(&fixture->arena, SIZE_MAX));
    assert_null(arena_alloc(&fixture->arena, SIZE_MAX / 2));
}

/* A reset gives the same chunk to the next who asks. */
static void test_reset_recycles(void **state)
{
    struct fixture *fixture = *state;
    struct arena other;
    void *first = arena_alloc(&fixture->arena, 100);

    assert_non_null(first);
    arena_init(&other, fixture->pool);
    arena_reset(&fixture->arena);
    void *second = arena_alloc(&other, 100);
    assert_ptr_equal(second, first);
    void *third = arena_alloc(&fixture->arena, 100);
    assert_non_null(third);
    assert_ptr_not_equal(third, second);
    arena_reset(&other);
    arena_reset(&fixture->arena);
    arena_reset(&fixture->arena);
}

static void test_grow_in_place(void **state)
{
    struct fixture *fixture = *state;
    char *text = arena_grow(&fixture->arena, NULL, 0, 5);

    assert_non_null(text);
    memcpy(text, "four", 5);
    assert_ptr_equal(arena_grow(&fixture->arena, text, 5, 1000), text);
    memset(text + 5, 'x', 995);
    assert_ptr_equal(arena_grow(&fixture->arena, text, 1000, 10), text);
    assert_ptr_equal(arena_grow(&fixture->arena, text, 10, 2000), text);
    assert_string_equal(text, "four");
    char *behind = arena_alloc(&fixture->arena, 16);
    assert_true(behind >= text + 2000);

    /* No longer the last: it has to move. */
    char *moved = arena_grow(&fixture->arena, text, 2000, 3000);
    assert_non_null(moved);
    assert_ptr_not_equal(moved, text);
    assert_string_equal(moved, "four");
}

/* A body that grows piece by piece from nothing through a chunk to megabytes, with others between.
 */
static void test_grow_to_large(void **state)
{
    struct fixture *fixture = *state;
    unsigned char *one = NULL, *two = NULL;
    size_t size = 0;

    while (size < 2 * 1024 * 1024) {
        size_t larger = size * 3 / 2 + 17;
        one = arena_grow(&fixture->arena, one, size, larger);
        assert_non_null(one);
        two = arena_grow(&fixture->arena, two, size, larger);
        assert_non_null(two);
        for (; size < larger; size++) {
            one[size] = (unsigned char)(size * 31);
            two[size] = (unsigned char)(size * 17);
        }
        assert_non_null(arena_alloc(&fixture->arena, 20000));
    }
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(one[i], (unsigned char)(i * 31));
        assert_int_equal(two[i], (unsigned char)(i * 17));
    }
    assert_null(arena_grow(&fixture->arena, one, size, SIZE_MAX / 2));
    assert_int_equal(one[17], (unsigned char)(17 * 31));
}

static void test_texts(void **state)
{
    struct fixture *fixture = *state;

    assert_string_equal(arena_printf(&fixture->arena, "%s-%d", "a", 7), "a-7");
    assert_string_equal(arena_printf(&fixture->arena, "%s", ""), "");
    assert_int_equal(strlen(arena_printf(&fixture->arena, "%*s", 50000, "x")), 50000);
    assert_string_equal(arena_strndup(&fixture->arena, "abcdef", 3), "abc");
    assert_string_equal(arena_strndup(&fixture->arena, "ab\0cd", 5), "ab");
    assert_string_equal(arena_strndup(&fixture->arena, "ab", 100), "ab");
    assert_string_equal(arena_strndup(&fixture->arena, "", 0), "");
}

/* What isn't given out is poisoned where a tool looks. */
static void test_poison(void **state)
{
    struct fixture *fixture = *state;
    char *piece = arena_alloc(&fixture->arena, 13);

    assert_non_null(piece);
#if ANNOTATE_ASAN
    assert_false(__asan_address_is_poisoned(piece + 12));
    assert_true(__asan_address_is_poisoned(piece + 13));
    assert_true(__asan_address_is_poisoned(piece + 16));
    char *next = arena_alloc(&fixture->arena, 16);
    assert_non_null(next);
    assert_true(__asan_address_is_poisoned(next - 1));
    assert_false(__asan_address_is_poisoned(next));
    assert_non_null(arena_grow(&fixture->arena, piece, 13, 14));
    assert_true(__asan_address_is_poisoned(piece)); /* moved away */
    arena_reset(&fixture->arena);
    assert_true(__asan_address_is_poisoned(next));
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_alloc, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reset_recycles, setup, teardown),
        cmocka_unit_test_setup_teardown(test_grow_in_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_grow_to_large, setup, teardown),
        cmocka_unit_test_setup_teardown(test_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_poison, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
