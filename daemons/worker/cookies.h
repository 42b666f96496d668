/* SPDX-License-Identifier: MPL-2.0 */
/* The cookies of one virtual user, as RFC 6265 and the browsers have them. */
#ifndef LOADS_WORKER_COOKIES_H
#define LOADS_WORKER_COOKIES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"

#define COOKIE_MAX_BYTES      4096 /* name and value together */
#define COOKIE_MAX_ATTRIBUTE  1024 /* a longer one doesn't count */
#define COOKIE_MAX_PER_DOMAIN 50
#define COOKIE_MAX            300

#define COOKIE_NEVER_EXPIRES UINT64_MAX /* lives as long as its jar */

struct cookie_store;

/* Empty when zeroed, and then costs this pointer. Private. */
struct cookie_jar {
    struct cookie_store *store;
};

/* One cookie as it is kept; strings are the jar's, until it changes. */
struct cookie_view {
    const char *name, *value, *domain, *path;
    uint64_t expires_usec; /* since 1970, or COOKIE_NEVER_EXPIRES */
    bool host_only, secure, http_only;
};

/* Takes in the value of one Set-Cookie header of an answer. `host` is lower case, an IPv6 address
 * without brackets; `path` begins with '/' and may have a query; `secure`: it came by https;
 * `now_usec` is CLOCK_REALTIME. 0: kept, or taken away as it is expired. -EINVAL: not a cookie, or
 * too long; -EPERM: this answer may not set it; -ENOMEM. The jar then holds what it held. */
int cookie_jar_set(struct cookie_jar *jar, const char *host, const char *path, bool secure,
                   const char *set_cookie, size_t size, uint64_t now_usec) _must_check_;

/* Writes the value of the Cookie header of a request, "a=b; c=d", with longer paths first and older
 * cookies before newer ones, and NUL behind. Its length, 0 if there is none to send; -ENOBUFS: it
 * doesn't fit. Expired cookies go. */
ssize_t cookie_jar_header(struct cookie_jar *jar, const char *host, const char *path, bool secure,
                          uint64_t now_usec, char *buffer, size_t size) _must_check_;

/* Takes all cookies out and frees all memory; the jar can be used again. */
void cookie_jar_clear(struct cookie_jar *jar);

/* How many there are, and each by its index below that number, oldest first. */
size_t cookie_jar_count(const struct cookie_jar *jar);
void cookie_jar_get(const struct cookie_jar *jar, size_t index, struct cookie_view *ret);

#endif
