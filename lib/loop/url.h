/* SPDX-License-Identifier: MPL-2.0 */
/* URLs, parsed once. A load test asks for the same few URLs millions of times, so parsed ones are
 * kept in a bounded cache, by their text. */
#ifndef LOADS_LOOP_URL_H
#define LOADS_LOOP_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define URL_MAX_BYTES 8192

/* All strings are owned by the url and end with NUL. */
struct url {
    const char *text;   /* as sent: normalised, without fragment and without user:password */
    const char *name;   /* without query and fragment: the default name of a request */
    const char *scheme; /* "http" or "https", also "ws" and "wss" */
    const char *host;   /* lower case; an IPv6 address without brackets */
    const char *path;   /* begins with '/' */
    const char *user, *password; /* decoded; NULL: none */
    uint16_t port;               /* the scheme's own if none is given */
    bool secure;                 /* https, wss */
    bool numeric_host;           /* an address: nothing to resolve */
    void *parsed;                /* libcurl's CURLU, for lib/loop/curl.c */
};

struct url_cache;

/* Holds at most `limit` URLs, the least recently used go. -ENOMEM. */
int url_cache_new(struct url_cache **ret, size_t limit) _must_check_;
struct url_cache *url_cache_free(struct url_cache *cache);
DEFINE_CLEANUP(struct url_cache, url_cache_free)

/* The parsed URL of a text; `base` (may be NULL) resolves a relative one as RFC 3986 says. The
 * result is a reference: give it back with url_unref(). A url outlives its place in the cache, and
 * the cache itself, while it is referenced. -EINVAL with a text that quotes the URL (cut) and says
 * what is wrong: no host, a scheme other than http and https (ws and wss are parsed too), too long,
 * a bad port, control characters or spaces. */
int url_get(struct url_cache *cache, const struct url *base, const char *text,
            const struct url **ret, struct error *error) _must_check_;
const struct url *url_ref(const struct url *url);
const struct url *url_unref(const struct url *url);

static inline _unused_ void url_unrefp(const struct url **url)
{
    if (*url) {
        url_unref(*url);
    }
}

#endif
