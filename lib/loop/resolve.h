/* SPDX-License-Identifier: MPL-2.0 */
/* Host names to addresses without blocking the loop: one thread runs getaddrinfo, answers come back
 * through an eventfd. Queries for one name that is being looked up wait for the same answer;
 * answers (failures too) are kept for a while; addresses are handed out in turn. */
#ifndef LOADS_LOOP_RESOLVE_H
#define LOADS_LOOP_RESOLVE_H

#include <ev.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

#define RESOLVE_MAX_ADDRESSES 16

struct resolver;

/* One question. Filled by resolver_lookup() or before done() is called. */
struct resolve_query {
    void (*done)(
        struct resolve_query *query); /* on the loop, never from inside resolver_lookup() */
    void *context;                    /* the caller's */

    int result;       /* 0, or -errno: -ENOENT no such host, -EAGAIN no answer, -ENOMEM */
    char reason[128]; /* the resolver's words when result is not 0 */
    /* Numeric addresses, the next in turn first, all others behind it; unusable ones
     * (resolver_demote) last. */
    char addresses[RESOLVE_MAX_ADDRESSES][INET6_ADDRSTRLEN];
    size_t count;
    uint64_t elapsed_usec; /* from the lookup to the answer; 0 when it was known */

    struct resolve_query *next; /* the resolver's */
    void *pending;              /* the resolver's */
};

/* How names become addresses: getaddrinfo() unless a test puts something else in its place. Runs in
 * the resolver's thread; fills addresses, count and reason, returns the result. */
typedef int resolve_function(const char *host, struct resolve_query *answer);

/* `ttl_usec`: how long an answer is kept; a failure no longer than a second. `resolve` NULL:
 * getaddrinfo(). */
int resolver_new(struct resolver **ret, struct ev_loop *loop, uint64_t ttl_usec,
                 resolve_function *resolve) _must_check_;
/* Queries that wait are dropped without done(). Not from a done(). */
struct resolver *resolver_free(struct resolver *resolver);
DEFINE_CLEANUP(struct resolver, resolver_free)

/* 1: answered at once, done() won't be called; 0: done() will be called; -ENOMEM (or too many names
 * are being looked up), -EAGAIN: no thread can be started. */
int resolver_lookup(struct resolver *resolver, const char *host, struct resolve_query *query)
    _must_check_;

/* Takes a waiting query back; done() won't be called. Harmless when it isn't waiting (zero before
 * its first lookup). */
void resolver_cancel(struct resolver *resolver, struct resolve_query *query);

/* A connection to this address failed: hand it out last until the answer is renewed. */
void resolver_demote(struct resolver *resolver, const char *host, const char *address);

#endif
