/* SPDX-License-Identifier: MPL-2.0 */
/* Calls of the C library that would block the loop, for a user that waits in them as if they did.
 * They return and fail as the originals; a user that is cancelled meanwhile leaves. All are called
 * on the user's own stack. blocking_names.c has the names that modules are linked with. */
#ifndef LOADS_WORKER_BLOCKING_H
#define LOADS_WORKER_BLOCKING_H

#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <time.h>

#include "user.h"

/* The user that calls and may wait; NULL: the original is to be called, since this is a thread of
 * the test's own, a constructor, a process that it forked, or a user that shall leave; or since
 * --no-patching was given. */
struct loads_user *blocking_user(void);

/* As clock_nanosleep(): 0 or an error number. `request` is valid; signals don't end it. */
int blocking_sleep(struct loads_user *user, clockid_t clock, bool absolute,
                   const struct timespec *request);

/* What a relative time comes to; no more than 68 years. */
uint64_t blocking_usec(const struct timespec *time);

/* As ppoll(). `timeout` is valid, or NULL. The signal mask holds when descriptors are looked at, at
 * the beginning and whenever one is ready, and not in between, when other users run. */
int blocking_poll(struct loads_user *user, struct pollfd *fds, nfds_t n,
                  const struct timespec *timeout, const sigset_t *mask);

/* As getaddrinfo(). */
int blocking_lookup(struct loads_user *user, const char *host, const char *service,
                    const struct addrinfo *hints, struct addrinfo **ret);

#endif
