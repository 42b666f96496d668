/* SPDX-License-Identifier: MPL-2.0 */
/* The options of a run that say how its users speak HTTP. */
#ifndef LOADS_SHARED_HTTP_OPTIONS_H
#define LOADS_SHARED_HTTP_OPTIONS_H

#include <stdbool.h>

#include "base/conf.h"
#include "wire/spec.h"

struct http_options {
    char *ca_file;
    bool insecure;
    char *cert, *key;
    char *tls_min;
    bool http2;
    char *proxy, *no_proxy;
    struct strlist resolve;
    bool no_dns_resolve;
    char *source_address;
    char *connections;
    uint64_t max_redirects;
    uint64_t max_body_bytes;
};

/* What an option is when nobody says. */
void http_options_init(struct http_options *options);

/* Their fields are in struct http_options. */
extern const struct conf_rows http_option_rows;

/* Puts them into a run's specification. -errno with a text. */
int http_options_spec(const struct http_options *options, struct run_spec *spec,
                      struct error *error) _must_check_;

#endif
