/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <string.h>

#include "external/choices.h"

/* Three users, the fifth of all and those behind it, whom a runner calls 2, 3 and 4; one of them
 * has had two iterations before. */
static void make(struct choices *choices, const struct mix *mix)
{
    static uint64_t words[3];
    struct area area = {.n_users = 3, .users = words};

    words[0] = words[2] = 0;
    words[1] = user_word(2, USER_BETWEEN, 0);
    assert_int_equal(choices_init(choices, mix, &(struct chance){7, 1, 4}, 2, &area), 0);
    words[1] = user_word(9, USER_ITERATING, 0); /* it isn't looked at again */
}

static void test_as_tests_in_c(void **state _unused_)
{
    static const uint64_t before[] = {0, 2, 0};
    struct choices choices;
    struct mix mix;
    char text[51];

    assert_int_equal(mix_parse("m.S.t:5 n.S.t:2 m.S.u", &mix, NULL), 0);
    make(&choices, &mix);
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned execution = 1; execution < 200; execution += 66) {
            assert_true(choices_write(&choices, 2 + i, execution, text, sizeof text));
            assert_int_equal(strlen(text), sizeof text - 1);
            for (unsigned k = 0; k < sizeof text - 1; k++) {
                const struct chance chance = {7, 1, 4 + i};
                assert_int_equal(text[k] - 'a',
                                 chance_test(&chance, &mix, before[i] + execution - 1 + k));
            }
        }
    }
    choices_clear(&choices);
}

static void test_nonsense(void **state _unused_)
{
    struct choices choices;
    struct mix mix;
    char text[10] = "";

    assert_int_equal(mix_parse("m.S.t m.S.u", &mix, NULL), 0);
    make(&choices, &mix);
    assert_false(choices_write(&choices, 1, 1, text, sizeof text));
    assert_false(choices_write(&choices, 5, 1, text, sizeof text));
    assert_false(choices_write(&choices, 0, 1, text, sizeof text));
    assert_false(choices_write(&choices, UINT32_MAX, 1, text, sizeof text));
    assert_false(choices_write(&choices, 3, 0, text, sizeof text));
    assert_true(choices_write(&choices, 3, UINT32_MAX, text, sizeof text));
    choices_clear(&choices);
    make(&choices, NULL);
    assert_false(choices_write(&choices, 2, 1, text, sizeof text));
    choices_clear(&choices);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_tests_in_c),
        cmocka_unit_test(test_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
