/* SPDX-License-Identifier: MPL-2.0 */
/* Sleeping is a timer of the user's. Descriptors are put into an epoll instance of the call's own,
 * which takes poll()'s events as they are, on the worker's loop; what is ready is then asked of
 * poll() itself. errno is the thread's, so of all users: it is put back after waiting.
 *
 * Nothing is held while the stack is unwound: what a call holds is let go of first. */
#include "blocking.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"

#define SLICE_USEC USEC_PER_SEC /* how often clocks are read that can be set */

struct loads_user *blocking_user(void)
{
    struct loads_user *user = user_current();

    return user && user_stack_contains(user, __builtin_frame_address(0)) && !user_is_forked() &&
                   !user->leaving && !user->cancelled && !user->worker->spec->no_patching
               ? user
               : NULL;
}

/* ---- sleeping -------------------------------------------------------------------------------- */

uint64_t blocking_usec(const struct timespec *time)
{
    uint64_t seconds = MIN((uint64_t)time->tv_sec, (uint64_t)INT_MAX);
    return seconds * USEC_PER_SEC + ((uint64_t)time->tv_nsec + 999) / 1000;
}

/* How long it is until a time of a clock; 0 when it has come. */
static uint64_t left_usec(clockid_t clock, const struct timespec *until)
{
    struct timespec now;

    (void)clock_gettime(clock, &now); /* the clock is known */
    struct timespec left = {.tv_sec = until->tv_sec - now.tv_sec,
                            .tv_nsec = until->tv_nsec - now.tv_nsec};
    if (left.tv_nsec < 0) {
        left.tv_sec--;
        left.tv_nsec += 1000000000;
    }
    return left.tv_sec < 0 ? 0 : blocking_usec(&left);
}

/* Waits, for at least one turn of the loop: a test that asks again and again lets others go on. */
static int sleep_usec(struct loads_user *user, uint64_t usec)
{
    uint64_t until = clock_monotonic_usec() + usec;
    int r;

    do {
        r = user_wait_until(user, until);
    } while (r == 0 && clock_monotonic_usec() < until);
    return r;
}

int blocking_sleep(struct loads_user *user, clockid_t clock, bool absolute,
                   const struct timespec *request)
{
    int before = errno, r;

    if (!absolute) {
        r = sleep_usec(user, blocking_usec(request));
    } else {
        uint64_t left = left_usec(clock, request);
        do {
            r = sleep_usec(user, clock == CLOCK_MONOTONIC ? left : MIN(left, SLICE_USEC));
            left = left_usec(clock, request);
        } while (r == 0 && left > 0);
    }
    if (r < 0) {
        user_leave(user);
    }
    errno = before;
    return 0;
}

/* ---- descriptors ----------------------------------------------------------------------------- */

static void on_ready(struct ev_loop *loop _unused_, ev_io *watcher, int events _unused_)
{
    user_wake(watcher->data);
}

/* poll() and epoll have the same bits. A descriptor that is there twice is watched for both. */
static int watch(int epoll, const struct pollfd *fds, nfds_t n, nfds_t i)
{
    struct epoll_event event = {.events = (unsigned short)fds[i].events};

    if (fds[i].fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i].fd, &event) == 0) {
        return 0;
    }
    if (errno != EEXIST) {
        return -errno;
    }
    for (nfds_t j = 0; j < n; j++) {
        event.events |= fds[j].fd == fds[i].fd ? (unsigned short)fds[j].events : 0;
    }
    return epoll_ctl(epoll, EPOLL_CTL_MOD, fds[i].fd, &event) < 0 ? -errno : 0;
}

static int make_epoll(const struct pollfd *fds, nfds_t n, int *ret)
{
    _cleanup_fd_ int epoll = epoll_create1(EPOLL_CLOEXEC);
    int r = epoll < 0 ? -errno : 0;

    for (nfds_t i = 0; i < n && r == 0; i++) {
        r = watch(epoll, fds, n, i);
    }
    if (r == 0) {
        *ret = TAKE_FD(epoll);
    }
    return r;
}

static int look(struct pollfd *fds, nfds_t n, const sigset_t *mask)
{
    return ppoll(fds, n, &(struct timespec){0}, mask);
}

/* Waits until one is ready or it is time. The result as look()'s; -ECANCELED: shall leave. */
static int wait_ready(struct loads_user *user, int epoll, struct pollfd *fds, nfds_t n,
                      uint64_t until_usec, const sigset_t *mask)
{
    ev_io io;
    int r, found = 0;

    ev_io_init(&io, on_ready, epoll, EV_READ);
    io.data = user;
    ev_io_start(user->worker->loop, &io);
    do {
        r = until_usec == UINT64_MAX ? user_wait(user) : user_wait_until(user, until_usec);
        found = r == 0 ? look(fds, n, mask) : 0;
    } while (r == 0 && found == 0 && clock_monotonic_usec() < until_usec);
    ev_io_stop(user->worker->loop, &io);
    return r < 0 ? r : found;
}

int blocking_poll(struct loads_user *user, struct pollfd *fds, nfds_t n,
                  const struct timespec *timeout, const sigset_t *mask)
{
    uint64_t until = timeout ? clock_monotonic_usec() + blocking_usec(timeout) : UINT64_MAX;
    int before = errno, epoll = -1;
    int r = look(fds, n, mask); /* it finds most mistakes, too */

    if (r != 0) {
        return r;
    }
    if (make_epoll(fds, n, &epoll) < 0) {
        errno = ENOMEM; /* the one that poll() has for want of something */
        return -1;
    }
    r = wait_ready(user, epoll, fds, n, until, mask);
    int failed = errno;
    close_fd(epoll);
    if (r == -ECANCELED) {
        user_leave(user);
    }
    errno = r < 0 ? failed : before;
    return r;
}
