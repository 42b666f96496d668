/* SPDX-License-Identifier: MPL-2.0 */
/* Cgroups: the kernel's, and for controllers that a machine may not have, directories with files.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "base/clock.h"
#include "cgroups.h"
#include "run/cgroup.h"
#include "run/run_dir.h"

struct fixture {
    char *cgroup; /* a real one */
    char *folder; /* one that only looks so */
};

static int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){.cgroup = own_cgroup()};
    assert_int_equal(run_dir_make_in("/tmp", &f.folder, NULL), 0);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(cgroup_kill(f->cgroup), 0);
    assert_int_equal(cgroup_await_empty(f->cgroup, CGROUP_PATIENCE_USEC), 0);
    assert_int_equal(cgroup_remove(f->cgroup), 0);
    while (waitpid(-1, NULL, 0) > 0) {
    }
    free(f->cgroup);
    run_dir_remove_all(f->folder);
    return 0;
}

static void write_text(const char *folder, const char *name, const char *text)
{
    _cleanup_free_ char *path = run_dir_file(folder, "%s", name);
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void assert_text(const char *folder, const char *name, const char *expected)
{
    _cleanup_free_ char *path = run_dir_file(folder, "%s", name);
    _cleanup_file_ FILE *file = fopen(path, "re");
    char text[256] = "";

    assert_non_null(file);
    (void)!fgets(text, sizeof text, file);
    assert_string_equal(text, expected);
}

/* Somebody who lives in it, and hears no TERM. */
static pid_t inhabit(const char *cgroup)
{
    char text[32];
    pid_t pid = fork();

    if (pid == 0) {
        (void)signal(SIGTERM, SIG_IGN);
        for (;;) {
            pause();
        }
    }
    (void)snprintf(text, sizeof text, "%d", (int)pid);
    write_text(cgroup, "cgroup.procs", text);
    return pid;
}

static void make(const char *parent, const char *name, char **ret)
{
    struct error error = {0};
    assert_int_equal(cgroup_make(ret, parent, name, &error), 0);
}

/* ---- where we are ---------------------------------------------------------------------------- */

/* It is a directory whose cgroup.procs has us. */
static void test_find(void **state _unused_)
{
    _cleanup_free_ char *path = NULL;
    char line[32];
    bool found = false;

    assert_int_equal(cgroup_find(&path), 0);
    _cleanup_free_ char *name = run_dir_file(path, "cgroup.procs");
    _cleanup_file_ FILE *file = fopen(name, "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        found = found || atoi(line) == (int)getpid();
    }
    assert_true(found);
}

/* ---- living in it ---------------------------------------------------------------------------- */

static void test_life(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *path = NULL, *inner = NULL, *again = NULL;
    struct error error = {0};
    int status;

    make(f->cgroup, "run", &path);
    assert_int_equal(cgroup_make(&again, f->cgroup, "run", &error), -EEXIST);
    assert_non_null(strstr(error.text, "/run: File exists"));
    make(path, "inner", &inner);
    assert_false(cgroup_is_populated(path));
    assert_int_equal(cgroup_await_empty(path, 0), 0);
    pid_t pid = inhabit(inner);
    assert_true(cgroup_is_populated(path)); /* those below count */
    assert_int_equal(cgroup_remove(path), -EBUSY);
    assert_int_equal(cgroup_await_empty(path, 10 * USEC_PER_MSEC), -ETIMEDOUT);
    assert_int_equal(cgroup_kill(path), 0);
    assert_int_equal(cgroup_await_empty(path, CGROUP_PATIENCE_USEC), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_int_equal(cgroup_remove(path), 0);
    assert_int_equal(cgroup_remove(path), 0); /* there is none */
}

static void test_none(void **state _unused_)
{
    struct error error = {0};
    char *path = NULL;
    struct cgroup_usage usage;

    assert_int_equal(cgroup_make(&path, "/nonexistent", "run", &error), -ENOENT);
    assert_non_null(strstr(error.text, "cannot make cgroup /nonexistent/run: "));
    assert_int_equal(cgroup_kill("/nonexistent"), -ENOENT);
    assert_false(cgroup_is_populated("/nonexistent"));
    assert_int_equal(cgroup_await_empty("/nonexistent", 0), -ENOENT);
    assert_int_equal(cgroup_settle("/nonexistent", &error), -ENOENT);
    assert_non_null(strstr(error.text, "cannot make cgroup /nonexistent/supervisor"));
    cgroup_usage("/nonexistent", &usage);
    assert_false(usage.has_cpu || usage.has_memory);
}

/* ---- making it ours -------------------------------------------------------------------------- */

/* What `in_there` says to a process that lives in the cgroup. */
static int ask(const char *cgroup, int (*in_there)(const char *cgroup))
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        write_text(cgroup, "cgroup.procs", "0");
        _exit(in_there(cgroup));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int is_ours(const char *cgroup)
{
    return cgroup_is_ours(cgroup);
}

static int settle(const char *cgroup)
{
    _cleanup_free_ char *leaf = run_dir_file(cgroup, "supervisor");
    struct error error;

    int r = cgroup_settle(cgroup, &error);
    return r == 0 && cgroup_is_populated(leaf) && !cgroup_is_ours(cgroup);
}

/* A unit with Delegate=yes, whose main process we are. */
static void test_is_ours(void **state)
{
    struct fixture *f = *state;

    assert_false(ask(f->cgroup, is_ours));
    assert_int_equal(setxattr(f->cgroup, "user.delegate", "0", 1, 0), 0);
    assert_false(ask(f->cgroup, is_ours));
    assert_int_equal(setxattr(f->cgroup, "user.delegate", "1", 1, 0), 0);
    assert_true(ask(f->cgroup, is_ours));
    assert_false(cgroup_is_ours(f->cgroup)); /* we aren't there */
    assert_false(cgroup_is_ours("/nonexistent"));
}

/* Several agents of one loads-cluster must not take it from each other. */
static void test_others_are_there(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *leaf = NULL;

    assert_int_equal(setxattr(f->cgroup, "user.delegate", "1", 1, 0), 0);
    pid_t pid = inhabit(f->cgroup);
    assert_false(ask(f->cgroup, is_ours));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(ask(f->cgroup, is_ours));
    make(f->cgroup, "supervisor", &leaf);
    assert_true(ask(f->cgroup, is_ours));
    (void)inhabit(leaf);
    assert_false(ask(f->cgroup, is_ours));
}

/* We go to the leaf; whom an earlier life left is ended, and who isn't ours isn't. */
static void test_settle(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *left = NULL, *control = NULL;

    make(f->cgroup, "left", &left);
    make(f->cgroup, ".control", &control);
    pid_t ours = inhabit(left), systemds = inhabit(control);
    assert_true(ask(f->cgroup, settle));
    assert_true(ask(f->cgroup, settle)); /* a later life does the same */
    assert_int_equal(waitpid(ours, NULL, 0), ours);
    assert_int_equal(access(left, F_OK), -1);
    assert_int_equal(waitpid(systemds, NULL, WNOHANG), 0);
    for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++) { /* as many as there are */
        _cleanup_free_ char *file = run_dir_file(f->cgroup, "cgroup.controllers");
        _cleanup_file_ FILE *available = fopen(file, "re");
        char text[256] = "";
        (void)!fgets(text, sizeof text, available);
        assert_int_equal(cgroup_gives(f->cgroup, i),
                         strstr(text, cgroup_controller_name(i)) != NULL);
    }
}

/* A kernel that can't end cgroups has none for us. */
static void test_settle_on_an_old_kernel(void **state)
{
    struct fixture *f = *state;
    struct error error = {0};

    assert_int_equal(cgroup_settle(f->folder, &error), -ENOENT);
    assert_non_null(strstr(error.text, "Linux 5.14"));
    assert_non_null(strstr(error.text, "supervisor/cgroup.kill"));
}

/* ---- limits and numbers ---------------------------------------------------------------------- */

static void test_gives(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++) {
        assert_false(cgroup_gives(f->folder, i)); /* there is no file */
    }
    write_text(f->folder, "cgroup.subtree_control", "cpuset io memory\n");
    assert_true(cgroup_gives(f->folder, CGROUP_MEMORY));
    assert_false(cgroup_gives(f->folder, CGROUP_CPU)); /* "cpuset" is another */
    assert_false(cgroup_gives(f->folder, CGROUP_PIDS));
    write_text(f->folder, "cgroup.subtree_control", "cpuset cpu pids\n");
    assert_true(cgroup_gives(f->folder, CGROUP_CPU));
    assert_true(cgroup_gives(f->folder, CGROUP_PIDS));
    assert_string_equal(cgroup_controller_name(CGROUP_PIDS), "pids");
}

static void test_limits(void **state)
{
    struct fixture *f = *state;
    struct cgroup_limits limits = {.memory_bytes = UINT64_C(3) << 30, .cpu_percent = 150};
    struct error error = {0};

    assert_int_equal(cgroup_limit(f->folder, &limits, &error), 0); /* no controllers: nothing */
    write_text(f->folder, "memory.max", "max\n");
    write_text(f->folder, "pids.max", "max\n");
    write_text(f->folder, "cpu.max", "max 100000\n");
    assert_int_equal(cgroup_limit(f->folder, &limits, &error), 0);
    assert_text(f->folder, "memory.max", "3221225472");
    assert_text(f->folder, "pids.max", "max\n");
    assert_text(f->folder, "cpu.max", "150000 100000");
    assert_true(cgroup_limits_have(&limits, CGROUP_MEMORY));
    assert_false(cgroup_limits_have(&limits, CGROUP_PIDS));
    assert_true(cgroup_limits_have(&limits, CGROUP_CPU));
    limits = (struct cgroup_limits){.pids = 77};
    assert_int_equal(cgroup_limit(f->folder, &limits, &error), 0);
    assert_text(f->folder, "pids.max", "77x\n"); /* a file isn't emptied */
}

static void test_limit_is_refused(void **state)
{
    struct fixture *f = *state;
    struct cgroup_limits limits = {.pids = 5};
    _cleanup_free_ char *path = run_dir_file(f->folder, "pids.max");
    struct error error = {0};

    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(cgroup_limit(f->folder, &limits, &error), -EISDIR);
    assert_non_null(strstr(error.text, "cannot write 5 to "));
    assert_non_null(strstr(error.text, "/pids.max: Is a directory"));
}

static void test_usage(void **state)
{
    struct fixture *f = *state;
    struct cgroup_usage usage;

    cgroup_usage(f->cgroup, &usage);
    assert_true(usage.has_cpu);
    assert_int_equal(usage.cpu_usec, 0);
    write_text(f->folder, "cpu.stat", "nr_usage_usec 7\nusage_usec 1234567890123\nuser_usec 5\n");
    write_text(f->folder, "memory.peak", "4096\n");
    cgroup_usage(f->folder, &usage);
    assert_true(usage.has_cpu && usage.has_memory);
    assert_int_equal(usage.cpu_usec, 1234567890123);
    assert_int_equal(usage.memory_peak_bytes, 4096);
    write_text(f->folder, "cpu.stat", "usage_usec_more 1\nusage_usec\n");
    write_text(f->folder, "memory.peak", "none\n");
    cgroup_usage(f->folder, &usage);
    assert_false(usage.has_cpu || usage.has_memory);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_find),
        TEST(test_life),
        TEST(test_none),
        TEST(test_is_ours),
        TEST(test_others_are_there),
        TEST(test_settle),
        TEST(test_settle_on_an_old_kernel),
        TEST(test_gives),
        TEST(test_limits),
        TEST(test_limit_is_refused),
        TEST(test_usage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
