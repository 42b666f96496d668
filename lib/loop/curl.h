/* SPDX-License-Identifier: MPL-2.0 */
/* HTTP/1.1 and HTTP/2 by libcurl on a libev loop. Every struct connections keeps its own
 * connections, up to 32, for an hour; an idle one that never made a request costs a few bytes.
 * Nothing comes from the environment: no proxies, no .netrc. Programs that use it ignore SIGPIPE:
 * TLS writes can raise it.
 */
#ifndef LOADS_LOOP_CURL_H
#define LOADS_LOOP_CURL_H

#include <ev.h>
#include <stdbool.h>

#include "base/macros.h"

struct transport;

struct transport_curl_options {
    const char
        *ca_file;  /* PEM file of trusted certificates; NULL: the system's; kept by the caller */
    bool insecure; /* takes any certificate */
    const char *cert_file, *key_file; /* PEM: what is shown to servers; key NULL: in the same file;
                                         kept by the caller */
    unsigned tls_min;                 /* 12 or 13: the oldest version of TLS; 0: libcurl's own */
    unsigned opening_usec; /* in one turn of the loop, for connections that are to be opened, and
                              likewise for TLS handshakes that go on; 0: 10 ms */
    bool http2;            /* by ALPN with https, without asking with http; else HTTP/1.1 */
    /* Some exchanges may be done(): whoever waited for them can go on now, and what is started then
     * is sent before the next answers are looked at. NULL: nothing waits for it. */
    void (*told)(void *context);
    void *context;
};

/* `options` NULL: all defaults. -ENOMEM. Not from another thread than the loop's. */
int transport_curl_new(struct transport **ret, struct ev_loop *loop,
                       const struct transport_curl_options *options) _must_check_;

#endif
