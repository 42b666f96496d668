/* SPDX-License-Identifier: MPL-2.0 */
/* Which lookups of getaddrinfo() the worker's resolver can answer. */
#ifndef LOADS_WORKER_BLOCKING_LOOKUP_H
#define LOADS_WORKER_BLOCKING_LOOKUP_H

#include <netdb.h>
#include <stdbool.h>

/* What is to be done with a question. */
enum lookup_way {
    LOOKUP_AT_ONCE,  /* nobody has to be asked: no host, or a numeric one */
    LOOKUP_RESOLVER, /* the resolver's addresses, each made into what was asked for */
    LOOKUP_THREAD,   /* the original, in a thread of its own */
};

enum lookup_way lookup_way(const char *host, const struct addrinfo *hints);

/* What the resolver found as getaddrinfo()'s own list, for freeaddrinfo(). `addresses` are `n`
 * numeric ones. 0 or an EAI_ code. */
int lookup_list(const char *const *addresses, size_t n, const char *service,
                const struct addrinfo *hints, struct addrinfo **ret);

#endif
