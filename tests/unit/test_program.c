/* SPDX-License-Identifier: MPL-2.0 */
/* Where the suite's programs are found: beside the running one. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "run/program.h"

static void self(char path[static PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
    assert_true(n > 0);
    path[n] = '\0';
}

static void test_beside(void **state _unused_)
{
    char path[PATH_MAX];
    _cleanup_free_ char *found = NULL;

    self(path);
    assert_int_equal(program_find(strrchr(path, '/') + 1, &found, NULL), 0);
    assert_string_equal(found, path);
}

static void test_nowhere(void **state _unused_)
{
    char path[PATH_MAX];
    struct error error;
    char *found = NULL;

    self(path);
    *strrchr(path, '/') = '\0';
    assert_int_equal(program_find("loads-nonexistent", &found, &error), -ENOENT);
    assert_null(found);
    assert_non_null(strstr(error.text, "loads-nonexistent"));
    assert_non_null(strstr(error.text, path));
    assert_non_null(strstr(error.text, "/sbin"));
    assert_non_null(strstr(error.text, "/loads"));
}

/* A file of that name that isn't a program isn't taken. */
static void test_not_executable(void **state _unused_)
{
    char path[PATH_MAX];
    char *found = NULL;

    self(path);
    assert_true(strlen(path) + strlen(".text") < sizeof path);
    strcat(path, ".text");
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close_fd(fd);
    assert_int_equal(program_find(strrchr(path, '/') + 1, &found, NULL), -ENOENT);
    assert_null(found);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beside),
        cmocka_unit_test(test_nowhere),
        cmocka_unit_test(test_not_executable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
