/* SPDX-License-Identifier: MPL-2.0 */
/* From fork() to exec(). posix_spawn() can't put a child into a cgroup (the C library's that can is
 * too new, and its clone3() is what a hardened unit has no right to), and a program that entered it
 * by itself would have run outside for a while. There are other threads when we fork, so that the
 * child does nothing but system calls, with all signals blocked until their handlers are gone; and
 * what others have hung on fork() stays out of it (_Fork()), as that of gcov, which allocates. */
#include "loop/child_start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define CHILD_CHANNEL_FD 3

/* The kernel ends the process with the highest score: out of 1000, which is all memory there is. */
#define OOM_SCORE      "/proc/self/oom_score_adj"
#define OOM_SCORE_MORE 500 /* than ours */
#define OOM_SCORE_MAX  1000

/* All that the child needs and could only get with more than a system call. */
struct preparations {
    const struct child_options *options;
    int out_fd, error_fd;
    int cgroup_fd; /* of its cgroup.procs; -1: none */
    int tell_fd;   /* where it says why it is no other program */
    char score[16];
};

/* ---- in the child ---------------------------------------------------------------------------- */

static int write_all(int fd, const char *text)
{
    ssize_t n = write(fd, text, strlen(text));
    return n < 0 ? -errno : 0; /* these files take all or nothing */
}

/* The descriptor is `target` then, and stays open. */
static int put_fd(int fd, int target)
{
    int r = fd == target ? fcntl(fd, F_SETFD, 0) : dup2(fd, target);
    return r < 0 ? -errno : 0;
}

static int put_descriptors(const struct preparations *p)
{
    int in_fd =
        p->options->stdin_fd > 0 ? p->options->stdin_fd : open("/dev/null", O_RDONLY | O_CLOEXEC);
    int r = in_fd < 0 ? -errno : put_fd(in_fd, STDIN_FILENO);

    if (r == 0) {
        r = put_fd(p->out_fd, STDOUT_FILENO);
    }
    if (r == 0) {
        r = put_fd(p->error_fd, STDERR_FILENO);
    }
    if (r == 0 && p->options->channel_fd >= 0) {
        r = put_fd(p->options->channel_fd, CHILD_CHANNEL_FD);
    }
    return r;
}

static void raise_score(const struct preparations *p)
{
    int fd = open(OOM_SCORE, O_WRONLY | O_CLOEXEC);

    if (fd >= 0) {
        (void)write_all(fd, p->score); /* then it is as likely to be ended as we are */
        close_fd(fd);
    }
}

static void reset_signals(void)
{
    sigset_t none;

    for (int i = 1; i < NSIG; i++) {
        (void)signal(i, SIG_DFL); /* KILL and STOP stay what they are */
    }
    (void)sigemptyset(&none); /* neither can fail */
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int become(const struct preparations *p)
{
    const struct child_options *options = p->options;
    int r = p->cgroup_fd >= 0 ? write_all(p->cgroup_fd, "0") : 0;

    if (r == 0 && options->dies_with_us && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) {
        r = -errno;
    }
    if (r == 0 && setpgid(0, 0) < 0) {
        r = -errno;
    }
    if (r == 0) {
        raise_score(p);
        r = put_descriptors(p);
    }
    if (r == 0 && options->directory && chdir(options->directory) < 0) {
        r = -errno;
    }
    if (r == 0) {
        reset_signals();
        (void)execvpe(options->argv[0], (char *const *)options->argv,
                      options->environment ? (char *const *)options->environment : environ);
        r = -errno;
    }
    return r;
}

static _Noreturn void run_child(const struct preparations *p)
{
    int r = become(p);

    (void)!write(p->tell_fd, &r, sizeof r); /* nobody reads: nobody asks */
    _exit(EXIT_FAILURE);
}

/* ---- in the parent --------------------------------------------------------------------------- */

static void prepare_score(struct preparations *p)
{
    _cleanup_fd_ int fd = open(OOM_SCORE, O_RDONLY | O_CLOEXEC);
    char text[16] = "";
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    long ours = n > 0 ? strtol(text, NULL, 10) : 0;

    (void)snprintf(p->score, sizeof p->score, "%ld", MIN(ours + OOM_SCORE_MORE, OOM_SCORE_MAX));
}

static int open_procs(const char *cgroup)
{
    _cleanup_free_ char *path = NULL;

    if (asprintf(&path, "%s/cgroup.procs", cgroup) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* A pipe whose writing end the child's own descriptors don't get in the way of. */
static int open_telling(int *ret_ours, int *ret_theirs)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0) {
        return -errno;
    }
    *ret_ours = ends[0];
    *ret_theirs = fcntl(ends[1], F_DUPFD_CLOEXEC, CHILD_CHANNEL_FD + 1);
    int r = *ret_theirs < 0 ? -errno : 0;
    close_fd(ends[1]);
    return r;
}

static pid_t fork_blocked(const struct preparations *p)
{
    sigset_t all, before;

    (void)sigfillset(&all); /* neither can fail */
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = _Fork();
    if (pid == 0) {
        run_child(p);
    }
    int number = errno;
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return pid < 0 ? -number : pid;
}

/* Until the child is another program, or has said why not. */
static int await_exec(pid_t pid, int fd)
{
    ssize_t n;
    int r = 0;

    do {
        n = read(fd, &r, sizeof r);
    } while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof r) {
        return 0; /* closed by exec(); or it was killed, which is an end as others */
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    return r;
}

int child_start(pid_t *ret, const struct child_options *options, int error_fd)
{
    struct preparations p = {.options = options,
                             .out_fd = options->stdout_fd >= 0 ? options->stdout_fd : error_fd,
                             .error_fd = error_fd,
                             .cgroup_fd = -1,
                             .tell_fd = -1};
    _cleanup_fd_ int ours = -1, theirs = -1, cgroup_fd = -1;

    int r = open_telling(&ours, &theirs);
    if (r == 0 && options->cgroup) {
        r = cgroup_fd = open_procs(options->cgroup);
    }
    if (r < 0) {
        return r;
    }
    p.cgroup_fd = cgroup_fd;
    p.tell_fd = theirs;
    prepare_score(&p);
    pid_t pid = fork_blocked(&p);
    theirs = close_fd(theirs);
    if (pid < 0) {
        return pid;
    }
    r = await_exec(pid, ours);
    if (r == 0) {
        *ret = pid;
    }
    return r;
}
