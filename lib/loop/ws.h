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

struct ws_callbacks {
    /* The handshake succeeded; `protocol`: the sub-protocol that the server chose, or "". */
    void (*opened)(struct ws *ws, const char *protocol, void *context);
    /* A piece of a message. */
    void (*received)(struct ws *ws, const void *bytes, size_t size, bool binary, bool last,
                     void *context);
    /* All that ws_send() was given has been taken by the kernel. */
    void (*drained)(struct ws *ws, void *context);
    /* The end, once at most; the socket is still to be freed, but not in here. */
    void (*ended)(struct ws *ws, const struct ws_ending *ending, void *context);
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

/* Begins to open one; borrows the callbacks, and the rest until it has opened or ended. -EIO: it
 * couldn't, *ending says why, and there is nothing to free; -ENOMEM. */
int ws_open(struct ws **ret, struct ws_client *client, const struct ws_request *request,
            struct ws_ending *ending) _must_check_;

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
