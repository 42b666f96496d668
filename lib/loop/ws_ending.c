/* SPDX-License-Identifier: MPL-2.0 */
/* libwebsockets has words of its own for what is wrong with a handshake, and none for what is wrong
 * with a frame: it ends the connection then, as if the server had done so. */
#include "loop/ws_ending.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

#define CLOSE_NONE         1005 /* of a close frame without a code */
#define CLOSE_PROTOCOL     1002
#define CLOSE_INVALID_TEXT 1007
#define CLOSE_BEYOND       5000 /* no code has that value or a higher one */

static void set(struct ws_ending *ending, enum transport_error error, unsigned code,
                const char *text)
{
    *ending = (struct ws_ending){.error = error, .code = code};
    (void)snprintf(ending->text, sizeof ending->text, "%s", text);
}

/* ---- before it is open ----------------------------------------------------------------------- */

static const struct {
    const char *begins; /* the library's words */
    const char *text;
} handshakes[] = {
    {"HS: Accept hash wrong", "the Sec-WebSocket-Accept is wrong"},
    {"HS: ACCEPT missing", "there is no Sec-WebSocket-Accept"},
    {"HS: UPGRADE missing", "there is no Upgrade: websocket"},
    {"HS: Upgrade to something", "there is no Upgrade: websocket"},
    {"HS: UPGRADE malformed", "there is no Connection: Upgrade"},
    {"HS: PROTOCOL malformed", "it chooses a sub-protocol that was not offered"},
    {"HS: EXT", "it chooses an extension that was not offered"},
    {"problems parsing header", "it is not HTTP, or its head is too large"},
};

static bool set_handshake(struct ws_ending *ending, const char *reason)
{
    for (size_t i = 0; i < ELEMENTSOF(handshakes); i++) {
        if (strncmp(reason, handshakes[i].begins, strlen(handshakes[i].begins)) == 0) {
            set(ending, TRANSPORT_PROTOCOL, 0, "");
            (void)snprintf(ending->text, sizeof ending->text,
                           "the server's answer to the handshake is wrong: %s", handshakes[i].text);
            return true;
        }
    }
    return false;
}

void ws_ending_unopened(struct ws_ending *ending, enum ws_progress progress, unsigned status,
                        const char *reason)
{
    const char *words = reason && *reason ? reason : "the connection failed";
    bool tls = strcasestr(words, "ssl") || strstr(words, "cert");
    bool handshake = strncmp(words, "HS: ", 4) == 0;

    if (strstr(words, "error:00000001:")) { /* OpenSSL's for "look elsewhere" */
        words = "the TLS handshake failed; does the server speak TLS on that port?";
    }

    if (status > 0 && status != 101) {
        set(ending, TRANSPORT_PROTOCOL, 0, "");
        ending->status = (int)status;
        (void)snprintf(ending->text, sizeof ending->text,
                       "the server refused the WebSocket: status %u", status);
    } else if (set_handshake(ending, words)) {
        return;
    } else if (progress == WS_SHAKING_HANDS && !tls && !handshake) {
        ws_ending_cut(ending, false, false);
    } else {
        set(ending,
            tls         ? TRANSPORT_TLS
            : handshake ? TRANSPORT_PROTOCOL
                        : TRANSPORT_CONNECT,
            0, "");
        (void)snprintf(ending->text, sizeof ending->text, "the WebSocket did not open: %s", words);
    }
}

void ws_ending_not_http(struct ws_ending *ending)
{
    set(ending, TRANSPORT_PROTOCOL, 0,
        "the server's answer to the handshake is wrong: it is not HTTP");
}

void ws_ending_protocols(struct ws_ending *ending)
{
    set(ending, TRANSPORT_PROTOCOL, 0,
        "the server's answer to the handshake is wrong: it chooses more than one sub-protocol");
}

/* ---- when it was open ------------------------------------------------------------------------ */

bool ws_ending_close_frame(struct ws_ending *ending, const void *bytes, size_t size)
{
    const unsigned char *payload = bytes;
    unsigned code = size >= 2 ? (unsigned)payload[0] << 8 | payload[1] : CLOSE_NONE;

    if (size == 1) {
        set(ending, TRANSPORT_PROTOCOL, WS_CLOSE_ABNORMAL,
            "the server closed it with half a code, which RFC 6455 forbids");
        return false;
    }
    if (code >= CLOSE_BEYOND) {
        set(ending, TRANSPORT_PROTOCOL, WS_CLOSE_ABNORMAL,
            "the server closed it with a code that RFC 6455 forbids");
        return false;
    }
    if (size > 2 && !utf8_valid((const char *)payload + 2, size - 2)) {
        set(ending, TRANSPORT_PROTOCOL, WS_CLOSE_ABNORMAL,
            "the server closed it with a reason that is not UTF-8");
        return false;
    }
    set(ending, TRANSPORT_OK, code, "");
    /* The library puts 1002 in the place of codes that may not be sent. */
    (void)snprintf(ending->text, sizeof ending->text, "closed by the server with code %u%s", code,
                   code == CLOSE_PROTOCOL ? ", or one that RFC 6455 forbids" : "");
    return true;
}

void ws_ending_broken(struct ws_ending *ending, unsigned code)
{
    set(ending, TRANSPORT_PROTOCOL, WS_CLOSE_ABNORMAL,
        code == CLOSE_INVALID_TEXT ? "the server sent text that is not UTF-8"
                                   : "the server sent what RFC 6455 forbids");
}

void ws_ending_cut(struct ws_ending *ending, bool open, bool sending)
{
    set(ending, TRANSPORT_RESET, open ? WS_CLOSE_ABNORMAL : 0,
        !open     ? "the connection ended before the WebSocket was open"
        : sending ? "the connection ended while a message was being sent"
                  : "the connection ended without a close frame");
}

void ws_ending_closed(struct ws_ending *ending, unsigned code)
{
    set(ending, TRANSPORT_OK, code, "");
    (void)snprintf(ending->text, sizeof ending->text, "closed with code %u", code);
}
