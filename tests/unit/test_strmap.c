/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/strmap.h"

static void test_put_get_remove(void **state _unused_)
{
    _cleanup_(strmap_freep) struct strmap *map = NULL;
    int one = 1, two = 2;

    assert_int_equal(strmap_new(&map), 0);
    assert_null(strmap_get(map, "a", 1));
    assert_int_equal(strmap_put(map, "a", 1, &one), 0);
    assert_int_equal(strmap_put(map, "", 0, &two), 0);
    assert_ptr_equal(strmap_get(map, "a", 1), &one);
    assert_ptr_equal(strmap_get(map, "", 0), &two);
    assert_int_equal(strmap_put(map, "a", 1, &two), 0);
    assert_ptr_equal(strmap_get(map, "a", 1), &two);
    assert_int_equal(strmap_count(map), 2);
    assert_ptr_equal(strmap_remove(map, "a", 1), &two);
    assert_null(strmap_remove(map, "a", 1));
    assert_int_equal(strmap_count(map), 1);
}

static void count_visit(void *value, void *context)
{
    *(uint64_t *)context += *(unsigned *)value;
}

/* Every key must still be found after others were taken out from between. */
static void test_many_with_removals(void **state _unused_)
{
    enum { N = 5000 };
    static unsigned values[N];
    _cleanup_(strmap_freep) struct strmap *map = NULL;
    char key[32];
    uint64_t sum = 0, want = 0;

    assert_int_equal(strmap_new(&map), 0);
    for (unsigned i = 0; i < N; i++) {
        values[i] = i;
        int size = snprintf(key, sizeof key, "http://host/%u", i);
        assert_int_equal(strmap_put(map, key, (size_t)size, &values[i]), 0);
    }
    for (unsigned i = 0; i < N; i += 3) {
        int size = snprintf(key, sizeof key, "http://host/%u", i);
        assert_ptr_equal(strmap_remove(map, key, (size_t)size), &values[i]);
    }
    for (unsigned i = 0; i < N; i++) {
        int size = snprintf(key, sizeof key, "http://host/%u", i);
        void *expected = i % 3 == 0 ? NULL : &values[i];
        assert_ptr_equal(strmap_get(map, key, (size_t)size), expected);
        want += expected ? i : 0;
    }
    strmap_each(map, count_visit, &sum);
    assert_int_equal(sum, want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_get_remove),
        cmocka_unit_test(test_many_with_removals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
