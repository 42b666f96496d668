/* SPDX-License-Identifier: MPL-2.0 */
/* How the users of a run speak HTTP: the part of a run specification that is about connections.
 * It is for what loads-worker executes, tests in C and URLs. */
#ifndef LOADS_WIRE_SPEC_HTTP_H
#define LOADS_WIRE_SPEC_HTTP_H

#include <stdbool.h>

#include <netinet/in.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strlist.h"

#define SPEC_MAX_REDIRECTS      1000
#define SPEC_DEFAULT_REDIRECTS  30
#define SPEC_MAX_BODY_BYTES     (UINT64_C(1) << 40)
#define SPEC_DEFAULT_BODY_BYTES (UINT64_C(64) << 20)
#define SPEC_MAX_ADDRESSES      16 /* of one of resolve */

/* How long users keep their connections. */
enum spec_connections { CONNECTIONS_KEEP, CONNECTIONS_ITERATION, CONNECTIONS_REQUEST };

/* One of resolve, taken apart. */
struct spec_resolve {
    char host[256]; /* small letters; "*": all of them */
    uint16_t port;
    unsigned count;
    char addresses[SPEC_MAX_ADDRESSES][INET6_ADDRSTRLEN];
};

/* Strings are malloc'ed, or NULL: not given. */
struct spec_http {
    char *cert_file; /* PEM: the certificate that users show to servers, with its chain; found as */
    char *key_file;  /* ca_file is. NULL: the key is in cert_file */
    char *tls_min;   /* the oldest version that will do, "1.2" or "1.3" */
    bool http2;      /* by TLS if the server can, without TLS at once */
    char *proxy;     /* a URL (loop/proxy.h) */
    char *no_proxy;  /* hosts with commas between that are reached without it */
    struct strlist resolve; /* "HOST:PORT:ADDRESS[,ADDRESS]…" */
    bool no_dns_resolve;    /* no address is kept: each request has its host looked up */
    char *source_address;   /* addresses of this machine with commas between, for users in turn */
    char *connections;      /* "keep", "iteration", "request" */
    uint64_t max_redirects;
    uint64_t max_body_bytes; /* of an answer, decoded: what is kept of it */
};

/* The defaults. */
void spec_http_init(struct spec_http *http);

void spec_http_clear(struct spec_http *http);

/* Whether a text is what a field may be. -EINVAL with a text. */
int spec_http_check_tls(const char *text, struct error *error) _must_check_;
int spec_http_check_proxy(const char *text, struct error *error) _must_check_;
int spec_http_check_connections(const char *text, struct error *error) _must_check_;
int spec_http_parse_resolve(const char *text, struct spec_resolve *ret, struct error *error)
    _must_check_;

/* The next of addresses with commas between, from *text on, which moves behind it. 1; 0: there is
 * none any more; -EINVAL with a text. */
int spec_http_next_address(const char **text, char ret[static INET6_ADDRSTRLEN],
                           struct error *error) _must_check_;

/* tls_min as 12 or 13; 0: any will do. */
unsigned spec_http_tls_min(const struct spec_http *http);

enum spec_connections spec_http_connections(const struct spec_http *http);

/* The first key that is given, NULL: none is. */
const char *spec_http_given(const struct spec_http *http);

/* What run_spec_check() asks of all of them. */
int spec_http_check(const struct spec_http *http, struct error *error) _must_check_;

#endif
