/* SPDX-License-Identifier: MPL-2.0 */
/* What came is decoded here, not where it came in: a piece of a compressed body can stand for a
 * thousand times as much, of which the test takes one part after the other, and may wait between
 * them. */
#include "stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user.h"

struct turn_of_test {
    struct stream *stream;
    loads_piece piece; /* to be taken */
    size_t room, given;
};

/* ---- taking ---------------------------------------------------------------------------------- */

static void run_on_body(void *argument)
{
    struct turn_of_test *turn = argument;
    const loads_request *request = turn->stream->request;

    request->on_body(turn->stream->user, &turn->piece, request->context);
}

/* False: it was left. Other requests of the test's may be on meanwhile. */
static bool run(struct stream *stream, void (*function)(void *argument), struct turn_of_test *turn)
{
    struct loads_user *user = stream->user;

    if (user->cancelled) {
        return false;
    }
    user->streaming++;
    stream->left = !user_guard(user, function, turn);
    user->streaming--;
    return !stream->left;
}

static bool give(void *context, const void *bytes, size_t size)
{
    struct stream *stream = context;
    loads_response *response = &stream->answer->response;
    struct turn_of_test turn = {.stream = stream,
                                .piece = {.data = bytes,
                                          .size = size,
                                          .offset = response->body_total - size,
                                          .response = response}};

    return size == 0 || run(stream, run_on_body, &turn);
}

/* The test may ask for status and headers. */
static int tell_head(struct stream *stream)
{
    loads_response *response = &stream->answer->response;

    if (response->status == 0) {
        response->url = arena_printf(&stream->user->arena, "%s", stream->exchange->url->text);
        response->status = stream->exchange->head_status;
    }
    return response->url ? 0 : -ENOMEM;
}

static int take_what_came(struct stream *stream)
{
    int r = tell_head(stream);

    /* More may come while the test waits. */
    struct stream_buffer came = stream->in;
    stream->in = stream->taken;
    stream->taken = came;
    if (r == 0 && !answer_body(stream->answer, came.bytes, came.size)) {
        r = stream->answer->result;
    }
    stream->taken.size = 0;
    return r;
}

/* ---- giving ---------------------------------------------------------------------------------- */

static void run_upload(void *argument)
{
    struct turn_of_test *turn = argument;
    const loads_request *request = turn->stream->request;

    turn->given =
        request->upload(turn->stream->user, turn->stream->out, turn->room, request->context);
}

static int fetch(struct stream *stream)
{
    const loads_request *request = stream->request;
    uint64_t left = request->upload_size ? request->upload_size - stream->out_total : UINT64_MAX;
    struct turn_of_test turn = {.stream = stream,
                                .room = (size_t)MIN(left, (uint64_t)STREAM_BYTES)};

    if (turn.room > 0 && !run(stream, run_upload, &turn)) {
        return -ECANCELED;
    }
    if (turn.given > turn.room) {
        (void)snprintf(stream->reason, sizeof stream->reason,
                       ".upload returned %zu, and had room for %zu bytes", turn.given, turn.room);
        return -EPROTO;
    }
    stream->out_wanted = false;
    stream->out_at = 0;
    stream->out_size = turn.given;
    stream->out_total += turn.given;
    stream->out_ended = turn.given == 0;
    if (stream->out_ended && stream->out_total < request->upload_size) {
        (void)snprintf(stream->reason, sizeof stream->reason,
                       ".upload ended after %" PRIu64 " of the %" PRIu64 " bytes of .upload_size",
                       stream->out_total, request->upload_size);
        return -EPROTO;
    }
    return 0;
}

int stream_serve(struct stream *stream)
{
    for (;;) {
        int r = 0;
        if (stream->in.size > 0) {
            r = take_what_came(stream);
        } else if (stream->out_wanted && stream->exchange->transport) {
            r = fetch(stream);
        } else {
            return 0;
        }
        if (r < 0) {
            return r;
        }
        exchange_resume(stream->exchange);
    }
}

bool stream_is_spent(const struct stream *stream)
{
    return stream->out_total > stream->out_size - stream->out_at;
}

/* ---- from the loop --------------------------------------------------------------------------- */

bool stream_full(const struct stream *stream)
{
    return stream->in.size >= STREAM_BYTES;
}

int stream_put(struct stream *stream, const void *bytes, size_t size)
{
    struct stream_buffer *in = &stream->in;

    if (in->size + size > in->capacity) {
        size_t capacity = MAX(in->capacity * 2, MAX(STREAM_BYTES, in->size + size));
        unsigned char *larger = realloc(in->bytes, capacity);
        if (!larger) {
            return -ENOMEM;
        }
        in->bytes = larger;
        in->capacity = capacity;
    }
    memcpy(in->bytes + in->size, bytes, size);
    in->size += size;
    user_wake(stream->user);
    return 0;
}

ssize_t stream_read(struct stream *stream, void *buffer, size_t size)
{
    size_t n = MIN(size, stream->out_size - stream->out_at);

    if (n > 0) {
        memcpy(buffer, stream->out + stream->out_at, n);
        stream->out_at += n;
    }
    if (stream->out_at == stream->out_size && !stream->out_ended) {
        stream->out_wanted = true;
        user_wake(stream->user);
        return n > 0 ? (ssize_t)n : -EAGAIN;
    }
    return (ssize_t)n;
}

/* ---- beginning and end ----------------------------------------------------------------------- */

int stream_open(struct stream *stream, struct loads_user *user, const loads_request *request,
                struct answer *answer, struct exchange *exchange)
{
    *stream =
        (struct stream){.user = user, .request = request, .answer = answer, .exchange = exchange};
    if (request->on_body) {
        stream->takes = true;
        stream->room = malloc(DECODER_ROOM_BYTES);
        if (!stream->room) {
            return -ENOMEM;
        }
        answer->give = give;
        answer->give_context = stream;
        answer->room = stream->room;
    }
    if (request->upload) {
        stream->out = malloc(STREAM_BYTES);
        if (!stream->out) {
            return -ENOMEM;
        }
    }
    return 0;
}

void stream_close(struct stream *stream)
{
    free(TAKE_PTR(stream->in.bytes));
    free(TAKE_PTR(stream->taken.bytes));
    free(TAKE_PTR(stream->room));
    free(TAKE_PTR(stream->out));
}
