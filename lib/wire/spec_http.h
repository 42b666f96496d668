/* SPDX-License-Identifier: MPL-2.0 */
/* How the users of a run speak HTTP: the part of a run specification that is about connections.
 * It is for what loads-worker executes, tests in C and URLs. */
#ifndef LOADS_WIRE_SPEC_HTTP_H
#define LOADS_WIRE_SPEC_HTTP_H

#include <stdbool.h>

#include "base/error.h"

/* Strings are malloc'ed, or NULL: not given. */
struct spec_http {
    char *cert_file; /* PEM: the certificate that users show to servers, with its chain; found as */
    char *key_file;  /* ca_file is. NULL: the key is in cert_file */
    char *tls_min;   /* the oldest version that will do, "1.2" or "1.3" */
    bool http2;      /* by TLS if the server can, without TLS at once */
};

void spec_http_clear(struct spec_http *http);

/* Whether a text is what a field may be. -EINVAL with a text. */
int spec_http_check_tls(const char *text, struct error *error) _must_check_;

/* tls_min as 12 or 13; 0: any will do. */
unsigned spec_http_tls_min(const struct spec_http *http);

/* The first key that is given, NULL: none is. */
const char *spec_http_given(const struct spec_http *http);

/* What run_spec_check() asks of all of them. */
int spec_http_check(const struct spec_http *http, struct error *error) _must_check_;

#endif
