/* SPDX-License-Identifier: MPL-2.0 */
/* What children leave behind: it is found wherever it went, ended, and nobody else is. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "loop/child.h"
#include "loop/orphans.h"
#include "processes.h"

struct fixture {
    struct ev_loop *loop;
    struct orphans *orphans;
    struct child *child;
    int pipe[2]; /* who has its writing end lives */
    bool gone, done;
    unsigned left;
};

static int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){.loop = ev_loop_new(EVFLAG_AUTO)};
    assert_non_null(f.loop);
    assert_int_equal(pipe2(f.pipe, O_CLOEXEC), 0);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    int is_reaper = 1; /* not every valgrind knows that it is set */

    child_free(f->child);
    orphans_free(f->orphans);
    assert_no_children();
    assert_int_equal(prctl(PR_GET_CHILD_SUBREAPER, &is_reaper), 0);
    assert_false(is_reaper);
    close_fd(f->pipe[0]);
    close_fd(f->pipe[1]);
    ev_loop_destroy(f->loop);
    return 0;
}

static void begin(struct fixture *f)
{
    struct error error = {0};
    assert_int_equal(orphans_new(&f->orphans, f->loop, &error), 0);
}

static void on_gone(struct child *child _unused_, int status _unused_, void *context)
{
    struct fixture *f = context;
    f->gone = true;
}

/* Starts it; when so many of its family have said that they are there, it is killed. */
static void run(struct fixture *f, const char *script, unsigned n)
{
    char byte;

    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    struct child_options options = {
        .argv = argv, .channel_fd = -1, .stdout_fd = f->pipe[1], .gone = on_gone, .context = f};

    f->gone = false;
    assert_int_equal(child_spawn(&f->child, f->loop, &options, NULL), 0);
    while (n-- > 0) {
        assert_int_equal(read(f->pipe[0], &byte, 1), 1);
    }
    child_signal(f->child, SIGKILL);
    run_until(f->loop, &f->gone);
    f->child = child_free(f->child);
}

static void on_done(unsigned left, void *context)
{
    struct fixture *f = context;

    f->done = true;
    f->left = left;
}

static void end(struct fixture *f)
{
    f->done = false;
    orphans_end(f->orphans, on_done, f);
    assert_false(f->done);
    run_until(f->loop, &f->done);
    assert_int_equal(f->left, 0);
}

/* Nobody has the pipe but us. */
static void assert_all_gone(struct fixture *f)
{
    char byte;

    f->pipe[1] = close_fd(f->pipe[1]);
    assert_int_equal(fcntl(f->pipe[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(read(f->pipe[0], &byte, 1), 0);
    assert_no_children();
}

static void assert_somebody_lives(struct fixture *f)
{
    char byte;

    f->pipe[1] = close_fd(f->pipe[1]);
    assert_int_equal(fcntl(f->pipe[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(read(f->pipe[0], &byte, 1), -1);
    assert_int_equal(errno, EAGAIN);
}

/* A process that left its group and session and that hears no TERM. */
#define DAEMON "setsid sh -c \"trap '' TERM HUP INT; printf x; sleep 1000; sleep 1000\" & "

static void test_nothing(void **state)
{
    struct fixture *f = *state;

    begin(f);
    end(f);
    end(f);
}

static void test_a_daemon(void **state)
{
    struct fixture *f = *state;

    begin(f);
    run(f, DAEMON "wait", 1);
    assert_somebody_lives(f);
    end(f);
    assert_all_gone(f);
}

/* Those of orphans are nobody's children before these are gone. */
static void test_generations(void **state)
{
    struct fixture *f = *state;

    begin(f);
    run(f,
        DAEMON DAEMON "setsid sh -c 'setsid sh -c \"setsid sleep 1000 & printf x; wait\" & wait' & "
                      "wait",
        3);
    end(f);
    assert_all_gone(f);
}

static void test_now(void **state)
{
    struct fixture *f = *state;

    begin(f);
    run(f, DAEMON DAEMON "wait", 2);
    orphans_end(f->orphans, on_done, f);
    assert_int_equal(orphans_end_now(f->orphans), 0);
    assert_all_gone(f);
    ev_run(f->loop, EVRUN_NOWAIT);
    assert_false(f->done); /* that was replaced */
}

static void test_freed(void **state)
{
    struct fixture *f = *state;

    begin(f);
    run(f, DAEMON "wait", 1);
    f->orphans = orphans_free(f->orphans);
    assert_all_gone(f);
}

/* Who ends by itself is reaped, without anybody asking for it. */
static void test_reaped(void **state)
{
    struct fixture *f = *state;
    char text[32] = "";

    begin(f);
    run(f, "setsid sh -c 'echo \"x $$\"; exec sleep 1000' & wait", 1);
    assert_true(read(f->pipe[0], text, sizeof text - 1) > 1);
    pid_t pid = (pid_t)strtol(text, NULL, 10);
    assert_int_equal(kill(pid, SIGKILL), 0);
    while (kill(pid, 0) == 0) { /* the watchdog of ctest ends what hangs */
        ev_run(f->loop, EVRUN_ONCE);
    }
    assert_int_equal(errno, ESRCH);
}

/* A child of child_spawn() is left to who started it. */
static void test_children_are_none(void **state)
{
    struct fixture *f = *state;
    const char *argv[] = {"/bin/sh", "-c", "read line", NULL};
    struct child_options options = {
        .argv = argv, .channel_fd = -1, .stdout_fd = -1, .gone = on_gone, .context = f};

    begin(f);
    options.argv = (const char *[]){"/bin/sleep", "1000", NULL};
    assert_int_equal(child_spawn(&f->child, f->loop, &options, NULL), 0);
    pid_t pid = child_pid(f->child);
    assert_true(child_is_one(pid));
    end(f);
    assert_int_equal(orphans_end_now(f->orphans), 0);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
    f->child = child_free(f->child);
    assert_false(child_is_one(pid));
}

/* Nor are children that were there before: of the shell that then became us. */
static void test_strangers_are_none(void **state)
{
    struct fixture *f = *state;
    pid_t pid = fork();

    if (pid == 0) {
        pause();
        _exit(0);
    }
    begin(f);
    run(f, DAEMON "wait", 1);
    end(f);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    while (waitpid(pid, NULL, WNOHANG) == 0) { /* it may be reaped by either */
        ev_run(f->loop, EVRUN_ONCE);
    }
    assert_all_gone(f);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing),
        TEST(test_a_daemon),
        TEST(test_generations),
        TEST(test_now),
        TEST(test_freed),
        TEST(test_reaped),
        TEST(test_children_are_none),
        TEST(test_strangers_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
