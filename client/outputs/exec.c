/* SPDX-License-Identifier: MPL-2.0 */
/* The program is started before the run, so that one that isn't there is known then, and reads from
 * a pipe. Whoever writes to it is the one thread that also looks after the run: it waits while the
 * pipe is full, as for a slow disk, but never longer than the timeout without a byte gone. Then the
 * program is given up and the run goes on. Users meanwhile wait with their next request, so that no
 * latency is bent (metrics/detail.h). */
#include "outputs/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/strlist.h"
#include "base/words.h"
#include "loop/child.h"
#include "loop/child_start.h"

#define PARTING_USEC (1 * USEC_PER_SEC) /* from a closed pipe to an end */
#define KILL_USEC    (2 * USEC_PER_SEC) /* from TERM to KILL */

struct exec {
    char *name; /* the program, for texts */
    uint64_t timeout_usec;
    struct child_note note; /* pid 0: it is reaped */
    int status;
    int fd;     /* we write here; -1: closed */
    int result; /* -errno of a write that failed */
};

/* ---- its end ---- */

/* Reaps it if it ends within a time. */
static bool await_end(struct exec *exec, uint64_t usec)
{
    uint64_t deadline = clock_monotonic_usec() + usec;
    _cleanup_fd_ int fd = (int)syscall(SYS_pidfd_open, exec->note.pid, 0);
    pid_t pid;

    for (;;) {
        uint64_t now = clock_monotonic_usec();
        struct pollfd poller = {.fd = fd, .events = POLLIN};
        pid = waitpid(exec->note.pid, &exec->status, WNOHANG);
        if (pid != 0 || now >= deadline) {
            break;
        }
        (void)poll(&poller, 1, (int)MIN((deadline - now + 999) / 1000, (uint64_t)60000));
    }
    if (pid == 0) {
        return false;
    }
    child_note_remove(&exec->note);
    exec->note.pid = 0;
    return true;
}

static bool is_there(const struct exec *exec)
{
    return exec->note.pid > 0;
}

/* It has a group of its own, and what it started is in it. */
static void end_it(struct exec *exec)
{
    if (is_there(exec)) {
        (void)kill(-exec->note.pid, SIGTERM);
        if (!await_end(exec, KILL_USEC)) {
            (void)kill(-exec->note.pid, SIGKILL);
            (void)await_end(exec, KILL_USEC); /* a process in the kernel's hands goes later */
        }
    }
}

static int describe_end(const struct exec *exec, const char *when, struct error *error)
{
    char status[100];

    child_describe_status(exec->status, status, sizeof status);
    return error_set(error, -EPIPE, "output exec: '%s' %s%s", exec->name, status, when);
}

/* ---- writing ---- */

/* All of it, or 0 with errno. */
static ssize_t write_pipe(void *cookie, const char *bytes, size_t size)
{
    struct exec *exec = cookie;
    size_t done = 0;

    while (exec->result == 0 && done < size) {
        struct pollfd poller = {.fd = exec->fd, .events = POLLOUT};
        ssize_t n = write(exec->fd, bytes + done, size - done);
        if (n >= 0) {
            done += (size_t)n;
        } else if (errno == EAGAIN) {
            int ready =
                poll(&poller, 1, (int)MIN(exec->timeout_usec / 1000 + 1, (uint64_t)3600000));
            exec->result = ready == 0 ? -ETIMEDOUT : 0;
        } else if (errno != EINTR) {
            exec->result = -errno;
        }
    }
    errno = -exec->result;
    return exec->result == 0 ? (ssize_t)size : 0;
}

static int close_pipe(void *cookie)
{
    struct exec *exec = cookie;

    exec->fd = close_fd(exec->fd);
    return 0;
}

FILE *exec_stream(struct exec *exec)
{
    const cookie_io_functions_t functions = {.write = write_pipe, .close = close_pipe};
    return fopencookie(exec, "w", functions);
}

int exec_failure(struct exec *exec, struct error *error)
{
    if (exec->result == -ETIMEDOUT) {
        end_it(exec);
        return error_set(error, -ETIMEDOUT,
                         "output exec: '%s' read nothing for %g s: it was ended, and the run goes "
                         "on without it",
                         exec->name, (double)exec->timeout_usec / 1e6);
    }
    if (!is_there(exec) || await_end(exec, PARTING_USEC)) {
        return describe_end(exec, " before the run was over: the run goes on without it", error);
    }
    return error_set(error, -EPIPE, "output exec: '%s' reads no more: the run goes on without it",
                     exec->name);
}

int exec_end(struct exec *exec, struct error *error)
{
    if (!is_there(exec) || !await_end(exec, exec->timeout_usec)) {
        end_it(exec);
        return error_set(error, -ETIMEDOUT,
                         "output exec: '%s' didn't end within %g s of the end of the run: it was "
                         "ended",
                         exec->name, (double)exec->timeout_usec / 1e6);
    }
    return exec->status == 0 ? 0 : describe_end(exec, "", error);
}

/* ---- its start ---- */

static int start(struct exec *exec, const struct strlist *words)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0) {
        return -errno;
    }
    exec->fd = ends[1];
    _cleanup_fd_ int theirs = fcntl(ends[0], F_DUPFD_CLOEXEC, 3); /* not one of the child's own */
    close_fd(ends[0]);
    if (theirs < 0) {
        return -errno;
    }
    int flags = fcntl(exec->fd, F_GETFL);
    if (flags < 0 || fcntl(exec->fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        return -errno;
    }
    const struct child_options options = {
        .argv = (const char *const *)words->items,
        .stdin_fd = theirs,
        .channel_fd = -1,
        .stdout_fd = STDOUT_FILENO,
    };
    int r = child_start(&exec->note.pid, &options, STDERR_FILENO);
    if (r == 0) {
        child_note_add(&exec->note);
    } else {
        exec->note.pid = 0;
    }
    return r;
}

int exec_start(struct exec **ret, const char *command, uint64_t timeout_usec, struct error *error)
{
    _cleanup_(strlist_clear) struct strlist words = {.count = 0};
    _cleanup_(exec_freep) struct exec *exec = NULL;

    int r = words_split(command, &words, error);
    if (r < 0) {
        return error_prefix(error, r, "output exec");
    }
    if (words.count == 0) {
        return error_set(error, -EINVAL,
                         "output exec: name the program behind it, as in exec:PROGRAM");
    }
    exec = calloc(1, sizeof *exec);
    if (!exec) {
        return error_set_errno(error, -ENOMEM, "output exec");
    }
    exec->fd = -1;
    exec->timeout_usec = timeout_usec;
    exec->name = strdup(words.items[0]);
    r = exec->name ? start(exec, &words) : -ENOMEM;
    if (r < 0) {
        return error_set_errno(error, r, "output exec: cannot start '%s'", words.items[0]);
    }
    *ret = TAKE_PTR(exec);
    return 0;
}

struct exec *exec_free(struct exec *exec)
{
    if (exec) {
        close_fd(exec->fd);
        end_it(exec);
        free(exec->name);
        free(exec);
    }
    return NULL;
}
