/* SPDX-License-Identifier: MPL-2.0 */
/* Inside of the session: one call of loads_send(). */
#ifndef LOADS_WORKER_SESSION_CALL_H
#define LOADS_WORKER_SESSION_CALL_H

#include "answer.h"
#include "auth.h"
#include "redirect.h"
#include "stream.h"
#include "upload.h"
#include "user.h"

struct call {
    struct loads_user *user;
    const loads_request *request;
    struct answer answer;
    struct stream stream;
    struct exchange exchange;
    bool done;
    uint64_t hop_started_usec;
    uint64_t dns_usec; /* of this hop */
    uint64_t deadline_usec;

    const struct url *url;     /* of this hop */
    const struct proxy *proxy; /* on the way to it; NULL: none */
    const char *proxy_address; /* NULL: its host is one */
    const char *method;
    struct upload upload;     /* its body */
    bool left_origin;         /* a redirect led to another host: credentials stay behind */
    bool bares;               /* … or from https to http: then the Referer does */
    struct redirect redirect; /* how this hop came to be; method NULL: it is the first */
    struct auth auth;         /* of this hop */
    const char *lines[EXCHANGE_MAX_HEADERS + 1];
    size_t n_lines;

    unsigned error_id;
};

/* Counts a request without an answer, whose reason becomes the response's. -EIO, -ENOMEM. */
int session_fail(struct call *call, const char *class, const char *format, ...) _printf_(3, 4)
    _must_check_;

/* session_compose.c: fills the lines of a hop. -EIO: it was said why not; -ENOMEM. */
int session_compose(struct call *call) _must_check_;

#endif
