/* SPDX-License-Identifier: MPL-2.0 */
/* The HTTP side of the echo server: `/`, `/echo` and `/counts`, everything else is 404. */
#ifndef LOADS_ECHO_SERVER_HTTP_H
#define LOADS_ECHO_SERVER_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include <libwebsockets.h>

#define HTTP_MAX_BODY_BYTES ((size_t)16 << 20) /* of a request; larger ones are answered 413 */

/* The request that a connection is reading the body of. All zero: none. */
struct request {
    unsigned char *buffer; /* room for an answer's head, then the body */
    size_t size_bytes, capacity_bytes;
    char type[128];
    bool echo; /* keep the body and send it back; else it is read and dropped */
};

/* Frees what the request holds and makes it all zero. */
void request_clear(struct request *request);

/* Each is to be returned from libwebsockets' callback: 0 goes on, -1 closes the connection. */

/* A request's head has been read. Answers it, unless a body follows. */
int http_begin(struct lws *wsi, struct request *request);

/* A piece of its body. */
int http_body(struct request *request, const void *bytes, size_t size);

/* Its body is complete: answers it. */
int http_body_end(struct lws *wsi, struct request *request);

/* Whether to let a request switch protocols: 0 yes, -1 no, and it was answered. */
int http_confirm_upgrade(struct lws *wsi, const char *protocol);

#endif
