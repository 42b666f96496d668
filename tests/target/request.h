/* SPDX-License-Identifier: MPL-2.0 */
/* Requests as they come over a connection, strictly by RFC 9112. */
#ifndef LOADS_TARGET_REQUEST_H
#define LOADS_TARGET_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "text.h"

#define REQUEST_MAX_HEAD_BYTES 65536
#define REQUEST_MAX_BODY_BYTES ((size_t)16 << 20) /* of a body that is kept */

/* Bytes of somebody else's. */
struct slice {
    const char *bytes;
    size_t size;
};

bool slice_is(struct slice slice, const char *text);
bool slice_is_ignoring_case(struct slice slice, const char *text);

enum body_framing { BODY_NONE, BODY_LENGTH, BODY_CHUNKED };

/* All zero: none. Slices point into `head`. */
struct request {
    char *head; /* as received, without the empty line */
    struct slice method;
    struct slice target;  /* path and query as received */
    struct slice path;    /* without query */
    struct slice query;   /* without '?' */
    struct slice headers; /* all header lines, each with its CRLF */
    unsigned minor;       /* of HTTP/1.minor */
    bool keep_alive;
    bool expects_continue;

    enum body_framing framing;
    uint64_t left; /* bytes still to come: of the body, or of the current chunk */
    int chunk_state;
    size_t chunk_digits, chunk_overhead;
    bool keep_body; /* for the caller to set when the head is there */
    struct text body;
};

void request_clear(struct request *request);

/* Reads a head from the front of what was received. 1: it is there, and took *ret_used bytes; 0:
 * more must come; -EBADMSG: *ret_status is what to answer; -ENOMEM. `request` is empty before. */
int request_read_head(struct request *request, const char *bytes, size_t size, size_t *ret_used,
                      unsigned *ret_status) _must_check_;

/* Reads on in the body. 1: it is complete; 0: more must come; errors as above. */
int request_read_body(struct request *request, const char *bytes, size_t size, size_t *ret_used,
                      unsigned *ret_status) _must_check_;

/* Goes through the headers: false at the end. *cursor is 0 at first. */
bool request_next_header(const struct request *request, size_t *cursor, struct slice *ret_name,
                         struct slice *ret_value);

/* The first header of a name; an empty slice with NULL: there is none. */
struct slice request_header(const struct request *request, const char *name);

#endif
