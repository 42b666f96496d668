/* SPDX-License-Identifier: MPL-2.0 */
/* That nothing outlives a run, with a cgroup and without. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "cgroups.h"
#include "loop/child.h"
#include "processes.h"
#include "run/enclosure.h"
#include "run/run_dir.h"

struct fixture {
    struct ev_loop *loop;
    char *cgroup;
    struct orphans *orphans;
    struct enclosure *enclosure;
    struct cgroup_limits limits;
    struct child *child;
    int pipe[2]; /* who has its writing end lives */
    bool gone, done, free_when_done;
    int result;
    struct cgroup_usage usage;
};

static int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){.loop = ev_loop_new(EVFLAG_AUTO), .cgroup = own_cgroup()};
    assert_non_null(f.loop);
    assert_int_equal(orphans_new(&f.orphans, f.loop, NULL), 0);
    assert_int_equal(pipe2(f.pipe, O_CLOEXEC | O_NONBLOCK), 0);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    child_free(f->child);
    enclosure_free(f->enclosure);
    orphans_free(f->orphans);
    assert_no_children();
    assert_int_equal(rmdir(f->cgroup), 0); /* nothing was left in it */
    free(f->cgroup);
    close_fd(f->pipe[0]);
    close_fd(f->pipe[1]);
    ev_loop_destroy(f->loop);
    return 0;
}

static void make(struct fixture *f, bool with_cgroup)
{
    struct enclosure_options options = {.parent = with_cgroup ? f->cgroup : NULL,
                                        .name = "run",
                                        .limits = &f->limits,
                                        .orphans = f->orphans};
    struct error error = {0};

    assert_int_equal(enclosure_new(&f->enclosure, f->loop, &options, &error), 0);
    assert_int_equal(!enclosure_cgroup(f->enclosure), !with_cgroup);
}

static void on_gone(struct child *child _unused_, int status, void *context)
{
    struct fixture *f = context;

    assert_int_equal(status, 0);
    f->gone = true;
}

static void on_output(struct child *child _unused_, const char *text _unused_, size_t size _unused_,
                      void *context _unused_)
{
}

/* A child that ends, and leaves somebody who is in no group of it and hears no TERM. */
#define LEAVES_SOMEBODY                                                                            \
    "mkfifo $1/up; setsid sh -c \"trap '' TERM HUP; echo >$1/up; sleep 1000; sleep 1000\" & "      \
    "read line <$1/up; rm $1/up"

static void run(struct fixture *f, const char *script)
{
    _cleanup_(run_dir_removep) char *folder = NULL;
    assert_int_equal(run_dir_make_in("/tmp", &folder, NULL), 0);
    const char *argv[] = {"/bin/sh", "-c", script, "sh", folder, NULL};
    struct child_options options = {.argv = argv,
                                    .channel_fd = -1,
                                    .stdout_fd = f->pipe[1],
                                    .cgroup = enclosure_cgroup(f->enclosure),
                                    .output = on_output,
                                    .gone = on_gone,
                                    .context = f};

    f->gone = false;
    assert_int_equal(child_spawn(&f->child, f->loop, &options, NULL), 0);
    run_until(f->loop, &f->gone);
    f->child = child_free(f->child);
}

/* Whether somebody has the pipe's other end. */
static bool somebody_lives(struct fixture *f)
{
    char text[256];
    ssize_t n;

    f->pipe[1] = close_fd(f->pipe[1]);
    do {
        n = read(f->pipe[0], text, sizeof text);
    } while (n > 0);
    return n < 0 && errno == EAGAIN;
}

static void on_done(int result, const struct error *error, void *context)
{
    struct fixture *f = context;

    assert_int_equal(result < 0, error != NULL);
    f->done = true;
    f->result = result;
    enclosure_usage(f->enclosure, &f->usage);
    if (f->free_when_done) {
        f->enclosure = enclosure_free(f->enclosure);
    }
}

static void end(struct fixture *f)
{
    enclosure_end(f->enclosure, on_done, f);
    assert_false(f->done);
    run_until(f->loop, &f->done);
    assert_int_equal(f->result, 0);
}

/* ---- with a cgroup --------------------------------------------------------------------------- */

/* It is there before the program is: the first thing that it sees. */
static void test_begins_in_the_cgroup(void **state)
{
    struct fixture *f = *state;
    char text[512] = "";

    make(f, true);
    run(f, "cat /proc/self/cgroup");
    assert_true(read(f->pipe[0], text, sizeof text - 1) > 0);
    const char *name = strrchr(f->cgroup, '/');
    const char *at = strstr(text, name);
    assert_non_null(at);
    assert_memory_equal(at + strlen(name), "/run\n", strlen("/run\n"));
    end(f);
}

static void test_a_cgroup_is_ended(void **state)
{
    struct fixture *f = *state;

    make(f, true);
    run(f, LEAVES_SOMEBODY);
    assert_true(somebody_lives(f));
    _cleanup_free_ char *path = strdup(enclosure_cgroup(f->enclosure));
    assert_true(cgroup_is_populated(path));
    end(f);
    assert_false(somebody_lives(f));
    assert_int_equal(access(path, F_OK), -1);
    assert_true(f->usage.has_cpu);
    assert_true(f->usage.cpu_usec > 0);
}

static void test_an_empty_cgroup(void **state)
{
    struct fixture *f = *state;

    f->free_when_done = true;
    make(f, true);
    end(f);
    assert_null(f->enclosure);
    assert_true(f->usage.has_cpu);
    assert_int_equal(f->usage.cpu_usec, 0);
}

static void test_a_cgroup_is_freed(void **state)
{
    struct fixture *f = *state;

    make(f, true);
    run(f, LEAVES_SOMEBODY);
    enclosure_end(f->enclosure, on_done, f);
    f->enclosure = enclosure_free(f->enclosure);
    assert_false(somebody_lives(f));
    ev_run(f->loop, EVRUN_NOWAIT);
    assert_false(f->done);
}

static void test_no_cgroup_can_be_made(void **state)
{
    struct fixture *f = *state;
    struct enclosure_options options = {
        .parent = "/nonexistent", .name = "run", .limits = &f->limits};
    struct error error = {0};

    assert_int_equal(enclosure_new(&f->enclosure, f->loop, &options, &error), -ENOENT);
    assert_non_null(strstr(error.text, "/nonexistent/run"));
}

/* ---- without --------------------------------------------------------------------------------- */

static void test_orphans_are_ended(void **state)
{
    struct fixture *f = *state;

    make(f, false);
    run(f, LEAVES_SOMEBODY);
    assert_true(somebody_lives(f));
    end(f);
    assert_false(somebody_lives(f));
    assert_false(f->usage.has_cpu || f->usage.has_memory);
}

static void test_orphans_at_once(void **state)
{
    struct fixture *f = *state;

    make(f, false);
    run(f, LEAVES_SOMEBODY);
    f->enclosure = enclosure_free(f->enclosure);
    assert_false(somebody_lives(f));
}

/* Once it was ended, those that come are another's. */
static void test_the_next_one_begins(void **state)
{
    struct fixture *f = *state;

    make(f, false);
    end(f);
    struct enclosure *first = TAKE_PTR(f->enclosure);
    f->done = false;
    make(f, false);
    run(f, LEAVES_SOMEBODY);
    enclosure_free(first);
    assert_true(somebody_lives(f));
    end(f);
    assert_false(somebody_lives(f));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_begins_in_the_cgroup),  TEST(test_a_cgroup_is_ended),
        TEST(test_an_empty_cgroup),       TEST(test_a_cgroup_is_freed),
        TEST(test_no_cgroup_can_be_made), TEST(test_orphans_are_ended),
        TEST(test_orphans_at_once),       TEST(test_the_next_one_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
