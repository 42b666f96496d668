/* SPDX-License-Identifier: MPL-2.0 */
/* What modules call in place of sleep() and its like: the linker's --wrap (compile.h) turns their
 * calls of NAME into calls of __wrap_NAME, which this program exports, and leaves those of
 * libraries alone. Arguments that are wrong go to the original, which knows how to refuse them. */
#include <errno.h>
#include <unistd.h>

#include "blocking.h"
#include "loads/loads.h"

LOADS_API unsigned __wrap_sleep(unsigned seconds);
LOADS_API int __wrap_usleep(useconds_t usec);
LOADS_API int __wrap_nanosleep(const struct timespec *request, struct timespec *remain);
LOADS_API int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *request,
                                     struct timespec *remain);
LOADS_API int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_msec);
LOADS_API int __wrap_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                           const sigset_t *mask);
LOADS_API int __wrap___poll_chk(struct pollfd *fds, nfds_t n, int timeout_msec, size_t size);
LOADS_API int __wrap___ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                                 const sigset_t *mask, size_t size);
LOADS_API int __wrap_getaddrinfo(const char *host, const char *service,
                                 const struct addrinfo *hints, struct addrinfo **ret);

/* The C library's, which its headers declare only with _FORTIFY_SOURCE. */
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout_msec, size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
                size_t size);

static bool is_valid(const struct timespec *time)
{
    return time && time->tv_sec >= 0 && time->tv_nsec >= 0 && time->tv_nsec < 1000000000;
}

/* ---- sleeping -------------------------------------------------------------------------------- */

unsigned __wrap_sleep(unsigned seconds)
{
    struct loads_user *user = blocking_user();

    return user ? (unsigned)blocking_sleep(user, CLOCK_MONOTONIC, false,
                                           &(struct timespec){.tv_sec = seconds})
                : sleep(seconds);
}

int __wrap_usleep(useconds_t usec)
{
    struct loads_user *user = blocking_user();
    const struct timespec time = {.tv_sec = usec / 1000000,
                                  .tv_nsec = (long)(usec % 1000000) * 1000};

    return user ? blocking_sleep(user, CLOCK_MONOTONIC, false, &time) : usleep(usec);
}

int __wrap_nanosleep(const struct timespec *request, struct timespec *remain)
{
    struct loads_user *user = blocking_user();

    return user && is_valid(request) ? blocking_sleep(user, CLOCK_MONOTONIC, false, request)
                                     : nanosleep(request, remain);
}

int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *request,
                           struct timespec *remain)
{
    struct loads_user *user = blocking_user();
    bool known = clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME ||
                 clock == CLOCK_TAI;

    return user && known && is_valid(request)
               ? blocking_sleep(user, clock, flags & TIMER_ABSTIME, request)
               : clock_nanosleep(clock, flags, request, remain);
}

/* ---- descriptors ----------------------------------------------------------------------------- */

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_msec)
{
    struct loads_user *user = blocking_user();
    const struct timespec time = {.tv_sec = timeout_msec / 1000,
                                  .tv_nsec = timeout_msec % 1000 * 1000000L};

    return user ? blocking_poll(user, fds, n, timeout_msec < 0 ? NULL : &time, NULL)
                : poll(fds, n, timeout_msec);
}

int __wrap_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
    struct loads_user *user = blocking_user();

    return user && (!timeout || is_valid(timeout)) ? blocking_poll(user, fds, n, timeout, mask)
                                                   : ppoll(fds, n, timeout, mask);
}

/* The checked ones of _FORTIFY_SOURCE: the original ends the process if the array is too short. */
int __wrap___poll_chk(struct pollfd *fds, nfds_t n, int timeout_msec, size_t size)
{
    return size / sizeof *fds < n ? __poll_chk(fds, n, timeout_msec, size)
                                  : __wrap_poll(fds, n, timeout_msec);
}

int __wrap___ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                       const sigset_t *mask, size_t size)
{
    return size / sizeof *fds < n ? __ppoll_chk(fds, n, timeout, mask, size)
                                  : __wrap_ppoll(fds, n, timeout, mask);
}

/* ---- names ----------------------------------------------------------------------------------- */

int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret)
{
    struct loads_user *user = blocking_user();

    return user ? blocking_lookup(user, host, service, hints, ret)
                : getaddrinfo(host, service, hints, ret);
}
