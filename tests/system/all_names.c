/* SPDX-License-Identifier: MPL-2.0 */
/* Preloaded, gives every name but those below .invalid this machine's address: cookies are about
 * domains, and a machine knows none of these. */
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>

typedef int lookup(const char *host, const char *service, const struct addrinfo *hints,
                   struct addrinfo **result);

__attribute__((visibility("default"))) int getaddrinfo(const char *host, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **result)
{
    static const char nowhere[] = ".invalid";
    lookup *next = (lookup *)dlsym(RTLD_NEXT, "getaddrinfo");
    size_t size = host ? strlen(host) : 0;

    if (size >= sizeof nowhere && strcmp(host + size - (sizeof nowhere - 1), nowhere) == 0) {
        return EAI_NONAME;
    }
    return next(host ? "127.0.0.1" : NULL, service, hints, result);
}
