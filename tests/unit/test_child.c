/* SPDX-License-Identifier: MPL-2.0 */
/* Child processes: how they start, how their end is told, and that nothing of them is left. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "loop/child.h"
#include "processes.h"

struct fixture {
    struct ev_loop *loop;
    unsigned n_descriptors; /* at the beginning */
    struct child *child;
    bool gone, free_when_gone;
    unsigned n_gone;
    int status;
    int pipe[2];         /* the child's standard output */
    char errors[300000]; /* what came of its standard error */
    size_t size;
};

static int set_up(void **state)
{
    static struct fixture fixture;

    fixture = (struct fixture){.loop = ev_loop_new(EVFLAG_AUTO)};
    assert_non_null(fixture.loop);
    assert_int_equal(pipe2(fixture.pipe, O_CLOEXEC), 0);
    /* a loop makes some of its descriptors on first use */
    ev_run(fixture.loop, EVRUN_NOWAIT);
    fixture.n_descriptors = count_descriptors();
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    child_free(f->child);
    assert_no_children();
    f->pipe[0] = close_fd(f->pipe[0]);
    f->pipe[1] = close_fd(f->pipe[1]);
    ev_loop_destroy(f->loop);
    return 0;
}

static void on_gone(struct child *child, int status, void *context)
{
    struct fixture *f = context;

    assert_ptr_equal(child, f->child);
    f->gone = true;
    f->n_gone++;
    f->status = status;
    if (f->free_when_gone) {
        f->child = child_free(f->child);
    }
}

static void start_with(struct fixture *f, const char *script, const char *directory, int channel)
{
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    struct child_options options = {.argv = argv,
                                    .directory = directory,
                                    .channel_fd = channel,
                                    .stdout_fd = f->pipe[1],
                                    .gone = on_gone,
                                    .context = f};
    struct error error;
    assert_int_equal(child_spawn(&f->child, f->loop, &options, &error), 0);
}

static void start(struct fixture *f, const char *script)
{
    start_with(f, script, NULL, -1);
}

/* All that the child wrote; it is gone, and so must be all who had its standard output. */
static const char *output(struct fixture *f)
{
    static char text[4096];
    size_t size = 0;
    ssize_t n;

    f->pipe[1] = close_fd(f->pipe[1]);
    while ((n = read(f->pipe[0], text + size, sizeof text - 1 - size)) > 0) {
        size += (size_t)n;
    }
    assert_int_equal(n, 0);
    text[size] = '\0';
    return text;
}

/* ---- how it ends ----------------------------------------------------------------------------- */

static void test_status(void **state)
{
    struct fixture *f = *state;
    char text[100];

    start(f, "exit 7");
    assert_true(child_pid(f->child) > 0);
    run_until(f->loop, &f->gone);
    assert_int_equal(f->n_gone, 1);
    assert_true(WIFEXITED(f->status));
    assert_int_equal(WEXITSTATUS(f->status), 7);
    child_describe_status(f->status, text, sizeof text);
    assert_string_equal(text, "exited with status 7");
    child_signal(f->child, SIGKILL); /* nobody is there: nothing happens */
    f->child = child_free(f->child);
    assert_int_equal(count_descriptors(), f->n_descriptors);
}

static void test_killed(void **state)
{
    struct fixture *f = *state;
    char text[100];

    start(f, "kill -SEGV $$");
    run_until(f->loop, &f->gone);
    assert_true(WIFSIGNALED(f->status));
    child_describe_status(f->status, text, sizeof text);
    assert_string_equal(text, "was killed by signal 11 (Segmentation fault)");
    char little[8];
    child_describe_status(f->status, little, sizeof little);
    assert_string_equal(little, "was kil");
}

static void test_signal(void **state)
{
    struct fixture *f = *state;

    start(f, "exec sleep 1000");
    child_signal(f->child, SIGTERM);
    run_until(f->loop, &f->gone);
    assert_true(WIFSIGNALED(f->status));
    assert_int_equal(WTERMSIG(f->status), SIGTERM);
}

static void test_freed_when_gone(void **state)
{
    struct fixture *f = *state;

    f->free_when_gone = true;
    start(f, "exit 0");
    run_until(f->loop, &f->gone);
    assert_null(f->child);
    assert_int_equal(f->status, 0);
    assert_int_equal(count_descriptors(), f->n_descriptors);
}

/* Freeing one that runs ends it and what it started, without telling. */
static void test_freed_while_running(void **state)
{
    struct fixture *f = *state;

    start(f, "sleep 1000 & exec sleep 1000");
    f->pipe[1] = close_fd(f->pipe[1]);
    f->child = child_free(f->child);
    assert_no_children();
    run_until_closed(f->loop, f->pipe[0]);
    assert_int_equal(f->n_gone, 0);
    assert_int_equal(count_descriptors(), f->n_descriptors - 1); /* the pipe's end that we closed */
}

/* What a child leaves running when it ends goes with it. */
static void test_what_it_leaves_behind(void **state)
{
    struct fixture *f = *state;

    start(f, "sleep 1000 & exit 0");
    f->pipe[1] = close_fd(f->pipe[1]);
    run_until(f->loop, &f->gone);
    assert_int_equal(f->status, 0);
    run_until_closed(f->loop, f->pipe[0]);
}

static void test_signal_reaches_the_group(void **state)
{
    struct fixture *f = *state;
    char word[7] = "";

    /* the shell ends only when its own child has */
    start(f, "trap 'wait; exit 5' TERM; sh -c 'echo ready; exec sleep 1000' & wait; exit 5");
    assert_int_equal(read(f->pipe[0], word, sizeof word - 1), strlen("ready\n"));
    assert_string_equal(word, "ready\n");
    child_signal(f->child, SIGTERM);
    run_until(f->loop, &f->gone);
    assert_int_equal(WEXITSTATUS(f->status), 5);
}

/* ---- how it starts --------------------------------------------------------------------------- */

static void test_no_such_program(void **state)
{
    struct fixture *f = *state;
    const char *argv[] = {"/nonexistent/program", NULL};
    struct child_options options = {
        .argv = argv, .channel_fd = -1, .stdout_fd = -1, .gone = on_gone, .context = f};
    struct error error;

    assert_int_equal(child_spawn(&f->child, f->loop, &options, &error), -ENOENT);
    assert_non_null(strstr(error.text, "/nonexistent/program"));
    assert_null(f->child);
    options.argv = (const char *[]){"/bin/true", NULL};
    options.directory = "/nonexistent";
    assert_int_equal(child_spawn(&f->child, f->loop, &options, NULL), -ENOENT);
    options.directory = NULL;
    options.channel_fd = INT_MAX; /* not open */
    assert_int_equal(child_spawn(&f->child, f->loop, &options, NULL), -EBADF);
    assert_int_equal(count_descriptors(), f->n_descriptors);
    assert_int_equal(f->n_gone, 0);
}

static void test_directory(void **state)
{
    struct fixture *f = *state;

    start_with(f, "pwd -P", "/proc", -1);
    run_until(f->loop, &f->gone);
    assert_string_equal(output(f), "/proc\n");
}

static void test_program_in_path(void **state)
{
    struct fixture *f = *state;
    const char *argv[] = {"echo", "found", NULL};
    struct child_options options = {
        .argv = argv, .channel_fd = -1, .stdout_fd = f->pipe[1], .gone = on_gone, .context = f};

    assert_int_equal(child_spawn(&f->child, f->loop, &options, NULL), 0);
    run_until(f->loop, &f->gone);
    assert_string_equal(output(f), "found\n");
}

static void test_environment(void **state)
{
    struct fixture *f = *state;
    const char *argv[] = {"env", NULL}; /* looked for in our $PATH */
    const char *environment[] = {"A=1", "B=two words", NULL};
    struct child_options options = {.argv = argv,
                                    .environment = environment,
                                    .channel_fd = -1,
                                    .stdout_fd = f->pipe[1],
                                    .gone = on_gone,
                                    .context = f};

    assert_int_equal(child_spawn(&f->child, f->loop, &options, NULL), 0);
    run_until(f->loop, &f->gone);
    assert_string_equal(output(f), "A=1\nB=two words\n");
}

/* A file that is read from its beginning; without one there is nothing to be read. */
static void test_standard_input(void **state)
{
    struct fixture *f = *state;
    const char *argv[] = {"/bin/cat", NULL};
    _cleanup_fd_ int file = memfd_create("input", MFD_CLOEXEC);
    struct child_options options = {.argv = argv,
                                    .stdin_fd = file,
                                    .channel_fd = -1,
                                    .stdout_fd = f->pipe[1],
                                    .gone = on_gone,
                                    .context = f};
    struct error error;

    assert_true(file > 0);
    assert_int_equal(write(file, "what it reads", 13), 13);
    assert_int_equal(lseek(file, 0, SEEK_SET), 0);
    assert_int_equal(child_spawn(&f->child, f->loop, &options, &error), 0);
    run_until(f->loop, &f->gone);
    assert_string_equal(output(f), "what it reads");
    assert_true(WIFEXITED(f->status) && WEXITSTATUS(f->status) == 0);
}

/* What we leave behind ends with us: here, we are a process of our own. */
static void test_dies_with_us(void **state)
{
    struct fixture *f = *state;
    const char *argv[] = {"sleep", "1000", NULL};
    char byte;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
        struct child_options options = {.argv = argv,
                                        .channel_fd = -1,
                                        .stdout_fd = f->pipe[1],
                                        .dies_with_us = true,
                                        .gone = on_gone,
                                        .context = f};
        _exit(loop && child_spawn(&f->child, loop, &options, NULL) == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    f->pipe[1] = close_fd(f->pipe[1]);
    assert_int_equal(read(f->pipe[0], &byte, 1), 0); /* nobody holds the other end any more */
}

/* Nothing to read on 0, a pipe on 1, our standard error on 2, the channel on 3. */
static void test_descriptors(void **state)
{
    struct fixture *f = *state;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    start_with(f,
               "readlink /proc/self/fd/0; echo hello >&3; "
               "[ $(readlink /proc/$$/fd/2) = $(readlink /proc/$PPID/fd/2) ] && echo same",
               NULL, pair[1]);
    run_until(f->loop, &f->gone);
    assert_string_equal(output(f), "/dev/null\nsame\n");
    char message[16];
    assert_int_equal(recv(pair[0], message, sizeof message, MSG_DONTWAIT), strlen("hello\n"));
    close_fd(pair[0]);
    close_fd(pair[1]);
}

/* Whatever we block or ignore, a child begins with signals as they are by default. */
static void test_signals(void **state)
{
    struct fixture *f = *state;
    sigset_t blocked, before;

    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, &before), 0);
    void (*handler)(int) = signal(SIGPIPE, SIG_IGN);
    start(f, "exec grep -E '^Sig(Blk|Ign):' /proc/self/status");
    run_until(f->loop, &f->gone);
    (void)signal(SIGPIPE, handler);
    assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
    const char *text = output(f);
    assert_non_null(strstr(text, "SigBlk:\t0000000000000000\n"));
    const char *ignored = strstr(text, "SigIgn:\t");
    assert_non_null(ignored);
    assert_int_equal(strtoull(ignored + strlen("SigIgn:\t"), NULL, 16) & 0x7fffffff, 0);
}

static long score(const char *text)
{
    char *end;
    long score = strtol(text, &end, 10);

    assert_string_equal(end, "\n");
    return score;
}

/* When memory runs out it goes before us. */
static void test_memory(void **state)
{
    struct fixture *f = *state;
    char ours[32] = "";
    FILE *file = fopen("/proc/self/oom_score_adj", "re");

    assert_non_null(file);
    assert_non_null(fgets(ours, sizeof ours, file));
    assert_int_equal(fclose(file), 0);
    start(f, "exec cat /proc/self/oom_score_adj");
    run_until(f->loop, &f->gone);
    assert_int_equal(score(output(f)), MIN(score(ours) + 500, 1000));
}

/* There is no such cgroup: it doesn't begin elsewhere. */
static void test_no_cgroup(void **state)
{
    struct fixture *f = *state;
    const char *argv[] = {"/bin/true", NULL};
    struct child_options options = {.argv = argv,
                                    .channel_fd = -1,
                                    .stdout_fd = -1,
                                    .cgroup = "/nonexistent",
                                    .gone = on_gone,
                                    .context = f};

    assert_int_equal(child_spawn(&f->child, f->loop, &options, NULL), -ENOENT);
    assert_int_equal(count_descriptors(), f->n_descriptors);
}

static void on_output(struct child *child, const char *text, size_t size, void *context)
{
    struct fixture *f = context;

    assert_ptr_equal(child, f->child);
    assert_false(f->gone);
    assert_true(f->size + size < sizeof f->errors);
    memcpy(f->errors + f->size, text, size);
    f->size += size;
}

static void start_listening(struct fixture *f, const char *script)
{
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    struct child_options options = {.argv = argv,
                                    .channel_fd = -1,
                                    .stdout_fd = -1,
                                    .output = on_output,
                                    .gone = on_gone,
                                    .context = f};
    struct error error;
    assert_int_equal(child_spawn(&f->child, f->loop, &options, &error), 0);
}

/* What it says is heard to the end, in order, before its end is told. */
static void test_output(void **state)
{
    struct fixture *f = *state;

    start_listening(f, "echo out; echo error >&2; echo last");
    run_until(f->loop, &f->gone);
    assert_string_equal(f->errors, "out\nerror\nlast\n");
    f->child = child_free(f->child);
    assert_int_equal(count_descriptors(), f->n_descriptors);
}

/* More than fits into a pipe. */
static void test_much_output(void **state)
{
    struct fixture *f = *state;

    start_listening(f, "head -c 250000 /dev/zero >&2");
    run_until(f->loop, &f->gone);
    assert_int_equal(f->size, 250000);
}

/* It closes what we listen to, or is freed with words on the way. */
static void test_output_closed(void **state)
{
    struct fixture *f = *state;

    start_listening(f, "exec 1>&- 2>&-; exit 4");
    run_until(f->loop, &f->gone);
    assert_int_equal(WEXITSTATUS(f->status), 4);
    assert_int_equal(f->size, 0);
    child_free(f->child);
    start_listening(f, "echo hello; exec sleep 1000");
    f->child = child_free(f->child);
    assert_int_equal(count_descriptors(), f->n_descriptors);
}

static void test_many_at_once(void **state)
{
    struct fixture *f = *state;
    static struct fixture many[20];

    for (size_t i = 0; i < ELEMENTSOF(many); i++) {
        many[i] = *f;
        char script[20];
        (void)snprintf(script, sizeof script, "exit %zu", i);
        start(&many[i], script);
    }
    for (size_t i = 0; i < ELEMENTSOF(many); i++) {
        run_until(f->loop, &many[i].gone);
        assert_int_equal(WEXITSTATUS(many[i].status), i);
        assert_int_equal(many[i].n_gone, 1);
        many[i].child = child_free(many[i].child);
    }
    assert_int_equal(count_descriptors(), f->n_descriptors);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_status),
        TEST(test_killed),
        TEST(test_signal),
        TEST(test_freed_when_gone),
        TEST(test_freed_while_running),
        TEST(test_what_it_leaves_behind),
        TEST(test_signal_reaches_the_group),
        TEST(test_no_such_program),
        TEST(test_directory),
        TEST(test_program_in_path),
        TEST(test_environment),
        TEST(test_standard_input),
        TEST(test_dies_with_us),
        TEST(test_descriptors),
        TEST(test_signals),
        TEST(test_memory),
        TEST(test_no_cgroup),
        TEST(test_output),
        TEST(test_much_output),
        TEST(test_output_closed),
        TEST(test_many_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
