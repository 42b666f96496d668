/* SPDX-License-Identifier: MPL-2.0 */
/* Easy handles are pooled: what never changes is set once, what an exchange asks for is set each
 * time, so that nothing of an earlier one is left. (curl_easy_reset() would throw away buffers
 * too.) Of libcurl before 8.2.0 something is left: an answer whose first header begins with a blank
 * makes it write to a header of the answer before, which it has freed. A handle is used once there,
 * which costs about a microsecond.
 *
 * A URL is given both parsed and as text: libcurl copies the parsed one instead of parsing, and
 * goes back to the text when it repeats a request whose kept connection turned out to be closed. */
#include "loop/curl_request.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "loop/url.h"

#define MAX_TRAILER_BYTES 65536 /* libcurl has limits for headers only, and keeps them all */

/* Before 8.7.0 libcurl sends shorter bodies together with the headers and counts them as both. */
#define JOINED_BODY_LIMIT   ((size_t)64 * 1024)
#define JOINED_BODY_VERSION 0x080700

#define REUSABLE_VERSION    0x080200
#define GREETS_ONCE_VERSION 0x080000

/* The status in "HTTP/1.1 200 OK", 0 if there is none. */
static int parse_status(const char *line, size_t size)
{
    const char *space = memchr(line, ' ', size);
    int status = 0;

    for (size_t i = 1; space && i <= 3; i++) {
        if (space + i >= line + size || space[i] < '0' || space[i] > '9') {
            return 0;
        }
        status = status * 10 + (space[i] - '0');
    }
    return status;
}

static bool is_token(const char *text, size_t size, const char *token)
{
    return size == strlen(token) && strncasecmp(text, token, size) == 0;
}

/* Whether a line is no Transfer-Encoding, or one that says nothing but "chunked". libcurl, when it
 * is not to decode contents, hands other codings on as if they were the body. */
static bool has_known_coding(const char *line, size_t size)
{
    static const char name[] = "Transfer-Encoding:", separators[] = ", \t";
    size_t at = sizeof name - 1;

    if (size < at || strncasecmp(line, name, at) != 0) {
        return true;
    }
    while (at < size) {
        size_t length = 0;
        while (at + length < size &&
               !memchr(separators, line[at + length], sizeof separators - 1)) {
            length++;
        }
        if (length > 0 && !is_token(line + at, length, "chunked") &&
            !is_token(line + at, length, "identity")) {
            return false;
        }
        at += length + 1;
    }
    return true;
}

static bool has_header(const struct exchange *exchange, const char *name)
{
    size_t size = strlen(name);

    for (size_t i = 0; exchange->headers && exchange->headers[i]; i++) {
        if (strncasecmp(exchange->headers[i], name, size) == 0) {
            return true;
        }
    }
    return false;
}

/* libcurl answers a challenge by itself, and a refusal to be asked before (417), and passes both
 * answers, that of a challenge without its body. */
static bool begins_again(const struct request *request, const char *line, size_t size)
{
    const struct exchange *exchange = request->exchange;

    return request->headers_state == HEADERS_OVER && exchange->first_status == 0 &&
           ((exchange->digest_user && !request->has_body) ||
            (request->status == 417 && has_header(exchange, "Expect:"))) &&
           size > 5 && strncmp(line, "HTTP/", 5) == 0;
}

/* Who is refused with 417 doesn't ask again: libcurl would, with a header of ours, for ever. It
 * reads the nodes anew when it sends the request again. */
static void ask_no_more(struct request *request)
{
    for (size_t i = 0; i < ELEMENTSOF(request->headers) && request->headers[i].data; i++) {
        if (strncasecmp(request->headers[i].data, "Expect:", strlen("Expect:")) == 0) {
            request->headers[i].data = (char *)"Expect:";
        }
    }
}

/* libcurl passes status lines, fields, empty lines and trailers alike, of 1xx answers too. */
static size_t on_header(char *line, size_t unit, size_t count, void *context)
{
    struct request *request = context;
    size_t size = unit * count, length = size;

    while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r')) {
        length--;
    }
    if (begins_again(request, line, length)) {
        request->exchange->first_status = request->status;
        request->exchange->first_ended_usec = request->headers_over_usec;
        request->exchange->callbacks->again(request->exchange);
        request->headers_state = HEADERS_STATUS;
    }
    switch (request->headers_state) {
    case HEADERS_STATUS: {
        int status = parse_status(line, length);
        /* 101 is final: what follows it is no second answer. */
        request->provisional = status >= 100 && status < 200 && status != 101;
        request->status = request->exchange->head_status = status;
        request->headers_state = HEADERS_FIELDS;
        break;
    }
    case HEADERS_FIELDS:
        if (length == 0) {
            request->headers_state = request->provisional ? HEADERS_STATUS : HEADERS_OVER;
            request->headers_over_usec = clock_monotonic_usec();
            if (request->status == 417) {
                ask_no_more(request);
            }
        } else if (!request->provisional && line[0] != ' ' && line[0] != '\t' &&
                   memchr(line, ':', length)) {
            /* Continuation lines, which HTTP has given up, and lines that are no field are left
             * out. */
            if (!has_known_coding(line, length)) {
                request->rejected = "unknown transfer coding";
                return 0;
            }
            request->exchange->callbacks->header(request->exchange, line, length);
        }
        break;
    case HEADERS_OVER:
        request->trailer_bytes += size;
        if (request->trailer_bytes > MAX_TRAILER_BYTES) {
            request->rejected = "Too large trailers";
            return 0;
        }
        break;
    }
    return size;
}

/* What is held up has HTTP/1.1, since with HTTP/2 a pause makes the stream's window 0, which
 * libcurl before 8.14 doesn't always open again; and no kept connection, whose use libcurl may not
 * have told curl_watch.c about when it is held up already. */
static size_t on_body(char *bytes, size_t unit, size_t count, void *context)
{
    struct request *request = context;
    struct exchange *exchange = request->exchange;
    size_t size = unit * count;

    request->has_body = *request->got_body = true;
    if (exchange->holds_up && exchange->callbacks->full(exchange)) {
        request->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (!exchange->callbacks->body(exchange, bytes, size)) {
        request->refused = true;
        return CURL_WRITEFUNC_ERROR;
    }
    return size;
}

/* What is told of TLS, among all that is told. */
static int on_debug(CURL *easy _unused_, curl_infotype type, char *text, size_t size, void *context)
{
    static const char *const begins[] = {
        "SSL connection using ", "Server certificate:", " subject: ",
        " start date: ",         " expire date: ",      " issuer: "};
    struct request *request = context;
    struct exchange *exchange = request->exchange;

    for (size_t i = 0; type == CURLINFO_TEXT && exchange && i < ELEMENTSOF(begins); i++) {
        size_t length = strlen(begins[i]);
        if (size > length && memcmp(text, begins[i], length) == 0) {
            exchange->callbacks->told(exchange, text, size - (text[size - 1] == '\n'));
        }
    }
    return 0;
}

static size_t on_read(char *buffer, size_t unit, size_t count, void *context)
{
    struct request *request = context;
    struct exchange *exchange = request->exchange;
    ssize_t n = exchange->callbacks->read(exchange, exchange->body_offset, buffer, unit * count);

    if (n == -EAGAIN) {
        request->paused = true;
        return CURL_READFUNC_PAUSE;
    }
    if (n < 0) {
        return CURL_READFUNC_ABORT;
    }
    exchange->body_offset += (uint64_t)n;
    return (size_t)n;
}

/* The body is sent from its beginning again. */
static int on_seek(void *context, curl_off_t offset, int origin _unused_)
{
    struct request *request = context;
    struct exchange *exchange = request->exchange;

    if (exchange->reads_once && exchange->body_offset != (uint64_t)offset) {
        request->rewinds = true;
        return CURL_SEEKFUNC_FAIL;
    }
    exchange->body_offset = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static bool set_callbacks(struct request *request)
{
    CURL *easy = request->easy;

    return curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_READDATA, request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SEEKDATA, request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_debug) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_DEBUGDATA, request) == CURLE_OK;
}

int request_new(struct request **ret, void *owner)
{
    struct request *request = calloc(1, sizeof *request);

    if (!request) {
        return -ENOMEM;
    }
    request->owner = owner;
    unsigned version = curl_version_info(CURLVERSION_NOW)->version_num;
    request->joins_body = version < JOINED_BODY_VERSION;
    request->greets_again = version < GREETS_ONCE_VERSION;
    request->keeps_handle = version >= REUSABLE_VERSION;
    *ret = request;
    return 0;
}

int request_open(struct request *request, const struct transport_curl_options *options)
{
    assert(!request->easy);
    request->easy = curl_easy_init();
    if (request->easy && request_set_constants(request, options) && set_callbacks(request)) {
        return 0;
    }
    request_close(request);
    return -ENOMEM;
}

void request_close(struct request *request)
{
    curl_easy_cleanup(request->easy);
    request->easy = NULL;
}

struct request *request_free(struct request *request)
{
    if (request) {
        curl_easy_cleanup(request->easy);
        free(request);
    }
    return NULL;
}

/* Chains the lines in the request's own nodes; libcurl only reads them. */
static struct curl_slist *chain_headers(struct request *request, bool with_body)
{
    const struct exchange *exchange = request->exchange;
    size_t count = 0;

    for (; exchange->headers && exchange->headers[count]; count++) {
        request->headers[count].data = (char *)exchange->headers[count];
    }
    if (with_body) {
        if (!has_header(exchange, "Expect:")) {
            request->headers[count++].data = (char *)"Expect:";
        }
        if (!has_header(exchange, "Content-Type:")) {
            request->headers[count++].data = (char *)"Content-Type:";
        }
    }
    for (size_t i = 0; i < count; i++) {
        request->headers[i].next = i + 1 < count ? &request->headers[i + 1] : NULL;
    }
    if (count < ELEMENTSOF(request->headers)) {
        request->headers[count].data = NULL;
    }
    return count > 0 ? request->headers : NULL;
}

/* Whether the request says how long its body is: those that have one, and those of the methods that
 * mean one even when it is empty. */
static bool sends_body(const struct exchange *exchange)
{
    return exchange->body || exchange->reads_body || strcmp(exchange->method, "POST") == 0 ||
           strcmp(exchange->method, "PUT") == 0 || strcmp(exchange->method, "PATCH") == 0;
}

static bool set_method(struct request *request)
{
    const struct exchange *exchange = request->exchange;
    CURL *easy = request->easy;
    bool head = strcmp(exchange->method, "HEAD") == 0;
    bool with_body = !head && sends_body(exchange);
    const char *own = head ? "HEAD" : with_body ? "POST" : "GET";
    const char *custom = strcmp(exchange->method, own) == 0 ? NULL : exchange->method;
    bool done;

    if (with_body) {
        bool has_body = exchange->body || exchange->reads_body;
        bool unknown = has_body && exchange->body_size_bytes == EXCHANGE_UNKNOWN_SIZE;
        curl_off_t size = unknown ? -1 : has_body ? (curl_off_t)exchange->body_size_bytes : 0;
        const void *body = exchange->reads_body ? NULL : has_body ? exchange->body : "";
        done = curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, size) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body) == CURLE_OK;
    } else {
        done = curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L) == CURLE_OK &&
               (!head || curl_easy_setopt(easy, CURLOPT_NOBODY, 1L) == CURLE_OK);
    }
    return done && curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, custom) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, chain_headers(request, with_body)) ==
               CURLE_OK;
}

static bool set_timeout(struct request *request, uint64_t timeout_usec)
{
    uint64_t ms = timeout_usec / USEC_PER_MSEC + (timeout_usec % USEC_PER_MSEC != 0);
    long all = (long)MIN(ms, (uint64_t)INT_MAX);
    /* 0 would mean libcurl's own limit of five minutes for connecting. */
    long connecting = all > 0 ? all : (long)INT_MAX;

    return curl_easy_setopt(request->easy, CURLOPT_TIMEOUT_MS, all) == CURLE_OK &&
           curl_easy_setopt(request->easy, CURLOPT_CONNECTTIMEOUT_MS, connecting) == CURLE_OK;
}

static bool set_credentials(struct request *request)
{
    const struct exchange *exchange = request->exchange;
    CURL *easy = request->easy;
    unsigned long kind = exchange->digest_user ? CURLAUTH_DIGEST : CURLAUTH_BASIC;

    return curl_easy_setopt(easy, CURLOPT_HTTPAUTH, kind) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERNAME, exchange->digest_user) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PASSWORD, exchange->digest_password) == CURLE_OK;
}

int request_prepare(struct request *request, struct exchange *exchange, CURLSH *share)
{
    CURL *easy = request->easy;

    request->exchange = exchange;
    request->socket_errno = 0;
    request->family = AF_UNSPEC;
    request->headers_state = HEADERS_STATUS;
    request->provisional = request->refused = request->none_kept = request->has_body = false;
    request->paused = request->rewinds = false;
    request->rejected = NULL;
    request->trailer_bytes = 0;
    request->error_text[0] = '\0';
    return curl_easy_setopt(easy, CURLOPT_URL, exchange->url->text) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_CURLU, exchange->url->parsed) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_SHARE, share) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_VERBOSE, exchange->callbacks->told ? 1L : 0L) ==
                       CURLE_OK &&
                   set_method(request) && set_credentials(request) &&
                   set_timeout(request, exchange->timeout_usec) && request_set_connection(request)
               ? 0
               : -ENOMEM;
}

static uint64_t waited_usec(const struct request *request)
{
    return clock_monotonic_usec() - request->exchange->started_usec;
}

bool request_shorten(struct request *request)
{
    uint64_t timeout = request->exchange->timeout_usec, waited;

    if (timeout == 0 || (waited = waited_usec(request)) < USEC_PER_MSEC) {
        return true;
    }
    return set_timeout(request, timeout > waited ? timeout - waited : 1);
}

bool request_is_late(struct request *request)
{
    if (request->exchange->timeout_usec == 0 ||
        waited_usec(request) < request->exchange->timeout_usec) {
        return false;
    }
    (void)snprintf(request->error_text, sizeof request->error_text,
                   "timed out before it was started: the worker has too much to do");
    return true;
}

bool request_again(struct request *request)
{
    if (!request->only_kept || !request->none_kept) {
        return false;
    }
    request->error_text[0] = '\0';
    return request_set_connection(request);
}

void request_clear(struct request *request)
{
    /* A handle remembers challenges, and the next exchange may be another user's. */
    bool spent = !request->keeps_handle || (request->exchange && request->exchange->digest_user);

    request->exchange = NULL;
    request->connections = NULL;
    (void)curl_easy_setopt(request->easy, CURLOPT_SHARE,
                           NULL); /* can't fail outside of a transfer */
    (void)curl_easy_setopt(request->easy, CURLOPT_CURLU, NULL);
    if (spent) {
        request_close(request);
    }
}

uint64_t request_number(const struct request *request, CURLINFO info)
{
    curl_off_t value = 0;

    (void)curl_easy_getinfo(request->easy, info, &value); /* 0 if it isn't known */
    return value > 0 ? (uint64_t)value : 0;
}

long request_long(const struct request *request, CURLINFO info)
{
    long value = 0;

    (void)curl_easy_getinfo(request->easy, info, &value); /* 0 if it isn't known */
    return value;
}

static uint64_t difference(uint64_t later, uint64_t earlier)
{
    return later > earlier ? later - earlier : 0;
}

/* libcurl's marks count from the start; one that wasn't reached is 0. */
static void set_timing(struct request *request)
{
    struct exchange_timing *timing = &request->exchange->timing;
    uint64_t resolved = request_number(request, CURLINFO_NAMELOOKUP_TIME_T);
    uint64_t connected = request_number(request, CURLINFO_CONNECT_TIME_T);
    uint64_t secured = request_number(request, CURLINFO_APPCONNECT_TIME_T);
    uint64_t sent = request_number(request, CURLINFO_PRETRANSFER_TIME_T);
    uint64_t answered = request_number(request, CURLINFO_STARTTRANSFER_TIME_T);
    uint64_t ended = request_number(request, CURLINFO_TOTAL_TIME_T);

    if (!request->exchange->connection_reused) {
        timing->connect_usec = difference(connected, resolved);
        timing->tls_usec = difference(secured, connected);
    }
    timing->send_usec = difference(sent, MAX(connected, secured));
    timing->wait_usec = difference(answered, sent);
    timing->receive_usec = answered > 0 ? difference(ended, answered) : 0;
}

static int http_version(const struct request *request)
{
    switch (request_long(request, CURLINFO_HTTP_VERSION)) {
    case CURL_HTTP_VERSION_1_0:
        return 10;
    case CURL_HTTP_VERSION_1_1:
        return 11;
    case CURL_HTTP_VERSION_2_0:
        return 20;
    default:
        return 0;
    }
}

void request_finish(struct request *request, CURLcode code)
{
    struct exchange *exchange = request->exchange;
    int error = request->socket_errno;

    exchange->ended_usec = clock_monotonic_usec();
    if (code == CURLE_OK && request->headers_state != HEADERS_OVER) {
        /* For libcurl a head that the server has cut is all of it. */
        code = CURLE_PARTIAL_FILE;
        (void)snprintf(request->error_text, sizeof request->error_text,
                       "transfer closed before the end of the headers");
    }
    if (code != CURLE_OK) {
        error = error ? error : (int)request_long(request, CURLINFO_OS_ERRNO);
        request_set_error(request, code, error);
    } else {
        exchange->status = (int)request_long(request, CURLINFO_RESPONSE_CODE);
    }
    exchange->http_version = http_version(request);
    exchange->sent_bytes = (uint64_t)request_long(request, CURLINFO_REQUEST_SIZE);
    if (!request->joins_body || exchange->reads_body ||
        exchange->body_size_bytes >= JOINED_BODY_LIMIT) {
        exchange->sent_bytes += request_number(request, CURLINFO_SIZE_UPLOAD_T);
    }
    exchange->received_bytes = (uint64_t)request_long(request, CURLINFO_HEADER_SIZE) +
                               request_number(request, CURLINFO_SIZE_DOWNLOAD_T);
    exchange->connection_reused =
        request_long(request, CURLINFO_NUM_CONNECTS) == 0 && code == CURLE_OK;
    set_timing(request);
}
