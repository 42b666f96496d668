/* SPDX-License-Identifier: MPL-2.0 */
/* What the echo server has counted of WebSockets, since it started: something to compare a client's
 * counts with. */
#ifndef LOADS_ECHO_SERVER_COUNTS_H
#define LOADS_ECHO_SERVER_COUNTS_H

#include <stdint.h>

#include <libwebsockets.h>

struct counts {
    uint64_t opened;
    uint64_t received, received_bytes; /* messages that are whole; what has come of all */
    uint64_t sent, sent_bytes;
};

/* Those of the server that the connection is one of. */
static inline struct counts *counts_of(struct lws *wsi)
{
    return lws_context_user(lws_get_context(wsi));
}

#endif
