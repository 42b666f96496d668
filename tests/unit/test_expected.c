/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include "base/macros.h"
#include "worker/expected.h"

static void test_notation(void **state _unused_)
{
    static const struct {
        const char *expected;
        bool sound;
    } cases[] = {
        {"200", true},   {"200 201", true}, {"200,201", true}, {" 4* ", true}, {"*", true},
        {"20*", true},   {"2* 3*", true},   {"", false},       {" , ", false}, {"20", false},
        {"2000", false}, {"200*", false},   {"*2", false},     {"ok", false},  {"200 OK", false},
        {"2**", false},  {"4xx", false},    {"-20", false},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        if (expected_is_sound(cases[i].expected) != cases[i].sound) {
            fail_msg("\"%s\" is taken for %s", cases[i].expected,
                     cases[i].sound ? "wrong" : "right");
        }
    }
}

static void test_statuses(void **state _unused_)
{
    static const struct {
        const char *expected;
        int status;
        bool has;
    } cases[] = {
        {"200", 200, true},      {"200", 201, false},   {"200 201", 201, true},
        {"4*", 404, true},       {"4*", 500, false},    {"40*", 404, true},
        {"40*", 414, false},     {"*", 599, true},      {"2* 3*", 302, true},
        {"2* 3*", 404, false},   {"2*,404", 404, true}, {"200", 2001, false},
        {"301 302", 200, false}, {"2*", 99, false},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        if (expected_has(cases[i].expected, cases[i].status) != cases[i].has) {
            fail_msg("%d of \"%s\"", cases[i].status, cases[i].expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notation),
        cmocka_unit_test(test_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
