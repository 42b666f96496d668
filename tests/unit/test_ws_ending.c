/* SPDX-License-Identifier: MPL-2.0 */
/* What is said of a WebSocket that ended, or never opened. */
#include "test.h"

#include <string.h>

#include "loop/ws_ending.h"

static void expect(const struct ws_ending *ending, enum transport_error error, unsigned code,
                   const char *text)
{
    assert_int_equal(ending->error, error);
    assert_int_equal(ending->code, code);
    assert_string_equal(ending->text, text);
}

static void test_unopened(void **state _unused_)
{
    static const struct {
        enum ws_progress progress;
        unsigned status;
        const char *reason;
        enum transport_error error;
        const char *text;
    } rows[] = {
        {WS_CONNECTING, 0, NULL, TRANSPORT_CONNECT,
         "the WebSocket did not open: the connection failed"},
        {WS_CONNECTING, 0, "HUP", TRANSPORT_CONNECT, "the WebSocket did not open: HUP"},
        {WS_CONNECTING, 0, "tls: no cert", TRANSPORT_TLS,
         "the WebSocket did not open: tls: no cert"},
        {WS_CONNECTING, 0, "connect SSL err 1: error:00000001:lib(0)::reason(1)", TRANSPORT_TLS,
         "the WebSocket did not open: the TLS handshake failed; does the server speak TLS on that "
         "port?"},
        {WS_SHAKING_HANDS, 0, "read failed", TRANSPORT_RESET,
         "the connection ended before the WebSocket was open"},
        {WS_SHAKING_HANDS, 0, "", TRANSPORT_RESET,
         "the connection ended before the WebSocket was open"},
        {WS_SHAKING_HANDS, 0, "problems parsing header", TRANSPORT_PROTOCOL,
         "the server's answer to the handshake is wrong: it is not HTTP, or its head is too large"},
        {WS_SHAKING_HANDS, 101, "HS: Accept hash wrong", TRANSPORT_PROTOCOL,
         "the server's answer to the handshake is wrong: the Sec-WebSocket-Accept is wrong"},
        {WS_SHAKING_HANDS, 101, "HS: EXT: unknown ext", TRANSPORT_PROTOCOL,
         "the server's answer to the handshake is wrong: it chooses an extension that was not "
         "offered"},
        {WS_SHAKING_HANDS, 101, "HS: of another kind", TRANSPORT_PROTOCOL,
         "the WebSocket did not open: HS: of another kind"},
        {WS_SHAKING_HANDS, 503, "HS: ws upgrade response not 101", TRANSPORT_PROTOCOL,
         "the server refused the WebSocket: status 503"},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        struct ws_ending ending = {.code = 1};
        ws_ending_unopened(&ending, rows[i].progress, rows[i].status, rows[i].reason);
        expect(&ending, rows[i].error, 0, rows[i].text);
        assert_int_equal(ending.status, rows[i].status == 101 ? 0 : rows[i].status);
    }
}

static void test_answers(void **state _unused_)
{
    struct ws_ending ending;

    ws_ending_not_http(&ending);
    expect(&ending, TRANSPORT_PROTOCOL, 0,
           "the server's answer to the handshake is wrong: it is not HTTP");
    ws_ending_protocols(&ending);
    expect(&ending, TRANSPORT_PROTOCOL, 0,
           "the server's answer to the handshake is wrong: it chooses more than one sub-protocol");
}

static void test_close_frames(void **state _unused_)
{
    struct ws_ending ending;

    assert_true(ws_ending_close_frame(&ending, "", 0));
    expect(&ending, TRANSPORT_OK, 1005, "closed by the server with code 1005");
    assert_true(ws_ending_close_frame(&ending, "\x03\xe8", 2));
    expect(&ending, TRANSPORT_OK, 1000, "closed by the server with code 1000");
    assert_true(ws_ending_close_frame(&ending, "\x13\x87\xc3\xa9", 4));
    expect(&ending, TRANSPORT_OK, 4999, "closed by the server with code 4999");
    assert_true(ws_ending_close_frame(&ending, "\x03\xea", 2));
    expect(&ending, TRANSPORT_OK, 1002,
           "closed by the server with code 1002, or one that RFC 6455 forbids");
}

static void test_close_frames_that_may_not_be(void **state _unused_)
{
    struct ws_ending ending;

    assert_false(ws_ending_close_frame(&ending, "\x03", 1));
    expect(&ending, TRANSPORT_PROTOCOL, WS_CLOSE_ABNORMAL,
           "the server closed it with half a code, which RFC 6455 forbids");
    assert_false(ws_ending_close_frame(&ending, "\x13\x88", 2));
    expect(&ending, TRANSPORT_PROTOCOL, WS_CLOSE_ABNORMAL,
           "the server closed it with a code that RFC 6455 forbids");
    assert_false(ws_ending_close_frame(&ending, "\x03\xe8\xc3", 3)); /* half of a character */
    expect(&ending, TRANSPORT_PROTOCOL, WS_CLOSE_ABNORMAL,
           "the server closed it with a reason that is not UTF-8");
}

static void test_the_rest(void **state _unused_)
{
    struct ws_ending ending;

    ws_ending_broken(&ending, 0);
    expect(&ending, TRANSPORT_PROTOCOL, WS_CLOSE_ABNORMAL, "the server sent what RFC 6455 forbids");
    ws_ending_broken(&ending, 1007);
    expect(&ending, TRANSPORT_PROTOCOL, WS_CLOSE_ABNORMAL,
           "the server sent text that is not UTF-8");
    ws_ending_cut(&ending, true, false);
    expect(&ending, TRANSPORT_RESET, WS_CLOSE_ABNORMAL,
           "the connection ended without a close frame");
    ws_ending_cut(&ending, true, true);
    expect(&ending, TRANSPORT_RESET, WS_CLOSE_ABNORMAL,
           "the connection ended while a message was being sent");
    ws_ending_cut(&ending, false, false);
    expect(&ending, TRANSPORT_RESET, 0, "the connection ended before the WebSocket was open");
    ws_ending_closed(&ending, 1001);
    expect(&ending, TRANSPORT_OK, 1001, "closed with code 1001");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unopened),     cmocka_unit_test(test_answers),
        cmocka_unit_test(test_close_frames), cmocka_unit_test(test_close_frames_that_may_not_be),
        cmocka_unit_test(test_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
