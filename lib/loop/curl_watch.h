/* SPDX-License-Identifier: MPL-2.0 */
/* The descriptors of libcurl's connections on the loop. Part of the transport on libcurl. */
#ifndef LOADS_LOOP_CURL_WATCH_H
#define LOADS_LOOP_CURL_WATCH_H

#include "loop/curl_request.h"

struct curl_watch;

struct curl_watches {
    struct ev_loop *loop;
    void (*on_io)(struct ev_loop *loop, ev_io *io, int events);
    void *data; /* of each ev_io */
    struct curl_watch **by_fd;
    size_t size;
};

/* Once libcurl has closed all its sockets. */
void curl_watches_clear(struct curl_watches *watches);

/* What libcurl has to be told of them; false: it has no memory. */
bool curl_watches_set_multi(struct curl_watches *watches, CURLM *multi);
bool curl_watches_set(struct curl_watches *watches, struct request *request);

/* True: no request uses the descriptor that something came on, and its connection is given up. */
bool curl_watch_give_up(struct curl_watches *watches, ev_io *io);

/* Whether libcurl, told of the descriptor, probably goes on with a TLS handshake. It is noted each
 * time that libcurl is told. */
bool curl_watch_handshakes(const ev_io *io);
void curl_watch_note_call(ev_io *io);

#endif
