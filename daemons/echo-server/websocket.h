/* SPDX-License-Identifier: MPL-2.0 */
/* The WebSocket side of the echo server: fragments go back as they come. */
#ifndef LOADS_ECHO_SERVER_WEBSOCKET_H
#define LOADS_ECHO_SERVER_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>

#include <libwebsockets.h>

/* What waits to be sent on one connection before its client is held up. A client that sends a
 * message whole before it reads anything needs that much, hence the generous size. */
#define WEBSOCKET_MAX_QUEUE_BYTES ((size_t)16 << 20)

struct fragment;

/* All zero: empty. */
struct echo_queue {
    struct fragment *first, *last;
    size_t size_bytes;
    bool held_up; /* reading is paused until the queue is half empty */
};

void echo_queue_clear(struct echo_queue *queue);

/* Each is to be returned from libwebsockets' callback: 0 goes on, -1 closes the connection. */
int websocket_received(struct lws *wsi, struct echo_queue *queue, const void *bytes, size_t size);
int websocket_writable(struct lws *wsi, struct echo_queue *queue);

#endif
