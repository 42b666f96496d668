/* SPDX-License-Identifier: MPL-2.0 */
/* URLs, one per line, each also relative to the one before that was accepted. The parts of one that
 * is accepted are what requests are made of, and its text is a URL with the same parts. */
#include <arpa/inet.h>
#include <errno.h>

#include "base/shown.h"
#include "fuzz.h"
#include "loop/url.h"
#include "worker/redirect.h"

#define CACHE_LIMIT 4

static void check_parts(const struct url *url)
{
    bool secure = strcmp(url->scheme, "https") == 0 || strcmp(url->scheme, "wss") == 0;
    struct in6_addr address;

    assert(secure || strcmp(url->scheme, "http") == 0 || strcmp(url->scheme, "ws") == 0);
    assert(url->secure == secure);
    assert(url->port > 0 && url->host[0] && url->path[0] == '/');
    for (const char *c = url->host; *c; c++) {
        assert((unsigned char)*c > ' ' && (unsigned char)*c < 0x7f && !strchr("/?#@", *c));
        assert(*c < 'A' || *c > 'Z');
    }
    bool numeric = inet_pton(AF_INET, url->host, &address) == 1 ||
                   inet_pton(AF_INET6, url->host, &address) == 1;
    assert(!numeric || url->numeric_host);
    assert(!has_control(url->text, "") && !strchr(url->text, ' ') && !strchr(url->text, '#'));
    assert(strncmp(url->text, url->name, strlen(url->name)) == 0 && !strchr(url->name, '?'));
    const char *authority = strstr(url->text, "://") + 3;
    assert(!memchr(authority, '@', strcspn(authority, "/?")));
}

static void check_text(struct url_cache *cache, const struct url *url)
{
    const struct url *again = NULL;
    struct error error;

    assert(url_get(cache, NULL, url->text, &again, &error) == 0);
    assert(strcmp(again->text, url->text) == 0 && strcmp(again->host, url->host) == 0);
    assert(strcmp(again->scheme, url->scheme) == 0 && again->port == url->port);
    assert(strcmp(again->path, url->path) == 0 && !again->user && !again->password);
    assert(!redirect_leaves(url, again) && !redirect_leaves(again, url));
    url_unref(again);
}

/* What is shown of a URL that is accepted is one, too, and has no secrets. */
static void check_shown(struct url_cache *cache, const char *text, const struct url *url)
{
    _cleanup_free_ char *shown = shown_url_copy(text), *twice = shown_url_copy(shown);
    const struct url *again = NULL;
    struct error error;

    assert(strcmp(shown, twice) == 0);
    assert(!url->user || !url->user[0] || shown_url_lacks(shown));
    if (url_get(cache, NULL, shown, &again, &error) < 0) {
        assert(strlen(shown) > URL_MAX_BYTES); /* stars may take more room than what they hide */
        return;
    }
    assert(!again->user || !again->user[0] || strcmp(again->user, "***") == 0);
    assert(!again->password);
    const char *query = strchr(again->text, '?');
    assert(!query || strcmp(query, "?***") == 0);
    assert(strcmp(again->name, url->name) == 0);
    url_unref(again);
}

/* What a text is relative to `base` (NULL: none), or NULL. */
static const struct url *get(struct url_cache *cache, const struct url *base, const char *text)
{
    const struct url *url = NULL, *again = NULL;
    struct error error;
    int r = url_get(cache, base, text, &url, &error);

    if (r < 0) {
        assert(r == -EINVAL && !url);
        check_error(r, &error);
        return NULL;
    }
    check_parts(url);
    assert(url_get(cache, base, text, &again, &error) == 0 && again == url);
    url_unref(again);
    check_text(cache, url);
    if (!base) {
        check_shown(cache, text, url);
    }
    return url;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct url_cache *cache = NULL;
    struct input input = {data, size};
    const struct url *base = NULL;

    assert(url_cache_new(&cache, CACHE_LIMIT) == 0);
    while (input.left > 0) {
        _cleanup_free_ char *text = input_text(input_until(&input, '\n'));
        const struct url *absolute = get(cache, NULL, text);
        const struct url *relative = base ? get(cache, base, text) : NULL;
        if (absolute && relative) {
            assert(strcmp(absolute->text, relative->text) == 0);
        }
        url_unref(relative);
        if (absolute) {
            url_unref(base);
            base = absolute;
        }
    }
    cache = url_cache_free(cache);
    if (base) { /* outlives its cache */
        check_parts(base);
    }
    url_unref(base);
    return 0;
}
