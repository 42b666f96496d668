/* SPDX-License-Identifier: MPL-2.0 */
/* One call of loads_send(), hop by hop: compose the request, choose an address, hand it to the
 * transport, wait, record, and see whether the answer leads on.
 *
 * Header and body pieces arrive on the loop's stack while the user is suspended; they go straight
 * to where the answer keeps them (answer.c). The user is resumed by done(), when the transport's
 * library is off the stack. */
#include "session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/shown.h"
#include "cookies.h"
#include "debug.h"
#include "header.h"
#include "loop/proxy.h"
#include "peer.h"
#include "record.h"
#include "redirect.h"
#include "session_call.h"
#include "ways.h"

/* ---- the end without an answer --------------------------------------------------------------- */

static const char *request_name(const struct call *call)
{
    const loads_request *request = call->request;
    return request->name ? request->name : call->url ? call->url->name : "(invalid)";
}

/* Tells and counts why there is no answer. Where a test is left something else was told. */
static unsigned count_error(struct call *call, const char *class, const char *message)
{
    struct loads_user *user = call->user;
    char place[256];
    const char *slash = call->request->file_ ? strrchr(call->request->file_, '/') : NULL;
    const char *file = slash ? slash + 1 : call->request->file_;

    (void)snprintf(place, sizeof place, "%s:%d", file ? file : "", call->request->line_);
    struct error_key key = {.kind = ERROR_KIND_ERROR,
                            .class = class,
                            .message = message,
                            .place = file ? place : "",
                            .test = user->test->name};
    debug_http_note(user, "no answer: %s", message);
    if (!call->request->may_fail && !call->stream.left) {
        debug_failure(user, &key);
    }
    return record_request_error(user, request_name(call), call->method ? call->method : "",
                                call->url ? call->url->name : "", call->hop_started_usec, &key);
}

int session_fail(struct call *call, const char *class, const char *format, ...)
{
    struct loads_user *user = call->user;
    char message[1024];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments); /* cut is fine */
    va_end(arguments);
    call->error_id = count_error(call, class, message);
    loads_response *response = &call->answer.response;
    response->status = 0;
    response->error = arena_printf(&user->arena, "%s", message);
    return response->error ? -EIO : -ENOMEM;
}

/* ---- what the transport calls ---------------------------------------------------------------- */

static struct call *call_of(struct exchange *exchange)
{
    return CONTAINER_OF(exchange, struct call, exchange);
}

static void take_cookie(struct call *call, const struct header_field *field)
{
    /* A cookie that is refused, or finds no room, is as if it had not been sent. */
    int r =
        cookie_jar_set(&call->user->session.cookies, call->url->host, call->url->path,
                       call->url->secure, field->value, field->value_size, clock_realtime_usec());
    debug_http_cookie(call->user, field->value, field->value_size, r);
}

static void on_header(struct exchange *exchange, const char *line, size_t size)
{
    struct call *call = call_of(exchange);
    struct header_field field;

    if (header_parse(line, size, &field)) {
        if (header_is(&field, "Set-Cookie")) {
            take_cookie(call, &field);
        }
        answer_header(&call->answer, line, size);
    }
}

/* Whether an answer of that status, whose headers are there, leads to another hop. */
static bool leads_on(struct call *call, int status, struct redirect *ret)
{
    const char *location = session_header(&call->answer.response, "Location");

    return !call->request->no_redirects && call->user->worker->spec->http.max_redirects > 0 &&
           redirect_next(call->method, status, location && *location, ret);
}

/* Whether the test is given the body that comes: none before that of the last answer. */
static bool streams(struct call *call)
{
    int status = call->exchange.head_status;
    struct redirect ignored;

    if (call->stream.takes && !call->answer.begun && !call->answer.discards &&
        ((status == 417 && call->request->expect_continue) || leads_on(call, status, &ignored))) {
        call->answer.discards = true;
    }
    return call->stream.takes && !call->answer.discards;
}

static bool on_full(struct exchange *exchange)
{
    return stream_full(&call_of(exchange)->stream);
}

static bool on_body(struct exchange *exchange, const void *bytes, size_t size)
{
    struct call *call = call_of(exchange);

    if (!streams(call)) {
        return answer_body(&call->answer, bytes, size);
    }
    call->answer.result = stream_put(&call->stream, bytes, size);
    return call->answer.result == 0;
}

static void on_done(struct exchange *exchange)
{
    struct call *call = call_of(exchange);
    call->done = true;
    user_wake(call->user);
}

static void on_told(struct exchange *exchange, const char *line, size_t size)
{
    const struct call *call = call_of(exchange);
    debug_http_line(call->user, line, size);
}

static void begin_answer(struct call *call)
{
    answer_begin(&call->answer);
    call->answer.response.status = 0;
    call->answer.discards = call->request->discard_body && !call->request->on_body;
}

/* The one that came was not the last one: its headers are forgotten, its cookies were taken. */
static void on_again(struct exchange *exchange)
{
    begin_answer(call_of(exchange));
}

static ssize_t on_read(struct exchange *exchange, uint64_t offset, void *buffer, size_t size)
{
    struct call *call = call_of(exchange);
    struct upload *upload = &call->upload;

    if (upload->from_test) {
        return stream_read(&call->stream, buffer, size);
    }
    upload->offset = offset;
    return upload_read(upload, buffer, size);
}

static const struct exchange_callbacks callbacks = {.header = on_header,
                                                    .body = on_body,
                                                    .full = on_full,
                                                    .done = on_done,
                                                    .again = on_again,
                                                    .read = on_read};
static const struct exchange_callbacks callbacks_shown = {.header = on_header,
                                                          .body = on_body,
                                                          .full = on_full,
                                                          .done = on_done,
                                                          .again = on_again,
                                                          .read = on_read,
                                                          .told = on_told};

/* ---- one exchange ---------------------------------------------------------------------------- */

/* The test, or what it was to be given, has no end: the request has none. */
static int give_up(struct call *call, int reason)
{
    exchange_cancel(&call->exchange);
    call->exchange.ended_usec = clock_monotonic_usec();
    switch (reason) {
    case -ECANCELED:
        if (call->stream.left && !call->user->cancelled) {
            call->error_id = count_error(call, transport_error_name(TRANSPORT_CANCELLED),
                                         "the test left in the middle of a body");
        }
        return -ECANCELED;
    case -EPROTO:
        return session_fail(call, "request", "%s", call->stream.reason);
    case -EBADMSG:
        return session_fail(call, "decoding", "%s", call->answer.reason);
    default:
        return reason;
    }
}

static int exchange_wait(struct call *call)
{
    for (;;) {
        int r = stream_serve(&call->stream);
        if (r < 0) {
            return give_up(call, r);
        }
        if (call->done) {
            return 0;
        }
        r = user_wait(call->user);
        if (r < 0 && !call->done) {
            exchange_cancel(&call->exchange);
            return r;
        }
    }
}

static int exchange_once(struct call *call, const char *address)
{
    struct loads_user *user = call->user;
    uint64_t now = clock_monotonic_usec();

    call->done = false;
    bool own = user->worker->connections == CONNECTIONS_REQUEST ||
               /* What holds up the server holds up nothing else. */
               call->stream.takes || (user->streaming > 0 && user->worker->spec->http.http2);
    call->exchange = (struct exchange){
        .method = call->method,
        .url = call->url,
        .address = address,
        .proxy = call->proxy,
        .proxy_address = call->proxy_address,
        .source_address = ways_source(user),
        .own_connection = own,
        .holds_up = call->stream.takes,
        .headers = call->lines,
        .body = call->upload.bytes,
        .reads_body = call->upload.from_file || call->upload.from_test,
        .reads_once = call->upload.from_test,
        .body_size_bytes = call->upload.from_test && call->upload.size_bytes == 0
                               ? EXCHANGE_UNKNOWN_SIZE
                               : call->upload.size_bytes,
        .digest_user = call->auth.user,
        .digest_password = call->auth.password,
        .timeout_usec = call->deadline_usec > now ? call->deadline_usec - now : 1,
        .callbacks = debug_is_on(user) ? &callbacks_shown : &callbacks,
    };
    begin_answer(call);
    if (!user->session.connections) {
        int r = connections_new(user->worker->transport, &user->session.connections);
        if (r < 0) {
            return r;
        }
    }
    debug_http_note(user, "to %s, port %u%s%s", address ? address : call->url->host,
                    call->url->port, call->proxy ? ", by the proxy " : "",
                    call->proxy ? call->proxy->shown : "");
    debug_http_request(user, &call->exchange);
    int r = exchange_start(user->worker->transport, user->session.connections, &call->exchange);
    if (r == -EINVAL || r == -E2BIG) {
        return session_fail(call, "request",
                            "the request can't be sent: method or headers are invalid");
    }
    return r < 0 ? r : exchange_wait(call);
}

/* One of the host's addresses. */
static int find_address(struct call *call, const char *host, unsigned port, const char **ret)
{
    char reason[128];
    int r = peer_address(call->user, host, port, call->deadline_usec, ret, &call->dns_usec, reason);

    if (r == -ENOENT) {
        return session_fail(call, "resolve", "Could not resolve host: %s (%s)", host, reason);
    }
    return r == -ETIMEDOUT ? session_fail(call, "timeout", "Resolving %s timed out", host) : r;
}

/* With the host's addresses one after the other, until one takes a connection. */
static int exchange_with_host(struct call *call)
{
    struct loads_user *user = call->user;
    const char *host = call->url->host, *address;
    unsigned port = call->url->port;

    if (call->url->numeric_host && !ways_rule(user->worker, host, port)) {
        return exchange_once(call, NULL);
    }
    for (;;) {
        int r = find_address(call, host, port, &address);
        if (r == 0) {
            r = exchange_once(call, address);
        }
        if (r < 0) {
            return r;
        }
        if (call->exchange.error != TRANSPORT_CONNECT) {
            peer_good(user, host, port);
            return 0;
        }
        if (!peer_next(user, host, port)) {
            return 0;
        }
    }
}

/* By the proxy, if there is one for this host. Most of them look hosts up themselves. */
static int exchange_somehow(struct call *call)
{
    const struct proxy *proxy = ways_proxy(call->user->worker, call->url->host);

    call->proxy = proxy;
    call->proxy_address = NULL;
    if (proxy && !proxy->numeric_host) {
        const char *address;
        int r = find_address(call, proxy->host, proxy->port, &address);
        if (r < 0) {
            return r;
        }
        /* A copy: looking another host up may end the life of this one. */
        call->proxy_address = arena_printf(&call->user->arena, "%s", address);
        if (!call->proxy_address) {
            return -ENOMEM;
        }
    }
    if (!proxy || proxy->local_names) {
        return exchange_with_host(call);
    }
    int r = exchange_once(call, NULL);
    if (r == 0 && !proxy->numeric_host && call->exchange.error == TRANSPORT_PROXY) {
        (void)peer_next(call->user, proxy->host, proxy->port); /* for the next request */
    }
    return r;
}

/* An answer that came before the one that counts, such as a challenge, is a hit of its own: up to
 * the end of its headers; the rest of the time is the other's, and so are all bytes. */
static void take_first_answer(struct call *call)
{
    struct exchange first = call->exchange;

    if (first.first_status == 0) {
        return;
    }
    first.status = first.first_status;
    first.ended_usec = first.first_ended_usec;
    first.sent_bytes = first.received_bytes = 0;
    record_hit(call->user, request_name(call), &first, first.ended_usec - call->hop_started_usec,
               NULL);
    debug_http_note(call->user, "answered %d, and sent again", first.status);
    call->hop_started_usec = first.ended_usec;
    record_request(call->user, request_name(call), call->method);
}

/* Counted each time, and said once by each worker. */
static void note_cut(struct call *call)
{
    struct worker *worker = call->user->worker;

    if (!worker->said_cut) {
        worker->said_cut = true;
        log_warning("the body of an answer of %s is longer than --max-body (%" PRIu64
                    " bytes): the rest is left out; further ones are only counted",
                    call->url->name, worker->spec->http.max_body_bytes);
    }
    record_counter(call->user, "(cut bodies)", 1);
}

static int take_result(struct call *call)
{

    const struct exchange *exchange = &call->exchange;
    take_first_answer(call);
    uint64_t elapsed = exchange->ended_usec - call->hop_started_usec;

    if (exchange->error == TRANSPORT_CANCELLED && call->answer.result < 0) {
        return call->answer.result == -ENOMEM
                   ? -ENOMEM
                   : session_fail(call, "decoding", "%s", call->answer.reason);
    }
    if (call->upload.error < 0) {
        return session_fail(call, "request", "cannot read .body_file %s: %s",
                            call->request->body_file, strerror(-call->upload.error));
    }
    if (exchange->error != TRANSPORT_OK) {
        return session_fail(call, transport_error_name(exchange->error), "%s",
                            exchange->error_text);
    }
    record_hit(call->user, request_name(call), exchange, elapsed, &call->dns_usec);
    call->answer.response.status = exchange->status;
    call->answer.response.http_version = exchange->http_version;
    call->answer.response.elapsed_sec = (double)elapsed / 1e6;
    call->answer.response.dns_sec = (double)call->dns_usec / 1e6;
    int r = answer_end(&call->answer);
    if (call->answer.response.body_cut) {
        note_cut(call);
    }
    debug_http_answer(call->user, exchange, &call->answer);
    return r == 0 || r == -ENOMEM ? r : session_fail(call, "decoding", "%s", call->answer.reason);
}

static int hop(struct call *call)
{
    call->hop_started_usec = clock_monotonic_usec();
    call->dns_usec = 0;
    int r = session_compose(call);
    if (r < 0) {
        return r;
    }
    record_request(call->user, request_name(call), call->method);
    r = exchange_somehow(call);
    return r < 0 ? r : take_result(call);
}

/* ---- the call -------------------------------------------------------------------------------- */

/* 1: the answer leads to another hop, which is prepared. */
static int follow(struct call *call)
{
    loads_response *response = &call->answer.response;
    const struct url *next = NULL;
    struct error error;

    if (!leads_on(call, response->status, &call->redirect)) {
        return 0;
    }
    const char *location =
        redirect_location(&call->user->arena, session_header(response, "Location"));
    if (!location) {
        return -ENOMEM;
    }
    uint64_t most = call->user->worker->spec->http.max_redirects;
    if (response->redirects == most) {
        char shown[SHOWN_BYTES];
        return session_fail(call, "redirect", "more than %" PRIu64 " redirects, the last one to %s",
                            most, shown_url(location, shown));
    }
    if (!call->redirect.drop_body && call->upload.from_test && stream_is_spent(&call->stream)) {
        char shown[SHOWN_BYTES];
        return session_fail(
            call, "redirect",
            "redirected to %s with status %d: a body of .upload can't be sent again",
            shown_url(location, shown), response->status);
    }
    if (url_get(call->user->worker->urls, call->url, location, &next, &error) < 0) {
        return session_fail(call, "redirect", "%s", error.text);
    }
    response->redirects++;
    debug_http_note(call->user, "redirected to %s", next->name);
    call->left_origin = call->left_origin || redirect_leaves(call->url, next);
    call->bares = call->bares || (call->url->secure && !next->secure);
    call->method = call->redirect.method;
    if (call->redirect.drop_body) {
        upload_close(&call->upload);
    }
    url_unref(call->url);
    call->url = next;
    return 1;
}

static int prepare(struct call *call)
{
    const loads_request *request = call->request;
    struct worker *worker = call->user->worker;
    double timeout = request->timeout_sec > 0 ? request->timeout_sec
                                              : (double)worker->spec->http_timeout_usec / 1e6;
    struct error error;

    call->hop_started_usec = clock_monotonic_usec();
    call->deadline_usec = call->hop_started_usec + (uint64_t)(MIN(timeout, 1e9) * 1e6);
    call->method = request->method ? request->method : "GET";
    if (!request->url) {
        return session_fail(call, "request", "there is no URL");
    }
    int r = upload_open(&call->upload, request, &call->user->arena, &error);
    if (r < 0) {
        return r == -ENOMEM ? r : session_fail(call, "request", "%s", error.text);
    }
    const struct url *server = call->user->server_url ? call->user->server_url : worker->server_url;
    r = url_get(worker->urls, server, request->url, &call->url, &error);
    const char *hint = server || strstr(request->url, "://")
                           ? ""
                           : "; --server-url says what others are relative to";
    return r == -EINVAL ? session_fail(call, "request", "%s%s", error.text, hint) : r;
}

int session_send(loads_user *user, const loads_request *request, loads_response **ret,
                 unsigned *ret_error_id)
{
    struct call *call = arena_alloc(&user->arena, sizeof *call);

    if (!call) {
        return -ENOMEM;
    }
    memset(call, 0, sizeof *call);
    call->user = user;
    call->request = request;
    answer_init(&call->answer, &user->arena, user->worker->decoders,
                user->worker->spec->http.max_body_bytes);
    call->answer.raw = request->raw_body;
    call->upload.fd = -1;
    *ret = &call->answer.response;
    int r = stream_open(&call->stream, user, request, &call->answer, &call->exchange);
    if (r == 0) {
        r = prepare(call);
    }
    if (r == 0) {
        do {
            r = hop(call);
            if (r == 0) {
                r = follow(call);
            }
        } while (r == 1);
    }
    if (call->url) {
        call->answer.response.url = arena_printf(&user->arena, "%s", call->url->text);
        url_unref(call->url);
    }
    upload_close(&call->upload);
    answer_close(&call->answer);
    stream_close(&call->stream);
    debug_keep(user, &call->answer);
    *ret_error_id = call->error_id;
    return r;
}

const char *session_header(const loads_response *response, const char *name)
{
    return answer_find(CONTAINER_OF(response, struct answer, response), name);
}

void session_close(struct session *session)
{
    session->connections = connections_free(session->connections);
    cookie_jar_clear(&session->cookies);
    peers_free(session->peers);
    session->peers = NULL;
}
