/* SPDX-License-Identifier: MPL-2.0 */
/* What servers also send: each answer is a row, its bytes written out, so that what is wrong with
 * it can be seen here. What goes on for ever does so up to a number that no client should wait for
 * (and ANSWER_MAX_SEC). A row with a status is an answer that can be understood; the others can't,
 * and don't count as answers. */
#include "script.h"

#include <string.h>

#define TEXT(text) TIMES(text, 1)
#define TIMES(text, count)                                                                         \
    {                                                                                              \
        (text), sizeof(text) - 1, (count), 0                                                       \
    }
#define PAUSE_BEHIND(text, msec)                                                                   \
    {                                                                                              \
        (text), sizeof(text) - 1, 1, (msec)                                                        \
    }

#define OK             "HTTP/1.1 200 OK\r\n"
#define LENGTH(number) "Content-Length: " number "\r\n"
#define CHUNKED        "Transfer-Encoding: chunked\r\n"
#define HELLO          LENGTH("5") "\r\nhello"
#define HELLO_CHUNKS   "5\r\nhello\r\n0\r\n\r\n"
#define ROW(name, end, status, help, ...)                                                          \
    {                                                                                              \
        name, help, {__VA_ARGS__}, end, status                                                     \
    }

/* 50 bytes. */
#define FILLING "fillingfillingfillingfillingfillingfillingfilling."

const struct script scripts[] = {
    /* The end comes too soon. */
    ROW("nothing", END_CLOSE, 0, "closes without a byte", TEXT("")),
    ROW("half-status-line", END_CLOSE, 0, "closes in the status line", TEXT("HTTP/1.1 20")),
    ROW("status-line-only", END_CLOSE, 0, "closes behind the status line", TEXT(OK)),
    ROW("half-head", END_CLOSE, 0, "closes in a header's name", TEXT(OK "Content-Le")),

    /* Status lines. */
    ROW("status-99", END_CLOSE, 0, "status 99", TEXT("HTTP/1.1 99 OK\r\n" HELLO)),
    ROW("status-1000", END_CLOSE, 0, "status 1000", TEXT("HTTP/1.1 1000 OK\r\n" HELLO)),
    ROW("status-text", END_CLOSE, 0, "no number for a status", TEXT("HTTP/1.1 abc OK\r\n" HELLO)),
    ROW("status-no-reason", END_KEEP, 200, "neither reason nor the blank before it",
        TEXT("HTTP/1.1 200\r\n" HELLO)),
    ROW("version-1.2", END_CLOSE, 0, "HTTP/1.2", TEXT("HTTP/1.2 200 OK\r\n" HELLO)),
    ROW("version-2", END_CLOSE, 200, "HTTP/2, which nobody asked for",
        TEXT("HTTP/2 200 OK\r\n" HELLO)),
    ROW("version-icy", END_CLOSE, 0, "ICY in place of HTTP", TEXT("ICY 200 OK\r\n" HELLO)),
    ROW("version-0.9", END_CLOSE, 0, "a body, and nothing before it", TEXT("hello")),
    ROW("version-1.0", END_CLOSE, 200, "HTTP/1.0, the length not said",
        TEXT("HTTP/1.0 200 OK\r\n\r\nhello")),
    ROW("version-1.0-kept", END_KEEP, 200, "HTTP/1.0, and the connection is kept",
        TEXT("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" HELLO)),
    ROW("version-1.0-chunked", END_CLOSE, 200, "HTTP/1.0 with chunks",
        TEXT("HTTP/1.0 200 OK\r\n" CHUNKED "\r\n" HELLO_CHUNKS)),
    ROW("status-line-long", END_KEEP, 200, "a reason of 50 kB", TEXT("HTTP/1.1 200 "),
        TIMES(FILLING, 1000), TEXT("\r\n" HELLO)),
    ROW("status-line-endless", END_CLOSE, 0, "a reason of 10 MB", TEXT("HTTP/1.1 200 "),
        TIMES(FILLING, 200000), TEXT("\r\n" HELLO)),

    /* Lengths. */
    ROW("length-too-long", END_CLOSE, 0, "more is announced than comes",
        TEXT(OK LENGTH("100") "\r\nhello")),
    ROW("length-too-short", END_KEEP, 200, "more comes than was announced",
        TEXT(OK LENGTH("5") "\r\nhello, and more")),
    ROW("length-negative", END_CLOSE, 0, "a length of -5", TEXT(OK LENGTH("-5") "\r\nhello")),
    ROW("length-garbage", END_CLOSE, 0, "a length of \"five\"",
        TEXT(OK LENGTH("five") "\r\nhello")),
    ROW("length-trailing", END_CLOSE, 200, "a length of \"5x\"", TEXT(OK LENGTH("5x") "\r\nhello")),
    ROW("length-plus", END_CLOSE, 200, "a length of \"+5\"", TEXT(OK LENGTH("+5") "\r\nhello")),
    ROW("length-empty", END_CLOSE, 0, "a length without a number", TEXT(OK LENGTH("") "\r\nhello")),
    ROW("length-huge", END_CLOSE, 200, "a length of 20 digits",
        TEXT(OK LENGTH("99999999999999999999") "\r\nhello")),
    ROW("length-twice-same", END_KEEP, 200, "the same length twice", TEXT(OK LENGTH("5") HELLO)),
    ROW("length-twice", END_CLOSE, 200, "two lengths",
        TEXT(OK LENGTH("12") LENGTH("5") "\r\nhello")),
    ROW("length-list", END_CLOSE, 200, "a list for a length", TEXT(OK LENGTH("5, 5") "\r\nhello")),
    ROW("length-and-chunks", END_CLOSE, 200, "a wrong length, and chunks, which count",
        TEXT(OK LENGTH("3") CHUNKED "\r\n" HELLO_CHUNKS)),
    ROW("length-none", END_CLOSE, 200, "HTTP/1.1, the length not said", TEXT(OK "\r\nhello")),
    ROW("204-length", END_KEEP, 204, "204 with a length",
        TEXT("HTTP/1.1 204 None\r\n" LENGTH("5") "\r\n")),
    ROW("204-body", END_KEEP, 204, "204 with a body", TEXT("HTTP/1.1 204 None\r\n" HELLO)),
    ROW("304-length", END_KEEP, 304, "304 with a length",
        TEXT("HTTP/1.1 304 Old\r\n" LENGTH("5") "\r\n")),
    ROW("304-body", END_KEEP, 304, "304 with a body", TEXT("HTTP/1.1 304 Old\r\n" HELLO)),
    ROW("304-chunked", END_KEEP, 304, "304 that announces chunks",
        TEXT("HTTP/1.1 304 Old\r\n" CHUNKED "\r\n")),

    /* Headers. */
    ROW("headers-many", END_KEEP, 200, "1,000 headers", TEXT(OK),
        TIMES("X-Many: " FILLING "\r\n", 1000), TEXT(HELLO)),
    ROW("headers-endless", END_CLOSE, 0, "200,000 headers", TEXT(OK),
        TIMES("X-Endless: " FILLING "\r\n", 200000)),
    ROW("header-long", END_KEEP, 200, "a header of 50 kB", TEXT(OK "X-Long: "),
        TIMES(FILLING, 1000), TEXT("\r\n" HELLO)),
    ROW("header-endless", END_CLOSE, 0, "a header of 10 MB", TEXT(OK "X-Endless: "),
        TIMES(FILLING, 200000)),
    ROW("header-folded", END_KEEP, 200, "a header on two lines",
        TEXT(OK "X-Folded: one\r\n two\r\n" HELLO)),
    ROW("header-folded-length", END_CLOSE, 0, "Content-Length on two lines",
        TEXT(OK "Content-Length:\r\n 5\r\n\r\nhello")),
    ROW("header-folded-first", END_KEEP, 0, "the first header begins with a blank",
        TEXT(OK " X-First: 1\r\n" HELLO)),
    ROW("header-no-colon", END_KEEP, 0, "a header without a colon", TEXT(OK "nonsense\r\n" HELLO)),
    ROW("header-no-name", END_KEEP, 200, "a header without a name",
        TEXT(OK ": nonsense\r\n" HELLO)),
    ROW("header-space", END_CLOSE, 200, "a blank before the colon",
        TEXT(OK "Content-Length : 5\r\n\r\nhello")),
    ROW("header-twice", END_KEEP, 200, "two of a header there may be one of",
        TEXT(OK "Content-Type: a/b\r\nContent-Type: c/d\r\n" HELLO)),
    ROW("header-latin-1", END_KEEP, 200, "a value that isn't UTF-8",
        TEXT(OK "X-Latin: \xe9t\xe9\r\n" HELLO)),
    ROW("header-nul", END_CLOSE, 0, "a NUL in a value", TEXT(OK "X-Nul: a\0b\r\n" HELLO)),
    ROW("header-nul-in-name", END_CLOSE, 0, "a NUL in a name", TEXT(OK "X-N\0ul: a\r\n" HELLO)),
    ROW("header-control", END_KEEP, 200, "other control characters in a value",
        TEXT(OK "X-Control: a\x01\x7f\x62\r\n" HELLO)),
    ROW("status-line-nul", END_CLOSE, 0, "a NUL in the status line",
        TEXT("HTTP/1.1 200 O\0K\r\n" HELLO)),
    ROW("lines-lf", END_KEEP, 200, "lines that end with LF alone",
        TEXT("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello")),
    ROW("lines-cr", END_CLOSE, 0, "lines that end with CR alone",
        TEXT("HTTP/1.1 200 OK\rContent-Length: 5\r\rhello")),
    ROW("cookie-nul", END_CLOSE, 0, "a NUL in a cookie",
        TEXT(OK "Set-Cookie: a=b\0c; Path=/\r\n" HELLO)),
    ROW("cookie-control", END_KEEP, 200, "a control character in a cookie",
        TEXT(OK "Set-Cookie: control=b\x01\x63; Path=/\r\nSet-Cookie: good=1; Path=/\r\n" HELLO)),
    ROW("cookie-latin-1", END_KEEP, 200, "a cookie that isn't UTF-8",
        TEXT(OK "Set-Cookie: caf\xe9=\xe9t\xe9; Path=/\r\n" HELLO)),
    ROW("location-empty", END_KEEP, 302, "a redirect to nothing",
        TEXT("HTTP/1.1 302 Found\r\nLocation:\r\n" HELLO)),
    ROW("location-twice", END_KEEP, 302, "a redirect to /size/3 and to /size/4",
        TEXT("HTTP/1.1 302 Found\r\nLocation: /size/3\r\nLocation: /size/4\r\n" HELLO)),
    ROW("location-blanks", END_KEEP, 302, "a redirect to \"/body/a b\"",
        TEXT("HTTP/1.1 302 Found\r\nLocation:   /body/a b \t\r\n" HELLO)),
    ROW("location-utf-8", END_KEEP, 302, "a redirect to /body/ and a letter that isn't ASCII",
        TEXT("HTTP/1.1 302 Found\r\nLocation: /body/\xc3\xa9\r\n" HELLO)),

    /* Chunks. */
    ROW("chunks-capitals", END_KEEP, 200, "CHUNKED, sizes in capitals",
        TEXT(OK "Transfer-Encoding: CHUNKED\r\n\r\nA\r\nhellohello\r\n0\r\n\r\n")),
    ROW("chunks-extension", END_KEEP, 200, "chunks with extensions",
        TEXT(OK CHUNKED "\r\n5;a=b;c=\"d e\"\r\nhello\r\n0;z\r\n\r\n")),
    ROW("chunks-long-extension", END_KEEP, 200, "an extension of 50 kB",
        TEXT(OK CHUNKED "\r\n5;a="), TIMES(FILLING, 1000), TEXT("\r\nhello\r\n0\r\n\r\n")),
    ROW("chunks-trailer", END_KEEP, 200, "a trailer with a cookie in it",
        TEXT(OK CHUNKED "Trailer: X-T\r\n\r\n"
                        "5\r\nhello\r\n0\r\nX-T: 1\r\nSet-Cookie: trailer=1; Path=/\r\n\r\n")),
    ROW("chunks-endless-trailer", END_CLOSE, 0, "200,000 trailers",
        TEXT(OK CHUNKED "\r\n5\r\nhello\r\n0\r\n"), TIMES("X-T: " FILLING "\r\n", 200000)),
    ROW("chunks-zeros", END_KEEP, 200, "zeros before a size",
        TEXT(OK CHUNKED "\r\n0005\r\nhello\r\n000\r\n\r\n")),
    ROW("chunks-lf", END_CLOSE, 200, "chunks whose lines end with LF alone",
        TEXT(OK CHUNKED "\r\n5\nhello\n0\n\n")),
    ROW("chunks-size-text", END_CLOSE, 0, "a size that is none",
        TEXT(OK CHUNKED "\r\nxyz\r\nhello\r\n0\r\n\r\n")),
    ROW("chunks-size-empty", END_CLOSE, 0, "an empty line for a size",
        TEXT(OK CHUNKED "\r\n\r\nhello\r\n0\r\n\r\n")),
    ROW("chunks-size-negative", END_CLOSE, 0, "a size of -5",
        TEXT(OK CHUNKED "\r\n-5\r\nhello\r\n0\r\n\r\n")),
    ROW("chunks-size-prefix", END_CLOSE, 0, "a size of 0x5",
        TEXT(OK CHUNKED "\r\n0x5\r\nhello\r\n0\r\n\r\n")),
    ROW("chunks-size-huge", END_CLOSE, 0, "a size of 20 digits",
        TEXT(OK CHUNKED "\r\nfffffffffffffffffff1\r\nhello\r\n0\r\n\r\n")),
    ROW("chunks-size-too-small", END_CLOSE, 0, "a chunk longer than its size",
        TEXT(OK CHUNKED "\r\n3\r\nhello\r\n0\r\n\r\n")),
    ROW("chunks-cut", END_CLOSE, 0, "closes between chunks", TEXT(OK CHUNKED "\r\n5\r\nhello\r\n")),
    ROW("chunks-cut-inside", END_CLOSE, 0, "closes in a chunk", TEXT(OK CHUNKED "\r\n9\r\nhello")),
    ROW("chunks-cut-at-end", END_CLOSE, 0, "closes before the last empty line",
        TEXT(OK CHUNKED "\r\n5\r\nhello\r\n0\r\n")),
    ROW("coding-unknown", END_CLOSE, 0, "an unknown transfer coding",
        TEXT(OK "Transfer-Encoding: rot13\r\n\r\nuryyb")),
    ROW("coding-identity", END_CLOSE, 200, "the transfer coding that is none",
        TEXT(OK "Transfer-Encoding: identity\r\n\r\nhello")),

    /* Content codings. */
    ROW("gzip-plain", END_KEEP, 200, "says gzip, and isn't",
        TEXT(OK "Content-Encoding: gzip\r\n" HELLO)),
    ROW("gzip-empty", END_KEEP, 200, "says gzip, and has no body",
        TEXT(OK "Content-Encoding: gzip\r\n" LENGTH("0") "\r\n")),
    ROW("gzip-cut", END_KEEP, 200, "ends in the middle of gzip",
        TEXT(OK "Content-Encoding: gzip\r\n" LENGTH(
            "14") "\r\n"
                  "\x1f\x8b\x08\0\0\0\0\0\0\xff\xcb\x48\xcd\xc9")),
    ROW("content-coding-unknown", END_KEEP, 200, "an unknown content coding",
        TEXT(OK "Content-Encoding: rot13\r\n" HELLO)),

    /* More answers than requests, and none for one. */
    ROW("two-answers", END_KEEP, 200, "two answers at once",
        TEXT(OK HELLO "HTTP/1.1 500 Second\r\n" LENGTH("6") "\r\nsecond")),
    ROW("two-answers-later", END_KEEP, 200, "the second one 50 ms later",
        PAUSE_BEHIND(OK HELLO, 50), TEXT("HTTP/1.1 500 Second\r\n" LENGTH("6") "\r\nsecond")),
    ROW("garbage-behind", END_KEEP, 200, "an answer, and then garbage", PAUSE_BEHIND(OK HELLO, 50),
        TEXT("\x01\x02\x03 garbage")),
    ROW("interim-only", END_CLOSE, 0, "100, and then nothing more",
        TEXT("HTTP/1.1 100 Continue\r\n\r\n")),
    ROW("interim-endless", END_CLOSE, 0, "100, 400,000 times",
        TIMES("HTTP/1.1 100 Continue\r\n\r\n", 400000)),
    ROW("switching", END_CLOSE, 101, "101, which nobody asked for",
        TEXT("HTTP/1.1 101 Switching Protocols\r\nUpgrade: odd\r\nConnection: Upgrade\r\n\r\nodd")),
    {0},
};

const struct script *script_find(const char *name)
{
    for (const struct script *script = scripts; script->name; script++) {
        if (strcmp(script->name, name) == 0) {
            return script;
        }
    }
    return NULL;
}
