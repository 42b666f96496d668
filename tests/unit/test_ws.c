/* SPDX-License-Identifier: MPL-2.0 */
/* WebSockets against a server that is a few lines of this test, on the same loop. */
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "loop/url.h"
#include "loop/ws.h"
#include "processes.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

struct fixture {
    struct ev_loop *loop;
    struct ws_client *client;
    struct url_cache *urls;
    const struct url *url;
    struct ws *ws;

    int listener, peer;
    ev_io accepting, reading;
    const char *answer; /* to the request; NULL: the one that opens; "": hang up */
    char request[4096];
    size_t request_size;
    bool shaken;
    unsigned char got[256]; /* frames, still masked */
    size_t got_size;

    bool opened, ended, drained, has_piece, has_message;
    char protocol[64], message[256];
    size_t message_size, more_bytes;
    struct ws_ending ending;
    struct ws_frame frames[16]; /* without what they point to */
    size_t n_frames;
};

/* ---- the server ------------------------------------------------------------------------------ */

static void put(struct fixture *f, const void *bytes, size_t size)
{
    assert_int_equal(send(f->peer, bytes, size, MSG_NOSIGNAL), size);
}

static void shake_hands(struct fixture *f)
{
    char text[200], answer[600];
    unsigned char sum[20];
    const char *key = strstr(f->request, "Sec-WebSocket-Key: ");

    assert_non_null(key);
    (void)snprintf(text, sizeof text, "%.24s" GUID, key + 19);
    assert_non_null(lws_SHA1((unsigned char *)text, strlen(text), sum));
    assert_true(lws_b64_encode_string((char *)sum, sizeof sum, text, sizeof text) > 0);
    (void)snprintf(
        answer, sizeof answer,
        "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: %s\r\n%s\r\n",
        text,
        strstr(f->request, "Sec-WebSocket-Protocol: ") ? "Sec-WebSocket-Protocol: chat\r\n" : "");
    put(f, answer, strlen(answer));
}

static void on_bytes(struct ev_loop *loop, ev_io *io, int events _unused_)
{
    struct fixture *f = io->data;

    if (f->shaken) {
        ssize_t n = read(f->peer, f->got + f->got_size, sizeof f->got - f->got_size);
        f->got_size += n > 0 ? (size_t)n : 0;
        if (n <= 0) {
            ev_io_stop(loop, io);
        }
        return;
    }
    ssize_t n =
        read(f->peer, f->request + f->request_size, sizeof f->request - 1 - f->request_size);
    assert_true(n > 0);
    f->request_size += (size_t)n;
    if (!strstr(f->request, "\r\n\r\n")) {
        return;
    }
    f->shaken = true;
    if (!f->answer) {
        shake_hands(f);
        return;
    }
    put(f, f->answer, strlen(f->answer));
    ev_io_stop(loop, io);
    close_fd(f->peer);
    f->peer = -1;
}

static void on_connection(struct ev_loop *loop, ev_io *io, int events _unused_)
{
    struct fixture *f = io->data;

    f->peer = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(f->peer >= 0);
    ev_io_stop(loop, io);
    ev_io_init(&f->reading, on_bytes, f->peer, EV_READ);
    f->reading.data = f;
    ev_io_start(loop, &f->reading);
}

/* ---- the client ------------------------------------------------------------------------------ */

static void on_opened(struct ws *ws _unused_, const char *protocol, void *context)
{
    struct fixture *f = context;
    f->opened = true;
    (void)snprintf(f->protocol, sizeof f->protocol, "%s", protocol);
}

static void on_received(struct ws *ws _unused_, const struct ws_piece *piece, void *context)
{
    struct fixture *f = context;

    if (!piece->binary) {
        memcpy(f->message + f->message_size, piece->bytes, piece->size);
    }
    f->message_size += piece->size;
    f->more_bytes = piece->more_bytes;
    f->has_piece = true;
    f->has_message = piece->last;
}

static void on_drained(struct ws *ws _unused_, void *context)
{
    struct fixture *f = context;
    f->drained = true;
}

static void on_ended(struct ws *ws _unused_, const struct ws_ending *ending, void *context)
{
    struct fixture *f = context;

    assert_false(f->ended);
    f->ended = true;
    f->ending = *ending;
}

static void on_frame(const struct ws_frame *frame, void *context)
{
    struct fixture *f = context;

    assert_true(f->n_frames < ELEMENTSOF(f->frames));
    f->frames[f->n_frames++] = *frame;
}

static const struct ws_callbacks callbacks = {.opened = on_opened,
                                              .received = on_received,
                                              .drained = on_drained,
                                              .ended = on_ended,
                                              .frame = on_frame};

static int set_up(void **state)
{
    static struct fixture f;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    char text[64];

    f = (struct fixture){.loop = ev_loop_new(EVFLAG_AUTO), .peer = -1};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    f.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f.listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(f.listener, 1), 0);
    assert_int_equal(getsockname(f.listener, (struct sockaddr *)&address, &size), 0);
    ev_io_init(&f.accepting, on_connection, f.listener, EV_READ);
    f.accepting.data = &f;
    ev_io_start(f.loop, &f.accepting);
    assert_int_equal(
        ws_client_new(&f.client, f.loop, &(struct ws_client_options){.insecure = false}, NULL), 0);
    assert_int_equal(url_cache_new(&f.urls, 10), 0);
    (void)snprintf(text, sizeof text, "ws://127.0.0.1:%u/chat?room=1", ntohs(address.sin_port));
    assert_int_equal(url_get(f.urls, NULL, text, &f.url, NULL), 0);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    ws_free(f->ws);
    ws_client_free(f->client);
    url_unref(f->url);
    url_cache_free(f->urls);
    ev_io_stop(f->loop, &f->accepting);
    if (f->peer >= 0) {
        ev_io_stop(f->loop, &f->reading);
        close_fd(f->peer);
    }
    close_fd(f->listener);
    ev_loop_destroy(f->loop);
    return 0;
}

static void start(struct fixture *f, const char *protocols)
{
    static const char *const headers[] = {"X-Name: ada", NULL};
    struct ws_request request = {.url = f->url,
                                 .protocols = protocols,
                                 .headers = headers,
                                 .callbacks = &callbacks,
                                 .context = f};

    assert_int_equal(ws_open(&f->ws, f->client, &request), 0);
}

static void test_there_and_back(void **state)
{
    struct fixture *f = *state;

    start(f, "chat, http-only");
    run_until(f->loop, &f->opened);
    assert_string_equal(f->protocol, "chat");
    assert_non_null(strstr(f->request, "GET /chat?room=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(f->request, "X-Name: ada\r\n"));
    assert_non_null(strstr(f->request, "Sec-WebSocket-Protocol: chat, http-only\r\n"));

    assert_int_equal(ws_send(f->ws, "hi", 2, false), 0);
    assert_int_equal(ws_unsent_bytes(f->ws), 2);
    run_until(f->loop, &f->drained);
    assert_int_equal(ws_unsent_bytes(f->ws), 0);
    while (f->got_size < 8) {
        ev_run(f->loop, EVRUN_ONCE);
    }
    assert_int_equal(f->got[0], 0x81);
    assert_int_equal(f->got[1], 0x82);
    assert_int_equal(f->got[6] ^ f->got[2], 'h');

    put(f, "\x01\x02he\x80\x03llo", 9); /* in two fragments */
    run_until(f->loop, &f->has_message);
    assert_int_equal(f->message_size, 5);
    assert_memory_equal(f->message, "hello", 5);
}

static void test_closed_by_the_server(void **state)
{
    struct fixture *f = *state;

    start(f, NULL);
    run_until(f->loop, &f->opened);
    assert_string_equal(f->protocol, "");
    put(f, "\x88\x02\x0f\xa1", 4);
    close_fd(f->peer);
    ev_io_stop(f->loop, &f->reading);
    f->peer = -1;
    run_until(f->loop, &f->ended);
    assert_int_equal(f->ending.error, TRANSPORT_OK);
    assert_int_equal(f->ending.code, 4001);
    assert_int_equal(ws_send(f->ws, "hi", 2, false), -ENOTCONN);
}

static void test_cut_by_the_server(void **state)
{
    struct fixture *f = *state;

    start(f, NULL);
    run_until(f->loop, &f->opened);
    ev_io_stop(f->loop, &f->reading);
    close_fd(f->peer);
    f->peer = -1;
    run_until(f->loop, &f->ended);
    assert_int_equal(f->ending.error, TRANSPORT_RESET);
    assert_int_equal(f->ending.code, WS_CLOSE_ABNORMAL);
}

static void test_closed_by_us(void **state)
{
    struct fixture *f = *state;

    start(f, NULL);
    run_until(f->loop, &f->opened);
    assert_int_equal(ws_send(f->ws, "hi", 2, false), 0);
    ws_close(f->ws, WS_CLOSE_NORMAL);
    ws_close(f->ws, WS_CLOSE_NORMAL);
    assert_int_equal(ws_send(f->ws, "more", 4, false), -ENOTCONN);
    while (f->got_size < 16) { /* the message, and the close frame behind it */
        ev_run(f->loop, EVRUN_ONCE);
    }
    assert_int_equal(f->got[8], 0x88);
    put(f, "\x88\x02\x03\xe8", 4);
    run_until(f->loop, &f->ended);
    assert_int_equal(f->ending.error, TRANSPORT_OK);
    assert_int_equal(f->ending.code, WS_CLOSE_NORMAL);
}

static void expect_frame(const struct fixture *f, size_t i, bool sent, enum ws_opcode opcode,
                         size_t size, bool more)
{
    assert_in_range(i, 0, f->n_frames - 1);
    assert_int_equal(f->frames[i].sent, sent);
    assert_int_equal(f->frames[i].opcode, opcode);
    assert_int_equal(f->frames[i].size, size);
    assert_int_equal(f->frames[i].more, more);
}

static void test_frames_are_told(void **state)
{
    struct fixture *f = *state;

    start(f, NULL);
    run_until(f->loop, &f->opened);
    assert_int_equal(ws_send(f->ws, "hi", 2, false), 0);
    assert_int_equal(ws_send(f->ws, "", 0, true), 0);
    run_until(f->loop, &f->drained);
    put(f, "\x01\x02he\x8a\x01p\x80\x03llo\x82\x00\x88\x02\x0f\xa1", 18);
    run_until(f->loop, &f->ended);
    assert_int_equal(f->n_frames, 7);
    expect_frame(f, 0, true, WS_TEXT, 2, false);
    expect_frame(f, 1, true, WS_BINARY, 0, false);
    expect_frame(f, 2, false, WS_TEXT, 2, true);
    expect_frame(f, 3, false, WS_PONG, 1, false);
    expect_frame(f, 4, false, WS_CONTINUATION, 3, false);
    expect_frame(f, 5, false, WS_BINARY, 0, false);
    expect_frame(f, 6, false, WS_CLOSE, 2, false);
}

static void test_refused(void **state)
{
    struct fixture *f = *state;

    f->answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    start(f, NULL);
    run_until(f->loop, &f->ended);
    assert_false(f->opened);
    assert_int_equal(f->ending.error, TRANSPORT_PROTOCOL);
    assert_int_equal(f->ending.status, 403);
}

static void test_not_http(void **state)
{
    struct fixture *f = *state;

    f->answer = "SSH-2.0-nonsense\r\n";
    start(f, NULL);
    run_until(f->loop, &f->ended);
    assert_false(f->opened);
    assert_int_equal(f->ending.error, TRANSPORT_PROTOCOL);
    assert_non_null(strstr(f->ending.text, "it is not HTTP"));
}

/* The library hands on what it has when its buffer is full. */
static void test_a_frame_says_how_long_it_is(void **state)
{
    static const char head[] = {'\x82', '\x7f', 0, 0, 0, 0, '\x40', 0, 0, 0}; /* 1 GiB */
    static const char zeros[8192];
    struct fixture *f = *state;

    start(f, NULL);
    run_until(f->loop, &f->opened);
    put(f, head, sizeof head);
    put(f, zeros, sizeof zeros);
    run_until(f->loop, &f->has_piece);
    assert_in_range(f->message_size, 1, sizeof zeros);
    assert_int_equal(f->more_bytes, ((size_t)1 << 30) - f->message_size);
    assert_false(f->has_message);
}

static void test_what_may_not_be(void **state)
{
    struct fixture *f = *state;

    start(f, NULL);
    run_until(f->loop, &f->opened);
    put(f, "\x83\x00", 2); /* such an opcode there is not */
    run_until(f->loop, &f->ended);
    assert_int_equal(f->ending.error, TRANSPORT_PROTOCOL);
    assert_int_equal(f->ending.code, WS_CLOSE_ABNORMAL);
    assert_string_equal(f->ending.text, "the server sent what RFC 6455 forbids");
}

static void test_no_answer(void **state)
{
    struct fixture *f = *state;

    f->answer = "";
    start(f, NULL);
    run_until(f->loop, &f->ended);
    assert_false(f->opened);
    assert_int_equal(f->ending.error, TRANSPORT_RESET);
    assert_int_equal(f->ending.status, 0);
    assert_string_equal(f->ending.text, "the connection ended before the WebSocket was open");
}

static void test_freed_at_any_time(void **state)
{
    struct fixture *f = *state;

    start(f, NULL);
    f->ws = ws_free(f->ws); /* before anything came */
    ev_run(f->loop, EVRUN_NOWAIT);
    assert_false(f->opened || f->ended);
}

static void test_freed_when_open(void **state)
{
    struct fixture *f = *state;

    start(f, NULL);
    run_until(f->loop, &f->opened);
    assert_int_equal(ws_send(f->ws, "hi", 2, false), 0);
    ws_hold(f->ws, true);
    ws_hold(f->ws, false);
    f->ws = ws_free(f->ws);
    ev_run(f->loop, EVRUN_NOWAIT);
    assert_false(f->ended);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_there_and_back),
        TEST(test_closed_by_the_server),
        TEST(test_cut_by_the_server),
        TEST(test_closed_by_us),
        TEST(test_refused),
        TEST(test_no_answer),
        TEST(test_not_http),
        TEST(test_what_may_not_be),
        TEST(test_a_frame_says_how_long_it_is),
        TEST(test_frames_are_told),
        TEST(test_freed_at_any_time),
        TEST(test_freed_when_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
