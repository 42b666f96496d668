/* SPDX-License-Identifier: MPL-2.0 */
/* Bodies that nobody holds: the test's own functions take an answer's as it comes (.on_body), and
 * give a request's as it is sent (.upload). They run on the user's stack, as all of a test does; in
 * between stand buffers, which the loop fills and empties. When one is full or empty the transport
 * is held up until the test has done its part. */
#ifndef LOADS_WORKER_STREAM_H
#define LOADS_WORKER_STREAM_H

#include "loads/loads.h"

#include "answer.h"
#include "loop/transport.h"

#define STREAM_BYTES ((size_t)64 * 1024) /* that are enough at once, of either body */

struct stream_buffer {
    unsigned char *bytes;
    size_t size, capacity;
};

/* All zero: nothing streams. */
struct stream {
    struct loads_user *user;
    const loads_request *request;
    struct answer *answer;
    struct exchange *exchange;
    bool takes;                     /* the test wants what comes */
    struct stream_buffer in, taken; /* as it came; what the test is taking of it */
    unsigned char *room;            /* to decode it */
    unsigned char *out;             /* NULL: the test doesn't give it */
    size_t out_size, out_at;
    uint64_t out_total; /* that the test gave */
    bool out_wanted, out_ended;
    bool left;        /* a function of the test's didn't return */
    char reason[160]; /* of -EPROTO */
};

/* What a request asks for. Borrows all. -ENOMEM. */
int stream_open(struct stream *stream, struct loads_user *user, const loads_request *request,
                struct answer *answer, struct exchange *exchange) _must_check_;
void stream_close(struct stream *stream);

/* ---- from the loop ---- */

/* Whether there is enough for now. */
bool stream_full(const struct stream *stream);

/* Bytes that came. -ENOMEM. */
int stream_put(struct stream *stream, const void *bytes, size_t size) _must_check_;

/* The next bytes to be sent; 0: there are no more; -EAGAIN: the test has to give them first. */
ssize_t stream_read(struct stream *stream, void *buffer, size_t size) _must_check_;

/* ---- from the user's stack ---- */

/* Calls the test's functions until there is nothing to take and nothing wanted. -ECANCELED: the
 * user shall leave; -EPROTO: the test gave what can't be, `reason` says what; -EBADMSG and -ENOMEM:
 * as of answer_body(). */
int stream_serve(struct stream *stream) _must_check_;

/* Whether something of the request's body is gone, so that it can't be sent again. */
bool stream_is_spent(const struct stream *stream);

#endif
