/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "run/runner_command.h"
#include "temporary_dir.h"

static struct run_spec *make_spec(const char *command, const char *test)
{
    struct run_spec *spec = NULL;

    assert_int_equal(run_spec_new(&spec), 0);
    spec->test_runner = strdup(command);
    assert_int_equal(run_spec_set_fqn(spec, test, NULL), 0);
    return spec;
}

static void test_words(void **state _unused_)
{
    _cleanup_(run_spec_freep) struct run_spec *spec =
        make_spec("run '{test} $HOME' --only={test}:{test} \"{\" *", "a b.js");
    static const char *const expected[] = {"run", "a b.js $HOME", "--only=a b.js:a b.js", "{", "*"};
    _cleanup_(strlist_clear) struct strlist words = {0};
    struct error error;

    assert_int_equal(runner_command_split(spec, &words, &error), 0);
    assert_int_equal(words.count, ELEMENTSOF(expected));
    for (size_t i = 0; i < ELEMENTSOF(expected); i++) {
        assert_string_equal(words.items[i], expected[i]);
    }
}

static void check(const char *command, int result, const char *text)
{
    _cleanup_(run_spec_freep) struct run_spec *spec = make_spec(command, "m.A.t");
    struct error error = {0};

    assert_int_equal(runner_command_check(spec, temporary_dir, &error), result);
    if (text) {
        assert_string_equal(error.text, text);
    }
}

static void test_programs(void **state _unused_)
{
    write_file("plain", "", 0644);
    write_file("program", "", 0755);
    check("sh -c {test}", 0, NULL);
    check("/bin/sh", 0, NULL);
    check("./program {test}", 0, NULL);
    check("./plain", -EACCES, "--test-runner: './plain' is not executable");
    check("/", -EACCES, "--test-runner: '/' is not executable");
    check("./no-{test}", -ENOENT, "--test-runner: there is no command './no-m.A.t'");
    check("no-such-runner", -ENOENT, "--test-runner: there is no command 'no-such-runner'");
    check("'sh", -EINVAL, NULL);
    check(" ", -EINVAL, "--test-runner: it has no words");
}

static void expect_words(const struct run_spec *spec, const char *const expected[], size_t count)
{
    _cleanup_(strlist_clear) struct strlist words = {0};

    assert_int_equal(runner_command_split(spec, &words, NULL), 0);
    assert_int_equal(words.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(words.items[i], expected[i]);
    }
}

static struct run_spec *make_python(void)
{
    struct run_spec *spec = NULL;

    assert_int_equal(run_spec_new(&spec), 0);
    spec->python = strdup("/a b/python3");
    spec->python_path = strdup("/deps:/tests");
    spec->server_url = strdup("http://user:secret@localhost:9/");
    assert_int_equal(run_spec_set_fqn(spec, "shop.Cart.buy", NULL), 0);
    return spec;
}

static void test_python(void **state _unused_)
{
    _cleanup_(run_spec_freep) struct run_spec *spec = make_python();
    static const char *const patched[] = {"/a b/python3", "-m", "loads.runner", "shop.Cart.buy"};
    static const char *const plain[] = {"/a b/python3", "-m", "loads.runner", "--no-patching",
                                        "shop.Cart.buy"};
    static const char *const several[] = {
        "/a b/python3", "-m", "loads.runner", "--no-patching", "shop.Cart.look", "desk.Desk.ask"};

    expect_words(spec, patched, ELEMENTSOF(patched));
    spec->no_patching = true;
    expect_words(spec, plain, ELEMENTSOF(plain));
    assert_int_equal(run_spec_set_fqn(spec, "shop.Cart.look:2 desk.Desk.ask", NULL), 0);
    expect_words(spec, several, ELEMENTSOF(several)); /* weights are none of its business */
}

static unsigned count_variables(const struct strlist *list, const char *text)
{
    unsigned n = 0;

    for (size_t i = 0; i < list->count; i++) {
        n += strncmp(list->items[i], text, strlen(text)) == 0 ? 1 : 0;
    }
    return n;
}

static void test_environment(void **state _unused_)
{
    _cleanup_(run_spec_freep) struct run_spec *python = make_python();
    _cleanup_(run_spec_freep) struct run_spec *other = make_spec("run", "m.A.t");
    _cleanup_(strlist_clear) struct strlist list = {0}, single = {0}, theirs = {0};

    assert_int_equal(setenv("LOADS_SECRET", "1", 1), 0);
    assert_int_equal(setenv("PYTHONPATH", "/mine", 1), 0);
    assert_int_equal(setenv("ANY", "thing", 1), 0);
    python->insecure = true;
    assert_int_equal(runner_command_environment(python, &list), 0);
    assert_int_equal(count_variables(&list, "ANY=thing"), 1);
    assert_int_equal(count_variables(&list, "PYTHONPATH="), 1);
    assert_true(strlist_has(&list, "PYTHONPATH=/deps:/tests"));
    assert_true(strlist_has(&list, "LOADS_SERVER_URL=http://user:secret@localhost:9/"));
    assert_true(strlist_has(&list, "LOADS_TIMEOUT=30.000000"));
    assert_true(strlist_has(&list, "LOADS_INSECURE=1"));
    assert_int_equal(count_variables(&list, "LOADS_"), 3);
    python->single = true;
    assert_int_equal(runner_command_environment(python, &single), 0);
    assert_true(strlist_has(&single, "LOADS_SINGLE=1"));
    assert_int_equal(count_variables(&single, "LOADS_"), 4);

    assert_int_equal(runner_command_environment(other, &theirs), 0);
    assert_int_equal(count_variables(&theirs, "LOADS_"), 0);
    assert_true(strlist_has(&theirs, "PYTHONPATH=/mine"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_python),
        cmocka_unit_test(test_environment),
        cmocka_unit_test_setup_teardown(test_programs, enter_temporary_dir, leave_temporary_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
