/* SPDX-License-Identifier: MPL-2.0 */
/* What a handle is told once, for all of its exchanges, and what each of them has to say about the
 * connection that it goes over.
 *
 * libcurl is told to leave to the session what is the session's: no redirects, cookies,
 * authentication, content decoding, and no TLS session of one virtual user resumed by another. */
#include "loop/curl_request.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "loop/proxy.h"
#include "loop/url.h"

#define MAX_CONNECTION_AGE_SECONDS 3600L

/* libcurl keeps what it has read from a file, for all connections, unless it is to look into a
 * directory, too. It would read the system's for each connection anew: some 140 certificates are 40
 * ms and 800 KiB. Where the system has a file it is all that is in the directory. */
static bool set_authorities(CURL *easy, const struct transport_curl_options *options)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    const char *file = options->insecure  ? NULL
                       : options->ca_file ? options->ca_file
                                          : info->cainfo;
    const char *directory = options->insecure || file ? NULL : info->capath;

    return curl_easy_setopt(easy, CURLOPT_CAINFO, file) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CAPATH, directory) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, file) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, directory) == CURLE_OK;
}

static bool set_tls(CURL *easy, const struct transport_curl_options *options)
{
    long verify = options->insecure ? 0L : 1L;
    long oldest = options->tls_min == 13   ? CURL_SSLVERSION_TLSv1_3
                  : options->tls_min == 12 ? CURL_SSLVERSION_TLSv1_2
                                           : CURL_SSLVERSION_DEFAULT;
    const char *key = options->key_file ? options->key_file : options->cert_file;

    return set_authorities(easy, options) &&
           curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, verify) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, verify * 2) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSLVERSION, oldest) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYPEER, verify) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYHOST, verify * 2) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) == CURLE_OK &&
           (!options->cert_file ||
            (curl_easy_setopt(easy, CURLOPT_SSLCERT, options->cert_file) == CURLE_OK &&
             curl_easy_setopt(easy, CURLOPT_SSLKEY, key) == CURLE_OK));
}

bool request_set_constants(struct request *request, const struct transport_curl_options *options)
{
    CURL *easy = request->easy;

    request->http2 = options->http2;
    return curl_easy_setopt(easy, CURLOPT_PRIVATE, request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error_text) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L) == CURLE_OK &&
           /* There is one address. When this is over, libcurl looks at every connection that isn't
            * ready yet. */
           curl_easy_setopt(easy, CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS, (long)INT_MAX) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, MAX_CONNECTION_AGE_SECONDS) == CURLE_OK &&
           set_tls(easy, options);
}

/* Without TLS there is nothing to agree on the version with: both sides have to know. libcurl
 * before 8.0.0 greets again on each use of such a connection, unless it is told that HTTP/1.1 will
 * do: so that is said first, for a kept connection alone, and only a new one is opened in the other
 * way. */
static bool set_version(struct request *request)
{
    const struct exchange *exchange = request->exchange;
    bool secure = exchange->url->secure;
    bool wants = request->http2 && !exchange->holds_up &&
                 (secure || !exchange->proxy || !exchange->proxy->http);
    bool knows = wants && !secure;

    request->only_kept =
        knows && request->greets_again && !request->none_kept && !exchange->own_connection;
    long version = !wants                         ? CURL_HTTP_VERSION_1_1
                   : knows && !request->only_kept ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
                                                  : CURL_HTTP_VERSION_2TLS;
    return curl_easy_setopt(request->easy, CURLOPT_HTTP_VERSION, version) == CURLE_OK;
}

static bool is_ipv6(const char *address)
{
    return strchr(address, ':') != NULL;
}

/* Connects to the exchange's address, whatever host and port the URL names; by a proxy only if that
 * is to be given one, since others look hosts up themselves. */
static bool set_address(struct request *request)
{
    const struct exchange *exchange = request->exchange;
    const char *address =
        exchange->proxy && !exchange->proxy->local_names ? NULL : exchange->address;
    struct curl_slist *list = NULL;

    if (address) {
        bool ipv6 = is_ipv6(address);
        (void)snprintf(request->connect_to_text, sizeof request->connect_to_text,
                       "::%s%.*s%s:", ipv6 ? "[" : "", INET6_ADDRSTRLEN, address, ipv6 ? "]" : "");
        request->connect_to = (struct curl_slist){.data = request->connect_to_text};
        list = &request->connect_to;
    }
    return curl_easy_setopt(request->easy, CURLOPT_CONNECT_TO, list) == CURLE_OK;
}

/* Without one, "*" also keeps the environment's away. A proxy's host was looked up before, as all
 * are, and libcurl finds it among the names that it is told. */
static bool set_proxy(struct request *request)
{
    const struct proxy *proxy = request->exchange->proxy;
    const char *address = request->exchange->proxy_address;
    CURL *easy = request->easy;
    struct curl_slist *list = NULL;

    if (proxy && address) {
        bool ipv6 = is_ipv6(address);
        (void)snprintf(request->resolve_text, sizeof request->resolve_text, "+%s:%u:%s%.*s%s",
                       proxy->host, proxy->port, ipv6 ? "[" : "", INET6_ADDRSTRLEN, address,
                       ipv6 ? "]" : "");
        request->resolve = (struct curl_slist){.data = request->resolve_text};
        list = &request->resolve;
    }
    return curl_easy_setopt(easy, CURLOPT_PROXY, proxy ? proxy->text : NULL) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOPROXY, proxy ? "" : "*") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_RESOLVE, list) == CURLE_OK;
}

static bool set_source(struct request *request)
{
    const char *source = request->exchange->source_address;

    if (source) {
        (void)snprintf(request->source_text, sizeof request->source_text, "host!%.*s",
                       INET6_ADDRSTRLEN, source);
    }
    return curl_easy_setopt(request->easy, CURLOPT_INTERFACE,
                            source ? request->source_text : NULL) == CURLE_OK;
}

bool request_set_connection(struct request *request)
{
    long own = request->exchange->own_connection;

    return set_version(request) && set_address(request) && set_proxy(request) &&
           set_source(request) &&
           curl_easy_setopt(request->easy, CURLOPT_FRESH_CONNECT, own) == CURLE_OK &&
           curl_easy_setopt(request->easy, CURLOPT_FORBID_REUSE, own) == CURLE_OK;
}
