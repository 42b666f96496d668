/* SPDX-License-Identifier: MPL-2.0 */
/* The original makes the list in any case, of a numeric address where the resolver found those, so
 * that freeaddrinfo() can free it. */
#include "blocking_lookup.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/macros.h"

/* The resolver leaves out the families that this machine has no address of, asked for or not. */
#define RESOLVER_FLAGS (AI_ADDRCONFIG | AI_NUMERICSERV | AI_PASSIVE)

static bool is_numeric(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

enum lookup_way lookup_way(const char *host, const struct addrinfo *hints)
{
    int flags = hints ? hints->ai_flags : 0, family = hints ? hints->ai_family : AF_UNSPEC;

    if (!host || flags & AI_NUMERICHOST || is_numeric(host)) {
        return LOOKUP_AT_ONCE;
    }
    if (flags & AI_V4MAPPED && family != AF_INET6) {
        flags &= ~AI_V4MAPPED; /* means nothing */
    }
    return (flags & ~RESOLVER_FLAGS) == 0 &&
                   (family == AF_UNSPEC || family == AF_INET || family == AF_INET6)
               ? LOOKUP_RESOLVER
               : LOOKUP_THREAD;
}

int lookup_list(const char *const *addresses, size_t n, const char *service,
                const struct addrinfo *hints, struct addrinfo **ret)
{
    struct addrinfo *list = NULL, **end = &list, numeric = {0};
    int code = EAI_NONAME;

    if (hints) {
        numeric = *hints;
    }
    numeric.ai_flags |= AI_NUMERICHOST;
    for (size_t i = 0; i < n; i++) {
        int r = getaddrinfo(addresses[i], service, &numeric, end);
        if (r == EAI_ADDRFAMILY || r == EAI_NONAME || r == EAI_NODATA) {
            *end = NULL; /* of another family than what was asked for */
            continue;
        }
        if (r != 0) {
            *end = NULL;
            code = r;
            break;
        }
        code = 0;
        while (*end) {
            end = &(*end)->ai_next;
        }
    }
    if (code != 0) {
        if (list) {
            freeaddrinfo(list);
        }
        return code;
    }
    *ret = list;
    return 0;
}
