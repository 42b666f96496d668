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

#include "answer.h"
#include "auth.h"
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
#include "upload.h"
#include "user.h"
#include "ways.h"

#define COOKIE_HEADER_BYTES 8192

struct call {
    struct loads_user *user;
    const loads_request *request;
    struct answer answer;
    struct exchange exchange;
    bool done;
    uint64_t hop_started_usec;
    uint64_t dns_usec; /* of this hop */
    uint64_t deadline_usec;

    const struct url *url;     /* of this hop */
    const struct proxy *proxy; /* on the way to it; NULL: none */
    const char *proxy_address; /* NULL: its host is one */
    const char *method;
    struct upload upload;     /* its body */
    bool left_origin;         /* a redirect led to another host: credentials stay behind */
    struct redirect redirect; /* how this hop came to be; method NULL: it is the first */
    struct auth auth;         /* of this hop */
    const char *lines[EXCHANGE_MAX_HEADERS + 1];
    size_t n_lines;

    unsigned error_id;
};

/* ---- the end without an answer --------------------------------------------------------------- */

static const char *request_name(const struct call *call)
{
    const loads_request *request = call->request;
    return request->name ? request->name : call->url ? call->url->name : "(invalid)";
}

/* Counts a request without an answer, whose reason becomes the response's. */
static int fail(struct call *call, const char *class, const char *format, ...) _printf_(3, 4);
static int fail(struct call *call, const char *class, const char *format, ...)
{
    struct loads_user *user = call->user;
    char message[1024], place[256];
    const char *slash = call->request->file_ ? strrchr(call->request->file_, '/') : NULL;
    const char *file = slash ? slash + 1 : call->request->file_;
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments); /* cut is fine */
    va_end(arguments);
    (void)snprintf(place, sizeof place, "%s:%d", file ? file : "", call->request->line_);
    struct error_key key = {.kind = ERROR_KIND_ERROR,
                            .class = class,
                            .message = message,
                            .place = file ? place : "",
                            .test = user->test->name};
    call->error_id =
        record_request_error(user, request_name(call), call->method ? call->method : "",
                             call->url ? call->url->name : "", call->hop_started_usec, &key);
    loads_response *response = &call->answer.response;
    debug_http_note(user, "no answer: %s", message);
    if (!call->request->may_fail) {
        debug_failure(user, &key);
    }
    response->status = 0;
    response->error = arena_printf(&user->arena, "%s", message);
    return response->error ? -EIO : -ENOMEM;
}

/* ---- composing ------------------------------------------------------------------------------- */

static int add_line(struct call *call, const char *line)
{
    if (!line) {
        return -ENOMEM;
    }
    if (call->n_lines == EXCHANGE_MAX_HEADERS) {
        return fail(call, "request", "more than %d headers", EXCHANGE_MAX_HEADERS);
    }
    call->lines[call->n_lines++] = line;
    return 0;
}

static bool given(const struct call *call, const char *name)
{
    return header_find(call->request->headers, 0, name, NULL) >= 0;
}

static int add_given_lines(struct call *call)
{
    for (const char *const *line = call->request->headers; line && *line; line++) {
        struct error error;
        int r = header_check(*line, strlen(*line), &error);
        if (r < 0) {
            return fail(call, "request", "%s", error.text);
        }
        if (call->redirect.method && !redirect_keeps(*line, &call->redirect, call->left_origin)) {
            continue;
        }
        r = add_line(call, *line);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int add_cookies(struct call *call)
{
    struct loads_user *user = call->user;
    char cookies[COOKIE_HEADER_BYTES];

    if (cookie_jar_count(&user->session.cookies) == 0 || given(call, "Cookie")) {
        return 0;
    }
    ssize_t n =
        cookie_jar_header(&user->session.cookies, call->url->host, call->url->path,
                          call->url->secure, clock_realtime_usec(), cookies, sizeof cookies);
    if (n < 0) {
        return fail(call, "request", "the cookies for %s are longer than %d bytes", call->url->host,
                    COOKIE_HEADER_BYTES);
    }
    return n == 0 ? 0 : add_line(call, arena_printf(&user->arena, "Cookie: %s", cookies));
}

/* What the test or the URL says, unless a redirect led elsewhere. */
static int add_auth(struct call *call)
{
    const loads_auth nothing = {.kind_ = LOADS_AUTH_NONE_};
    const loads_auth *auth = call->left_origin ? &nothing : &call->request->auth;
    struct error error;

    if (given(call, "Authorization")) {
        return auth->kind_ == LOADS_AUTH_NONE_
                   ? 0
                   : fail(call, "request", "there are both .auth and a header Authorization");
    }
    int r = auth_find(auth, call->url, &call->user->arena, &call->auth, &error);
    if (r == -EINVAL) {
        return fail(call, "request", "%s", error.text);
    }
    return r == 0 && call->auth.line ? add_line(call, call->auth.line) : r;
}

static int compose(struct call *call)
{
    static const char *const defaults[][2] = {
        {"User-Agent", "User-Agent: loads/" LOADS_VERSION},
        {"Accept-Encoding", "Accept-Encoding: " DECODER_ACCEPTS},
    };

    call->n_lines = 0;
    int r = add_given_lines(call);
    for (size_t i = 0; r == 0 && i < ELEMENTSOF(defaults); i++) {
        if (!given(call, defaults[i][0])) {
            r = add_line(call, defaults[i][1]);
        }
    }
    if (r == 0 && call->request->json && call->upload.bytes && !given(call, "Content-Type")) {
        r = add_line(call, "Content-Type: application/json");
    }
    if (r == 0 && call->upload.coding) {
        r = add_line(call,
                     arena_printf(&call->user->arena, "Content-Encoding: %s", call->upload.coding));
    }
    if (r == 0 && call->request->expect_continue && upload_has_body(&call->upload)) {
        r = add_line(call, "Expect: 100-continue");
    }
    if (r == 0) {
        r = add_auth(call);
    }
    if (r == 0) {
        r = add_cookies(call);
    }
    call->lines[call->n_lines] = NULL;
    return r;
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

static bool on_body(struct exchange *exchange, const void *bytes, size_t size)
{
    return answer_body(&call_of(exchange)->answer, bytes, size);
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

/* The one that came was not the last one: its headers are forgotten, its cookies were taken. */
static void on_again(struct exchange *exchange)
{
    answer_begin(&call_of(exchange)->answer);
}

static ssize_t on_read(struct exchange *exchange, uint64_t offset, void *buffer, size_t size)
{
    struct upload *upload = &call_of(exchange)->upload;

    upload->offset = offset;
    return upload_read(upload, buffer, size);
}

static const struct exchange_callbacks callbacks = {
    .header = on_header, .body = on_body, .done = on_done, .again = on_again, .read = on_read};
static const struct exchange_callbacks callbacks_shown = {.header = on_header,
                                                          .body = on_body,
                                                          .done = on_done,
                                                          .again = on_again,
                                                          .read = on_read,
                                                          .told = on_told};

/* ---- one exchange ---------------------------------------------------------------------------- */

static int exchange_wait(struct call *call)
{
    while (!call->done) {
        int r = user_wait(call->user);
        if (r < 0 && !call->done) {
            exchange_cancel(&call->exchange);
            return r;
        }
    }
    return 0;
}

static int exchange_once(struct call *call, const char *address)
{
    struct loads_user *user = call->user;
    uint64_t now = clock_monotonic_usec();

    call->done = false;
    call->exchange = (struct exchange){
        .method = call->method,
        .url = call->url,
        .address = address,
        .proxy = call->proxy,
        .proxy_address = call->proxy_address,
        .source_address = ways_source(user),
        .own_connection = user->worker->connections == CONNECTIONS_REQUEST,
        .headers = call->lines,
        .body = call->upload.bytes,
        .reads_body = call->upload.from_file,
        .body_size_bytes = call->upload.size_bytes,
        .digest_user = call->auth.user,
        .digest_password = call->auth.password,
        .timeout_usec = call->deadline_usec > now ? call->deadline_usec - now : 1,
        .callbacks = debug_is_on(user) ? &callbacks_shown : &callbacks,
    };
    answer_begin(&call->answer);
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
        return fail(call, "request", "the request can't be sent: method or headers are invalid");
    }
    return r < 0 ? r : exchange_wait(call);
}

/* One of the host's addresses. */
static int find_address(struct call *call, const char *host, unsigned port, const char **ret)
{
    char reason[128];
    int r = peer_address(call->user, host, port, call->deadline_usec, ret, &call->dns_usec, reason);

    if (r == -ENOENT) {
        return fail(call, "resolve", "Could not resolve host: %s (%s)", host, reason);
    }
    return r == -ETIMEDOUT ? fail(call, "timeout", "Resolving %s timed out", host) : r;
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
        return call->answer.result == -ENOMEM ? -ENOMEM
                                              : fail(call, "decoding", "%s", call->answer.reason);
    }
    if (call->upload.error < 0) {
        return fail(call, "request", "cannot read .body_file %s: %s", call->request->body_file,
                    strerror(-call->upload.error));
    }
    if (exchange->error != TRANSPORT_OK) {
        return fail(call, transport_error_name(exchange->error), "%s", exchange->error_text);
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
    return r == 0 || r == -ENOMEM ? r : fail(call, "decoding", "%s", call->answer.reason);
}

static int hop(struct call *call)
{
    call->hop_started_usec = clock_monotonic_usec();
    call->dns_usec = 0;
    int r = compose(call);
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
    const char *location = session_header(response, "Location");
    const struct url *next = NULL;
    struct error error;

    if (call->request->no_redirects || call->user->worker->spec->http.max_redirects == 0 ||
        !redirect_next(call->method, response->status, location && *location, &call->redirect)) {
        return 0;
    }
    location = redirect_location(&call->user->arena, location);
    if (!location) {
        return -ENOMEM;
    }
    uint64_t most = call->user->worker->spec->http.max_redirects;
    if (response->redirects == most) {
        char shown[SHOWN_BYTES];
        return fail(call, "redirect", "more than %" PRIu64 " redirects, the last one to %s", most,
                    shown_url(location, shown));
    }
    if (url_get(call->user->worker->urls, call->url, location, &next, &error) < 0) {
        return fail(call, "redirect", "%s", error.text);
    }
    response->redirects++;
    debug_http_note(call->user, "redirected to %s", next->name);
    call->left_origin = call->left_origin || redirect_leaves(call->url, next);
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
        return fail(call, "request", "there is no URL");
    }
    int r = upload_open(&call->upload, request, &call->user->arena, &error);
    if (r < 0) {
        return r == -ENOMEM ? r : fail(call, "request", "%s", error.text);
    }
    const struct url *server = call->user->server_url ? call->user->server_url : worker->server_url;
    r = url_get(worker->urls, server, request->url, &call->url, &error);
    const char *hint = server || strstr(request->url, "://")
                           ? ""
                           : "; --server-url says what others are relative to";
    return r == -EINVAL ? fail(call, "request", "%s%s", error.text, hint) : r;
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
    call->answer.discards = request->discard_body;
    call->upload.fd = -1;
    *ret = &call->answer.response;
    int r = prepare(call);
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
