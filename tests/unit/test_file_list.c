/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>

#include "run/file_list.h"
#include "temporary_dir.h"

static int set_up(void **state)
{
    int r = enter_temporary_dir(state);

    if (r == 0) {
        assert_int_equal(mkdir("data", 0755), 0);
        assert_int_equal(mkdir("data/below", 0755), 0);
        assert_int_equal(mkdir("elsewhere", 0755), 0);
        write_file("one.py", "1", 0644);
        write_file("two.py", "22", 0755);
        write_file("data/three", "333", 0600);
        write_file("data/below/four", "4444", 0644);
        write_file("elsewhere/five", "5", 0644);
        assert_int_equal(symlink("three", "data/link"), 0);
    }
    return r;
}

static int add(struct file_list *list, const char *pattern, struct error *error)
{
    _cleanup_(strlist_clear) struct strlist patterns = {0};

    assert_int_equal(strlist_add(&patterns, pattern), 0);
    return file_list_add_patterns(list, &patterns, error);
}

static const struct file_list_item *find(const struct file_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].name, name) == 0) {
            return &list->items[i];
        }
    }
    return NULL;
}

static void test_patterns(void **state _unused_)
{
    static const struct {
        const char *pattern;
        const char *names[4];
    } rows[] = {
        {"*.py", {"one.py", "two.py"}},
        {"./one.py", {"one.py"}},
        {"data", {"data/three", "data/below/four"}},
        {"data/", {"data/three", "data/below/four"}},
        {"data/t*", {"data/three"}},
        {"{one,two}.py", {"one.py", "two.py"}},
        {"elsewhere/../one.py", {"one.py"}},
        {".", {"one.py", "two.py", "data/three", "elsewhere/five"}},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        struct file_list list = {.items = NULL};
        size_t n = 0;
        assert_int_equal(add(&list, rows[i].pattern, NULL), 0);
        for (; n < 4 && rows[i].names[n]; n++) {
            if (!find(&list, rows[i].names[n])) {
                fail_msg("%s: %s is not in it", rows[i].pattern, rows[i].names[n]);
            }
        }
        assert_true(list.count == n || strcmp(rows[i].pattern, ".") == 0);
        assert_null(find(&list, "data/link"));
        file_list_clear(&list);
    }
}

/* From outside of the current directory only what was named has a name. */
static void test_from_outside(void **state _unused_)
{
    struct file_list list = {.items = NULL};
    char path[128];

    (void)snprintf(path, sizeof path, "%s/data", temporary_dir);
    assert_int_equal(chdir("elsewhere"), 0);
    assert_int_equal(add(&list, path, NULL), 0);
    assert_int_equal(add(&list, "../one.py", NULL), 0);
    assert_non_null(find(&list, "data/three"));
    assert_non_null(find(&list, "data/below/four"));
    assert_non_null(find(&list, "one.py"));
    file_list_clear(&list);
}

static void test_twice_is_once(void **state _unused_)
{
    struct file_list list = {.items = NULL};

    assert_int_equal(add(&list, "one.py", NULL), 0);
    assert_int_equal(add(&list, "*.py", NULL), 0);
    assert_int_equal(file_list_add(&list, "two.py", "two.py", NULL), 0);
    assert_int_equal(list.count, 2);
    assert_int_equal(find(&list, "two.py")->size_bytes, 2);
    assert_int_equal(find(&list, "two.py")->mode, 0755);
    file_list_clear(&list);
}

static void test_mistakes(void **state _unused_)
{
    static const struct {
        const char *pattern;
        int code;
        const char *text;
    } rows[] = {{"*.rb", -ENOENT, "--include-file *.rb matches no file"},
                {"..", -EINVAL, "name the directory"},
                {"data/..", -EINVAL, "name the directory"}};

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        struct file_list list = {.items = NULL};
        struct error error = {0};
        assert_int_equal(add(&list, rows[i].pattern, &error), rows[i].code);
        assert_non_null(strstr(error.text, rows[i].text));
        file_list_clear(&list);
    }
}

static void test_copy(void **state _unused_)
{
    struct file_list list = {.items = NULL};
    struct stat status;

    assert_int_equal(add(&list, "data", NULL), 0);
    assert_int_equal(add(&list, "two.py", NULL), 0);
    assert_int_equal(file_list_copy(&list, "new/directory", NULL), 0);
    check_file("new/directory/data/below/four", "4444");
    check_file("new/directory/two.py", "22");
    assert_int_equal(stat("new/directory/two.py", &status), 0);
    assert_int_equal(status.st_mode & 0777, 0755);
    assert_int_equal(file_list_copy(&list, ".", NULL), 0); /* onto themselves */
    check_file("two.py", "22");
    assert_int_equal(file_list_copy(&list, "two.py/x", NULL), -EEXIST);
    file_list_clear(&list);
}

static void test_too_many(void **state _unused_)
{
    struct file_list list = {.items = NULL};
    struct error error = {0};
    char name[32];

    for (unsigned i = 0; i < FILE_LIST_MAX; i++) {
        (void)snprintf(name, sizeof name, "file-%u", i);
        assert_int_equal(file_list_add(&list, "one.py", name, NULL), 0);
    }
    assert_int_equal(file_list_add(&list, "one.py", "one-more", &error), -E2BIG);
    assert_non_null(strstr(error.text, "more than 10000 files"));
    assert_int_equal(file_list_add(&list, "one.py", "file-7", NULL), 0);
    file_list_clear(&list);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, leave_temporary_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_patterns), CASE(test_from_outside), CASE(test_twice_is_once),
        CASE(test_mistakes), CASE(test_copy),         CASE(test_too_many),
    };
    return cmocka_run_group_tests_name("file_list", tests, NULL, NULL);
}
