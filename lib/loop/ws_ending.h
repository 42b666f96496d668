/* SPDX-License-Identifier: MPL-2.0 */
/* Why a WebSocket ended, in words: what libwebsockets tells and what the server sent, judged. No
 * byte of the server's is in a text. */
#ifndef LOADS_LOOP_WS_ENDING_H
#define LOADS_LOOP_WS_ENDING_H

#include <stddef.h>

#include "loop/ws.h"

/* How far a socket was that never opened. */
enum ws_progress {
    WS_CONNECTING,
    WS_SHAKING_HANDS, /* the request was sent */
};

/* It never opened. `status`: of an answer that is none to a handshake, 0: there was none; `reason`:
 * the library's words, or NULL. */
void ws_ending_unopened(struct ws_ending *ending, enum ws_progress progress, unsigned status,
                        const char *reason);

/* What the server sent is nothing that HTTP begins with. */
void ws_ending_not_http(struct ws_ending *ending);

/* It chose among sub-protocols that it was offered, and took several. */
void ws_ending_protocols(struct ws_ending *ending);

/* The payload of its close frame. False: no close frame may have that. */
bool ws_ending_close_frame(struct ws_ending *ending, const void *bytes, size_t size) _must_check_;

/* It broke RFC 6455 while the socket was open; `code`: with which the library answered that, 0:
 * with none. */
void ws_ending_broken(struct ws_ending *ending, unsigned code);

/* The connection ended by itself. */
void ws_ending_cut(struct ws_ending *ending, bool open, bool sending);

/* Closed by us, and the server had its chance to answer. */
void ws_ending_closed(struct ws_ending *ending, unsigned code);

#endif
