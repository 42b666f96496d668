/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include "agent/pause.h"
#include "base/macros.h"

static void test_longer_each_time(void **state _unused_)
{
    static const uint64_t most[] = {100000,  200000,  400000,  800000, 1600000,
                                    3200000, 5000000, 5000000, 5000000};
    struct pause pause;

    pause_reset(&pause);
    for (size_t i = 0; i < ELEMENTSOF(most); i++) {
        uint64_t usec = pause_next_usec(&pause);
        assert_true(usec <= most[i]);
        assert_true(usec >= most[i] / 2);
    }
    pause_reset(&pause);
    assert_true(pause_next_usec(&pause) <= PAUSE_MIN_USEC);
}

/* Of a hundred that wait for the same two are hardly ever equal. */
static void test_by_chance(void **state _unused_)
{
    struct pause pause = {.next_usec = PAUSE_MAX_USEC};
    uint64_t first = pause_next_usec(&pause);
    unsigned different = 0;

    for (unsigned i = 0; i < 100; i++) {
        different += pause_next_usec(&pause) != first;
    }
    assert_true(different > 90);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_longer_each_time),
        cmocka_unit_test(test_by_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
