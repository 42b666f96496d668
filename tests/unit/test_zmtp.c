/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "loop/zmtp.h"

#define MAX_BYTES 100000

#define TEN      "\xff\0\0\0\0\0\0\0\0\x7f"
#define NULL_20  "NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define ZERO_32  "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define GREETING TEN "\3\1" NULL_20 ZERO_32
#define READY    "\4\32\5READY\13Socket-Type\0\0\0\4PUSH"
#define HELLO    GREETING READY

/* What a peer sends, and what is made of it: a message's text in brackets, a fault in parentheses,
 * and the error that ends it all. */
static const struct {
    const char *bytes;
    size_t size;
    const char *made;
} cases[] = {
#define CASE(bytes, made)                                                                          \
    {                                                                                              \
        bytes, sizeof(bytes) - 1, made                                                             \
    }
    CASE("", ""),
    CASE(HELLO, ""),
    CASE(HELLO "\0\2hi", "[hi]"),
    CASE(HELLO "\0\2hi\0\0\0\3yes\0\4no", "[hi][][yes]"),
    CASE(HELLO "\2\0\0\0\0\0\0\0\2hi", "[hi]"),
    CASE(HELLO "\1\1a\1\1b\0\1c\0\1d", "(a message of several frames)[d]"),
    CASE(HELLO "\1\0\0\0\0\1d", "(a message of several frames)[d]"),
    CASE(HELLO "\1\1a\4\5\5ABCD\0\1b\0\1d", "(a message of several frames)[d]"),
    CASE(HELLO "\1\1a\4\6\5ERROR", "what connects gives up"),
    /* The names of properties are of any case, and any may come. */
    CASE(GREETING "\4\50\5READY\10Identity\0\0\0\1x\13SOCKET-TYPE\0\0\0\4PUSH\0\1d", "[d]"),
    CASE(GREETING "\6\0\0\0\0\0\0\0\32\5READY\13Socket-Type\0\0\0\4PUSH\0\1d", "[d]"),
    /* A later minor version, and bytes that mean nothing. */
    CASE("\xff"
         "12345678\1"
         "\3\7" NULL_20 ZERO_32 READY "\0\1d",
         "[d]"),
    CASE("\xff"
         "12345678\1"
         "\4\0" NULL_20 ZERO_32 READY "\0\1d",
         "[d]"),

    CASE("GET / HTTP/1.1", "what connects doesn't speak ZMTP, or version 1 of it"),
    CASE("\1\0", "what connects doesn't speak ZMTP, or version 1 of it"),
    CASE("\xff\0\0\0\0\0\0\0\0\2", "what connects doesn't speak ZMTP, or version 1 of it"),
    CASE(TEN "\1\10", "what connects speaks an old ZMTP: use a ZeroMQ library that has version 3 "
                      "of it, such as libzmq 4"),
    CASE(TEN "\3\1"
             "CURVE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" ZERO_32,
         "what connects wants the security of ZeroMQ's CURVE: set none"),
    CASE(TEN "\3\1"
             "A\1\xff"
             "BCDEFGHIJKLMNOPQR" ZERO_32,
         "what connects wants the security of ZeroMQ's A??BCDEFGHIJKLMNOPQR: set none"),
    CASE(GREETING "\0\1d", "what connects doesn't say that it is ready"),
    CASE(GREETING "\4\5\5READ", "what connects doesn't say that it is ready"),
    CASE(GREETING "\4\0", "what connects doesn't say that it is ready"),
    CASE(GREETING "\4\7\5READY\13", "what connects doesn't say what socket it is"),
    CASE(GREETING "\4\32\5READY\13Socket-Type\0\0\0\5PUSH", "what connects doesn't say what socket "
                                                            "it is"),
    CASE(GREETING "\4\32\5READY\13Socket-Type\xff\xff\xff\xffPUSH",
         "what connects doesn't say what socket it is"),
    CASE(GREETING "\4\31\5READY\13Socket-Type\0\0\0\3REQ", "what connects is no PUSH socket"),
    CASE(HELLO "\10\1a", "a frame with flags that ZMTP doesn't have"),
    CASE(HELLO "\5\5\4PING", "a command that ZMTP doesn't have"),
    CASE(HELLO "\6\0\0\0\0\0\0\377\377", "a command that ZMTP doesn't have"),
    CASE(HELLO "\6\377\377\377\377\377\377\377\377", "a command that ZMTP doesn't have"),
    CASE(HELLO "\4\0\4\1\0\4\1\7\4\3\2AB\0\1d", "[d]"),
#undef CASE
};

static void put(struct zmtp *zmtp, const char *bytes, size_t size)
{
    while (size > 0) {
        char *room = NULL;
        size_t n = 0;
        assert_int_equal(zmtp_room(zmtp, &room, &n), 0);
        assert_true(n > 0);
        n = MIN(n, size);
        memcpy(room, bytes, n);
        zmtp_fill(zmtp, n);
        bytes += n;
        size -= n;
    }
}

static bool take_all(struct zmtp *zmtp, char *made, size_t size)
{
    struct zmtp_message message;
    struct error error;
    int r;

    while ((r = zmtp_next(zmtp, &message, &error)) > 0) {
        size_t at = strlen(made);
        if (message.fault) {
            (void)snprintf(made + at, size - at, "(%s)", message.fault);
        } else {
            (void)snprintf(made + at, size - at, "[%.*s]", (int)message.size, message.bytes);
        }
    }
    if (r < 0) {
        assert_int_equal(r, -EPROTO);
        (void)snprintf(made + strlen(made), size - strlen(made), "%s", error.text);
    }
    return r == 0;
}

static void test_table(void **state _unused_)
{
    static const size_t pieces[] = {1, 2, 11, 1000};

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        for (size_t k = 0; k < ELEMENTSOF(pieces); k++) {
            _cleanup_(zmtp_freep) struct zmtp *zmtp = NULL;
            char made[512] = "";
            bool goes_on = true;
            assert_int_equal(zmtp_new(&zmtp, MAX_BYTES), 0);
            for (size_t at = 0; goes_on && at < cases[i].size; at += pieces[k]) {
                put(zmtp, cases[i].bytes + at, MIN(pieces[k], cases[i].size - at));
                goes_on = take_all(zmtp, made, sizeof made);
            }
            assert_string_equal(made, cases[i].made);
        }
    }
}

static struct zmtp *begun(void)
{
    struct zmtp *zmtp = NULL;
    char made[64] = "";
    size_t size;

    assert_int_equal(zmtp_new(&zmtp, MAX_BYTES), 0);
    put(zmtp, HELLO, sizeof HELLO - 1);
    assert_true(take_all(zmtp, made, sizeof made));
    (void)zmtp_output(zmtp, &size);
    zmtp_sent(zmtp, size);
    return zmtp;
}

static void header(char bytes[static 9], size_t size)
{
    bytes[0] = 2;
    for (int i = 0; i < 8; i++) {
        bytes[8 - i] = (char)(size >> (8 * i));
    }
}

/* The longest message comes whole, one that is a byte longer without its bytes; what comes behind
 * is read again. */
static void test_long(void **state _unused_)
{
    static char body[MAX_BYTES + 1];

    for (size_t size = MAX_BYTES; size <= MAX_BYTES + 1; size++) {
        _cleanup_(zmtp_freep) struct zmtp *zmtp = begun();
        struct zmtp_message message = {.size = 0};
        char bytes[9];
        int r = 0;
        memset(body, 'x', sizeof body);
        header(bytes, size);
        put(zmtp, bytes, sizeof bytes);
        for (size_t at = 0; at < size && r == 0; at += MIN(size - at, (size_t)1000)) {
            put(zmtp, body + at, MIN(size - at, (size_t)1000));
            r = zmtp_next(zmtp, &message, NULL);
        }
        assert_int_equal(r, 1);
        if (size > MAX_BYTES) {
            assert_string_equal(message.fault, "a message that is too long");
        } else {
            assert_null(message.fault);
            assert_int_equal(message.size, size);
            assert_memory_equal(message.bytes, body, size);
        }
        put(zmtp, "\0\1d", 3);
        assert_int_equal(zmtp_next(zmtp, &message, NULL), 1);
        assert_int_equal(message.size, 1);
        assert_memory_equal(message.bytes, "d", 1);
    }
}

/* A claim to be long takes no memory. */
static void test_claim(void **state _unused_)
{
    _cleanup_(zmtp_freep) struct zmtp *zmtp = NULL;
    struct zmtp_message message;
    char *room = NULL, bytes[9];
    size_t before = 0, after = 0;

    assert_int_equal(zmtp_new(&zmtp, (size_t)1 << 30), 0);
    put(zmtp, HELLO, sizeof HELLO - 1);
    assert_int_equal(zmtp_next(zmtp, &message, NULL), 0);
    assert_int_equal(zmtp_room(zmtp, &room, &before), 0);
    header(bytes, (size_t)1 << 30);
    put(zmtp, bytes, sizeof bytes);
    assert_int_equal(zmtp_next(zmtp, &message, NULL), 0);
    assert_int_equal(zmtp_room(zmtp, &room, &after), 0);
    assert_true(after < before);
}

static void test_what_we_say(void **state _unused_)
{
    static const char hello[] = GREETING "\4\32\5READY\13Socket-Type\0\0\0\4PULL";
    _cleanup_(zmtp_freep) struct zmtp *zmtp = NULL;
    size_t size;

    assert_int_equal(zmtp_new(&zmtp, MAX_BYTES), 0);
    const char *bytes = zmtp_output(zmtp, &size);
    assert_int_equal(size, sizeof hello - 1);
    assert_memory_equal(bytes, hello, size);
    zmtp_sent(zmtp, 60);
    bytes = zmtp_output(zmtp, &size);
    assert_memory_equal(bytes, hello + 60, size);
    zmtp_sent(zmtp, size);
    (void)zmtp_output(zmtp, &size);
    assert_int_equal(size, 0);
}

/* A PING is answered with its context; who never reads the answers isn't given more and more. */
static void test_ping(void **state _unused_)
{
    _cleanup_(zmtp_freep) struct zmtp *zmtp = begun();
    char made[64] = "";
    size_t size;

    put(zmtp, "\4\11\4PING\0\1ab\4\7\4PING\0\1", 20);
    assert_true(take_all(zmtp, made, sizeof made));
    const char *bytes = zmtp_output(zmtp, &size);
    assert_int_equal(size, 9 + 7);
    assert_memory_equal(bytes, "\4\7\4PONGab\4\5\4PONG", size);
    for (int i = 0; i < 1000; i++) {
        put(zmtp, "\4\11\4PING\0\1ab", 11);
        assert_true(take_all(zmtp, made, sizeof made));
    }
    (void)zmtp_output(zmtp, &size);
    assert_true(size <= 256);
    put(zmtp, "\0\1d", 3);
    assert_true(take_all(zmtp, made, sizeof made));
    assert_string_equal(made, "[d]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table), cmocka_unit_test(test_long),
        cmocka_unit_test(test_claim), cmocka_unit_test(test_what_we_say),
        cmocka_unit_test(test_ping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
