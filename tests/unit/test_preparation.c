/* SPDX-License-Identifier: MPL-2.0 */
/* Preparing a run in a child: what it is asked, and what is made of any answer. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "allocation.h"
#include "base/clock.h"
#include "processes.h"
#include "run/preparation.h"

struct fixture {
    struct ev_loop *loop;
    unsigned n_descriptors;
    struct preparation *preparation;
    bool done, free_when_done;
    unsigned n_done;
    int result;
    char path[100];
    char tests[1000]; /* with commas */
    char words[100];
    struct error error;
};

static int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){.loop = ev_loop_new(EVFLAG_AUTO)};
    assert_non_null(f.loop);
    ev_run(f.loop, EVRUN_NOWAIT); /* makes descriptors of its own */
    f.n_descriptors = count_descriptors();
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    allocation_fails_after = -1;
    preparation_free(f->preparation);
    assert_no_children();
    assert_int_equal(count_descriptors(), f->n_descriptors);
    ev_loop_destroy(f->loop);
    assert_int_equal(unsetenv("FAKE_REPORT"), 0);
    assert_int_equal(unsetenv("FAKE_STATUS"), 0);
    assert_int_equal(unsetenv("FAKE_WORDS"), 0);
    assert_int_equal(unsetenv("FAKE_LOADING"), 0);
    return 0;
}

static void on_done(int result, const struct prepared *prepared, const struct error *error,
                    void *context)
{
    struct fixture *f = context;
    const struct strlist *tests = &prepared->tests;
    size_t size = 0;

    f->done = true;
    f->n_done++;
    f->result = result;
    f->error = *error;
    if (result == 0) {
        const struct strlist *paths = &prepared->module_paths;
        (void)snprintf(f->path, sizeof f->path, "%s%s%s%s", paths->count > 0 ? paths->items[0] : "",
                       paths->count > 1 ? paths->items[1] : "",
                       prepared->python ? prepared->python : "",
                       prepared->python_path ? prepared->python_path : "");
    }
    for (size_t i = 0; i < tests->count && size < sizeof f->tests; i++) {
        size += (size_t)snprintf(f->tests + size, sizeof f->tests - size, "%s%s", i ? "," : "",
                                 tests->items[i]);
    }
    if (f->free_when_done) {
        f->preparation = preparation_free(f->preparation);
    }
}

static struct preparation_options options(struct fixture *f)
{
    return (struct preparation_options){
        .worker_program = FAKE_WORKER, .name = "shop.Shop.login", .done = on_done, .context = f};
}

static void prepare(struct fixture *f, const struct preparation_options *how)
{
    assert_int_equal(preparation_start(&f->preparation, f->loop, how, NULL), 0);
    run_until(f->loop, &f->done);
    assert_int_equal(f->n_done, 1);
}

/* Prepares with a child that says and returns something. */
static void prepare_with(struct fixture *f, const char *report, const char *status)
{
    struct preparation_options how = options(f);

    assert_int_equal(setenv("FAKE_REPORT", report, 1), 0);
    assert_int_equal(setenv("FAKE_STATUS", status, 1), 0);
    prepare(f, &how);
}

static void test_arguments(void **state)
{
    struct fixture *f = *state;
    struct preparation_options how = options(f);

    prepare(f, &how);
    assert_int_equal(f->result, 0);
    assert_string_equal(f->path, "/a/module.so");
    assert_string_equal(f->tests, "--prepare,shop.Shop.login");
}

static void test_all_arguments(void **state)
{
    struct fixture *f = *state;
    struct preparation_options how = options(f);

    how.only_list = true;
    how.name = "shop";
    how.test_dir = "tests";
    how.cflags = "-O2 -g";
    how.libs = "-lm";
    how.no_patching = true;
    how.temporary_dir = "/dev/shm";
    f->free_when_done = true;
    prepare(f, &how);
    assert_null(f->preparation);
    assert_int_equal(f->result, 0);
    assert_string_equal(f->tests, "--list,shop,--test-dir,tests,--cflags,-O2 -g,--libs,-lm,"
                                  "--temporary-dir,/dev/shm,--no-patching");
}

static void test_unpacking_alone(void **state)
{
    struct fixture *f = *state;
    struct preparation_options how = options(f);

    how.name = NULL;
    how.archive = "/a/files";
    how.test_dir = "/a";
    prepare(f, &how);
    assert_int_equal(f->result, 0);
    assert_string_equal(f->tests, "--archive,/a/files,--test-dir,/a");
    f->preparation = preparation_free(f->preparation);
    f->n_done = 0;
    f->done = false;
    assert_int_equal(setenv("FAKE_STATUS", "3", 1), 0);
    assert_int_equal(setenv("FAKE_REPORT", "", 1), 0);
    prepare(f, &how);
    assert_int_equal(f->result, -ECHILD);
    assert_non_null(strstr(f->error.text, "the run's files"));
}

static void test_its_words(void **state)
{
    struct fixture *f = *state;

    prepare_with(f, "{\"error\": \"there is no module 'shop'\"}", "2");
    assert_int_equal(f->result, -EINVAL);
    assert_string_equal(f->error.text, "there is no module 'shop'");
}

static void on_output(const char *text, size_t size, void *context)
{
    struct fixture *f = context;

    assert_false(f->done);
    size_t length = strlen(f->words);
    assert_true(length + size < sizeof f->words);
    memcpy(f->words + length, text, size);
}

static void test_python(void **state)
{
    char *deps[] = {(char *)"a==1", (char *)"b.whl", NULL};
    const struct strlist list = {.items = deps, .count = 2};
    struct fixture *f = *state;
    struct preparation_options how = options(f);

    how.python_deps = &list;
    how.python_dir = "/run/python";
    prepare(f, &how);
    assert_string_equal(f->tests, "--prepare,shop.Shop.login,--python-dir,/run/python,"
                                  "--python-dep,a==1,--python-dep,b.whl");
    f->preparation = preparation_free(f->preparation);
    f->done = false;
    f->n_done = 0;
    prepare_with(f,
                 "{\"module_paths\": [], \"python\": \"/py\", \"python_path\": \"/d\", "
                 "\"tests\": []}",
                 "0");
    assert_int_equal(f->result, 0);
    assert_string_equal(f->path, "/py/d");
}

static void test_several_modules(void **state)
{
    struct fixture *f = *state;

    prepare_with(f, "{\"module_paths\": [\"/a.so\", \"/b.so\"], \"tests\": []}", "0");
    assert_int_equal(f->result, 0);
    assert_string_equal(f->path, "/a.so/b.so");
}

static void test_use(void **state _unused_)
{
    char *paths[] = {(char *)"/a.so", (char *)"/b.so", NULL};
    const struct prepared modules = {.module_paths = {.items = paths, .count = 2}};
    const struct prepared script = {.python = "/py", .python_path = "/d"};
    _cleanup_(run_spec_freep) struct run_spec *spec = NULL;

    assert_int_equal(run_spec_new(&spec), 0);
    assert_int_equal(prepared_use(&modules, spec), 0);
    assert_int_equal(spec->module_paths.count, 2);
    assert_string_equal(spec->module_paths.items[1], "/b.so");
    assert_false(run_spec_is_external(spec));
    assert_int_equal(prepared_use(&script, spec), 0);
    assert_int_equal(spec->module_paths.count, 0);
    assert_string_equal(spec->python, "/py");
    assert_string_equal(spec->python_path, "/d");
    assert_true(run_spec_is_external(spec) && run_spec_shares_users(spec));
}

/* What the compiler says beside the report goes to who wants to hear it. */
static void test_words_beside(void **state)
{
    struct fixture *f = *state;
    struct preparation_options how = options(f);

    how.output = on_output;
    assert_int_equal(setenv("FAKE_WORDS", "shop.c:1: error\n", 1), 0);
    prepare(f, &how);
    assert_int_equal(f->result, 0);
    assert_string_equal(f->words, "shop.c:1: error\n");
    assert_string_equal(f->tests, "--prepare,shop.Shop.login");
}

static void test_died(void **state)
{
    struct fixture *f = *state;

    prepare_with(f, "", "3");
    assert_int_equal(f->result, -ECHILD);
    assert_non_null(strstr(f->error.text, "shop.Shop.login"));
    assert_non_null(strstr(f->error.text, "exited with status 3"));
}

/* A good report of a child that failed is none. */
static void test_failed_after_report(void **state)
{
    struct fixture *f = *state;

    prepare_with(f, "{\"module_paths\": [\"/a.so\"], \"tests\": []}", "1");
    assert_int_equal(f->result, -ECHILD);
}

static void test_no_tests(void **state)
{
    struct fixture *f = *state;

    prepare_with(f, "{\"module_paths\": [\"/a.so\"]}", "0");
    assert_int_equal(f->result, 0);
    assert_string_equal(f->tests, "");
}

static void test_nonsense(void **state)
{
    static const char *const reports[] = {
        "",
        "nonsense",
        "[]",
        "{",
        "{}",
        "{\"tests\": [\"a\"]}",
        "{\"module_paths\": 7, \"tests\": []}",
        "{\"module_paths\": [7], \"tests\": []}",
        "{\"error\": 7}",
        "{\"module_paths\": [\"/a.so\"], \"tests\": [7]}",
        "{\"module_paths\": [\"/a.so\"], \"tests\": [\"a\", null]}",
        "{\"module_paths\": [\"/a.so\"]} and more",
        "{\"module_paths\": [\"\xff\"]}",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ELEMENTSOF(reports); i++) {
        f->done = false;
        f->n_done = 0;
        prepare_with(f, reports[i], "0");
        assert_true(f->result == -ECHILD || f->result == -EBADMSG);
        assert_non_null(strstr(f->error.text, "shop.Shop.login"));
        f->preparation = preparation_free(f->preparation);
    }
}

/* Larger than the pipe, but within the limit. */
static void test_long_report(void **state)
{
    struct fixture *f = *state;
    size_t size = 120000; /* an environment variable has at most 128 KiB */
    _cleanup_free_ char *report = malloc(size + 1);

    assert_non_null(report);
    memset(report, ' ', size);
    memcpy(report, "{\"module_paths\": [\"/a.so\"], \"tests\": [", 38);
    strcpy(report + size - 5, "\"a\"]}");
    prepare_with(f, report, "0");
    assert_int_equal(f->result, 0);
    assert_string_equal(f->tests, "a");
}

static void test_endless_report(void **state)
{
    struct fixture *f = *state;

    prepare_with(f, "endless", "0");
    assert_int_equal(f->result, -E2BIG);
    assert_non_null(strstr(f->error.text, "1024 KiB"));
}

static void test_loading(void **state)
{
    struct fixture *f = *state;
    struct preparation_options how = options(f);

    how.load_timeout_usec = 60 * USEC_PER_SEC;
    assert_int_equal(setenv("FAKE_LOADING", "{\"loading\": \"/a/shop.c\"}", 1), 0);
    prepare(f, &how);
    assert_int_equal(f->result, 0);
    assert_string_equal(f->tests, "--prepare,shop.Shop.login");
}

/* A line for each. */
static void test_loading_several(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(setenv("FAKE_LOADING", "{\"loading\": \"/a.c\"}\n{\"loading\": \"/b.c\"}", 1),
                     0);
    prepare_with(f, "{\"module_paths\": [\"/a.so\", \"/b.so\"], \"tests\": []}", "0");
    assert_int_equal(f->result, 0);
    assert_string_equal(f->path, "/a.so/b.so");
}

static void test_loading_without_end(void **state)
{
    static const struct {
        const char *loading, *report, *name;
    } cases[] = {
        {"{\"loading\": \"/a/shop.c\"}", "", "/a/shop.c took"},
        {"{\"loading\": \"/a/shop.c\"}", "{\"module_paths\": [\"/a.so\"]}", "in its constructors"},
        {"{\"loading\": \"/a/shop.py\"}", "", "when it is imported"},
        {"{\"loading\": \"/a.py\"}\n{\"loading\": \"/b.c\"}", "", "/b.c took"},
        {"{\"loading\": 7}", "", "shop.Shop.login took"},
        {"nonsense", "{\"error\": \"a\"}", "shop.Shop.login took"},
    };
    struct fixture *f = *state;
    struct preparation_options how = options(f);

    how.load_timeout_usec = 1500;
    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        assert_int_equal(setenv("FAKE_LOADING", cases[i].loading, 1), 0);
        assert_int_equal(setenv("FAKE_REPORT", cases[i].report, 1), 0);
        assert_int_equal(setenv("FAKE_STATUS", "hang", 1), 0);
        f->done = false;
        f->n_done = 0;
        prepare(f, &how);
        assert_int_equal(f->result, -ETIMEDOUT);
        assert_non_null(strstr(f->error.text, cases[i].name));
        assert_non_null(strstr(f->error.text, "longer than --stall-timeout (0.0015 s)"));
        f->preparation = preparation_free(f->preparation);
    }
}

static void test_freed_meanwhile(void **state)
{
    struct fixture *f = *state;
    struct preparation_options how = options(f);

    assert_int_equal(setenv("FAKE_REPORT", "hang", 1), 0);
    assert_int_equal(preparation_start(&f->preparation, f->loop, &how, NULL), 0);
    f->preparation = preparation_free(f->preparation);
    assert_no_children();
    ev_run(f->loop, EVRUN_NOWAIT);
    assert_int_equal(f->n_done, 0);
}

static void test_no_program(void **state)
{
    struct fixture *f = *state;
    struct preparation_options how = options(f);
    struct error error;

    how.worker_program = "/nonexistent/loads-worker";
    assert_int_equal(preparation_start(&f->preparation, f->loop, &how, &error), -ENOENT);
    assert_non_null(strstr(error.text, "/nonexistent/loads-worker"));
    assert_null(f->preparation);
}

static void test_without_memory(void **state)
{
    struct fixture *f = *state;
    struct preparation_options how = options(f);
    unsigned failures = 0;
    bool failed = true;

    for (; failed; failures++) {
        f->done = false;
        allocation_fails_after = failures;
        int r = preparation_start(&f->preparation, f->loop, &how, NULL);
        if (r == 0) {
            run_until(f->loop, &f->done);
            r = f->result;
        }
        failed = allocation_fails_after < 0;
        allocation_fails_after = -1;
        assert_int_equal(r, failed ? -ENOMEM : 0);
        f->preparation = preparation_free(f->preparation);
        assert_int_equal(count_descriptors(), f->n_descriptors);
    }
    assert_true(failures > 5);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_arguments),
        TEST(test_all_arguments),
        TEST(test_unpacking_alone),
        TEST(test_its_words),
        TEST(test_words_beside),
        TEST(test_died),
        TEST(test_its_words),
        TEST(test_python),
        TEST(test_died),
        TEST(test_its_words),
        TEST(test_several_modules),
        TEST(test_use),
        TEST(test_died),
        TEST(test_failed_after_report),
        TEST(test_no_tests),
        TEST(test_nonsense),
        TEST(test_long_report),
        TEST(test_endless_report),
        TEST(test_loading),
        TEST(test_loading_several),
        TEST(test_loading_without_end),
        TEST(test_freed_meanwhile),
        TEST(test_no_program),
        TEST(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
