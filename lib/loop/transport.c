/* SPDX-License-Identifier: MPL-2.0 */
/* The part of a transport that is the same for each of them: an exchange is checked, its result
 * cleared and its start noted here, so that two transports can't differ in it. */
#include "loop/transport.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

#define MAX_METHOD_BYTES 32

static const char *const error_names[TRANSPORT_ERRORS] = {
    [TRANSPORT_OK] = "ok",
    [TRANSPORT_URL] = "url",
    [TRANSPORT_RESOLVE] = "resolve",
    [TRANSPORT_CONNECT] = "connect",
    [TRANSPORT_PROXY] = "proxy",
    [TRANSPORT_TLS] = "tls",
    [TRANSPORT_TIMEOUT] = "timeout",
    [TRANSPORT_RESET] = "reset",
    [TRANSPORT_PROTOCOL] = "protocol",
    [TRANSPORT_RESOURCES] = "resources",
    [TRANSPORT_CANCELLED] = "cancelled",
    [TRANSPORT_OTHER] = "other",
};

const char *transport_error_name(enum transport_error error)
{
    return (unsigned)error < TRANSPORT_ERRORS ? error_names[error] : error_names[TRANSPORT_OTHER];
}

struct transport *transport_free(struct transport *transport)
{
    return transport ? transport->ops->free(transport) : NULL;
}

int connections_new(struct transport *transport, struct connections **ret)
{
    return transport->ops->connections_new(transport, ret);
}

struct connections *connections_free(struct connections *connections)
{
    if (connections) {
        connections->transport->ops->connections_free(connections);
    }
    return NULL;
}

/* A token of RFC 9110. */
static bool method_is_valid(const char *method)
{
    size_t size = strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                 "!#$%&'*+-.^_`|~");

    return size > 0 && size <= MAX_METHOD_BYTES && method[size] == '\0';
}

static int check_headers(const char *const *headers)
{
    for (size_t i = 0; headers && headers[i]; i++) {
        if (i >= EXCHANGE_MAX_HEADERS) {
            return -E2BIG;
        }
        if (headers[i][strcspn(headers[i], "\r\n")] != '\0') {
            return -EINVAL;
        }
    }
    return 0;
}

int exchange_start(struct transport *transport, struct connections *connections,
                   struct exchange *exchange)
{
    int r;

    assert(!exchange->transport);
    if (!method_is_valid(exchange->method)) {
        return -EINVAL;
    }
    r = check_headers(exchange->headers);
    if (r < 0) {
        return r;
    }
    exchange->error = TRANSPORT_OK;
    exchange->error_text[0] = '\0';
    exchange->status = exchange->head_status = 0;
    exchange->body_offset = 0;
    exchange->http_version = exchange->first_status = 0;
    exchange->first_ended_usec = 0;
    exchange->ended_usec = 0;
    exchange->sent_bytes = exchange->received_bytes = 0;
    exchange->connection_reused = false;
    exchange->timing = (struct exchange_timing){0};
    exchange->started_usec = clock_monotonic_usec();
    r = transport->ops->start(transport, connections, exchange);
    if (r == 0) {
        exchange->transport = transport;
    }
    return r;
}

void exchange_cancel(struct exchange *exchange)
{
    if (exchange->transport) {
        exchange->transport->ops->cancel(exchange);
        exchange->transport = NULL;
    }
}

void exchange_resume(struct exchange *exchange)
{
    if (exchange->transport) {
        exchange->transport->ops->resume(exchange);
    }
}
