/* SPDX-License-Identifier: MPL-2.0 */
/* Easy handles are pooled: what never changes is set once, what an exchange asks for is set each
 * time, so that nothing of an earlier one is left. (curl_easy_reset() would throw away buffers
 * too.) Of libcurl before 8.2.0 something is left: an answer whose first header begins with a blank
 * makes it write to a header of the answer before, which it has freed. A handle is used once there,
 * which costs about a microsecond.
 *
 * A URL is given both parsed and as text: libcurl copies the parsed one instead of parsing, and
 * goes back to the text when it repeats a request whose kept connection turned out to be closed.
 *
 * libcurl is told to leave to the session what is the session's: no redirects, cookies,
 * authentication, content decoding, and no TLS session of one virtual user resumed by another. */
#include "loop/curl_request.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "loop/url.h"

#define MAX_CONNECTION_AGE_SECONDS 3600L
#define MAX_TRAILER_BYTES          65536 /* libcurl has limits for headers only, and keeps them all */

/* Before 8.7.0 libcurl sends shorter bodies together with the headers and counts them as both. */
#define JOINED_BODY_LIMIT   ((size_t)64 * 1024)
#define JOINED_BODY_VERSION 0x080700

#define REUSABLE_VERSION 0x080200

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

/* libcurl passes status lines, fields, empty lines and trailers alike, of 1xx answers too. */
static size_t on_header(char *line, size_t unit, size_t count, void *context)
{
    struct request *request = context;
    size_t size = unit * count, length = size;

    while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r')) {
        length--;
    }
    switch (request->headers_state) {
    case HEADERS_STATUS: {
        int status = parse_status(line, length);
        /* 101 is final: what follows it is no second answer. */
        request->provisional = status >= 100 && status < 200 && status != 101;
        request->headers_state = HEADERS_FIELDS;
        break;
    }
    case HEADERS_FIELDS:
        if (length == 0) {
            request->headers_state = request->provisional ? HEADERS_STATUS : HEADERS_OVER;
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

static size_t on_body(char *bytes, size_t unit, size_t count, void *context)
{
    struct request *request = context;
    size_t size = unit * count;

    if (!request->exchange->callbacks->body(request->exchange, bytes, size)) {
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

static bool set_constants(struct request *request, const struct transport_curl_options *options)
{
    CURL *easy = request->easy;
    long verify = options->insecure ? 0L : 1L;

    return curl_easy_setopt(easy, CURLOPT_PRIVATE, request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error_text) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_debug) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_DEBUGDATA, request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, MAX_CONNECTION_AGE_SECONDS) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, verify) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, verify * 2) == CURLE_OK &&
           (!options->ca_file ||
            curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file) == CURLE_OK);
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
    request->keeps_handle = version >= REUSABLE_VERSION;
    *ret = request;
    return 0;
}

int request_open(struct request *request, const struct transport_curl_options *options)
{
    assert(!request->easy);
    request->easy = curl_easy_init();
    if (request->easy && set_constants(request, options)) {
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
    return count > 0 ? request->headers : NULL;
}

/* Whether the request says how long its body is: those that have one, and those of the methods that
 * mean one even when it is empty. */
static bool sends_body(const struct exchange *exchange)
{
    return exchange->body || strcmp(exchange->method, "POST") == 0 ||
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
        curl_off_t size = exchange->body ? (curl_off_t)exchange->body_size_bytes : 0;
        const void *body = exchange->body ? exchange->body : "";
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

/* Connects to the exchange's address, whatever host and port the URL names. */
static bool set_address(struct request *request, const char *address)
{
    struct curl_slist *list = NULL;

    if (address) {
        bool ipv6 = strchr(address, ':') != NULL;
        (void)snprintf(request->connect_to_text, sizeof request->connect_to_text,
                       "::%s%.*s%s:", ipv6 ? "[" : "", INET6_ADDRSTRLEN, address, ipv6 ? "]" : "");
        request->connect_to = (struct curl_slist){.data = request->connect_to_text};
        list = &request->connect_to;
    }
    return curl_easy_setopt(request->easy, CURLOPT_CONNECT_TO, list) == CURLE_OK;
}

int request_prepare(struct request *request, struct exchange *exchange, CURLSH *share)
{
    CURL *easy = request->easy;

    request->exchange = exchange;
    request->socket_errno = 0;
    request->family = AF_UNSPEC;
    request->headers_state = HEADERS_STATUS;
    request->provisional = request->refused = false;
    request->rejected = NULL;
    request->trailer_bytes = 0;
    request->error_text[0] = '\0';
    return curl_easy_setopt(easy, CURLOPT_URL, exchange->url->text) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_CURLU, exchange->url->parsed) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_SHARE, share) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_VERBOSE, exchange->callbacks->told ? 1L : 0L) ==
                       CURLE_OK &&
                   set_method(request) && set_timeout(request, exchange->timeout_usec) &&
                   set_address(request, exchange->address)
               ? 0
               : -ENOMEM;
}

void request_clear(struct request *request)
{
    request->exchange = NULL;
    request->connections = NULL;
    (void)curl_easy_setopt(request->easy, CURLOPT_SHARE,
                           NULL); /* can't fail outside of a transfer */
    (void)curl_easy_setopt(request->easy, CURLOPT_CURLU, NULL);
    if (!request->keeps_handle) {
        request_close(request);
    }
}

static uint64_t get_number(const struct request *request, CURLINFO info)
{
    curl_off_t value = 0;

    (void)curl_easy_getinfo(request->easy, info, &value); /* 0 if it isn't known */
    return value > 0 ? (uint64_t)value : 0;
}

static long get_long(const struct request *request, CURLINFO info)
{
    long value = 0;

    (void)curl_easy_getinfo(request->easy, info, &value); /* 0 if it isn't known */
    return value;
}

static bool runs_out(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

/* What libcurl classes by the state it was in rather than by what was wrong. */
static bool is_garbage(const struct request *request)
{
    return strstr(request->error_text, "chunked-encoding") ||
           strstr(request->error_text, "Too large response headers");
}

/* What a failure to connect came from. */
static enum transport_error connect_error(const struct request *request, int error)
{
    if (runs_out(request->socket_errno) || runs_out(error)) {
        return TRANSPORT_RESOURCES;
    }
    /* Out of local ports; with IPv6 it is also what a machine without it says. */
    return error == EADDRNOTAVAIL && request->family != AF_INET6 ? TRANSPORT_RESOURCES
                                                                 : TRANSPORT_CONNECT;
}

static enum transport_error error_of(const struct request *request, CURLcode code, int error)
{
    if (request->rejected) {
        return TRANSPORT_PROTOCOL;
    }
    switch (code) {
    case CURLE_OK:
        return TRANSPORT_OK;
    case CURLE_UNSUPPORTED_PROTOCOL:  /* of the URL, or of the answer */
    case CURLE_BAD_FUNCTION_ARGUMENT: /* the answer, for libcurl's own store of headers */
        return get_long(request, CURLINFO_REQUEST_SIZE) > 0 ? TRANSPORT_PROTOCOL : TRANSPORT_URL;
    case CURLE_URL_MALFORMAT:
        return TRANSPORT_URL;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return TRANSPORT_RESOLVE;
    case CURLE_COULDNT_CONNECT:
        return connect_error(request, error);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return TRANSPORT_TLS;
    case CURLE_OPERATION_TIMEDOUT:
        return TRANSPORT_TIMEOUT;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        return TRANSPORT_RESET;
    case CURLE_RECV_ERROR:
        return is_garbage(request) ? TRANSPORT_PROTOCOL : TRANSPORT_RESET;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return TRANSPORT_PROTOCOL;
    case CURLE_OUT_OF_MEMORY:
        /* Also what libcurl says to a header line that is longer than it takes. */
        return get_number(request, CURLINFO_STARTTRANSFER_TIME_T) > 0 &&
                       request->headers_state != HEADERS_OVER
                   ? TRANSPORT_PROTOCOL
                   : TRANSPORT_RESOURCES;
    case CURLE_WRITE_ERROR:
        return request->refused ? TRANSPORT_CANCELLED : TRANSPORT_OTHER;
    default:
        return TRANSPORT_OTHER;
    }
}

/* Takes the first "BEFORE number AFTER" out of a text, or only its number if `after` is NULL. */
static void cut_number(char *text, const char *before, const char *after)
{
    char *start = strstr(text, before), *number, *end;

    if (!start) {
        return;
    }
    number = start + strlen(before);
    end = number + strspn(number, "0123456789");
    if (end == number) {
        return;
    }
    if (!after) {
        start = number;
        end += *end == ' ';
    } else if (strncmp(end, after, strlen(after)) == 0) {
        end += strlen(after);
    } else {
        return;
    }
    memmove(start, end, strlen(end) + 1);
}

/* Takes out what differs from one time to the next, so that equal errors read equal. */
static void tidy(char *text, bool timeout)
{
    cut_number(text, " after ", " milliseconds");
    cut_number(text, " after ", " ms");
    if (timeout) {
        char *counts = strstr(text, " with "); /* "0 bytes received", or "timeout", which stays */
        if (counts && isdigit((unsigned char)counts[strlen(" with ")])) {
            *counts = '\0';
        }
    } else {
        cut_number(text, " with ", NULL);
    }
}

/* The text of a failure that a limit here has caused; NULL: libcurl's words will do. */
static const char *resource_text(int error, char *text, size_t size)
{
    struct rlimit limit;

    if (error == EMFILE && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        (void)snprintf(text, size,
                       "out of file descriptors (limit %llu): raise it with ulimit -n or "
                       "LimitNOFILE=",
                       (unsigned long long)limit.rlim_cur);
        return text;
    }
    if (error == ENFILE) {
        return "the system is out of file descriptors: raise fs.file-max";
    }
    if (error == EADDRNOTAVAIL) {
        return "out of local ports: widen net.ipv4.ip_local_port_range";
    }
    return NULL;
}

static void set_error_text(struct request *request, CURLcode code, int error)
{
    struct exchange *exchange = request->exchange;
    char *text = request->error_text;
    char resource[128];
    const char *words = NULL;

    if (exchange->error == TRANSPORT_CANCELLED) {
        words = "cancelled";
    } else if (exchange->error == TRANSPORT_RESOURCES) {
        words = resource_text(error, resource, sizeof resource);
    } else if (request->rejected) {
        words = request->rejected;
    } else if (exchange->error == TRANSPORT_PROTOCOL && code == CURLE_OUT_OF_MEMORY) {
        words = "a header line is too long";
    } else if (code == CURLE_BAD_FUNCTION_ARGUMENT) {
        words = "a line among the headers or trailers is neither";
    }
    if (!words) {
        tidy(text, exchange->error == TRANSPORT_TIMEOUT);
        words = text[0] ? text : curl_easy_strerror(code);
    }
    (void)snprintf(exchange->error_text, sizeof exchange->error_text, "%s", words);
    if (exchange->error == TRANSPORT_CONNECT && error != 0 &&
        !strstr(exchange->error_text, strerror(error))) {
        size_t used = strlen(exchange->error_text);
        (void)snprintf(exchange->error_text + used, sizeof exchange->error_text - used, ": %s",
                       strerror(error));
    }
}

static uint64_t difference(uint64_t later, uint64_t earlier)
{
    return later > earlier ? later - earlier : 0;
}

/* libcurl's marks count from the start; one that wasn't reached is 0. */
static void set_timing(struct request *request)
{
    struct exchange_timing *timing = &request->exchange->timing;
    uint64_t resolved = get_number(request, CURLINFO_NAMELOOKUP_TIME_T);
    uint64_t connected = get_number(request, CURLINFO_CONNECT_TIME_T);
    uint64_t secured = get_number(request, CURLINFO_APPCONNECT_TIME_T);
    uint64_t sent = get_number(request, CURLINFO_PRETRANSFER_TIME_T);
    uint64_t answered = get_number(request, CURLINFO_STARTTRANSFER_TIME_T);
    uint64_t ended = get_number(request, CURLINFO_TOTAL_TIME_T);

    if (!request->exchange->connection_reused) {
        timing->connect_usec = difference(connected, resolved);
        timing->tls_usec = difference(secured, connected);
    }
    timing->send_usec = difference(sent, MAX(connected, secured));
    timing->wait_usec = difference(answered, sent);
    timing->receive_usec = answered > 0 ? difference(ended, answered) : 0;
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
        error = error ? error : (int)get_long(request, CURLINFO_OS_ERRNO);
        exchange->error = error_of(request, code, error);
        set_error_text(request, code, error);
    } else {
        exchange->status = (int)get_long(request, CURLINFO_RESPONSE_CODE);
    }
    exchange->sent_bytes = (uint64_t)get_long(request, CURLINFO_REQUEST_SIZE);
    if (!request->joins_body || exchange->body_size_bytes >= JOINED_BODY_LIMIT) {
        exchange->sent_bytes += get_number(request, CURLINFO_SIZE_UPLOAD_T);
    }
    exchange->received_bytes = (uint64_t)get_long(request, CURLINFO_HEADER_SIZE) +
                               get_number(request, CURLINFO_SIZE_DOWNLOAD_T);
    exchange->connection_reused = get_long(request, CURLINFO_NUM_CONNECTS) == 0 && code == CURLE_OK;
    set_timing(request);
}
