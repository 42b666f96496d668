/* SPDX-License-Identifier: MPL-2.0 */
/* The program is started before the run, so that one that isn't there is known then, and reads from
 * a pipe. Whoever writes to it is the one thread that also looks after the run, so it doesn't wait
 * for a slow program: what the pipe has no room for is kept here, and while that is much, no more
 * is asked for (exec_takes_more()). Users then wait with their next request, so that no latency is
 * bent (metrics/detail.h). At the end it does wait, and where nobody asks whether there is room. A
 * program that takes nothing for the timeout is given up, and the run goes on. */
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

#define PIPE_BYTES  (1 << 20)
#define MUCH_BYTES  ((size_t)1 << 20)  /* kept here: it takes no more */
#define LIMIT_BYTES ((size_t)64 << 20) /* what is written in spite of that has to wait */

struct exec {
    char *name; /* the program, for texts */
    uint64_t timeout_usec;
    struct child_note note; /* pid 0: it is reaped */
    int status;
    int fd;     /* we write here; -1: closed */
    int result; /* -errno of a write that failed */
    char *kept; /* what the pipe had no room for: n_kept bytes from `kept_from` on */
    size_t kept_from, n_kept, kept_capacity;
    uint64_t moved_usec; /* when the pipe last took something, or nothing was kept */
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
static void ask_to_end(const struct exec *exec)
{
    if (is_there(exec)) {
        (void)kill(-exec->note.pid, SIGTERM);
    }
}

static void end_it(struct exec *exec)
{
    if (is_there(exec)) {
        ask_to_end(exec);
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

/* What goes into the pipe without waiting. */
static size_t push(struct exec *exec, const char *bytes, size_t size)
{
    size_t done = 0;
    bool full = false;

    while (exec->result == 0 && done < size && !full) {
        ssize_t n = write(exec->fd, bytes + done, size - done);
        if (n > 0) {
            done += (size_t)n;
            exec->moved_usec = clock_monotonic_usec();
        } else if (n < 0 && errno == EAGAIN) {
            full = true;
        } else if (n < 0 && errno != EINTR) {
            exec->result = -errno;
        }
    }
    return done;
}

static void push_kept(struct exec *exec)
{
    if (exec->n_kept == 0) {
        return;
    }
    size_t n = push(exec, exec->kept + exec->kept_from, exec->n_kept);

    exec->n_kept -= n;
    exec->kept_from = exec->n_kept > 0 ? exec->kept_from + n : 0;
}

/* Gives up a program that took nothing for the timeout; else returns how long it still has. */
static uint64_t left_usec(struct exec *exec)
{
    uint64_t idle_usec = clock_monotonic_usec() - exec->moved_usec;

    if (exec->result == 0 && exec->n_kept > 0 && idle_usec >= exec->timeout_usec) {
        exec->result = -ETIMEDOUT;
    }
    return exec->timeout_usec - MIN(idle_usec, exec->timeout_usec);
}

/* Waits until at most so much is kept. */
static void wait_for(struct exec *exec, size_t n_kept)
{
    push_kept(exec);
    while (exec->result == 0 && exec->n_kept > n_kept) {
        struct pollfd poller = {.fd = exec->fd, .events = POLLOUT};
        (void)poll(&poller, 1, (int)MIN(left_usec(exec) / 1000 + 1, (uint64_t)3600000));
        push_kept(exec); /* and if it wasn't ready, time tells */
    }
}

static void keep(struct exec *exec, const char *bytes, size_t size)
{
    size_t needed = exec->n_kept + size;

    if (exec->n_kept == 0) {
        exec->moved_usec = clock_monotonic_usec();
    }
    if (exec->kept_from > 0) {
        memmove(exec->kept, exec->kept + exec->kept_from, exec->n_kept);
        exec->kept_from = 0;
    }
    if (needed > exec->kept_capacity) {
        size_t capacity = MAX(2 * exec->kept_capacity, needed);
        char *bigger = realloc(exec->kept, capacity);
        if (!bigger) {
            exec->result = -ENOMEM;
            return;
        }
        exec->kept = bigger;
        exec->kept_capacity = capacity;
    }
    memcpy(exec->kept + exec->n_kept, bytes, size);
    exec->n_kept = needed;
}

/* All of it, or 0 with errno. */
static ssize_t write_pipe(void *cookie, const char *bytes, size_t size)
{
    struct exec *exec = cookie;
    size_t done = 0;

    push_kept(exec);
    if (exec->n_kept == 0) {
        done = push(exec, bytes, size);
    }
    if (exec->result == 0 && done < size) {
        keep(exec, bytes + done, size - done);
    }
    if (exec->n_kept > LIMIT_BYTES) {
        wait_for(exec, LIMIT_BYTES / 2);
    }
    errno = -exec->result;
    return exec->result == 0 ? (ssize_t)size : 0;
}

static int close_pipe(void *cookie)
{
    struct exec *exec = cookie;

    wait_for(exec, 0);
    exec->fd = close_fd(exec->fd);
    errno = -exec->result;
    return exec->result == 0 ? 0 : -1;
}

int exec_takes_more(struct exec *exec, bool *ret)
{
    push_kept(exec);
    (void)left_usec(exec); /* what follows from it is the result */
    *ret = exec->n_kept < MUCH_BYTES;
    return exec->result;
}

FILE *exec_stream(struct exec *exec)
{
    const cookie_io_functions_t functions = {.write = write_pipe, .close = close_pipe};
    return fopencookie(exec, "w", functions);
}

int exec_failure(struct exec *exec, struct error *error)
{
    if (exec->result == -ENOMEM) {
        return error_set_errno(error, -ENOMEM, "output exec: '%s'", exec->name);
    }
    if (exec->result == -ETIMEDOUT) {
        ask_to_end(exec); /* it has until the end of the run */
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
    (void)fcntl(exec->fd, F_SETPIPE_SZ, PIPE_BYTES); /* what it is by itself is enough, too */
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
        free(exec->kept);
        free(exec);
    }
    return NULL;
}
