/* SPDX-License-Identifier: MPL-2.0 */
/* Messages may have any size, so they are never assembled: each piece that libwebsockets delivers
 * is queued with its place in the message and sent on as a fragment. When a queue is full, reading
 * from that client stops until it has taken half of what waits for it. */
#include "websocket.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "counts.h"

struct fragment {
    struct fragment *next;
    size_t size_bytes;
    bool last; /* of its message */
    enum lws_write_protocol flags;
    unsigned char bytes[]; /* LWS_PRE for the library's frame header, then the payload */
};

/* What a fragment takes in memory: many small messages fill a queue, too. */
static size_t fragment_cost(const struct fragment *fragment)
{
    return sizeof *fragment + LWS_PRE + fragment->size_bytes;
}

static void drop_first(struct echo_queue *queue)
{
    struct fragment *fragment = queue->first;

    queue->first = fragment->next;
    if (!queue->first) {
        queue->last = NULL;
    }
    queue->size_bytes -= fragment_cost(fragment);
    free(fragment);
}

void echo_queue_clear(struct echo_queue *queue)
{
    while (queue->first) {
        drop_first(queue);
    }
}

static int append(struct echo_queue *queue, const void *bytes, size_t size, bool last,
                  enum lws_write_protocol flags)
{
    struct fragment *fragment = malloc(sizeof *fragment + LWS_PRE + size);

    if (!fragment) {
        return -ENOMEM;
    }
    *fragment = (struct fragment){.size_bytes = size, .last = last, .flags = flags};
    if (size > 0) {
        memcpy(fragment->bytes + LWS_PRE, bytes, size);
    }
    if (queue->last) {
        queue->last->next = fragment;
    } else {
        queue->first = fragment;
    }
    queue->last = fragment;
    queue->size_bytes += fragment_cost(fragment);
    return 0;
}

int websocket_received(struct lws *wsi, struct echo_queue *queue, const void *bytes, size_t size)
{
    bool first = lws_is_first_fragment(wsi);
    bool last = lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0;
    int type = lws_frame_is_binary(wsi) ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
    struct counts *counts = counts_of(wsi);

    counts->received += last;
    counts->received_bytes += size;
    if (size == 0 && !last && !first) {
        return 0;
    }
    if (append(queue, bytes, size, last,
               (enum lws_write_protocol)lws_write_ws_flags(type, first, last)) < 0) {
        return -1;
    }
    if (queue->size_bytes > WEBSOCKET_MAX_QUEUE_BYTES && !queue->held_up) {
        if (lws_rx_flow_control(wsi, 0) < 0) {
            return -1;
        }
        queue->held_up = true;
    }
    lws_callback_on_writable(wsi);
    return 0;
}

int websocket_writable(struct lws *wsi, struct echo_queue *queue)
{
    struct counts *counts = counts_of(wsi);

    while (queue->first && !lws_send_pipe_choked(wsi)) {
        struct fragment *fragment = queue->first;
        if (lws_write(wsi, fragment->bytes + LWS_PRE, fragment->size_bytes, fragment->flags) < 0) {
            return -1;
        }
        counts->sent += fragment->last;
        counts->sent_bytes += fragment->size_bytes;
        drop_first(queue);
    }
    if (queue->first) {
        lws_callback_on_writable(wsi);
    }
    if (queue->held_up && queue->size_bytes <= WEBSOCKET_MAX_QUEUE_BYTES / 2) {
        if (lws_rx_flow_control(wsi, 1) < 0) {
            return -1;
        }
        queue->held_up = false;
    }
    return 0;
}
