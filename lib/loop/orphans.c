/* SPDX-License-Identifier: MPL-2.0 */
/* The kernel lists our children in a file of /proc. An orphan is one that child.c didn't start. Its
 * number is its own until we reap it, and nobody else here does, so that it can be killed by that.
 * Only our children can be killed so: theirs become ours when they are gone, and the next look
 * finds them. A family that goes on forking is followed until it is out of breath. */
#include "loop/orphans.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "loop/child.h"

#define LIST          "/proc/thread-self/children" /* of the main thread, whose all of them are */
#define LIST_BYTES    ((size_t)32 << 10) /* of one look; whom it cuts off the next one finds */
#define PATIENCE_USEC (UINT64_C(5) * USEC_PER_SEC) /* from the first KILL to giving up */

struct orphans {
    struct ev_loop *loop;
    int list_fd; /* open from the beginning, as there may be no descriptor left at the end */
    ev_signal ended;
    ev_timer next;                   /* a look, one turn later */
    ev_timer patience;               /* active: they are being ended */
    pid_t strangers[LIST_BYTES / 2]; /* that were there before us */
    size_t n_strangers;
    void (*done)(unsigned left, void *context); /* NULL: nobody waits */
    void *context;
};

/* The numbers of our children, each with a blank behind it. */
static void list_children(const struct orphans *orphans, char list[static LIST_BYTES])
{
    size_t size = 0;
    ssize_t n;

    (void)lseek(orphans->list_fd, 0, SEEK_SET); /* the kernel makes the list anew */
    do {
        n = read(orphans->list_fd, list + size, LIST_BYTES - 1 - size);
        size += n > 0 ? (size_t)n : 0;
    } while ((n > 0 && size < LIST_BYTES - 1) || (n < 0 && errno == EINTR));
    while (size > 0 && list[size - 1] != ' ') {
        size--;
    }
    list[size] = '\0';
}

/* The next number, or 0 at the end. */
static pid_t next_child(char **at)
{
    return (pid_t)strtol(*at, at, 10);
}

static size_t find_stranger(const struct orphans *orphans, pid_t pid)
{
    size_t i = 0;

    while (i < orphans->n_strangers && orphans->strangers[i] != pid) {
        i++;
    }
    return i;
}

/* Reaps it if it has ended. */
static bool has_ended(struct orphans *orphans, pid_t pid)
{
    if (waitpid(pid, NULL, WNOHANG) == 0) {
        return false;
    }
    size_t i = find_stranger(orphans, pid);
    if (i < orphans->n_strangers) { /* its number may be another's next time */
        orphans->strangers[i] = orphans->strangers[--orphans->n_strangers];
    }
    return true;
}

/* Reaps those that have ended, and with `end` kills the others. How many these were, and the last
 * of them. */
static unsigned look(struct orphans *orphans, bool end, pid_t *ret_last)
{
    char list[LIST_BYTES], *at = list;
    unsigned n = 0;
    pid_t pid;

    list_children(orphans, list);
    while ((pid = next_child(&at)) > 0) {
        if (child_is_one(pid) || has_ended(orphans, pid) ||
            find_stranger(orphans, pid) < orphans->n_strangers) {
            continue;
        }
        n++;
        *ret_last = pid;
        if (end) {
            (void)kill(pid, SIGKILL); /* it isn't reaped, so it is there */
        }
    }
    return n;
}

/* ---- on the loop ----------------------------------------------------------------------------- */

static void conclude(struct orphans *orphans, unsigned left)
{
    void (*done)(unsigned left, void *context) = orphans->done;

    ev_timer_stop(orphans->loop, &orphans->patience);
    orphans->done = NULL;
    done(left, orphans->context);
}

static void look_again(struct orphans *orphans)
{
    pid_t last;
    unsigned left = look(orphans, orphans->done, &last);

    if (left == 0 && orphans->done) {
        conclude(orphans, 0);
    }
}

static void on_ended(struct ev_loop *loop _unused_, ev_signal *watcher, int events _unused_)
{
    look_again(watcher->data);
}

static void on_next(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    look_again(timer->data);
}

static void on_patience(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct orphans *orphans = timer->data;
    pid_t last;

    conclude(orphans, look(orphans, true, &last));
}

/* ---- from outside ---------------------------------------------------------------------------- */

static void note_strangers(struct orphans *orphans)
{
    char list[LIST_BYTES], *at = list;
    pid_t pid;

    list_children(orphans, list);
    while ((pid = next_child(&at)) > 0) {
        if (!child_is_one(pid)) {
            orphans->strangers[orphans->n_strangers++] = pid;
        }
    }
}

int orphans_new(struct orphans **ret, struct ev_loop *loop, struct error *error)
{
    _cleanup_(orphans_freep) struct orphans *orphans = calloc(1, sizeof *orphans);

    if (!orphans) {
        return error_set_errno(error, -ENOMEM, "cannot look after processes");
    }
    orphans->list_fd = open(LIST, O_RDONLY | O_CLOEXEC);
    if (orphans->list_fd < 0) {
        return error_set_errno(error, -errno, "cannot look after processes: " LIST);
    }
    note_strangers(orphans);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
        return error_set_errno(error, -errno, "cannot look after processes");
    }
    orphans->loop = loop;
    ev_signal_init(&orphans->ended, on_ended, SIGCHLD);
    ev_timer_init(&orphans->next, on_next, 0, 0);
    ev_timer_init(&orphans->patience, on_patience, (double)PATIENCE_USEC / 1e6, 0);
    orphans->ended.data = orphans->next.data = orphans->patience.data = orphans;
    ev_signal_start(loop, &orphans->ended);
    *ret = TAKE_PTR(orphans);
    return 0;
}

void orphans_end(struct orphans *orphans, void (*done)(unsigned left, void *context), void *context)
{
    orphans->done = done;
    orphans->context = context;
    ev_now_update(orphans->loop);
    ev_timer_start(orphans->loop, &orphans->next);
    ev_timer_stop(orphans->loop, &orphans->patience);
    ev_timer_start(orphans->loop, &orphans->patience);
}

/* Until it has ended, or the deadline. */
static void await(pid_t pid, uint64_t deadline_usec)
{
    uint64_t now = clock_monotonic_usec();
    _cleanup_fd_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd poller = {.fd = fd, .events = POLLIN};

    if (fd >= 0 && now < deadline_usec) {
        (void)poll(&poller, 1, (int)((deadline_usec - now) / USEC_PER_MSEC) + 1);
    } /* the next look tells whether it has */
}

unsigned orphans_end_now(struct orphans *orphans)
{
    uint64_t deadline_usec = clock_monotonic_usec() + PATIENCE_USEC;
    unsigned left;
    pid_t last;

    orphans->done = NULL;
    ev_timer_stop(orphans->loop, &orphans->next);
    ev_timer_stop(orphans->loop, &orphans->patience);
    while ((left = look(orphans, true, &last)) > 0 && clock_monotonic_usec() < deadline_usec) {
        await(last, deadline_usec);
    }
    return left;
}

struct orphans *orphans_free(struct orphans *orphans)
{
    if (orphans) {
        if (orphans->loop) {
            (void)orphans_end_now(orphans); /* nobody is there to be told */
            ev_signal_stop(orphans->loop, &orphans->ended);
            (void)prctl(PR_SET_CHILD_SUBREAPER, 0); /* can't fail where it could be set */
        }
        close_fd(orphans->list_fd);
        free(orphans);
    }
    return NULL;
}
