/* SPDX-License-Identifier: MPL-2.0 */
/* Inside of the libcurl transport: one easy handle, used for one exchange after another. */
#ifndef LOADS_LOOP_CURL_REQUEST_H
#define LOADS_LOOP_CURL_REQUEST_H

#include <curl/curl.h>
#include <netinet/in.h>
#include <stdbool.h>

#include "loop/curl.h"
#include "loop/transport.h"

struct request_list;

struct request {
    CURL *easy;
    void *owner;               /* of the request: the transport */
    struct exchange *exchange; /* NULL: not in use */
    void *connections;         /* the owner's */

    /* The owner's: the one list it is in. */
    struct request_list *list;
    struct request *previous, *next;

    /* Noted when a socket is opened. */
    struct curl_watches *watches;
    int socket_errno; /* of a socket() that failed, else 0 */
    int family;       /* the last one tried */

    enum { HEADERS_STATUS, HEADERS_FIELDS, HEADERS_OVER } headers_state;
    bool provisional; /* the headers are those of a 1xx answer */
    uint64_t headers_over_usec;
    int status;           /* of the last status line */
    bool has_body;        /* some of it has come */
    bool *got_body;       /* the owner's: set when some comes */
    bool refused;         /* the body callback has said no */
    bool paused;          /* something was told to wait */
    bool rewinds;         /* the body would be needed again */
    const char *rejected; /* why the answer was given up here; NULL: it wasn't */
    size_t trailer_bytes;
    bool http2;        /* is spoken where it can be */
    bool greets_again; /* this libcurl does, see curl_setup.c */
    bool only_kept;    /* no connection may be opened */
    bool none_kept;    /* one was needed, then */
    bool keeps_handle; /* for more than one exchange */
    bool joins_body;   /* this libcurl counts short bodies as part of the headers too */

    /* What libcurl reads while the exchange is on, so that a request allocates nothing of ours. */
    struct curl_slist headers[EXCHANGE_MAX_HEADERS + 2];
    struct curl_slist connect_to, resolve;
    char connect_to_text[INET6_ADDRSTRLEN + 8];
    char resolve_text[256 + INET6_ADDRSTRLEN + 16];
    char source_text[INET6_ADDRSTRLEN + 8];
    char error_text[CURL_ERROR_SIZE];
};

/* One without a handle. -ENOMEM. */
int request_new(struct request **ret, void *owner) _must_check_;
struct request *request_free(struct request *request);
DEFINE_CLEANUP(struct request, request_free)

/* Gives it a handle; the owner sets what has to do with sockets. -ENOMEM: it has none. */
int request_open(struct request *request, const struct transport_curl_options *options)
    _must_check_;
void request_close(struct request *request);

/* Sets everything that an exchange asks for. -ENOMEM; request_clear() then too. */
int request_prepare(struct request *request, struct exchange *exchange, CURLSH *share) _must_check_;

/* curl_setup.c: what all exchanges have in common; how this one connects. False: no memory. */
bool request_set_constants(struct request *request, const struct transport_curl_options *options);
bool request_set_connection(struct request *request);

/* What libcurl knows of it, 0 if it doesn't. */
uint64_t request_number(const struct request *request, CURLINFO info);
long request_long(const struct request *request, CURLINFO info);

/* curl_error.c: the exchange's error and its text. `error` is the system's, or 0. */
void request_set_error(struct request *request, CURLcode code, int error);

/* Its timeout without what it has waited for its start. False: no memory. */
bool request_shorten(struct request *request) _must_check_;

/* Whether its time was over before it was started. */
bool request_is_late(struct request *request);

/* Whether it has to be started once more, with a new connection; it is prepared for that then. */
bool request_again(struct request *request) _must_check_;

/* Fills the exchange's result. */
void request_finish(struct request *request, CURLcode code);

/* Lets go of the exchange and of the share, and of a handle that can't be used again. */
void request_clear(struct request *request);

#endif
