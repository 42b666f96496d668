/* SPDX-License-Identifier: MPL-2.0 */
/* The URL is taken apart by libcurl's parser, which is who will use it. A port has to be given:
 * libcurl's own, 1080 for http, surprises everybody. */
#include "loop/proxy.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "base/shown.h"

#define MAX_HOST_BYTES 255

static int take_apart(CURLU *parsed, struct proxy *proxy, char **scheme, char **host, char **port)
{
    if (curl_url_set(parsed, CURLUPART_URL, proxy->text, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
        curl_url_get(parsed, CURLUPART_SCHEME, scheme, 0) != CURLUE_OK ||
        curl_url_get(parsed, CURLUPART_HOST, host, 0) != CURLUE_OK ||
        curl_url_get(parsed, CURLUPART_PORT, port, 0) != CURLUE_OK) {
        return -EINVAL;
    }
    return strlen(*host) > MAX_HOST_BYTES ? -EINVAL : 0;
}

static bool is_address(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static int fill(struct proxy *proxy, const char *scheme, const char *host, const char *port)
{
    size_t size = strlen(host);
    uint64_t number;

    if (host[0] == '[') {
        host++;
        size -= 2;
    }
    if (parse_unsigned(port, 1, 65535, &number, NULL) < 0 || size == 0) {
        return -EINVAL;
    }
    proxy->host = strndup(host, size);
    if (!proxy->host) {
        return -ENOMEM;
    }
    proxy->port = (uint16_t)number;
    proxy->numeric_host = is_address(proxy->host);
    proxy->http = strncmp(scheme, "http", 4) == 0;
    proxy->local_names = strcmp(scheme, "socks5") == 0;
    bool ipv6 = strchr(proxy->host, ':') != NULL;
    return asprintf(&proxy->shown, "%s://%s%s%s:%s", scheme, ipv6 ? "[" : "", proxy->host,
                    ipv6 ? "]" : "", port) < 0
               ? -ENOMEM
               : 0;
}

int proxy_new(struct proxy **ret, const char *text, struct error *error)
{
    _cleanup_(proxy_freep) struct proxy *proxy = calloc(1, sizeof *proxy);
    CURLU *parsed = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL;
    char shown[SHOWN_BYTES];
    int r = -ENOMEM;

    if (proxy && parsed) {
        proxy->text = strdup(text);
        r = proxy->text ? take_apart(parsed, proxy, &scheme, &host, &port) : -ENOMEM;
    }
    if (r == 0) {
        r = fill(proxy, scheme, host, port);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parsed);
    if (r == -EINVAL) {
        return error_set(error, r,
                         "'%s' is not a proxy's URL such as http://proxy.example.com:3128",
                         shown_url(text, shown));
    }
    if (r < 0) {
        return error_set_errno(error, r, "proxy");
    }
    *ret = TAKE_PTR(proxy);
    return 0;
}

struct proxy *proxy_free(struct proxy *proxy)
{
    if (proxy) {
        free(proxy->text);
        free(proxy->host);
        free(proxy->shown);
        free(proxy);
    }
    return NULL;
}

/* ---- hosts that are reached without it ------------------------------------------------------- */

static bool same_bits(const unsigned char *a, const unsigned char *b, unsigned bits)
{
    unsigned bytes = bits / 8, rest = bits % 8;

    return memcmp(a, b, bytes) == 0 && (rest == 0 || (a[bytes] ^ b[bytes]) >> (8 - rest) == 0);
}

/* "10.0.0.0/8", or a whole address. */
static bool is_in_network(const char *network, const char *host)
{
    unsigned char a[sizeof(struct in6_addr)], b[sizeof(struct in6_addr)];
    char copy[INET6_ADDRSTRLEN + 4];
    uint64_t bits;

    (void)snprintf(copy, sizeof copy, "%s", network); /* what is cut is no address */
    char *slash = strchr(copy, '/');
    if (slash) {
        *slash = '\0';
    }
    int family = strchr(copy, ':') ? AF_INET6 : AF_INET;
    bits = family == AF_INET ? 32 : 128;
    if (inet_pton(family, copy, a) != 1 || inet_pton(family, host, b) != 1 ||
        (slash && parse_unsigned(slash + 1, 0, bits, &bits, NULL) < 0)) {
        return false;
    }
    return same_bits(a, b, (unsigned)bits);
}

static bool is_below(const char *name, const char *host)
{
    size_t size = strlen(name), length = strlen(host);

    return size > 0 && length >= size && strcasecmp(host + length - size, name) == 0 &&
           (length == size || host[length - size - 1] == '.');
}

bool proxy_leaves_out(const char *list, const char *host)
{
    for (const char *at = list; at && *at;) {
        char entry[MAX_HOST_BYTES + 1];
        at += strspn(at, ", ");
        size_t size = strcspn(at, ", ");
        const char *text = entry;
        (void)snprintf(entry, sizeof entry, "%.*s", (int)MIN(size, sizeof entry - 1), at);
        at += size;
        text += *text == '.';
        if (strcmp(text, "*") == 0 || is_in_network(text, host) ||
            (!is_address(host) && is_below(text, host))) {
            return true;
        }
    }
    return false;
}
