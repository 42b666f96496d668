/* SPDX-License-Identifier: MPL-2.0 */
/* Preloaded, gives the name "two.test" two addresses: the first is one that nobody listens on. What
 * names a machine knows by itself differs from one to the next. */
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>

typedef int lookup(const char *host, const char *service, const struct addrinfo *hints,
                   struct addrinfo **result);

__attribute__((visibility("default"))) int getaddrinfo(const char *host, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **result)
{
    lookup *next = (lookup *)dlsym(RTLD_NEXT, "getaddrinfo");
    struct addrinfo *second;

    if (!host || strcmp(host, "two.test") != 0) {
        return next(host, service, hints, result);
    }
    int r = next("127.0.0.1", service, hints, &second);
    if (r != 0) {
        return r;
    }
    r = next("127.0.0.2", service, hints, result);
    if (r != 0) {
        freeaddrinfo(second);
        return r;
    }
    struct addrinfo *last = *result;
    while (last->ai_next) {
        last = last->ai_next;
    }
    last->ai_next = second; /* glibc frees them one by one */
    return 0;
}
