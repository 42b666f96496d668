/* SPDX-License-Identifier: MPL-2.0 */
/* A proxy, as one URL says which, and which hosts are reached without it. */
#ifndef LOADS_LOOP_PROXY_H
#define LOADS_LOOP_PROXY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct proxy {
    char *text;  /* as it was given, with user and password, for libcurl */
    char *host;  /* without brackets */
    char *shown; /* "socks5://host:1080" */
    uint16_t port;
    bool numeric_host; /* an address: nothing to resolve */
    bool http;         /* or https: http:// URLs are told to it as they are */
    bool local_names;  /* socks5: hosts are looked up here, with all others by the proxy */
};

/* http, https, socks5 (hosts are looked up here) or socks5h, with host and port, perhaps user and
 * password. -EINVAL with a text without them; -ENOMEM. */
int proxy_new(struct proxy **ret, const char *text, struct error *error) _must_check_;
struct proxy *proxy_free(struct proxy *proxy);
DEFINE_CLEANUP(struct proxy, proxy_free)

/* Whether a host (small letters, no brackets) is one of `list`, which has commas between: names,
 * with all that are below them, addresses, networks such as 10.0.0.0/8, "*" for all. NULL: no. */
bool proxy_leaves_out(const char *list, const char *host);

#endif
