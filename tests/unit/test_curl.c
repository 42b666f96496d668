/* SPDX-License-Identifier: MPL-2.0 */
/* The transport against a server in a thread of this program that answers by path with given bytes.
 */
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "loop/curl.h"
#include "loop/transport.h"
#include "loop/url.h"
#include "reply_server.h"

/* ---- the client ---- */

struct client_case {
    struct ev_loop *loop;
    struct transport *transport;
    struct connections *user;
    struct url_cache *urls;
};

struct talk {
    struct exchange exchange;
    struct client_case *with;
    char headers[1024]; /* lines, each ended by '\n' */
    char body[1024];
    size_t body_size;
    unsigned done_count;
    bool refuse;
    unsigned full; /* how often there is no room */
    bool held;
    struct exchange *cancels;  /* in done() */
    unsigned again;            /* times to start anew in done() */
    struct connections *frees; /* in done() */
};

static void on_header(struct exchange *exchange, const char *line, size_t size)
{
    struct talk *talk = exchange->context;
    size_t used = strlen(talk->headers);

    (void)snprintf(talk->headers + used, sizeof talk->headers - used, "%.*s\n", (int)size, line);
}

static bool on_body(struct exchange *exchange, const void *bytes, size_t size)
{
    struct talk *talk = exchange->context;
    size_t room = MIN(size, sizeof talk->body - 1 - talk->body_size);

    memcpy(talk->body + talk->body_size, bytes, room);
    talk->body_size += room;
    talk->body[talk->body_size] = '\0';
    return !talk->refuse;
}

static bool on_full(struct exchange *exchange)
{
    struct talk *talk = exchange->context;

    talk->held = talk->full > 0;
    talk->full -= talk->held;
    return talk->held;
}

/* A few bytes at once; not there yet while it is full. */
static ssize_t on_read(struct exchange *exchange, uint64_t offset, void *buffer, size_t size)
{
    struct talk *talk = exchange->context;
    static const char text[] = "by pieces";

    if (on_full(exchange)) {
        return -EAGAIN;
    }
    talk->held = false;
    size_t n = MIN((size_t)4, MIN(size, strlen(text) - (size_t)offset));
    memcpy(buffer, text + offset, n);
    return (ssize_t)n;
}

static void on_done(struct exchange *exchange)
{
    struct talk *talk = exchange->context;

    talk->done_count++;
    if (talk->cancels) {
        exchange_cancel(talk->cancels);
    }
    if (talk->again > 0) {
        talk->again--;
        assert_int_equal(exchange_start(talk->with->transport, talk->with->user, exchange), 0);
    }
    talk->frees = connections_free(talk->frees);
}

static const struct exchange_callbacks callbacks = {
    .header = on_header, .body = on_body, .done = on_done};
static const struct exchange_callbacks callbacks_full = {
    .header = on_header, .body = on_body, .done = on_done, .full = on_full};
static const struct exchange_callbacks callbacks_read = {
    .header = on_header, .body = on_body, .done = on_done, .read = on_read};

static int set_up(void **state)
{
    static struct client_case client;

    server.connections = server.requests = 0;
    server.received_bytes = 0;
    client.loop = ev_loop_new(EVFLAG_AUTO);
    if (!client.loop || url_cache_new(&client.urls, 100) < 0 ||
        transport_curl_new(&client.transport, client.loop, NULL) < 0 ||
        connections_new(client.transport, &client.user) < 0) {
        return -1;
    }
    *state = &client;
    return 0;
}

static int tear_down(void **state)
{
    struct client_case *client = *state;

    connections_free(client->user);
    transport_free(client->transport);
    url_cache_free(client->urls);
    ev_loop_destroy(client->loop);
    return 0;
}

/* An exchange for a path of the server, or a whole URL; not started. */
static void make(struct client_case *client, struct talk *talk, const char *text)
{
    char url[256];

    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", server.port, text);
    talk->with = client;
    talk->exchange.method = talk->exchange.method ? talk->exchange.method : "GET";
    talk->exchange.callbacks = &callbacks;
    talk->exchange.context = talk;
    assert_int_equal(
        url_get(client->urls, NULL, text[0] == '/' ? url : text, &talk->exchange.url, NULL), 0);
}

static void start(struct client_case *client, struct connections *user, struct talk *talk,
                  const char *text)
{
    make(client, talk, text);
    assert_int_equal(exchange_start(client->transport, user, &talk->exchange), 0);
}

static void drop(struct talk *talk)
{
    url_unref(talk->exchange.url);
}

/* From start to end. */
static void perform(struct client_case *client, struct talk *talk, const char *text)
{
    unsigned before = talk->done_count;

    talk->headers[0] = talk->body[0] = '\0';
    talk->body_size = 0;
    start(client, client->user, talk, text);
    assert_int_equal(talk->done_count, before); /* never from inside */
    while (talk->done_count == before) {
        assert_true(ev_run(client->loop, EVRUN_ONCE) || talk->done_count > before);
    }
    drop(talk);
}

#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static void test_get(void **state)
{
    static const struct reply replies[] = {
        {"/a?b=c",
         "HTTP/1.1 201 Made\r\nOne: 1\r\nSet-Cookie: a=b\r\nset-cookie: c=d\r\n"
         "Content-Length: 5\r\n\r\nhello",
         KEEP},
        {0}};
    struct client_case *client = *state;
    struct talk talk = {0};
    char want[256];
    uint64_t before = clock_monotonic_usec();

    set_replies(replies);
    perform(client, &talk, "/a?b=c#d");
    assert_int_equal(talk.exchange.error, TRANSPORT_OK);
    assert_string_equal(talk.exchange.error_text, "");
    assert_int_equal(talk.exchange.status, 201);
    assert_string_equal(talk.headers, "One: 1\nSet-Cookie: a=b\nset-cookie: c=d\n"
                                      "Content-Length: 5\n");
    assert_string_equal(talk.body, "hello");
    (void)snprintf(want, sizeof want,
                   "GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAccept: */*\r\n\r\n", server.port);
    assert_string_equal(server.last, want);
    assert_int_equal(talk.exchange.sent_bytes, strlen(want));
    assert_int_equal(talk.exchange.received_bytes, strlen(replies[0].bytes));
    assert_false(talk.exchange.connection_reused);
    assert_true(talk.exchange.started_usec >= before);
    assert_true(talk.exchange.ended_usec >= talk.exchange.started_usec);
    assert_true(talk.exchange.ended_usec <= clock_monotonic_usec());
    const struct exchange_timing *timing = &talk.exchange.timing;
    uint64_t sum = timing->connect_usec + timing->tls_usec + timing->send_usec + timing->wait_usec +
                   timing->receive_usec;
    assert_in_range(sum, 1, talk.exchange.ended_usec - talk.exchange.started_usec);
    assert_int_equal(timing->tls_usec, 0);
}

/* From start to end, going on whenever it is held up; how often it was. */
static unsigned perform_held(struct client_case *client, struct talk *talk,
                             const struct exchange_callbacks *held)
{
    unsigned times = 0;

    make(client, talk, "/");
    talk->exchange.callbacks = held;
    assert_int_equal(exchange_start(client->transport, client->user, &talk->exchange), 0);
    while (talk->done_count == 0) {
        (void)ev_run(client->loop, EVRUN_NOWAIT); /* what holds up comes before the loop waits */
        if (talk->held) {
            talk->held = false;
            times++;
            assert_int_equal(talk->done_count, 0);
            exchange_resume(&talk->exchange);
        }
    }
    drop(talk);
    return times;
}

/* What is held up goes on where it was, and nothing is read away meanwhile. */
static void test_held_up(void **state)
{
    static const struct reply replies[] = {{"/", OK_REPLY, KEEP}, {0}};
    struct client_case *client = *state;
    struct talk answer = {.full = 3, .exchange = {.holds_up = true, .own_connection = true}};
    struct talk request = {
        .full = 3,
        .exchange = {.method = "POST", .reads_body = true, .body_size_bytes = strlen("by pieces")}};

    set_replies(replies);
    assert_int_equal(perform_held(client, &answer, &callbacks_full), 3);
    assert_string_equal(answer.body, "ok");
    assert_int_equal(perform_held(client, &request, &callbacks_read), 3);
    assert_string_equal(request.body, "ok");
    assert_non_null(strstr(server.last, "Content-Length: 9\r\n\r\nby pieces"));
    assert_int_equal(server.connections, 2);
}

/* Cancelled while it is held up, and when it is to go on. */
static void test_cancelled_held(void **state)
{
    static const struct reply replies[] = {{"/", OK_REPLY, KEEP}, {0}};
    struct client_case *client = *state;

    set_replies(replies);
    for (int resumed = 0; resumed < 2; resumed++) {
        struct talk talk = {.full = 1, .exchange = {.holds_up = true, .own_connection = true}};
        make(client, &talk, "/");
        talk.exchange.callbacks = &callbacks_full;
        assert_int_equal(exchange_start(client->transport, client->user, &talk.exchange), 0);
        while (!talk.held) {
            (void)ev_run(client->loop, EVRUN_NOWAIT);
        }
        if (resumed) {
            exchange_resume(&talk.exchange);
        }
        exchange_cancel(&talk.exchange);
        exchange_resume(&talk.exchange); /* harmless */
        drop(&talk);
        struct talk next = {0};
        perform(client, &next, "/");
        assert_string_equal(next.body, "ok");
        assert_int_equal(talk.done_count, 0);
    }
}

static void test_methods(void **state)
{
    static const struct reply replies[] = {{"/", OK_REPLY, KEEP}, {0}};
    static const struct {
        const char *method, *body;
        const char *want; /* behind the request line and Host */
    } rows[] = {
        {"GET", NULL, "Accept: */*\r\n\r\n"},
        {"DELETE", NULL, "Accept: */*\r\n\r\n"},
        {"OPTIONS", NULL, "Accept: */*\r\n\r\n"},
        {"M-SEARCH", NULL, "Accept: */*\r\n\r\n"},
        {"POST", "a=b", "Accept: */*\r\nContent-Length: 3\r\n\r\na=b"},
        {"POST", "", "Accept: */*\r\nContent-Length: 0\r\n\r\n"},
        {"POST", NULL, "Accept: */*\r\nContent-Length: 0\r\n\r\n"},
        {"PUT", "x", "Accept: */*\r\nContent-Length: 1\r\n\r\nx"},
        {"PUT", NULL, "Accept: */*\r\nContent-Length: 0\r\n\r\n"},
        {"PATCH", "x", "Accept: */*\r\nContent-Length: 1\r\n\r\nx"},
        {"GET", "x", "Accept: */*\r\nContent-Length: 1\r\n\r\nx"},
        {"DELETE", "x", "Accept: */*\r\nContent-Length: 1\r\n\r\nx"},
        {"GET", NULL, "Accept: */*\r\n\r\n"}, /* nothing left of earlier ones */
    };
    struct client_case *client = *state;

    set_replies(replies);
    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        struct talk talk = {
            .exchange = {.method = rows[i].method,
                         .body = rows[i].body,
                         .body_size_bytes = rows[i].body ? strlen(rows[i].body) : 0}};
        char want[256];

        perform(client, &talk, "/");
        assert_int_equal(talk.exchange.error, TRANSPORT_OK);
        assert_string_equal(talk.body, "ok");
        (void)snprintf(want, sizeof want, "%s / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s",
                       rows[i].method, server.port, rows[i].want);
        assert_string_equal(server.last, want);
        assert_int_equal(talk.exchange.sent_bytes, strlen(want));
        assert_int_equal(talk.exchange.connection_reused, i > 0);
    }
}

static void test_head(void **state)
{
    static const struct reply replies[] = {
        {"/head", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", KEEP},
        {"/get", OK_REPLY, KEEP},
        {0}};
    struct client_case *client = *state;
    struct talk head = {.exchange = {.method = "HEAD", .body = "x", .body_size_bytes = 1}};
    struct talk get = {0};

    set_replies(replies);
    perform(client, &head, "/head");
    assert_int_equal(head.exchange.status, 200);
    assert_string_equal(head.body, "");
    assert_null(strstr(server.last, "Content-Length"));
    perform(client, &get, "/get"); /* on the same connection and handle */
    assert_string_equal(get.body, "ok");
    assert_true(get.exchange.connection_reused);
}

static void test_large_body(void **state)
{
    static const struct reply replies[] = {{"/", OK_REPLY, KEEP}, {0}};
    static char body[700000];
    struct client_case *client = *state;
    struct talk talk = {
        .exchange = {.method = "PUT", .body = body, .body_size_bytes = sizeof body}};

    memset(body, 'b', sizeof body);
    set_replies(replies);
    perform(client, &talk, "/");
    assert_int_equal(talk.exchange.error, TRANSPORT_OK);
    pthread_mutex_lock(&server.lock);
    assert_int_equal(talk.exchange.sent_bytes, server.received_bytes);
    pthread_mutex_unlock(&server.lock);
    assert_true(talk.exchange.sent_bytes > sizeof body);
    assert_null(strstr(server.last, "Expect"));
}

static void test_request_headers(void **state)
{
    static const struct reply replies[] = {{"/", OK_REPLY, KEEP}, {0}};
    static const char *const headers[] = {"Host: other",    "User-Agent: loads/1",
                                          "Accept: text/x", "Content-Type: a/b",
                                          "Cookie: c=d",    NULL};
    static const char *const none[] = {"Accept:", NULL};
    struct client_case *client = *state;
    struct talk talk = {
        .exchange = {.method = "POST", .body = "x", .body_size_bytes = 1, .headers = headers}};
    char want[256];

    set_replies(replies);
    perform(client, &talk, "/");
    assert_string_equal(server.last, "POST / HTTP/1.1\r\nHost: other\r\nUser-Agent: loads/1\r\n"
                                     "Accept: text/x\r\nContent-Type: a/b\r\nCookie: c=d\r\n"
                                     "Content-Length: 1\r\n\r\nx");
    talk.exchange = (struct exchange){.method = "GET", .headers = none};
    perform(client, &talk, "/");
    (void)snprintf(want, sizeof want, "GET / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n", server.port);
    assert_string_equal(server.last, want);
}

/* As many headers as there may be, and those of ours with them. */
static void test_most_headers(void **state)
{
    static const struct reply replies[] = {{"/", OK_REPLY, KEEP}, {0}};
    static char lines[EXCHANGE_MAX_HEADERS][16];
    const char *headers[EXCHANGE_MAX_HEADERS + 1] = {0};
    struct client_case *client = *state;
    struct talk talk = {
        .exchange = {.method = "POST", .body = "x", .body_size_bytes = 1, .headers = headers}};

    for (size_t i = 0; i < EXCHANGE_MAX_HEADERS; i++) {
        (void)snprintf(lines[i], sizeof lines[i], "H%zu: %zu", i, i);
        headers[i] = lines[i];
    }
    set_replies(replies);
    perform(client, &talk, "/");
    assert_int_equal(talk.exchange.error, TRANSPORT_OK);
    assert_non_null(strstr(server.last, "\r\nH0: 0\r\n"));
    assert_non_null(strstr(server.last, "\r\nH63: 63\r\n"));
    assert_null(strstr(server.last, "Content-Type"));
}

static void test_header_lines(void **state)
{
    static const struct reply replies[] = {
        {"/1xx",
         "HTTP/1.1 100 Continue\r\nNo: 1\r\n\r\nHTTP/1.1 103 Early\r\nNo: 2\r\n\r\n"
         "HTTP/1.1 204 None\r\nYes: 1\r\n\r\n",
         KEEP},
        {"/trailer",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n"
         "Late: 1\r\n\r\n",
         KEEP},
        {"/odd", "HTTP/1.1 200 OK\r\nA: b\r\n folded: on\r\nEmpty:\r\nContent-Length: 0\r\n\r\n",
         KEEP},
        {"/lf", "HTTP/1.0 200 OK\nA: b\n\nrest", CLOSE},
        {"/gzip", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nraw",
         KEEP},
        {"/redirect", "HTTP/1.1 302 Found\r\nLocation: /gzip\r\nContent-Length: 0\r\n\r\n", KEEP},
        {0}};
    static const struct {
        const char *path, *headers, *body;
        int status;
    } rows[] = {
        {"/1xx", "Yes: 1\n", "", 204},
        {"/trailer", "Transfer-Encoding: chunked\n", "abcde", 200},
        {"/odd", "A: b\nEmpty:\nContent-Length: 0\n", "", 200},
        {"/lf", "A: b\n", "rest", 200},
        {"/gzip", "Content-Encoding: gzip\nContent-Length: 3\n", "raw", 200},
        {"/redirect", "Location: /gzip\nContent-Length: 0\n", "", 302},
    };
    struct client_case *client = *state;

    set_replies(replies);
    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        struct talk talk = {0};

        perform(client, &talk, rows[i].path);
        assert_int_equal(talk.exchange.error, TRANSPORT_OK);
        assert_int_equal(talk.exchange.status, rows[i].status);
        assert_string_equal(talk.headers, rows[i].headers);
        assert_string_equal(talk.body, rows[i].body);
    }
}

static void test_broken_answers(void **state)
{
    static char long_line[150000], long_trailers[70000];
    static const struct reply replies[] = {
        {"/nothing", NULL, CLOSE},
        {"/reset", NULL, RESET},
        {"/partial", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", CLOSE},
        {"/partial4", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabcd", CLOSE},
        {"/cut", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", CLOSE},
        {"/headers", "HTTP/1.1 200 OK\r\nA: b\r\n", CLOSE},
        {"/garbage", "this is not HTTP at all, really\r\n\r\n", CLOSE},
        {"/binary", "\x01\x02\x03\xff\xfe\r\n\r\n", CLOSE},
        {"/version", "HTTP/7.7 200 OK\r\n\r\n", CLOSE},
        {"/chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n", CLOSE},
        {"/length", "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nab", CLOSE},
        {"/long", long_line, CLOSE},
        {"/trailers", long_trailers, CLOSE},
        {"/coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: rot13, chunked\r\n\r\n0\r\n\r\n", CLOSE},
        {0}};
    static const struct {
        const char *path;
        enum transport_error error;
        const char *text;
    } rows[] = {
        {"/nothing", TRANSPORT_RESET, "Empty reply from server"},
        {"/reset", TRANSPORT_RESET, "Recv failure: Connection reset by peer"},
        {"/partial", TRANSPORT_RESET, "transfer closed with bytes remaining to read"},
        {"/partial4", TRANSPORT_RESET, "transfer closed with bytes remaining to read"},
        {"/cut", TRANSPORT_RESET, "transfer closed with outstanding read data remaining"},
        {"/garbage", TRANSPORT_PROTOCOL, "Received HTTP/0.9 when not allowed"},
        {"/binary", TRANSPORT_PROTOCOL, "Received HTTP/0.9 when not allowed"},
        {"/version", TRANSPORT_PROTOCOL, "Unsupported HTTP version"},
        {"/chunk", TRANSPORT_PROTOCOL, "chunked-encoding"},
        {"/length", TRANSPORT_PROTOCOL, "Content-Length"},
        {"/long", TRANSPORT_PROTOCOL, "too long"},
        {"/headers", TRANSPORT_RESET, "before the end of the headers"},
        {"/trailers", TRANSPORT_PROTOCOL, "trailers"},
        {"/coding", TRANSPORT_PROTOCOL, "unknown transfer coding"},
    };
    static const char chunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    struct client_case *client = *state;

    memset(long_line, 'x', sizeof long_line - 1);
    memcpy(long_line, "HTTP/1.1 200 OK\r\nA: ", 20);
    for (char *at = stpcpy(long_trailers, chunked);
         at + 4 < long_trailers + sizeof long_trailers;) {
        at = stpcpy(at, "A:\r\n");
    }
    set_replies(replies);
    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        struct talk talk = {0};

        perform(client, &talk, rows[i].path);
        if (talk.exchange.error != rows[i].error ||
            !strstr(talk.exchange.error_text, rows[i].text)) {
            fail_msg("%s: %s, %s", rows[i].path, transport_error_name(talk.exchange.error),
                     talk.exchange.error_text);
        }
        assert_int_equal(talk.exchange.status, 0);
    }
}

/* libcurl 7.88 added it to the last header of the answer before, which was freed. */
static void test_folded_first_header(void **state)
{
    static const struct reply replies[] = {
        {"/", OK_REPLY, KEEP},
        {"/folded", "HTTP/1.1 200 OK\r\n a: b\r\nContent-Length: 0\r\n\r\n", CLOSE},
        {0}};
    struct client_case *client = *state;
    struct talk good = {0}, folded = {0};

    set_replies(replies);
    perform(client, &good, "/");
    assert_int_equal(good.exchange.error, TRANSPORT_OK);
    perform(client, &folded, "/folded");
    assert_int_equal(folded.exchange.error, TRANSPORT_PROTOCOL);
    assert_non_null(strstr(folded.exchange.error_text, "neither"));
}

static void test_connect_errors(void **state)
{
    struct client_case *client = *state;
    struct talk talk = {0};
    char url[64], want[128];
    _cleanup_fd_ int fd = -1;
    uint16_t port = listen_on(&fd, false); /* taken, but nobody listens */

    assert_true(port > 0);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
    (void)snprintf(want, sizeof want,
                   "Failed to connect to 127.0.0.1 port %u: Couldn't connect to server: "
                   "Connection refused",
                   port);
    for (int i = 0; i < 2; i++) {
        perform(client, &talk, url);
        assert_int_equal(talk.exchange.error, TRANSPORT_CONNECT);
        assert_string_equal(talk.exchange.error_text, want);
    }
    perform(client, &talk, "ws://127.0.0.1/");
    assert_int_equal(talk.exchange.error, TRANSPORT_URL);
    assert_true(talk.exchange.error_text[0]);
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u/", server.port);
    perform(client, &talk, url); /* the server doesn't speak TLS */
    assert_int_equal(talk.exchange.error, TRANSPORT_TLS);
    assert_true(talk.exchange.error_text[0]);
}

/* On a connection that is there already: what else takes time has other words. */
static void time_out(struct client_case *client, struct talk *talk, const char *path)
{
    talk->exchange.timeout_usec = 0;
    perform(client, talk, "/ok");
    assert_int_equal(talk->exchange.error, TRANSPORT_OK);
    talk->exchange.timeout_usec = 30000;
    perform(client, talk, path);
    assert_int_equal(talk->exchange.error, TRANSPORT_TIMEOUT);
    assert_string_equal(talk->exchange.error_text, "Operation timed out");
    assert_true(talk->exchange.ended_usec - talk->exchange.started_usec >= 30000);
}

static void test_timeouts(void **state)
{
    static const struct reply replies[] = {
        {"/hold", NULL, HOLD},
        {"/part", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", HOLD},
        {"/ok", OK_REPLY, KEEP},
        {0}};
    struct client_case *client = *state;
    struct talk talk = {0};

    set_replies(replies);
    time_out(client, &talk, "/hold");
    time_out(client, &talk, "/part");
    talk.exchange.timeout_usec = 0;
    perform(client, &talk, "/ok");
    assert_int_equal(talk.exchange.error, TRANSPORT_OK);
    assert_false(talk.exchange.connection_reused); /* those of the others are closed */
}

/* Each user keeps its own connection; idle users have none. */
static void test_connections(void **state)
{
    static const struct reply replies[] = {{"/", OK_REPLY, KEEP}, {0}};
    enum { USERS = 100, ROUNDS = 3 };
    static struct talk talks[USERS];
    struct client_case *client = *state;
    struct connections *users[USERS], *idle;

    set_replies(replies);
    assert_int_equal(connections_new(client->transport, &idle), 0);
    for (size_t i = 0; i < USERS; i++) {
        assert_int_equal(connections_new(client->transport, &users[i]), 0);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < USERS; i++) {
            talks[i] = (struct talk){0};
            start(client, users[i], &talks[i], "/");
        }
        ev_run(client->loop, 0); /* ends with the last exchange */
        for (size_t i = 0; i < USERS; i++) {
            assert_int_equal(talks[i].done_count, 1);
            assert_int_equal(talks[i].exchange.error, TRANSPORT_OK);
            assert_int_equal(talks[i].exchange.connection_reused, round > 0);
            drop(&talks[i]);
        }
    }
    assert_int_equal(server_connections(), USERS);
    for (size_t i = 0; i < USERS; i++) {
        connections_free(users[i]);
    }
    connections_free(idle);
}

/* What comes between two requests is no answer to the second one. */
static void test_stray_answer(void **state)
{
    static const struct reply replies[] = {
        {"/", OK_REPLY, KEEP}, {"/disturb", OK_REPLY, DISTURB}, {0}};
    struct client_case *client = *state;
    struct talk talk = {0}, other = {0};
    struct connections *others;

    set_replies(replies);
    assert_int_equal(connections_new(client->transport, &others), 0);
    perform(client, &talk, "/");
    start(client, others, &other, "/disturb");
    ev_run(client->loop, 0); /* ends with it, whatever is kept */
    assert_int_equal(other.done_count, 1);
    perform(client, &talk, "/");
    assert_int_equal(talk.exchange.status, 200);
    assert_string_equal(talk.body, "ok");
    assert_false(talk.exchange.connection_reused);
    drop(&other);
    connections_free(others);
}

/* A kept connection is closed when the next request comes: it is repeated on a new one, and it is
 * that request, not an earlier one of the same handle. */
static void test_repeated_request(void **state)
{
    static const struct reply replies[] = {
        {"/one", OK_REPLY, KEEP},
        {"/two", "HTTP/1.1 202 OK\r\nContent-Length: 3\r\n\r\ntwo", DROP_IF_REUSED},
        {0}};
    struct client_case *client = *state;
    struct talk talk = {0};

    set_replies(replies);
    perform(client, &talk, "/one");
    perform(client, &talk, "/two");
    assert_int_equal(talk.exchange.error, TRANSPORT_OK);
    assert_int_equal(talk.exchange.status, 202);
    assert_string_equal(talk.body, "two");
    assert_memory_equal(server.last, "GET /two ", 9);
    assert_int_equal(server_connections(), 2);
    assert_int_equal(server.requests, 3);
}

static void test_address(void **state)
{
    static const struct reply replies[] = {{"/", OK_REPLY, KEEP}, {0}};
    struct client_case *client = *state;
    struct talk talk = {.exchange = {.address = "127.0.0.1"}};
    char url[64], host[64];

    set_replies(replies);
    (void)setenv("http_proxy", "http://127.0.0.1:1/", 1); /* nothing of it is used */
    (void)snprintf(url, sizeof url, "http://some.host.invalid:%u/", server.port);
    perform(client, &talk, url);
    (void)unsetenv("http_proxy");
    assert_int_equal(talk.exchange.error, TRANSPORT_OK);
    (void)snprintf(host, sizeof host, "\r\nHost: some.host.invalid:%u\r\n", server.port);
    assert_non_null(strstr(server.last, host));
    perform(client, &talk, url);
    assert_true(talk.exchange.connection_reused);

    talk.exchange.address = "::1"; /* nobody there: refused, or no IPv6 */
    perform(client, &talk, url);
    assert_int_equal(talk.exchange.error, TRANSPORT_CONNECT);
}

static void test_refused_body(void **state)
{
    static const struct reply replies[] = {{"/", OK_REPLY, KEEP}, {0}};
    struct client_case *client = *state;
    struct talk talk = {.refuse = true};

    set_replies(replies);
    perform(client, &talk, "/");
    assert_int_equal(talk.exchange.error, TRANSPORT_CANCELLED);
    assert_string_equal(talk.exchange.error_text, "cancelled");
    talk.refuse = false;
    perform(client, &talk, "/");
    assert_int_equal(talk.exchange.error, TRANSPORT_OK);
    assert_false(talk.exchange.connection_reused);
}

static void test_cancel(void **state)
{
    static const struct reply replies[] = {{"/hold", NULL, HOLD}, {"/", OK_REPLY, KEEP}, {0}};
    struct client_case *client = *state;
    struct talk held = {0}, queued = {0}, talk = {0};

    set_replies(replies);
    start(client, client->user, &queued, "/"); /* never gets to libcurl */
    exchange_cancel(&queued.exchange);
    exchange_cancel(&queued.exchange);
    ev_run(client->loop, 0);

    start(client, client->user, &held, "/hold");
    perform(client, &talk, "/"); /* meanwhile the other is on */
    assert_int_equal(talk.exchange.error, TRANSPORT_OK);
    exchange_cancel(&held.exchange);
    ev_run(client->loop, 0);         /* nothing is left on */
    exchange_cancel(&talk.exchange); /* was done */

    start(client, client->user, &held, "/hold");
    drop(&held);
    talk.cancels = &held.exchange; /* from done() */
    perform(client, &talk, "/");
    ev_run(client->loop, 0);
    assert_int_equal(held.done_count + queued.done_count, 0);
    drop(&held);
    drop(&queued);
}

/* Several end in one turn, and the done() of each cancels the next. */
static void test_cancel_finished(void **state)
{
    struct client_case *client = *state;
    struct talk talks[4] = {0};
    unsigned done = 0;

    for (size_t i = 0; i < 4; i++) { /* libcurl refuses them all at once */
        start(client, client->user, &talks[i], "ws://127.0.0.1/");
        talks[i].cancels = &talks[(i + 1) % 4].exchange;
    }
    ev_run(client->loop, 0);
    for (size_t i = 0; i < 4; i++) {
        done += talks[i].done_count;
        drop(&talks[i]);
    }
    assert_int_equal(done, 2);
}

static void test_start_from_done(void **state)
{
    static const struct reply replies[] = {{"/", OK_REPLY, KEEP}, {0}};
    struct client_case *client = *state;
    struct talk talk = {.again = 300}, instant = {.again = 300};

    set_replies(replies);
    start(client, client->user, &talk, "/");
    start(client, client->user, &instant, "ws://127.0.0.1/"); /* ends as soon as it is started */
    ev_run(client->loop, 0);
    assert_int_equal(talk.done_count, 301);
    assert_int_equal(talk.exchange.error, TRANSPORT_OK);
    assert_int_equal(instant.done_count, 301);
    assert_int_equal(server_connections(), 1);
    drop(&talk);
    drop(&instant);
}

static void test_free_connections_in_done(void **state)
{
    static const struct reply replies[] = {{"/", OK_REPLY, KEEP}, {0}};
    struct client_case *client = *state;
    struct talk talk = {0};

    set_replies(replies);
    assert_int_equal(connections_new(client->transport, &talk.frees), 0);
    start(client, talk.frees, &talk, "/");
    ev_run(client->loop, 0);
    assert_int_equal(talk.done_count, 1);
    assert_null(talk.frees);
    drop(&talk);
}

struct starter {
    ev_prepare prepare;
    struct client_case *client;
    struct talk *talk;
};

static void start_late(struct ev_loop *loop, ev_prepare *prepare, int events _unused_)
{
    struct starter *starter = CONTAINER_OF(prepare, struct starter, prepare);

    ev_prepare_stop(loop, prepare);
    start(starter->client, starter->client->user, starter->talk, "/");
}

/* Started by the very last watcher before the loop waits: it doesn't wait. */
static void test_start_before_waiting(void **state)
{
    static const struct reply replies[] = {{"/", OK_REPLY, KEEP}, {0}};
    struct client_case *client = *state;
    struct talk talk = {0};
    struct starter starter = {.client = client, .talk = &talk};

    set_replies(replies);
    ev_prepare_init(&starter.prepare, start_late);
    ev_set_priority(&starter.prepare, EV_MINPRI);
    ev_prepare_start(client->loop, &starter.prepare);
    ev_run(client->loop, 0);
    assert_int_equal(talk.done_count, 1);
    assert_int_equal(talk.exchange.error, TRANSPORT_OK);
    drop(&talk);
}

static void test_out_of_descriptors(void **state)
{
    static const struct reply replies[] = {{"/", OK_REPLY, KEEP}, {0}};
    struct client_case *client = *state;
    struct talk talk = {0};
    struct rlimit limit, tight;
    char want[128];
    int next;

    set_replies(replies);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    next = dup(0); /* the lowest that is free */
    assert_true(next >= 0);
    close_fd(next);
    tight = limit;
    tight.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    perform(client, &talk, "/");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(talk.exchange.error, TRANSPORT_RESOURCES);
    (void)snprintf(
        want, sizeof want,
        "out of file descriptors (limit %d): raise it with ulimit -n or LimitNOFILE=", next);
    assert_string_equal(talk.exchange.error_text, want);
    perform(client, &talk, "/");
    assert_int_equal(talk.exchange.error, TRANSPORT_OK);
}

/* Freed with exchanges queued, running and done; connections outlive it. */
static void test_free_while_on(void **state)
{
    static const struct reply replies[] = {{"/hold", NULL, HOLD}, {"/", OK_REPLY, KEEP}, {0}};
    struct client_case *client = *state;
    struct talk held = {0}, queued = {0}, talk = {0};

    set_replies(replies);
    start(client, client->user, &held, "/hold");
    perform(client, &talk, "/");
    start(client, client->user, &queued, "/");
    client->transport = transport_free(client->transport);
    ev_run(client->loop, 0); /* nothing of it is left in the loop */
    assert_int_equal(held.done_count + queued.done_count, 0);
    exchange_cancel(&held.exchange); /* not on any more */
    drop(&held);
    drop(&queued);
}

/* No time for more than one new connection in a turn: the others come in the next ones. */
static void test_opened_in_turns(void **state)
{
    static const struct reply replies[] = {{"/", OK_REPLY, KEEP}, {0}};
    static const struct transport_curl_options hasty = {.opening_usec = 1};
    struct client_case *client = *state;
    struct connections *users[6];
    struct talk talks[6] = {{.done_count = 0}};

    set_replies(replies);
    connections_free(client->user);
    transport_free(client->transport);
    assert_int_equal(transport_curl_new(&client->transport, client->loop, &hasty), 0);
    assert_int_equal(connections_new(client->transport, &client->user), 0);
    talks[3].exchange.timeout_usec = 1; /* over before its turn comes */
    for (size_t i = 0; i < ELEMENTSOF(talks); i++) {
        assert_int_equal(connections_new(client->transport, &users[i]), 0);
        start(client, users[i], &talks[i], "/");
    }
    ev_run(client->loop, EVRUN_NOWAIT);
    ev_run(client->loop, EVRUN_NOWAIT);
    assert_int_equal(talks[3].done_count, 1);
    assert_int_equal(talks[3].exchange.error, TRANSPORT_TIMEOUT);
    assert_string_equal(talks[3].exchange.error_text,
                        "timed out before it was started: the worker has too much to do");
    assert_true(server_connections() <= 2);
    exchange_cancel(&talks[4].exchange);
    ev_run(client->loop, 0);
    for (size_t i = 0; i < ELEMENTSOF(talks); i++) {
        assert_int_equal(talks[i].done_count, i != 4);
        if (i < 3 || i == 5) {
            assert_int_equal(talks[i].exchange.error, TRANSPORT_OK);
        }
    }
    assert_int_equal(server_connections(), 4);

    start(client, users[3], &talks[3], "/"); /* freed while some wait for their turn */
    start(client, users[4], &talks[4], "/");
    ev_run(client->loop, EVRUN_NOWAIT);
    unsigned done = talks[3].done_count + talks[4].done_count;
    client->transport = transport_free(client->transport);
    ev_run(client->loop, 0);
    assert_int_equal(talks[3].done_count + talks[4].done_count, done);
    drop(&talks[3]);
    drop(&talks[4]);
    for (size_t i = 0; i < ELEMENTSOF(talks); i++) {
        connections_free(users[i]);
        drop(&talks[i]);
    }
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_get),
        CASE(test_held_up),
        CASE(test_cancelled_held),
        CASE(test_methods),
        CASE(test_head),
        CASE(test_large_body),
        CASE(test_request_headers),
        CASE(test_most_headers),
        CASE(test_header_lines),
        CASE(test_broken_answers),
        CASE(test_folded_first_header),
        CASE(test_connect_errors),
        CASE(test_timeouts),
        CASE(test_connections),
        CASE(test_stray_answer),
        CASE(test_repeated_request),
        CASE(test_address),
        CASE(test_refused_body),
        CASE(test_cancel),
        CASE(test_cancel_finished),
        CASE(test_start_from_done),
        CASE(test_free_connections_in_done),
        CASE(test_start_before_waiting),
        CASE(test_out_of_descriptors),
        CASE(test_free_while_on),
        CASE(test_opened_in_turns),
    };
    return cmocka_run_group_tests_name("curl", tests, start_server, stop_server);
}
