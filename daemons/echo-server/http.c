/* SPDX-License-Identifier: MPL-2.0 */
/* Answers leave in one write: the head is put right in front of the body, so that a small answer
 * costs one system call; what the socket doesn't take at once libwebsockets keeps and sends. A
 * request's body is read whole before it is answered (many clients send all of it before they
 * read), which is why it has a limit. */
#include "http.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "counts.h"

#define HEAD_BYTES  512 /* room for the head of any answer: all of its parts are bounded */
#define BODY_OFFSET (LWS_PRE + HEAD_BYTES)
#define SMALL_BYTES 256 /* room for a body that is a text of ours */

/* What becomes of the connection behind an answer. */
enum after { KEEP, CLOSE };

static const char hello[] = "Hello from loads-echo-server.\n"
                            "/echo sends back what it gets, /ws echoes WebSocket messages,\n"
                            "/counts tells how many.\n";

void request_clear(struct request *request)
{
    free(request->buffer);
    *request = (struct request){0};
}

/* Makes room for `capacity` bytes of body. The buffer's front is never copied anywhere. */
static bool request_reserve(struct request *request, size_t capacity)
{
    if (capacity <= request->capacity_bytes && request->buffer) {
        return true;
    }
    unsigned char *buffer = realloc(request->buffer, BODY_OFFSET + capacity);
    if (!buffer) {
        return false;
    }
    request->buffer = buffer;
    request->capacity_bytes = capacity;
    return true;
}

static const char *reason(unsigned status)
{
    switch (status) {
    case HTTP_STATUS_OK:
        return "OK";
    case HTTP_STATUS_BAD_REQUEST:
        return "Bad Request";
    case HTTP_STATUS_NOT_FOUND:
        return "Not Found";
    case HTTP_STATUS_METHOD_NOT_ALLOWED:
        return "Method Not Allowed";
    case HTTP_STATUS_LENGTH_REQUIRED:
        return "Length Required";
    case HTTP_STATUS_REQ_ENTITY_TOO_LARGE:
        return "Content Too Large";
    default:
        return "Not Implemented";
    }
}

/* HTTP/1.0 clients keep a connection only when told so; everyone is told when it ends. */
static const char *connection_header(struct lws *wsi, enum after after)
{
    char wish[32];

    if (after == CLOSE) {
        return "Connection: close\r\n";
    }
    if (lws_hdr_copy(wsi, wish, sizeof wish, WSI_TOKEN_CONNECTION) > 0 &&
        strcasecmp(wish, "keep-alive") == 0) {
        return "Connection: keep-alive\r\n";
    }
    return "";
}

/* Sends an answer whose body is already in place, at `buffer` + BODY_OFFSET. */
static int send_answer(struct lws *wsi, unsigned status, const char *type, unsigned char *buffer,
                       size_t size, enum after after)
{
    char head[HEAD_BYTES];
    int head_size = snprintf(head, sizeof head,
                             "HTTP/1.1 %u %s\r\n"
                             "Server: loads-echo-server\r\n"
                             "Content-Type: %s\r\n"
                             "Content-Length: %zu\r\n"
                             "%s%s\r\n",
                             status, reason(status), type, size,
                             status == HTTP_STATUS_METHOD_NOT_ALLOWED ? "Allow: GET, HEAD\r\n" : "",
                             connection_header(wsi, after));
    assert(head_size > 0 && (size_t)head_size < sizeof head);

    unsigned char *answer = buffer + BODY_OFFSET - head_size;
    memcpy(answer, head, (size_t)head_size);
    bool head_only = lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;
    size_t total = (size_t)head_size + (head_only ? 0 : size);
    if (lws_write(wsi, answer, total, LWS_WRITE_HTTP_HEADERS) < 0) {
        return -1;
    }
    if (after == CLOSE || lws_http_transaction_completed(wsi) != 0) {
        return -1;
    }
    /* libwebsockets keeps timeouts in a sorted list that it walks: with one for each of thousands
     * of idle connections, an answer would cost ten times as much. */
    lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
    return 0;
}

static int answer_small(struct lws *wsi, unsigned status, const char *type, const char *text,
                        enum after after)
{
    unsigned char buffer[BODY_OFFSET + SMALL_BYTES];
    size_t size = strlen(text);

    assert(size < SMALL_BYTES);
    memcpy(buffer + BODY_OFFSET, text, size + 1);
    return send_answer(wsi, status, type, buffer, size, after);
}

static int answer_text(struct lws *wsi, unsigned status, const char *text, enum after after)
{
    return answer_small(wsi, status, "text/plain", text, after);
}

static int answer_counts(struct lws *wsi, enum after after)
{
    const struct counts *counts = counts_of(wsi);
    char text[SMALL_BYTES];

    (void)snprintf(
        text, sizeof text,
        "{\"opened\": %" PRIu64 ", \"received\": %" PRIu64 ", \"received_bytes\": %" PRIu64
        ", \"sent\": %" PRIu64 ", \"sent_bytes\": %" PRIu64 "}\n",
        counts->opened, counts->received, counts->received_bytes, counts->sent, counts->sent_bytes);
    return answer_small(wsi, HTTP_STATUS_OK, "application/json", text, after);
}

/* libwebsockets keeps the query decoded, in pieces that stood between ampersands. */
static int answer_query(struct lws *wsi, enum after after)
{
    int capacity = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_URI_ARGS) + 2, used = 0;

    _cleanup_free_ unsigned char *buffer = malloc(BODY_OFFSET + (size_t)capacity);
    if (!buffer) {
        return -1;
    }
    char *query = (char *)buffer + BODY_OFFSET;
    for (int i = 0, copied; used < capacity; i++, used += copied) {
        int separator = i > 0 ? 1 : 0;
        copied = lws_hdr_copy_fragment(wsi, query + used + separator, capacity - used - separator,
                                       WSI_TOKEN_HTTP_URI_ARGS, i);
        if (copied < 0) {
            break;
        }
        if (separator) {
            query[used] = '&';
        }
        copied += separator;
    }
    return send_answer(wsi, HTTP_STATUS_OK, "text/plain", buffer, (size_t)used, after);
}

static int answer_without_body(struct lws *wsi, const char *path, bool reads_only, enum after after)
{
    if (strcmp(path, "/echo") == 0) {
        return answer_query(wsi, after);
    }
    bool counts = strcmp(path, "/counts") == 0;
    if (!counts && strcmp(path, "/") != 0) {
        return answer_text(wsi, HTTP_STATUS_NOT_FOUND,
                           "There are only /, /echo, /counts and /ws.\n", after);
    }
    if (!reads_only) {
        return answer_text(wsi, HTTP_STATUS_METHOD_NOT_ALLOWED, "Only GET and HEAD.\n", after);
    }
    if (counts) {
        return answer_counts(wsi, after);
    }
    return answer_text(wsi, HTTP_STATUS_OK, hello, after);
}

/* The bytes of body that the head announces; -1: it makes no sense. */
static long long content_length(struct lws *wsi)
{
    char text[32], *end;
    int size = lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_CONTENT_LENGTH);

    if (size == 0) {
        return 0;
    }
    if (size < 0 || text[0] < '0' || text[0] > '9') {
        return -1;
    }
    errno = 0;
    long long length = strtoll(text, &end, 10);
    return *end != '\0' || errno != 0 ? -1 : length;
}

/* Refuses what can't be read to its end. 1: it is fine. */
static int check_body(struct lws *wsi, bool body_allowed, long long length)
{
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0) {
        return answer_text(wsi, HTTP_STATUS_LENGTH_REQUIRED,
                           "A request's body needs a Content-Length.\n", CLOSE);
    }
    if (length < 0) {
        return answer_text(wsi, HTTP_STATUS_BAD_REQUEST, "What Content-Length is that?\n", CLOSE);
    }
    if (!body_allowed && length > 0) {
        return answer_text(wsi, HTTP_STATUS_BAD_REQUEST, "Bodies go with POST, PUT and PATCH.\n",
                           CLOSE);
    }
    if ((unsigned long long)length > HTTP_MAX_BODY_BYTES) {
        return answer_text(wsi, HTTP_STATUS_REQ_ENTITY_TOO_LARGE, "At most 16 MiB.\n", CLOSE);
    }
    return 1;
}

/* Clients with a large body ask first, and wait a second for the word. */
static int send_continue(struct lws *wsi)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    unsigned char buffer[LWS_PRE + sizeof text];

    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_EXPECT) == 0) {
        return 0;
    }
    memcpy(buffer + LWS_PRE, text, sizeof text);
    return lws_write(wsi, buffer + LWS_PRE, sizeof text - 1, LWS_WRITE_HTTP_HEADERS) < 0 ? -1 : 0;
}

static bool reads_only(int method)
{
    return method == LWSHUMETH_GET || method == LWSHUMETH_HEAD;
}

static int answer_with_body(struct lws *wsi, struct request *request, enum after after)
{
    if (!request->echo) {
        char *path;
        int path_size;
        if (lws_http_get_uri_and_method(wsi, &path, &path_size) < 0) {
            return -1;
        }
        return answer_without_body(wsi, path, false, after);
    }
    /* The end of the transaction frees the session. */
    struct request taken = *request;
    *request = (struct request){0};
    int result =
        send_answer(wsi, HTTP_STATUS_OK, taken.type, taken.buffer, taken.size_bytes, after);
    request_clear(&taken);
    return result;
}

int http_begin(struct lws *wsi, struct request *request)
{
    char *path;
    int path_size;
    int method = lws_http_get_uri_and_method(wsi, &path, &path_size);
    bool body_follows =
        method == LWSHUMETH_POST || method == LWSHUMETH_PUT || method == LWSHUMETH_PATCH;
    long long length = content_length(wsi);

    request_clear(request);
    if (method < 0) {
        return -1;
    }
    int result = check_body(wsi, body_follows, length);
    if (result != 1) {
        return result;
    }
    if (!body_follows) {
        return answer_without_body(wsi, path, reads_only(method), KEEP);
    }
    request->echo = strcmp(path, "/echo") == 0;
    if (request->echo && !request_reserve(request, (size_t)length)) {
        return -1;
    }
    if (lws_hdr_copy(wsi, request->type, sizeof request->type, WSI_TOKEN_HTTP_CONTENT_TYPE) <= 0) {
        (void)snprintf(request->type, sizeof request->type, "application/octet-stream");
    }
    /* Without a length there is no body, but libwebsockets would wait for one, also afterwards. */
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) == 0) {
        return answer_with_body(wsi, request, CLOSE);
    }
    /* Of an empty body it reports the end only for POST. */
    return length == 0 && method != LWSHUMETH_POST ? answer_with_body(wsi, request, KEEP)
                                                   : send_continue(wsi);
}

int http_body(struct request *request, const void *bytes, size_t size)
{
    if (!request->echo || size == 0) {
        return 0;
    }
    if (size > request->capacity_bytes - request->size_bytes) {
        return -1;
    }
    memcpy(request->buffer + BODY_OFFSET + request->size_bytes, bytes, size);
    request->size_bytes += size;
    return 0;
}

int http_body_end(struct lws *wsi, struct request *request)
{
    return answer_with_body(wsi, request, KEEP);
}

/* Of what a client offers libwebsockets takes the first that it knows; knowing none it would hang
 * up without a word. */
static bool knows_subprotocol(struct lws *wsi)
{
    char offered[256], *rest;

    if (lws_hdr_total_length(wsi, WSI_TOKEN_PROTOCOL) == 0) {
        return true;
    }
    if (lws_hdr_copy(wsi, offered, sizeof offered, WSI_TOKEN_PROTOCOL) < 0) {
        return false;
    }
    for (char *name = strtok_r(offered, ", ", &rest); name; name = strtok_r(NULL, ", ", &rest)) {
        if (strcmp(name, "chat") == 0 || strcmp(name, "http-only") == 0) {
            return true;
        }
    }
    return false;
}

static int confirm_websocket(struct lws *wsi, const char *path)
{
    if (strcmp(path, "/ws") != 0) {
        return answer_text(wsi, HTTP_STATUS_NOT_FOUND, "WebSockets are at /ws.\n", CLOSE);
    }
    if (!knows_subprotocol(wsi)) {
        return answer_text(wsi, HTTP_STATUS_BAD_REQUEST,
                           "The sub-protocols are chat and http-only.\n", CLOSE);
    }
    return 0;
}

/* Other protocols than WebSockets, such as HTTP/2, are offers that a server may ignore.
 * libwebsockets doesn't keep a connection whose upgrade was refused, so the answers say that it
 * ends. */
int http_confirm_upgrade(struct lws *wsi, const char *protocol)
{
    char *path;
    int path_size;
    int method = lws_http_get_uri_and_method(wsi, &path, &path_size);

    if (method < 0) {
        return -1;
    }
    if (strcasecmp(protocol, "websocket") == 0) {
        return confirm_websocket(wsi, path);
    }
    if (reads_only(method) && content_length(wsi) == 0) {
        return answer_without_body(wsi, path, true, CLOSE);
    }
    return answer_text(wsi, HTTP_STATUS_NOT_IMPLEMENTED, "Here is HTTP/1.1 only.\n", CLOSE);
}
