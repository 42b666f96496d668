/* SPDX-License-Identifier: MPL-2.0 */
/* One ev_io on a pidfd per child. The group is signalled as well as the child, since a test may
 * have started processes of its own. */
#include "loop/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define CHILD_CHANNEL_FD 3

struct child {
    struct ev_loop *loop;
    ev_io watcher;
    pid_t pid;
    int pidfd;
    bool running;
    void (*gone)(struct child *child, int status, void *context);
    void *context;
};

static void on_gone(struct ev_loop *loop, ev_io *watcher, int events _unused_)
{
    struct child *child = watcher->data;
    siginfo_t info = {0};
    int status;

    int r = waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    if (r == 0 && info.si_pid == 0) {
        return;
    }
    if (r == 0) { /* until it is reaped, its number is its group's and nobody else's */
        (void)kill(-child->pid, SIGKILL); /* ESRCH: it left nobody behind */
    }
    if (waitpid(child->pid, &status, 0) < 0) {
        status = 0xff00; /* somebody else reaped it: all we know is that it is gone */
    }
    ev_io_stop(loop, watcher);
    child->running = false;
    child->gone(child, status, child->context);
}

static int spawn(struct child *child, const struct child_options *options)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    int r = posix_spawn_file_actions_init(&actions);

    if (r != 0) {
        return -r;
    }
    r = posix_spawnattr_init(&attributes);
    if (r != 0) {
        (void)posix_spawn_file_actions_destroy(&actions); /* can't fail once initialised */
        return -r;
    }
    sigemptyset(&none);
    sigfillset(&defaults);
    int out = options->stdout_fd >= 0 ? options->stdout_fd : STDERR_FILENO;
    if ((r = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)) == 0 &&
        (r = posix_spawn_file_actions_adddup2(&actions, out, 1)) == 0 &&
        (options->channel_fd < 0 || (r = posix_spawn_file_actions_adddup2(
                                         &actions, options->channel_fd, CHILD_CHANNEL_FD)) == 0) &&
        (!options->directory ||
         (r = posix_spawn_file_actions_addchdir_np(&actions, options->directory)) == 0) &&
        (r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                       POSIX_SPAWN_SETSIGDEF)) == 0 &&
        (r = posix_spawnattr_setpgroup(&attributes, 0)) == 0 &&
        (r = posix_spawnattr_setsigmask(&attributes, &none)) == 0 &&
        (r = posix_spawnattr_setsigdefault(&attributes, &defaults)) == 0) {
        r = posix_spawnp(&child->pid, options->argv[0], &actions, &attributes,
                         (char *const *)options->argv, environ);
    }
    (void)posix_spawnattr_destroy(&attributes);       /* can't fail once initialised */
    (void)posix_spawn_file_actions_destroy(&actions); /* the same */
    return -r;
}

int child_spawn(struct child **ret, struct ev_loop *loop, const struct child_options *options,
                struct error *error)
{
    _cleanup_(child_freep) struct child *child = calloc(1, sizeof *child);

    assert(!ev_is_default_loop(loop));
    if (!child) {
        return error_set_errno(error, -ENOMEM, "cannot start %s", options->argv[0]);
    }
    child->loop = loop;
    child->pidfd = -1;
    child->gone = options->gone;
    child->context = options->context;
    int r = spawn(child, options);
    if (r < 0) {
        return error_set_errno(error, r, "cannot start %s", options->argv[0]);
    }
    child->running = true;
    child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0); /* close-on-exec by itself */
    if (child->pidfd < 0) {
        return error_set_errno(error, -errno, "cannot watch %s", options->argv[0]);
    }
    ev_io_init(&child->watcher, on_gone, child->pidfd, EV_READ);
    child->watcher.data = child;
    ev_io_start(loop, &child->watcher);
    *ret = TAKE_PTR(child);
    return 0;
}

pid_t child_pid(const struct child *child)
{
    return child->pid;
}

void child_signal(struct child *child, int signal_number)
{
    if (child->running) {
        (void)kill(-child->pid, signal_number); /* ESRCH: it is going anyway */
        (void)kill(child->pid, signal_number);  /* before it has its group, or out of it */
    }
}

struct child *child_free(struct child *child)
{
    if (child) {
        if (child->running) {
            child_signal(child, SIGKILL);
            while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR) {
            }
        }
        if (child->pidfd >= 0) {
            ev_io_stop(child->loop, &child->watcher);
            close_fd(child->pidfd);
        }
        free(child);
    }
    return NULL;
}

void child_describe_status(int status, char *text, size_t size_bytes)
{
    if (WIFSIGNALED(status)) {
        (void)snprintf(text, size_bytes, "was killed by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    } else {
        (void)snprintf(text, size_bytes, "exited with status %d", WEXITSTATUS(status));
    }
}
