/* SPDX-License-Identifier: MPL-2.0 */
/* libcurl's URL API parses, so that what we take apart is what libcurl will later connect to; what
 * it lets pass although nobody means it (a missing slash, port 0, a host name that isn't ASCII) is
 * refused here, where the message can still quote the text. Credentials are taken out of the parsed
 * URL: the session decides who gets them, and libcurl would send them by itself.
 *
 * The cache's key is the text as it was given, behind a relative one also its base: so a known URL
 * costs one look into a map and no parsing, and a relative one as little as an absolute one. */
#include "loop/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/shown.h"
#include "base/strmap.h"

#define QUOTE_MAX_BYTES 200

struct entry {
    struct url url; /* first: a struct url is its entry */
    unsigned refs;
    char *full; /* with credentials: what relative URLs are resolved against */
    char *key;
    size_t key_size;
    struct entry *newer, *older;
};

struct url_cache {
    struct strmap *entries;
    struct entry *newest, *oldest;
    size_t limit;
    char key[2 * URL_MAX_BYTES + 2]; /* where the key of a relative URL is put together */
};

static const struct scheme {
    const char *name;
    uint16_t port;
    bool secure;
} schemes[] = {
    {"http", 80, false},
    {"https", 443, true},
    {"ws", 80, false},
    {"wss", 443, true},
};

static struct entry *entry_free(struct entry *entry)
{
    struct url *url;

    if (!entry) {
        return NULL;
    }
    url = &entry->url;
    curl_free((char *)url->text);
    free((char *)url->name);
    curl_free((char *)url->host);
    curl_free((char *)url->path);
    curl_free((char *)url->user);
    curl_free((char *)url->password);
    curl_url_cleanup(url->parsed);
    curl_free(entry->full);
    free(entry->key);
    free(entry);
    return NULL;
}
DEFINE_CLEANUP(struct entry, entry_free)

static struct entry *entry_of(const struct url *url)
{
    return CONTAINER_OF((struct url *)url, struct entry, url);
}

const struct url *url_ref(const struct url *url)
{
    entry_of(url)->refs++;
    return url;
}

const struct url *url_unref(const struct url *url)
{
    if (url && --entry_of(url)->refs == 0) {
        entry_free(entry_of(url));
    }
    return NULL;
}

/* What is wrong with a URL, quoted without its secrets. */
static int refuse(struct error *error, const char *text, const char *reason)
{
    char quoted[SHOWN_BYTES];

    return error_set(error, -EINVAL, "bad URL '%.*s': %s", QUOTE_MAX_BYTES, shown_url(text, quoted),
                     reason);
}

static int refuse_code(struct error *error, const char *text, CURLUcode code)
{
    if (code == CURLUE_OUT_OF_MEMORY) {
        return error_set_errno(error, -ENOMEM, "can't parse a URL");
    }
    return refuse(error, text, curl_url_strerror(code));
}

/* The bytes of a scheme in front of ':', 0 if the text is relative. */
static size_t scheme_size(const char *text)
{
    size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

    return text[size] == ':' ? size : 0;
}

/* What must hold of every text before libcurl sees it. */
static int check_text(const struct url *base, const char *text, size_t size, struct error *error)
{
    size_t scheme = scheme_size(text);

    if (size > URL_MAX_BYTES) {
        return refuse(error, text, "longer than 8192 bytes");
    }
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f) {
            return refuse(error, text, "it has a space or a control character in it");
        }
    }
    if (scheme == 0) {
        return base ? 0 : refuse(error, text, "it must begin with http:// or https://");
    }
    for (size_t i = 0; i < ELEMENTSOF(schemes); i++) {
        if (scheme != strlen(schemes[i].name) || strncasecmp(text, schemes[i].name, scheme) != 0) {
            continue;
        }
        if (strncmp(text + scheme, "://", 3) != 0) {
            return refuse(error, text, "'//' must follow the scheme");
        }
        return strchr("/?#", text[scheme + 3]) ? refuse(error, text, "no host") : 0;
    }
    return refuse(error, text,
                  strncmp(text + scheme, "://", 3) == 0 ? "its scheme is not http, https, ws or wss"
                                                        : "it must begin with http:// or https://");
}

/* libcurl looks whether a host is a number before it decodes it: "%30" becomes "0", which is
 * "0.0.0.0" to whoever reads it next. Gives what that is. */
static CURLUcode read_again(char **host)
{
    _cleanup_free_ char *text = NULL;
    char *again = NULL;
    CURLU *parsed = curl_url();

    if (!parsed || asprintf(&text, "http://%s/", *host) < 0) {
        text = NULL;
        curl_url_cleanup(parsed);
        return CURLUE_OUT_OF_MEMORY;
    }
    CURLUcode code = curl_url_set(parsed, CURLUPART_URL, text, 0);
    if (code == CURLUE_OK) {
        code = curl_url_get(parsed, CURLUPART_HOST, &again, 0);
    }
    curl_url_cleanup(parsed);
    if (code == CURLUE_OK) {
        curl_free(*host);
        *host = again;
    }
    return code;
}

/* Lower case, ASCII, known to be numeric or not, without brackets. */
static int take_host(struct entry *entry, const char *text, struct error *error)
{
    struct url *url = &entry->url;
    struct in6_addr address;
    char *host = NULL;
    CURLUcode code = curl_url_get(url->parsed, CURLUPART_HOST, &host, 0);
    size_t size;

    if (code != CURLUE_OK) {
        return refuse_code(error, text, code);
    }
    url->host = host;
    for (char *c = host; *c; c++) {
        if ((unsigned char)*c >= 0x80) {
            return refuse(error, text, "the host name must be in its ASCII form (xn--...)");
        }
        if (*c == '%') { /* decoded already: libcurl would encode it, once more in each copy */
            return refuse(error, text, "its host name has a '%' in it");
        }
        if (*c >= 'A' && *c <= 'Z') {
            *c = (char)(*c - 'A' + 'a');
        }
    }
    code = read_again(&host);
    url->host = host;
    if (code == CURLUE_OK) {
        code = curl_url_set(url->parsed, CURLUPART_HOST, host, 0);
    }
    if (code != CURLUE_OK) {
        return refuse_code(error, text, code);
    }
    size = strlen(host);
    if (size == 0) {
        return refuse(error, text, "no host");
    }
    if (host[0] == '[') {
        memmove(host, host + 1, size - 2);
        host[size - 2] = '\0';
        url->numeric_host = true;
    } else {
        url->numeric_host = inet_pton(AF_INET, host, &address) == 1;
    }
    return 0;
}

/* Scheme and port; a port that is the scheme's own isn't part of the text. */
static int take_scheme(struct entry *entry, const char *text, struct error *error)
{
    struct url *url = &entry->url;
    char *value = NULL;
    CURLUcode code = curl_url_get(url->parsed, CURLUPART_SCHEME, &value, 0);

    if (code != CURLUE_OK) {
        return refuse_code(error, text, code);
    }
    for (size_t i = 0; i < ELEMENTSOF(schemes); i++) {
        if (strcmp(value, schemes[i].name) == 0) {
            url->scheme = schemes[i].name;
            url->port = schemes[i].port;
            url->secure = schemes[i].secure;
        }
    }
    curl_free(value);
    if (!url->scheme) {
        return refuse(error, text, "its scheme is not http, https, ws or wss");
    }
    code = curl_url_get(url->parsed, CURLUPART_PORT, &value, 0);
    if (code == CURLUE_NO_PORT) {
        return 0;
    }
    if (code != CURLUE_OK) {
        return refuse_code(error, text, code);
    }
    unsigned long port = strtoul(value, NULL, 10); /* libcurl has checked that it is a number */
    curl_free(value);
    if (port == 0 || port > UINT16_MAX) {
        return refuse(error, text, "the port must be between 1 and 65535");
    }
    if (port == url->port) {
        code = curl_url_set(url->parsed, CURLUPART_PORT, NULL, 0);
    }
    url->port = (uint16_t)port;
    return code == CURLUE_OK ? 0 : refuse_code(error, text, code);
}

static int take_part(struct entry *entry, CURLUPart part, CURLUcode missing, unsigned flags,
                     const char **ret, const char *text, struct error *error)
{
    char *value = NULL;
    CURLUcode code = curl_url_get(entry->url.parsed, part, &value, flags);

    if (code != CURLUE_OK) {
        return code == missing ? 0 : refuse_code(error, text, code);
    }
    *ret = value;
    return 0;
}

/* User and password are read and taken out of what libcurl will be given. */
static int take_credentials(struct entry *entry, const char *text, struct error *error)
{
    struct url *url = &entry->url;
    CURLUcode code;
    int r =
        take_part(entry, CURLUPART_USER, CURLUE_NO_USER, CURLU_URLDECODE, &url->user, text, error);

    if (r == 0) {
        r = take_part(entry, CURLUPART_PASSWORD, CURLUE_NO_PASSWORD, CURLU_URLDECODE,
                      &url->password, text, error);
    }
    if (r < 0) {
        return r;
    }
    code = curl_url_set(url->parsed, CURLUPART_USER, NULL, 0);
    if (code == CURLUE_OK) {
        code = curl_url_set(url->parsed, CURLUPART_PASSWORD, NULL, 0);
    }
    return code == CURLUE_OK ? 0 : refuse_code(error, text, code);
}

/* Takes the parsed URL apart. */
static int take_parts(struct entry *entry, const char *text, struct error *error)
{
    struct url *url = &entry->url;
    const char *full = NULL;
    int r = take_scheme(entry, text, error);

    if (r == 0) {
        r = take_host(entry, text, error);
    }
    if (r == 0) {
        r = take_part(entry, CURLUPART_URL, CURLUE_OK, 0, &full, text, error);
        entry->full = (char *)full;
    }
    if (r == 0) {
        r = take_credentials(entry, text, error);
    }
    if (r == 0) {
        r = take_part(entry, CURLUPART_URL, CURLUE_OK, 0, &url->text, text, error);
    }
    if (r == 0) {
        r = take_part(entry, CURLUPART_PATH, CURLUE_OK, 0, &url->path, text, error);
    }
    if (r < 0) {
        return r;
    }
    if (strlen(entry->full) > URL_MAX_BYTES) {
        return refuse(error, text, "longer than 8192 bytes");
    }
    url->name = strndup(url->text, strcspn(url->text, "?"));
    return url->name ? 0 : error_set_errno(error, -ENOMEM, "can't parse a URL");
}

/* A text without its fragment, which may be empty: then it means the base. */
static CURLUcode parse(CURLU *parsed, const struct url *base, const char *text)
{
    unsigned flags = CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE;
    CURLUcode code = CURLUE_OK;
    char *bare;

    if (base && scheme_size(text) == 0) {
        code = curl_url_set(parsed, CURLUPART_URL, entry_of(base)->full, flags);
    }
    bare = strndup(text, strcspn(text, "#"));
    if (!bare) {
        return CURLUE_OUT_OF_MEMORY;
    }
    if (code == CURLUE_OK && *bare) {
        code = curl_url_set(parsed, CURLUPART_URL, bare, flags);
    }
    free(bare);
    return code;
}

static int entry_new(struct entry **ret, const struct url *base, const char *text, const char *key,
                     size_t key_size, struct error *error)
{
    _cleanup_(entry_freep) struct entry *entry = calloc(1, sizeof *entry);
    CURLUcode code;
    int r;

    if (entry) {
        entry->refs = 1;
        entry->key = malloc(key_size);
        entry->key_size = key_size;
        entry->url.parsed = curl_url();
    }
    if (!entry || !entry->key || !entry->url.parsed) {
        return error_set_errno(error, -ENOMEM, "can't parse a URL");
    }
    memcpy(entry->key, key, key_size);
    code = parse(entry->url.parsed, base, text);
    if (code != CURLUE_OK) {
        return refuse_code(error, text, code);
    }
    r = take_parts(entry, text, error);
    if (r < 0) {
        return r;
    }
    *ret = TAKE_PTR(entry);
    return 0;
}

static void unlink_entry(struct url_cache *cache, struct entry *entry)
{
    *(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
    entry->newer = entry->older = NULL;
}

static void link_newest(struct url_cache *cache, struct entry *entry)
{
    entry->older = cache->newest;
    *(entry->older ? &entry->older->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

static void forget_oldest(struct url_cache *cache)
{
    struct entry *entry = cache->oldest;

    (void)strmap_remove(cache->entries, entry->key, entry->key_size); /* it is `entry` */
    unlink_entry(cache, entry);
    url_unref(&entry->url);
}

int url_cache_new(struct url_cache **ret, size_t limit)
{
    _cleanup_(url_cache_freep) struct url_cache *cache = NULL;
    int r;

    assert(limit > 0);
    cache = calloc(1, sizeof *cache);
    if (!cache) {
        return -ENOMEM;
    }
    cache->limit = limit;
    r = strmap_new(&cache->entries);
    if (r < 0) {
        return r;
    }
    *ret = TAKE_PTR(cache);
    return 0;
}

struct url_cache *url_cache_free(struct url_cache *cache)
{
    if (cache) {
        while (cache->oldest) {
            forget_oldest(cache);
        }
        strmap_free(cache->entries);
        free(cache);
    }
    return NULL;
}

/* The key of a checked text: no line end can be part of it. */
static const char *make_key(struct url_cache *cache, const struct url *base, const char *text,
                            size_t *size)
{
    size_t full;

    if (!base || scheme_size(text) > 0) {
        return text;
    }
    full = strlen(entry_of(base)->full);
    memcpy(cache->key, text, *size);
    cache->key[*size] = '\n';
    memcpy(cache->key + *size + 1, entry_of(base)->full, full);
    *size += 1 + full;
    return cache->key;
}

int url_get(struct url_cache *cache, const struct url *base, const char *text,
            const struct url **ret, struct error *error)
{
    size_t size = strnlen(text, URL_MAX_BYTES + 1);
    struct entry *entry;
    const char *key;
    int r = check_text(base, text, size, error);

    if (r < 0) {
        return r;
    }
    key = make_key(cache, base, text, &size);
    entry = strmap_get(cache->entries, key, size);
    if (entry) {
        if (entry != cache->newest) {
            unlink_entry(cache, entry);
            link_newest(cache, entry);
        }
        *ret = url_ref(&entry->url);
        return 0;
    }
    r = entry_new(&entry, base, text, key, size, error);
    if (r < 0) {
        return r;
    }
    if (strmap_count(cache->entries) >= cache->limit) {
        forget_oldest(cache);
    }
    r = strmap_put(cache->entries, entry->key, entry->key_size, entry);
    if (r < 0) {
        entry_free(entry);
        return error_set_errno(error, r, "can't keep a URL");
    }
    link_newest(cache, entry);
    *ret = url_ref(&entry->url);
    return 0;
}
