/* SPDX-License-Identifier: MPL-2.0 */
/* Why there was no complete answer: libcurl's code and words as a class and a text that reads the
 * same each time. */
#include "loop/curl_request.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "loop/proxy.h"
#include "loop/url.h"

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

/* What the other side refuses of TLS comes as an alert; with TLS 1.3 only after the handshake, when
 * libcurl reads or writes already. */
static bool is_alert(const struct request *request)
{
    return request->exchange->url->secure && strstr(request->error_text, " alert ");
}

/* Whether the proxy is the reason, or says it. */
static bool is_proxys(const struct request *request, CURLcode code)
{
    static const char *const parts[] = {"from proxy after CONNECT", "CONNECT tunnel failed",
                                        "Proxy CONNECT aborted", "CONNECT response"};

    if (!request->exchange->proxy) {
        return false;
    }
    for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
        if (strstr(request->error_text, parts[i])) {
            return true;
        }
    }
    return code == CURLE_PROXY || code == CURLE_COULDNT_RESOLVE_PROXY;
}

/* What a failure to connect came from. */
static enum transport_error connect_error(const struct request *request, int error)
{
    if (runs_out(request->socket_errno) || runs_out(error)) {
        return TRANSPORT_RESOURCES;
    }
    if (request->exchange->proxy) {
        return TRANSPORT_PROXY;
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
    if (is_proxys(request, code)) {
        return TRANSPORT_PROXY;
    }
    switch (code) {
    case CURLE_OK:
        return TRANSPORT_OK;
    case CURLE_UNSUPPORTED_PROTOCOL:  /* of the URL, or of the answer */
    case CURLE_BAD_FUNCTION_ARGUMENT: /* the answer, for libcurl's own store of headers */
        return request_long(request, CURLINFO_REQUEST_SIZE) > 0 ? TRANSPORT_PROTOCOL
                                                                : TRANSPORT_URL;
    case CURLE_URL_MALFORMAT:
        return TRANSPORT_URL;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return TRANSPORT_RESOLVE;
    case CURLE_INTERFACE_FAILED: /* the source address */
        return error == EADDRINUSE || runs_out(error) ? TRANSPORT_RESOURCES : TRANSPORT_CONNECT;
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
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2_STREAM:
    case CURLE_SEND_FAIL_REWIND:
        return TRANSPORT_RESET;
    case CURLE_SEND_ERROR:
        return is_alert(request) ? TRANSPORT_TLS : TRANSPORT_RESET;
    case CURLE_RECV_ERROR:
        return is_alert(request)     ? TRANSPORT_TLS
               : is_garbage(request) ? TRANSPORT_PROTOCOL
                                     : TRANSPORT_RESET;
    case CURLE_HTTP2:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return TRANSPORT_PROTOCOL;
    case CURLE_OUT_OF_MEMORY:
        /* Also what libcurl says to a header line that is longer than it takes. */
        return request_number(request, CURLINFO_STARTTRANSFER_TIME_T) > 0 &&
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

/* What is wrong, before the library's words for it; NULL: those will do. */
static const char *tls_cause(const char *words)
{
    static const struct {
        const char *part, *cause;
    } causes[] = {
        {"in certificate chain", "the server's certificate is from an unknown authority"},
        {"local issuer certificate", "the server's certificate is from an unknown authority"},
        {"self-signed certificate", "the server's certificate is from nobody but itself"},
        {"self signed certificate", "the server's certificate is from nobody but itself"},
        {"certificate has expired", "the server's certificate is too old"},
        {"certificate is not yet valid", "the server's certificate is too new"},
        {"certificate subject name", "the server's certificate is another host's"},
        {"does not match target host name", "the server's certificate is another host's"},
        {"alert certificate required", "the server asks for a certificate (--cert)"},
        {"alert bad certificate", "the server refused the certificate, or misses one (--cert)"},
        {"alert handshake failure", "the server refused the certificate, or misses one (--cert), "
                                    "or has no cipher in common"},
        {"alert unknown ca", "the server doesn't know the authority of our certificate"},
        {"alert certificate expired", "our certificate is too old for the server"},
        {"alert protocol version", "the server has no version of TLS that suits (--tls-min)"},
        {"unsupported protocol", "the server has no version of TLS that suits (--tls-min)"},
        {"wrong version number", "the server doesn't speak TLS"},
    };

    for (size_t i = 0; i < ELEMENTSOF(causes); i++) {
        if (strstr(words, causes[i].part)) {
            return causes[i].cause;
        }
    }
    return NULL;
}

/* Nothing of an answer came on a connection that was greeted with HTTP/2, unasked. */
static bool is_no_http2(const struct request *request, CURLcode code)
{
    const struct exchange *exchange = request->exchange;

    return request->http2 && !exchange->url->secure && request->headers_state == HEADERS_STATUS &&
           (exchange->error == TRANSPORT_RESET || exchange->error == TRANSPORT_PROTOCOL ||
            code == CURLE_UNSUPPORTED_PROTOCOL);
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
    } else if (request->rewinds) {
        words = "the request would have to be sent again, and its body can't be";
    } else if (exchange->error == TRANSPORT_PROTOCOL && code == CURLE_OUT_OF_MEMORY) {
        words = "a header line is too long";
    } else if (code == CURLE_BAD_FUNCTION_ARGUMENT) {
        words = "a line among the headers or trailers is neither";
    }
    if (!words) {
        tidy(text, exchange->error == TRANSPORT_TIMEOUT);
        words = text[0] ? text : curl_easy_strerror(code);
    }
    const char *cause = exchange->error == TRANSPORT_TLS ? tls_cause(words)
                        : is_no_http2(request, code) ? "the server may not speak HTTP/2 (--http2)"
                                                     : NULL;
    char proxy[160] = "";
    if (exchange->error == TRANSPORT_PROXY) {
        (void)snprintf(proxy, sizeof proxy, "proxy %s: ", exchange->proxy->shown);
    }
    (void)snprintf(exchange->error_text, sizeof exchange->error_text, "%s%s%s%s", proxy,
                   cause ? cause : "", cause ? ": " : "", words);
    if ((exchange->error == TRANSPORT_CONNECT || exchange->error == TRANSPORT_PROXY) &&
        error != 0 && !strstr(exchange->error_text, strerror(error))) {
        size_t used = strlen(exchange->error_text);
        (void)snprintf(exchange->error_text + used, sizeof exchange->error_text - used, ": %s",
                       strerror(error));
    }
}

void request_set_error(struct request *request, CURLcode code, int error)
{
    request->exchange->error = error_of(request, code, error);
    set_error_text(request, code, error);
}
