/* SPDX-License-Identifier: MPL-2.0 */
/* Options, specifications from elsewhere and the worker judge the same texts: by the functions
 * here, so that what one of them takes the others take too. */
#include "wire/spec_http.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/shown.h"

static const char *const connections_names[] = {
    [CONNECTIONS_KEEP] = "keep",
    [CONNECTIONS_ITERATION] = "iteration",
    [CONNECTIONS_REQUEST] = "request",
};

void spec_http_init(struct spec_http *http)
{
    http->max_redirects = SPEC_DEFAULT_REDIRECTS;
    http->max_body_bytes = SPEC_DEFAULT_BODY_BYTES;
}

void spec_http_clear(struct spec_http *http)
{
    free(http->cert_file);
    free(http->key_file);
    free(http->tls_min);
    free(http->proxy);
    free(http->no_proxy);
    strlist_clear(&http->resolve);
    free(http->source_address);
    free(http->connections);
    *http = (struct spec_http){.http2 = false};
}

int spec_http_check_tls(const char *text, struct error *error)
{
    return strcmp(text, "1.2") == 0 || strcmp(text, "1.3") == 0
               ? 0
               : error_set(error, -EINVAL, "'%.60s' is neither 1.2 nor 1.3", text);
}

int spec_http_check_proxy(const char *text, struct error *error)
{
    static const char *const schemes[] = {"http://", "https://", "socks5://", "socks5h://"};
    char shown[SHOWN_BYTES];

    for (size_t i = 0; i < ELEMENTSOF(schemes); i++) {
        if (strncmp(text, schemes[i], strlen(schemes[i])) == 0) {
            return 0;
        }
    }
    return error_set(error, -EINVAL,
                     "'%s' begins with none of http://, https://, socks5:// and socks5h://",
                     shown_url(text, shown));
}

int spec_http_check_connections(const char *text, struct error *error)
{
    for (size_t i = 0; i < ELEMENTSOF(connections_names); i++) {
        if (strcmp(text, connections_names[i]) == 0) {
            return 0;
        }
    }
    return error_set(error, -EINVAL, "'%.60s' is none of keep, iteration and request", text);
}

enum spec_connections spec_http_connections(const struct spec_http *http)
{
    unsigned i = 0;

    while (http->connections && i < ELEMENTSOF(connections_names) - 1 &&
           strcmp(connections_names[i], http->connections) != 0) {
        i++; /* one of them: it was checked */
    }
    return (enum spec_connections)i;
}

/* Its normal form, also of one in brackets. */
static bool read_address(const char *text, size_t size, char ret[static INET6_ADDRSTRLEN])
{
    char copy[INET6_ADDRSTRLEN];
    unsigned char bytes[sizeof(struct in6_addr)];

    if (size >= 2 && text[0] == '[' && text[size - 1] == ']') {
        text++;
        size -= 2;
    }
    if (size >= sizeof copy) {
        return false;
    }
    (void)snprintf(copy, sizeof copy, "%.*s", (int)size, text);
    int family = strchr(copy, ':') ? AF_INET6 : AF_INET;
    return inet_pton(family, copy, bytes) == 1 && inet_ntop(family, bytes, ret, INET6_ADDRSTRLEN);
}

int spec_http_next_address(const char **text, char ret[static INET6_ADDRSTRLEN],
                           struct error *error)
{
    size_t size = strcspn(*text, ",");

    if (**text == '\0') {
        return 0;
    }
    if (!read_address(*text, size, ret)) {
        return error_set(error, -EINVAL, "'%.*s' is not an address such as 127.0.0.1 or ::1",
                         (int)MIN(size, (size_t)60), *text);
    }
    bool more = (*text)[size] == ',';
    if (more && (*text)[size + 1] == '\0') {
        return error_set(error, -EINVAL, "there is no address behind the last comma");
    }
    *text += size + more;
    return 1;
}

int spec_http_parse_resolve(const char *text, struct spec_resolve *ret, struct error *error)
{
    const char *colon = text[0] == '[' ? strstr(text, "]:") : strchr(text, ':');
    size_t size = colon ? (size_t)(colon - text) : 0;
    const char *host = text, *port = colon ? strchr(colon, ':') + 1 : NULL;
    const char *next = port ? strchr(port, ':') : NULL;
    char digits[8] = "";
    uint64_t number = 0;

    *ret = (struct spec_resolve){.count = 0};
    if (text[0] == '[' && colon) {
        host++;
        size--; /* an address, as URLs have it, without its brackets */
    }
    if (!next || size == 0 || size >= sizeof ret->host || next[1] == '\0') {
        return error_set(error, -EINVAL, "'%.200s' is not HOST:PORT:ADDRESS[,ADDRESS...]", text);
    }
    if (next - port < (ptrdiff_t)sizeof digits) { /* else it is none: not a part of it, either */
        (void)snprintf(digits, sizeof digits, "%.*s", (int)(next - port), port);
    }
    if (parse_unsigned(digits, 1, 65535, &number, error) < 0) {
        return error_set(error, -EINVAL, "'%.200s': its port is not from 1 to 65535", text);
    }
    ret->port = (uint16_t)number;
    for (size_t i = 0; i < size; i++) {
        ret->host[i] = (char)tolower((unsigned char)host[i]);
    }
    struct in6_addr bracketed;
    if (text[0] == '[' && inet_pton(AF_INET6, ret->host, &bracketed) != 1) {
        return error_set(error, -EINVAL, "'%.200s': what is in brackets is no IPv6 address", text);
    }
    next++;
    int r;
    char address[INET6_ADDRSTRLEN];
    while ((r = spec_http_next_address(&next, address, error)) > 0) {
        if (ret->count == SPEC_MAX_ADDRESSES) {
            return error_set(error, -EINVAL, "'%.200s' has more than %d addresses", text,
                             SPEC_MAX_ADDRESSES);
        }
        memcpy(ret->addresses[ret->count++], address, sizeof address);
    }
    return r;
}

unsigned spec_http_tls_min(const struct spec_http *http)
{
    return !http->tls_min ? 0 : strcmp(http->tls_min, "1.3") == 0 ? 13 : 12;
}

const char *spec_http_given(const struct spec_http *http)
{
    const struct {
        const char *name;
        bool given;
    } keys[] = {
        {"cert_file", http->cert_file},
        {"tls_min", http->tls_min},
        {"http2", http->http2},
        {"proxy", http->proxy},
        {"no_proxy", http->no_proxy},
        {"resolve", http->resolve.count > 0},
        {"no_dns_resolve", http->no_dns_resolve},
        {"source_address", http->source_address},
        {"connections", http->connections},
        {"max_redirects", http->max_redirects != SPEC_DEFAULT_REDIRECTS},
        {"max_body_bytes", http->max_body_bytes != SPEC_DEFAULT_BODY_BYTES},
    };

    for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
        if (keys[i].given) {
            return keys[i].name;
        }
    }
    return NULL;
}

static int check_addresses(const struct spec_http *http, struct error *error)
{
    const char *next = http->source_address ? http->source_address : "";
    struct spec_resolve resolve;
    char address[INET6_ADDRSTRLEN];
    int r;

    while ((r = spec_http_next_address(&next, address, error)) > 0) {
    }
    if (r < 0) {
        return error_prefix(error, r, "source_address");
    }
    for (size_t i = 0; i < http->resolve.count; i++) {
        r = spec_http_parse_resolve(http->resolve.items[i], &resolve, error);
        if (r < 0) {
            return error_prefix(error, r, "resolve");
        }
    }
    return 0;
}

int spec_http_check(const struct spec_http *http, struct error *error)
{
    const struct {
        const char *name, *value;
        int (*check)(const char *text, struct error *error);
    } texts[] = {
        {"tls_min", http->tls_min, spec_http_check_tls},
        {"proxy", http->proxy, spec_http_check_proxy},
        {"connections", http->connections, spec_http_check_connections},
    };

    if (http->key_file && !http->cert_file) {
        return error_set(error, -EINVAL, "key_file: it needs cert_file");
    }
    if (http->no_proxy && !http->proxy) {
        return error_set(error, -EINVAL, "no_proxy: it needs proxy");
    }
    for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
        int r = texts[i].value ? texts[i].check(texts[i].value, error) : 0;
        if (r < 0) {
            return error_prefix(error, r, "%s", texts[i].name);
        }
    }
    return check_addresses(http, error);
}
