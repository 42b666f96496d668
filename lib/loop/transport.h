/* SPDX-License-Identifier: MPL-2.0 */
/* The interface between an HTTP session and what moves its bytes: one exchange is one request and
 * its answer on some connection. Cookies, redirects, authentication and content decoding are not
 * the transport's business: they stay above it, so that every transport gives the same answers.
 * Everything runs on the loop's thread. */
#ifndef LOADS_LOOP_TRANSPORT_H
#define LOADS_LOOP_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"

struct url;
struct transport;
struct connections; /* the connections of one virtual user: shared with nobody */
struct exchange;

#define EXCHANGE_MAX_HEADERS  64
#define EXCHANGE_UNKNOWN_SIZE UINT64_MAX

/* Why there was no complete answer. The names (transport_error_name) are what reports show. */
enum transport_error {
    TRANSPORT_OK,
    TRANSPORT_URL,     /* the transport can't speak to such a URL */
    TRANSPORT_RESOLVE, /* the host has no address */
    TRANSPORT_CONNECT, /* refused, unreachable */
    TRANSPORT_PROXY,   /* no connection to the proxy, or by it */
    TRANSPORT_TLS,     /* handshake or certificate */
    TRANSPORT_TIMEOUT,
    TRANSPORT_RESET,     /* closed or reset before the answer was complete */
    TRANSPORT_PROTOCOL,  /* what came is not HTTP */
    TRANSPORT_RESOURCES, /* out of descriptors, ports or memory here */
    TRANSPORT_CANCELLED,
    TRANSPORT_OTHER,
    TRANSPORT_ERRORS
};

const char *transport_error_name(enum transport_error error);

/* How the elapsed time was spent, microseconds; DNS is measured by who resolves. */
struct exchange_timing {
    uint64_t connect_usec, tls_usec, send_usec, wait_usec, receive_usec;
};

struct proxy;

struct exchange_callbacks {
    /* A header line of the final answer, "Name: value", without its line end. Not called for the
     * status line, for 1xx answers or for trailers. */
    void (*header)(struct exchange *exchange, const char *line, size_t size);
    /* A piece of the body. Returning false ends the exchange with TRANSPORT_CANCELLED. */
    bool (*body)(struct exchange *exchange, const void *bytes, size_t size);
    /* Asked before a piece of the body: whether there is no room for more now. It comes after
     * exchange_resume() then. With holds_up and own_connection. NULL: there always
     * is room. */
    bool (*full)(struct exchange *exchange);
    /* The end, once per successful start, never from inside transport_start() or another callback
     * of the transport's library: here a new exchange may be started and this one may be freed. */
    void (*done)(struct exchange *exchange);
    /* A line about the TLS of a connection that is made, as `curl -v` has it. NULL: nobody wants to
     * know. */
    void (*told)(struct exchange *exchange, const char *line, size_t size);
    /* Another answer follows the one whose headers were given, which is noted in first_status. */
    void (*again)(struct exchange *exchange);
    /* The body from `offset` on, at most `size` bytes of it, with reads_body. -EAGAIN: not now, but
     * after exchange_resume(); another -errno: it is given up; 0 at the end. */
    ssize_t (*read)(struct exchange *exchange, uint64_t offset, void *buffer, size_t size);
};

/* The caller fills the first part; what it points to stays valid until done() or
 * exchange_cancel(). */
struct exchange {
    const char *method;
    const struct url *url;
    const char *address;       /* numeric, "127.0.0.1" or "::1"; NULL: the URL's host as it is */
    const struct proxy *proxy; /* NULL: none. `address` is then only for one that wants addresses */
    const char *proxy_address; /* numeric; NULL: its host is */
    const char *source_address; /* of this machine, numeric; NULL: any */
    bool own_connection;        /* for nothing before or after it */
    bool holds_up;              /* uses full(): by HTTP/1.1, on a connection of its own */
    /* "Name: value" lines, NULL-terminated, at most EXCHANGE_MAX_HEADERS; NULL: none. "Name:" keeps
     * back what the transport would send by itself. */
    const char *const *headers;
    const void *body;         /* NULL: none; never sent with HEAD */
    bool reads_body;          /* piece by piece, by read(); `body` is NULL */
    bool reads_once;          /* what was read of it can't be read again */
    uint64_t body_size_bytes; /* EXCHANGE_UNKNOWN_SIZE: it is at its end when read() says so */
    uint64_t body_offset;     /* the transport's: how much was read */
    const char *digest_user, *digest_password; /* for a digest challenge; NULL: it is the answer */
    uint64_t timeout_usec;                     /* for the whole exchange; 0: none */
    const struct exchange_callbacks *callbacks;
    void *context; /* the caller's */

    /* The result, valid in done(). */
    enum transport_error error;
    char error_text[256]; /* the library's words; without times or counts that would differ each
                             time */
    int status;           /* 0 unless error is TRANSPORT_OK */
    int head_status;      /* of the headers that came last: in body(), of its answer */
    int http_version;     /* 10, 11, 20; 0: not known */
    uint64_t started_usec, ended_usec; /* CLOCK_MONOTONIC */
    int first_status;          /* of an answer that had the request sent again; 0: there was none */
    uint64_t first_ended_usec; /* the end of its headers */
    uint64_t sent_bytes, received_bytes;
    bool connection_reused;
    struct exchange_timing timing;

    /* The transport's; zero before the first start. */
    struct transport *transport; /* NULL: not on */
    void *transport_data;
};

struct transport_ops {
    const char *name;
    int (*connections_new)(struct transport *transport, struct connections **ret);
    void (*connections_free)(struct connections *connections);
    int (*start)(struct transport *transport, struct connections *connections,
                 struct exchange *exchange);
    void (*cancel)(struct exchange *exchange);
    void (*resume)(struct exchange *exchange);
    struct transport *(*free)(struct transport *transport);
};

/* First member of every transport. */
struct transport {
    const struct transport_ops *ops;
};

/* First member of every transport's connections. */
struct connections {
    struct transport *transport;
};

/* Exchanges that are on are cancelled. Connections may outlive it, to be freed and nothing else. */
struct transport *transport_free(struct transport *transport);
DEFINE_CLEANUP(struct transport, transport_free)

/* -errno. Closing (connections_free) closes every connection at once; no exchange may be on. */
int connections_new(struct transport *transport, struct connections **ret) _must_check_;
struct connections *connections_free(struct connections *connections);
DEFINE_CLEANUP(struct connections, connections_free)

/* Starts an exchange, or queues it to be started before the loop next waits. -E2BIG: too many
 * headers; -EINVAL: the method is no token, or a header has a line end in it; -ENOMEM. Must not be
 * called from the header and body callbacks. */
int exchange_start(struct transport *transport, struct connections *connections,
                   struct exchange *exchange) _must_check_;

/* Ends an exchange that is on, at once: no callback follows, what it borrowed is free. Its
 * connection is closed. Harmless when it isn't on. Not from the header and body callbacks. */
void exchange_cancel(struct exchange *exchange);

/* There is room again, and there are bytes again: what full() and read() have held up goes on,
 * soon, from the loop. Harmless when nothing is, and when it isn't on. */
void exchange_resume(struct exchange *exchange);

#endif
