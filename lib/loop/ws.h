/* SPDX-License-Identifier: MPL-2.0 */
/* WebSockets as a client (RFC 6455), by libwebsockets on a libev loop. Only this file knows that
 * library's client side. Its libev support is a plug-in that it loads at run time (Debian:
 * libwebsockets-evlib-ev). What a time limit is, is the caller's business: nothing here ends by
 * itself. Callbacks come while the library is on the stack. */
#ifndef LOADS_LOOP_WS_H
#define LOADS_LOOP_WS_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "loop/transport.h"

#define WS_CLOSE_NORMAL   1000
#define WS_CLOSE_ABNORMAL 1006 /* of a connection that ended without a word */

struct url;
struct ws_client; /* what all sockets of a loop have in common */
struct ws;

struct ws_client_options {
    const char *ca_file; /* PEM file of trusted certificates; NULL: the system's */
    const char *cert_file,
        *key_file;    /* PEM: what is shown to servers; key NULL: in the same file */
    unsigned tls_min; /* 12 or 13: the oldest version of TLS; 0: the library's */
    bool insecure;    /* takes any certificate */
};

/* What the options point to is read here. -EIO with a text. */
int ws_client_new(struct ws_client **ret, struct ev_loop *loop,
                  const struct ws_client_options *options, struct error *error) _must_check_;
/* All of its sockets must be freed. */
struct ws_client *ws_client_free(struct ws_client *client);
DEFINE_CLEANUP(struct ws_client, ws_client_free)

/* Why a socket ended, or never opened. */
struct ws_ending {
    enum transport_error error; /* TRANSPORT_OK: by a close frame */
    int status;                 /* of a handshake that was refused; 0: none */
    unsigned code;              /* of the close frame */
    char text[200];
};

/* A piece of a message. */
struct ws_piece {
    const void *bytes;
    size_t size;
    size_t more_bytes; /* of the same frame, which its head has announced */
    bool binary;
    bool last; /* of the message */
};

enum ws_opcode {
    WS_CONTINUATION = 0x0,
    WS_TEXT = 0x1,
    WS_BINARY = 0x2,
    WS_CLOSE = 0x8,
    WS_PONG = 0xa,
};

/* A frame, when its beginning is there, or when it is sent. */
struct ws_frame {
    bool sent; /* by us */
    enum ws_opcode opcode;
    bool more;        /* another one of the same message follows; of one that hasn't come whole it
                         isn't known */
    size_t size;      /* of the payload */
    const void *head; /* what of the payload is there */
    size_t head_size;
};

struct ws_callbacks {
    /* The handshake succeeded; `protocol`: the sub-protocol that the server chose, or "". */
    void (*opened)(struct ws *ws, const char *protocol, void *context);
    void (*received)(struct ws *ws, const struct ws_piece *piece, void *context);
    /* All that ws_send() was given has been taken by the kernel. */
    void (*drained)(struct ws *ws, void *context);
    /* The end, once at most; the socket is still to be freed, but not in here. */
    void (*ended)(struct ws *ws, const struct ws_ending *ending, void *context);
    /* For who wants to see what happens, or NULL: lines about TLS, when it is open; all frames but
     * pings, which the library answers, and the server's answer to a close frame. */
    void (*told)(const char *line, void *context);
    void (*frame)(const struct ws_frame *frame, void *context);
};

struct ws_request {
    const struct url *url;      /* ws or wss */
    const char *source_address; /* of this machine, numeric; NULL: any */
    const char *address;        /* numeric; NULL: the URL's host, which is */
    const char *protocols;      /* "chat, http-only"; NULL: none is asked for */
    const char *const *headers; /* "Name: value" lines, NULL-terminated; NULL: none */
    const struct ws_callbacks *callbacks;
    void *context;
};

/* Begins to open one; borrows the callbacks, and the rest but the address until it has opened or
 * ended. -ENOMEM. */
int ws_open(struct ws **ret, struct ws_client *client, const struct ws_request *request)
    _must_check_;

/* Cuts the connection, if there still is one; no callback follows. Not from a callback. */
struct ws *ws_free(struct ws *ws);

/* Sends a message, of which a copy is kept until it is sent. -ENOTCONN: it isn't open, or is being
 * closed; -ENOMEM. */
int ws_send(struct ws *ws, const void *bytes, size_t size, bool binary) _must_check_;

/* Bytes of messages that wait to be sent. */
size_t ws_unsent_bytes(const struct ws *ws);

/* Nothing is received until it is let go again: the server has to wait. */
void ws_hold(struct ws *ws, bool hold);

/* Sends a close frame behind all messages; ended() follows when the server has answered. */
void ws_close(struct ws *ws, unsigned code);

#endif
