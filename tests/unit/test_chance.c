/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include "run/chance.h"

static struct mix parse(const char *text)
{
    struct mix mix;

    assert_int_equal(mix_parse(text, &mix, NULL), 0);
    return mix;
}

/* Which tests a user executes, as letters. */
static const char *tests_of(const struct chance *chance, const struct mix *mix)
{
    static char text[41];

    for (unsigned i = 0; i < sizeof text - 1; i++) {
        text[i] = (char)('a' + chance_test(chance, mix, i));
    }
    return text;
}

/* A seed that somebody wrote down means the same in all versions. */
static void test_the_same_for_ever(void **state _unused_)
{
    const struct mix mix = parse("m.S.t:5 n.S.t:2 m.S.u");
    const struct mix other_modules = parse("m.S.t:5 m.S.v:2 m.S.u");

    assert_string_equal(tests_of(&(struct chance){7, 0, 0}, &mix),
                        "abbaaaaabbaaacaaaaabbaaaaaaacaabaabababa");
    assert_string_equal(tests_of(&(struct chance){7, 0, 1}, &mix),
                        "baaaabaccabbabaaaaabbabcbaababbbbaacabca");
    assert_string_equal(tests_of(&(struct chance){7, 1, 0}, &mix),
                        "abbcaaaacaabbaaaaabaabccaababcaaabaacaab");
    assert_string_equal(tests_of(&(struct chance){8, 0, 0}, &mix),
                        "aaabaaaabbaaaaaaaaaacaaaaaaaaabaabaaaaba");
    assert_string_equal(tests_of(&(struct chance){8, 0, 0}, &other_modules),
                        "aaabaaaabbaaaaaaaaaacaaaaaaaaabaabaaaaba");
}

/* Each part of it matters. */
static void test_keys(void **state _unused_)
{
    const struct chance chance = {7, 1, 2}, others[] = {{8, 1, 2}, {7, 2, 2}, {7, 1, 3}};
    uint64_t key = chance_key(&chance, CHOICE_PACE, 3);

    for (size_t i = 0; i < ELEMENTSOF(others); i++) {
        assert_true(chance_key(&others[i], CHOICE_PACE, 3) != key);
    }
    assert_true(chance_key(&chance, CHOICE_FEEDER, 3) != key);
    assert_true(chance_key(&chance, CHOICE_PACE, 4) != key);
    assert_true(chance_key(&chance, CHOICE_PACE, 3) == key);
}

static void test_weights(void **state _unused_)
{
    const struct mix mix = parse("m.S.t:500000 m.S.u:1000000 m.S.v m.S.w:500000");
    unsigned counts[4] = {0};

    for (unsigned user = 0; user < 100; user++) {
        for (unsigned i = 0; i < 1000; i++) {
            counts[chance_test(&(struct chance){1, 0, user}, &mix, i)]++;
        }
    }
    assert_in_range(counts[0], 24000, 26000);
    assert_in_range(counts[1], 49000, 51000);
    assert_in_range(counts[2], 0, 5);
    assert_in_range(counts[3], 24000, 26000);
}

static void test_one(void **state _unused_)
{
    const struct mix mix = parse("m.S.t:3");

    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(chance_test(&(struct chance){1, 0, 0}, &mix, i), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_for_ever),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
