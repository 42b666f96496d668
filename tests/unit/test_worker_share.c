/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>

#include "run/worker_share.h"

struct options {
    bool other;
    struct worker_share share;
};

static const struct conf_shared shared[] = {
    {&worker_share_rows, offsetof(struct options, share)},
    {.rows = NULL},
};

static const struct conf_table table = {
    .program = "worker", .usage = "", .summary = "", .section = "loads", .shared = shared};

static int parse(struct options *options, struct error *error, const char *option)
{
    char *argv[] = {(char *)"worker",       (char *)option,    (char *)"--run-dir",
                    (char *)"/a b",         (char *)"--cycle", (char *)"4294967295",
                    (char *)"--first-user", (char *)"7",       NULL};
    return conf_parse(&table, 8, argv, options, error);
}

static void test_options(void **state _unused_)
{
    struct options options = {.share = {.iterations = 5}};
    struct error error = {0};

    assert_int_equal(parse(&options, &error, "--serial=3"), 0);
    assert_string_equal(options.share.run_dir, "/a b");
    assert_int_equal(options.share.serial, 3);
    assert_int_equal(options.share.cycle, UINT32_MAX);
    assert_int_equal(options.share.first_user, 7);
    assert_int_equal(options.share.iterations, 5);
    conf_clear(&table, &options);
}

static void test_errors(void **state _unused_)
{
    static const char *const wrong[] = {"--serial=-1", "--iterations=4294967296", "--serial=x"};

    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        struct options options = {.other = false};
        struct error error = {0};
        assert_int_equal(parse(&options, &error, wrong[i]), -EINVAL);
        conf_clear(&table, &options);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
