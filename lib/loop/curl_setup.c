/* SPDX-License-Identifier: MPL-2.0 */
/* What a handle is told once, for all of its exchanges, and what each of them has to say about the
 * connection that it goes over.
 *
 * libcurl is told to leave to the session what is the session's: no redirects, cookies,
 * authentication, content decoding, and no TLS session of one virtual user resumed by another. */
#include "loop/curl_request.h"

#include <stdio.h>
#include <string.h>

#include "loop/url.h"

#define MAX_CONNECTION_AGE_SECONDS 3600L

static bool set_tls(CURL *easy, const struct transport_curl_options *options)
{
    long verify = options->insecure ? 0L : 1L;
    long oldest = options->tls_min == 13   ? CURL_SSLVERSION_TLSv1_3
                  : options->tls_min == 12 ? CURL_SSLVERSION_TLSv1_2
                                           : CURL_SSLVERSION_DEFAULT;
    const char *key = options->key_file ? options->key_file : options->cert_file;

    return curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, verify) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, verify * 2) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSLVERSION, oldest) == CURLE_OK &&
           (!options->cert_file ||
            (curl_easy_setopt(easy, CURLOPT_SSLCERT, options->cert_file) == CURLE_OK &&
             curl_easy_setopt(easy, CURLOPT_SSLKEY, key) == CURLE_OK)) &&
           (!options->ca_file ||
            curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file) == CURLE_OK);
}

bool request_set_constants(struct request *request, const struct transport_curl_options *options)
{
    CURL *easy = request->easy;

    request->http2 = options->http2;
    return curl_easy_setopt(easy, CURLOPT_PRIVATE, request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error_text) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, MAX_CONNECTION_AGE_SECONDS) == CURLE_OK &&
           set_tls(easy, options);
}

/* Without TLS there is nothing to agree on the version with: both sides have to know. libcurl
 * before 8.0.0 greets again on each use of such a connection, unless it is told that HTTP/1.1 will
 * do: so that is said first, for a kept connection alone, and only a new one is opened in the other
 * way. */
static bool set_version(struct request *request)
{
    bool knows = request->http2 && !request->exchange->url->secure;

    request->only_kept = knows && request->greets_again && !request->none_kept;
    long version = !request->http2                ? CURL_HTTP_VERSION_1_1
                   : knows && !request->only_kept ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
                                                  : CURL_HTTP_VERSION_2TLS;
    return curl_easy_setopt(request->easy, CURLOPT_HTTP_VERSION, version) == CURLE_OK;
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

bool request_set_connection(struct request *request)
{
    return set_version(request) && set_address(request, request->exchange->address);
}
