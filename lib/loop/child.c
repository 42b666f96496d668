/* SPDX-License-Identifier: MPL-2.0 */
/* One ev_io on a pidfd per child. The group is signalled as well as the child, since a test may
 * have started processes of its own. */
#include "loop/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "loop/child_start.h"

#define OUTPUT_TURN_BYTES ((size_t)65536) /* as much as a pipe holds */

struct child {
    struct child *next; /* of those that run */
    struct ev_loop *loop;
    ev_io watcher;
    pid_t pid;
    int pidfd;
    int output_fd; /* -1: none */
    ev_io output_watcher;
    bool running;
    void (*output)(struct child *child, const char *text, size_t size, void *context);
    void (*gone)(struct child *child, int status, void *context);
    void *context;
};

/* The kernel numbers the children of a process, whoever asks; so this is the process's as well. */
static struct child *running;
static struct child_note *notes;

static void note_running(struct child *child)
{
    child->running = true;
    child->next = running;
    running = child;
}

static void note_reaped(struct child *child)
{
    struct child **at = &running;

    while (*at != child) {
        at = &(*at)->next;
    }
    *at = child->next;
    child->running = false;
}

bool child_is_one(pid_t pid)
{
    const struct child *child = running;

    while (child && child->pid != pid) {
        child = child->next;
    }
    const struct child_note *note = notes;
    while (note && note->pid != pid) {
        note = note->next;
    }
    return child || note;
}

void child_note_add(struct child_note *note)
{
    note->next = notes;
    notes = note;
}

void child_note_remove(struct child_note *note)
{
    struct child_note **at = &notes;

    while (*at && *at != note) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = note->next;
    }
}

/* Gives out what there is, a bounded piece of it: others are on the loop, too. */
static void take_output(struct child *child)
{
    char text[4096];

    for (size_t taken = 0; child->output_fd >= 0 && taken < OUTPUT_TURN_BYTES;) {
        ssize_t n = read(child->output_fd, text, sizeof text);
        if (n > 0) {
            child->output(child, text, (size_t)n, child->context);
            taken += (size_t)n;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            ev_io_stop(child->loop, &child->output_watcher);
            child->output_fd = close_fd(child->output_fd);
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

static void on_output(struct ev_loop *loop _unused_, ev_io *watcher, int events _unused_)
{
    take_output(watcher->data);
}

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
    note_reaped(child);
    take_output(child); /* a pipe's fill: who left the group may write for ever */
    child->gone(child, status, child->context);
}

/* A pipe for the child's standard error. We don't block on our end; the child does, as programs
 * expect. */
static int open_output(struct child *child, const struct child_options *options, int *ret_theirs)
{
    int ends[2];

    if (!options->output) {
        return 0;
    }
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return -errno;
    }
    child->output_fd = ends[0];
    *ret_theirs = ends[1];
    if (fcntl(child->output_fd, F_SETFL, O_NONBLOCK) < 0) {
        return -errno;
    }
    ev_io_init(&child->output_watcher, on_output, child->output_fd, EV_READ);
    child->output_watcher.data = child;
    ev_io_start(child->loop, &child->output_watcher);
    return 0;
}

int child_spawn(struct child **ret, struct ev_loop *loop, const struct child_options *options,
                struct error *error)
{
    _cleanup_(child_freep) struct child *child = calloc(1, sizeof *child);
    _cleanup_fd_ int theirs = -1;

    assert(!ev_is_default_loop(loop));
    if (!child) {
        return error_set_errno(error, -ENOMEM, "cannot start %s", options->argv[0]);
    }
    child->loop = loop;
    child->pidfd = child->output_fd = -1;
    child->output = options->output;
    child->gone = options->gone;
    child->context = options->context;
    int r = open_output(child, options, &theirs);
    if (r == 0) {
        r = child_start(&child->pid, options, theirs >= 0 ? theirs : STDERR_FILENO);
    }
    if (r < 0) {
        return error_set_errno(error, r, "cannot start %s", options->argv[0]);
    }
    note_running(child);
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
            note_reaped(child);
        }
        if (child->output_fd >= 0) {
            if (ev_is_active(&child->output_watcher)) {
                ev_io_stop(child->loop, &child->output_watcher);
            }
            close_fd(child->output_fd);
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
