/* SPDX-License-Identifier: MPL-2.0 */
/* What was read of an answer's HTML is remembered to the end of the iteration. Reading is done on
 * the loop's stack: a parser may go deeper than a coroutine's allows.
 *
 * Where a reference leads, a browser goes with the credentials that it has for that server, and
 * tells where it comes from. */
#include "page.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/shown.h"
#include "base/utf8.h"
#include "call.h"
#include "header.h"
#include "redirect.h"
#include "request.h"

struct page {
    struct page *next;
    const loads_response *response;
    const struct html_node *root;
};

/* ---- messages -------------------------------------------------------------------------------- */

void page_fail(const struct place *place, const char *class, const char *format, ...)
{
    struct arena *arena = &place->user->arena; /* the stack is small */
    char *shown = arena_alloc(arena, SHOWN_BYTES);
    va_list arguments;

    va_start(arguments, format);
    const char *text = arena_vprintf(arena, format, arguments);
    va_end(arguments);
    if (text && shown && place->page->url[0]) {
        text = arena_printf(arena, "%s (page %s)", text, shown_url(place->page->url, shown));
    }
    call_fail(place->user, ERROR_KIND_FAILURE, class, place->file, place->line,
              text ? text : "out of memory");
}

struct error *page_error(const struct place *place)
{
    return &place->user->worker->error;
}

void page_fail_by(const struct place *place, const char *class, int result)
{
    if (result == -ENOMEM) {
        call_fail(place->user, ERROR_KIND_ERROR, "memory", place->file, place->line,
                  "out of memory");
    }
    page_fail(place, class, "%s", page_error(place)->text);
}

const char *page_quote(const char *bytes, size_t size, size_t limit, char *buffer)
{
    char *to = buffer;
    size_t used = 0;
    bool cut = false;

    *to++ = '"';
    for (size_t i = 0, n; i < size && !cut; i += n) {
        uint32_t character = 0;
        n = utf8_character(bytes + i, size - i, &character);
        bool blank = character == ' ' || (character >= '\t' && character <= '\r');
        bool shown = n > 0 && character >= ' ' && character != 0x7f;
        size_t bytes_shown = shown ? n : 1;
        n = MAX(n, (size_t)1);
        if (blank && (used == 0 || to[-1] == ' ')) {
            continue;
        }
        cut = used + bytes_shown > limit;
        if (!cut) {
            to = blank   ? mempcpy(to, " ", 1)
                 : shown ? mempcpy(to, bytes + i, bytes_shown)
                         : mempcpy(to, "?", 1);
            used += bytes_shown;
        }
    }
    (void)stpcpy(to, cut ? "…\"" : "\"");
    return buffer;
}

/* ---- its HTML -------------------------------------------------------------------------------- */

bool page_is_html(const loads_response *page)
{
    const char *type = loads_header(page, "Content-Type");

    if (type) {
        size_t size = strcspn(type, "; \t");
        return (size == 9 && strncasecmp(type, "text/html", size) == 0) ||
               (size == 21 && strncasecmp(type, "application/xhtml+xml", size) == 0);
    }
    return page->body[strspn(page->body, " \t\r\n")] == '<';
}

/* Of "text/html; charset=utf-8". NULL: it isn't said, or there is no memory to say it. */
static const char *charset_of(const struct place *place)
{
    const char *type = loads_header(place->page, "Content-Type");
    const char *charset = type ? strcasestr(type, "charset=") : NULL;

    if (!charset) {
        return NULL;
    }
    charset += strlen("charset=");
    charset += *charset == '"' ? 1 : 0;
    return arena_strndup(&place->user->arena, charset, strcspn(charset, "\"; \t"));
}

struct reading {
    struct arena *arena;
    const loads_response *page;
    const char *charset;
    struct html_node *root;
    int result;
    struct error *error;
};

static void read_html(void *argument)
{
    struct reading *reading = argument;

    reading->result = html_parse(reading->arena, reading->page->body, reading->page->body_size,
                                 reading->charset, &reading->root, reading->error);
}

static void check_html(const struct place *place)
{
    const loads_response *response = place->page;

    if (response->status == 0) {
        page_fail(place, "page", "there is no page: the request got no complete answer");
    }
    if (!page_is_html(response)) {
        const char *type = loads_header(response, "Content-Type");
        page_fail(place, "page", "the page isn't HTML: %s%.100s",
                  type ? "its type is " : "it has no type, and doesn't look so", type ? type : "");
    }
}

const struct html_node *page_html(const struct place *place)
{
    loads_user *user = place->user;

    for (struct page *page = user->pages; page; page = page->next) {
        if (page->response == place->page) {
            return page->root;
        }
    }
    check_html(place);
    struct reading reading = {.arena = &user->arena,
                              .page = place->page,
                              .charset = charset_of(place),
                              .error = page_error(place)};
    user_on_loop(user, read_html, &reading);
    struct page *page = arena_alloc(&user->arena, sizeof *page);
    if (reading.result < 0 || !page) {
        page_fail_by(place, "page", page ? reading.result : -ENOMEM);
    }
    *page = (struct page){user->pages, place->page, reading.root};
    user->pages = page;
    return page->root;
}

/* ---- references ------------------------------------------------------------------------------ */

/* Without what a browser takes out of a reference, and blanks inside encoded. NULL: no memory. */
static const char *clean(struct arena *arena, const char *reference)
{
    char *copy = arena_alloc(arena, strlen(reference) + 1), *to = copy;

    if (!copy) {
        return NULL;
    }
    for (const char *c = reference + strspn(reference, " \t\r\n\f"); *c; c++) {
        if (*c != '\t' && *c != '\r' && *c != '\n') {
            *to++ = *c;
        }
    }
    while (to > copy && (to[-1] == ' ' || to[-1] == '\f')) {
        to--;
    }
    *to = '\0';
    return redirect_location(arena, copy);
}

static int get_url(loads_user *user, const struct url *base, const char *text,
                   const struct url **ret, struct error *error)
{
    const char *cleaned = clean(&user->arena, text);

    return cleaned ? url_get(user->worker->urls, base, cleaned, ret, error) : -ENOMEM;
}

static const char *base_of(const struct html_node *root)
{
    for (const struct html_node *n = html_next_named(root, root, "base"); n;
         n = html_next_named(n, root, "base")) {
        const char *href = html_attribute(n, "href");
        if (href) {
            return href;
        }
    }
    return NULL;
}

/* Where the path begins in the text of a parsed URL. */
static size_t origin_size(const struct url *url)
{
    const char *host = strstr(url->text, "://") + 3;
    return (size_t)(host - url->text) + strcspn(host, "/?");
}

/* What is asked for: relative to the server that the user knows, if it is that one, whose
 * credentials are known then. NULL: no memory. */
static const char *to_ask_for(loads_user *user, const struct url *url, const char *query)
{
    const struct url *server = user->server_url ? user->server_url : user->worker->server_url;
    assert(url); /* whoever reads one at a time can't see it */
    bool known = server && server->user && !url->user && !redirect_leaves(server, url);
    const char *text = url->text + (known ? origin_size(url) : 0);

    if (!query) {
        return arena_printf(&user->arena, "%s", text);
    }
    return arena_printf(&user->arena, "%.*s?%s", (int)strcspn(text, "?"), text, query);
}

/* The browsers' rule, strict-origin-when-cross-origin. */
static int add_referer(loads_user *user, const struct url *from, const struct url *to,
                       loads_request *request)
{
    size_t size = redirect_leaves(from, to) ? origin_size(from) : strlen(from->text);

    if (header_find(request->headers, 0, "Referer", NULL) >= 0 || (from->secure && !to->secure)) {
        return 0;
    }
    const char *line = arena_printf(&user->arena, "Referer: %.*s%s", (int)size, from->text,
                                    from->text[size] ? "/" : "");
    request->headers = line ? request_with_line(user, request->headers, line) : NULL;
    return request->headers ? 0 : -ENOMEM;
}

/* `base` NULL: the page is. Holds URLs meanwhile: nothing in it may leave the iteration. */
static int resolve(const struct place *place, const char *base, const char *reference,
                   const char *query, loads_request *request)
{
    _cleanup_(url_unrefp) const struct url *from = NULL, *around = NULL, *to = NULL;
    loads_user *user = place->user;
    struct error *error = page_error(place);
    int r = get_url(user, NULL, place->page->url, &from, error);

    if (r == 0 && base) {
        r = get_url(user, from, base, &around, error);
    }
    if (r == 0) {
        r = get_url(user, around ? around : from, reference, &to, error);
    }
    if (r < 0) {
        return r;
    }
    request->url = to_ask_for(user, to, query);
    return request->url ? add_referer(user, from, to, request) : -ENOMEM;
}

void page_resolve(const struct place *place, const char *reference, bool own, const char *query,
                  loads_request *request)
{
    const char *base = base_of(page_html(place));
    int r = resolve(place, own && !*reference ? NULL : base, reference, query, request);

    if (r < 0) {
        page_fail_by(place, "link", r);
    }
}
