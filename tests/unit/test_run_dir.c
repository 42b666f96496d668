/* SPDX-License-Identifier: MPL-2.0 */
/* The directory of a run: where it is made, who may read it, and that it goes. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "run/run_dir.h"

static char parent[] = "/tmp/test-run-dir-XXXXXX";

static int set_up(void **state _unused_)
{
    strcpy(parent + strlen(parent) - 6, "XXXXXX");
    assert_non_null(mkdtemp(parent));
    assert_int_equal(setenv("XDG_RUNTIME_DIR", parent, 1), 0);
    return 0;
}

static int tear_down(void **state _unused_)
{
    assert_int_equal(rmdir(parent), 0); /* so nothing is left in it */
    return 0;
}

static void touch(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close_fd(fd);
}

static void test_made_and_removed(void **state _unused_)
{
    char *one = NULL, *other = NULL;
    struct stat status;

    assert_int_equal(run_dir_make(&one, NULL), 0);
    assert_int_equal(run_dir_make(&other, NULL), 0);
    assert_string_not_equal(one, other);
    assert_memory_equal(one, parent, strlen(parent));
    assert_int_equal(stat(one, &status), 0);
    assert_true(S_ISDIR(status.st_mode));
    assert_int_equal(status.st_mode & 07777, 0700);
    for (unsigned i = 0; i < 100; i++) {
        _cleanup_free_ char *file = run_dir_file(one, "worker-%u", i);
        assert_non_null(file);
        touch(file);
    }
    assert_null(run_dir_remove(one));
    assert_null(run_dir_remove(other));
}

/* Only what was claimed and no longer is goes, and nothing else that is there. */
static void test_left_behind(void **state _unused_)
{
    char *killed = NULL, *alive = NULL, *new = NULL, *ours = NULL;
    _cleanup_free_ char *other = run_dir_file(parent, "loads-run-other");

    assert_int_equal(run_dir_make(&killed, NULL), 0);
    assert_int_equal(run_dir_make(&alive, NULL), 0);
    assert_int_equal(run_dir_make(&new, NULL), 0);
    assert_int_equal(run_dir_make(&ours, NULL), 0);
    touch(other);
    int killed_claim = run_dir_claim(killed, NULL), alive_claim = run_dir_claim(alive, NULL);
    int claim = run_dir_claim(ours, NULL);
    assert_true(killed_claim >= 0 && alive_claim >= 0 && claim >= 0);
    assert_int_equal(run_dir_claim("/nonexistent/directory", NULL), -ENOENT);
    _cleanup_free_ char *folder = run_dir_file(killed, "folder");
    assert_int_equal(mkdir(folder, 0700), 0);
    run_dir_sweep(ours);
    assert_int_equal(access(killed, F_OK), 0);
    close_fd(killed_claim);
    run_dir_sweep(ours);
    assert_int_equal(access(killed, F_OK), -1);
    assert_int_equal(access(alive, F_OK), 0);
    assert_int_equal(access(new, F_OK), 0);
    assert_int_equal(access(ours, F_OK), 0);
    assert_int_equal(unlink(other), 0);
    run_dir_sweep("/nonexistent/directory/x");
    close_fd(alive_claim);
    close_fd(claim);
    free(killed);
    run_dir_remove(alive);
    run_dir_remove(new);
    run_dir_remove(ours);
}

static void test_file(void **state _unused_)
{
    _cleanup_free_ char *file = run_dir_file("/some/where", "worker-%u%s", 7u, ".x");
    assert_string_equal(file, "/some/where/worker-7.x");
}

/* Links are taken away, not what they point to; a folder of a test stays, with what is in it. */
static void test_what_is_not_ours(void **state _unused_)
{
    char *path = NULL;

    assert_int_equal(run_dir_make(&path, NULL), 0);
    _cleanup_free_ char *copy = strdup(path);
    _cleanup_free_ char *link = run_dir_file(path, "link");
    _cleanup_free_ char *folder = run_dir_file(path, "folder");
    _cleanup_free_ char *inside = run_dir_file(path, "folder/file");
    assert_int_equal(symlink("/proc/self/status", link), 0);
    assert_int_equal(mkdir(folder, 0700), 0);
    touch(inside);
    assert_null(run_dir_remove(path));
    assert_int_equal(access(link, F_OK), -1);
    assert_int_equal(access(inside, F_OK), 0);
    assert_int_equal(unlink(inside), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(rmdir(copy), 0);
}

/* All goes, folders too, but nothing that a link points to. */
static void test_removed_with_all_in_it(void **state _unused_)
{
    char *path = NULL, *outside = NULL;

    assert_int_equal(run_dir_make_in("/tmp", &path, NULL), 0);
    assert_int_equal(run_dir_make_in("/tmp", &outside, NULL), 0);
    assert_non_null(strstr(path, "/tmp/loads-run-"));
    _cleanup_free_ char *copy = strdup(path);
    _cleanup_free_ char *kept = run_dir_file(outside, "kept");
    _cleanup_free_ char *link = run_dir_file(path, "link");
    touch(kept);
    assert_int_equal(symlink(outside, link), 0);
    char *folder = run_dir_file(path, "f");
    for (int i = 0; i < 20; i++) {
        assert_int_equal(mkdir(folder, 0700), 0);
        _cleanup_free_ char *file = run_dir_file(folder, "file");
        touch(file);
        char *inner = run_dir_file(folder, "f");
        free(folder);
        folder = inner;
    }
    free(folder);
    assert_null(run_dir_remove_all(path));
    assert_int_equal(access(copy, F_OK), -1);
    assert_int_equal(access(kept, F_OK), 0);
    assert_null(run_dir_remove_all(outside));
    assert_int_equal(access(kept, F_OK), -1);
}

static void test_nowhere(void **state _unused_)
{
    char *path = NULL;
    struct error error = {0};

    assert_int_equal(run_dir_make_in("/nonexistent", &path, &error), -ENOENT);
    assert_non_null(strstr(error.text, "/nonexistent"));
    assert_null(run_dir_remove_all(NULL));
    assert_null(run_dir_remove_all(strdup("/nonexistent/directory")));
}

/* What can't take it is passed over. */
static void test_next_place(void **state _unused_)
{
    const char *useless[] = {"/nonexistent", "relative", "", "/proc"};

    for (size_t i = 0; i < ELEMENTSOF(useless); i++) {
        char *path = NULL;
        assert_int_equal(setenv("XDG_RUNTIME_DIR", useless[i], 1), 0);
        assert_int_equal(run_dir_make(&path, NULL), 0);
        assert_int_equal(path[0], '/');
        assert_null(strstr(path, "/nonexistent"));
        assert_null(run_dir_remove(path));
    }
}

static void test_nothing_to_remove(void **state _unused_)
{
    assert_null(run_dir_remove(NULL));
    assert_null(run_dir_remove(strdup("/nonexistent/directory")));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_made_and_removed),
        TEST(test_file),
        TEST(test_what_is_not_ours),
        TEST(test_next_place),
        TEST(test_left_behind),
        TEST(test_nothing_to_remove),
        TEST(test_removed_with_all_in_it),
        TEST(test_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
