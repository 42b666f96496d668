/* SPDX-License-Identifier: MPL-2.0 */
/* loads/app.h: links of a page, and what is asserted of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "call.h"
#include "form.h"
#include "page.h"

#define QUOTED_BYTES 200

/* Where it is asked; user NULL: the answer doesn't matter any more. */
#define PLACE                                                                                      \
    {                                                                                              \
        call_user(), file, line, page                                                              \
    }

static void out_of_memory(const struct place *place) __attribute__((noreturn));
static void out_of_memory(const struct place *place)
{
    page_fail_by(place, "memory", -ENOMEM);
}

static const char *text_of(const struct place *place, const struct html_node *node)
{
    const char *text = html_text(&place->user->arena, node);
    if (!text) {
        out_of_memory(place);
    }
    return text;
}

static void misused(const struct place *place, const char *text) __attribute__((noreturn));
static void misused(const struct place *place, const char *text)
{
    call_fail(place->user, ERROR_KIND_ERROR, "argument", place->file, place->line, text);
}

/* ---- links ----------------------------------------------------------------------------------- */

static bool is_link(const struct html_node *node)
{
    return (html_is(node, "a") || html_is(node, "area")) && html_attribute(node, "href");
}

static const struct html_node *next_link(const struct html_node *node, const struct html_node *root)
{
    const struct html_node *next = html_next(node, root);

    while (next && !is_link(next)) {
        next = html_next(next, root);
    }
    return next;
}

/* What a person knows it by; of a picture, what stands in for it. */
static const char *label_of(const struct place *place, const struct html_node *link)
{
    const char *text = text_of(place, link);
    const struct html_node *image = link;

    if (!*text && !html_is(link, "area")) {
        image = html_next_named(link, link, "img");
    }
    const char *instead = !*text && image ? html_attribute(image, "alt") : NULL;
    return instead ? instead : text;
}

static const char *list_links(const struct place *place, const struct html_node *root)
{
    struct form_listing listing = form_listing(&place->user->arena, "none");

    for (const struct html_node *n = next_link(root, root); n; n = next_link(n, root)) {
        const char *label = label_of(place, n);
        if (*label) {
            form_listing_add(&listing, "'%.80s'", label);
        } else {
            form_listing_add(&listing, "one to '%.80s'", html_attribute(n, "href"));
        }
    }
    return listing.text;
}

static const struct html_node *link_by_text(const struct place *place, const struct html_node *root,
                                            const char *text)
{
    const struct html_node *by_id = *text == '#' ? html_by_id(root, text + 1) : NULL;
    const struct html_node *second = NULL;

    if (by_id && is_link(by_id)) {
        return by_id;
    }
    for (const struct html_node *n = next_link(root, root); n; n = next_link(n, root)) {
        const char *label = label_of(place, n);
        if (strcmp(label, text) == 0) {
            return n;
        }
        second = !second && strstr(label, text) ? n : second;
    }
    if (!second) {
        page_fail(place, "link", "there is no link '%.100s'; the page has %s", text,
                  list_links(place, root));
    }
    return second;
}

static const struct html_node *link_by_index(const struct place *place,
                                             const struct html_node *root, size_t index)
{
    const struct html_node *link = next_link(root, root);

    for (size_t i = 0; link && i < index; i++) {
        link = next_link(link, root);
    }
    if (!link) {
        page_fail(place, "link", "there is no link number %zu, from 0 on; the page has %s", index,
                  list_links(place, root));
    }
    return link;
}

loads_response *loads_app_follow_(const loads_response *page, size_t index,
                                  const loads_request *request)
{
    struct place place = {call_user(), request->file_, request->line_, page};

    if (!place.user) {
        return call_refused();
    }
    if (index == LOADS_BY_TEXT_ && (!request->url || !*request->url)) {
        misused(&place, "loads_app_follow(): which link? Its text, or #id");
    }
    const struct html_node *root = page_html(&place);
    const struct html_node *link = index == LOADS_BY_TEXT_
                                       ? link_by_text(&place, root, request->url)
                                       : link_by_index(&place, root, index);
    loads_request *copy = loads_alloc(place.user, sizeof *copy);
    *copy = *request;
    copy->method = request->method ? request->method : "GET";
    page_resolve(&place, html_attribute(link, "href"), false, NULL, copy);
    return loads_app_send(place.user, copy);
}

/* ---- elements -------------------------------------------------------------------------------- */

/* The ids that there are, or else what elements: as a hint. */
static const char *list_ids(const struct place *place, const struct html_node *root)
{
    struct form_listing listing = form_listing(&place->user->arena, "none");

    for (const struct html_node *n = html_next(root, root); n; n = html_next(n, root)) {
        const char *id = html_attribute(n, "id");
        if (id && *id) {
            form_listing_add(&listing, "#%.80s", id);
        }
    }
    return listing.text;
}

static const struct html_node *root_for(const struct place *place, const char *selector)
{
    if (html_select_check(selector, page_error(place)) < 0) {
        misused(place, page_error(place)->text);
    }
    return page_html(place);
}

static void no_element(const struct place *place, const struct html_node *root,
                       const char *selector) __attribute__((noreturn));
static void no_element(const struct place *place, const struct html_node *root,
                       const char *selector)
{

    page_fail(place, "element", "there is no element '%.100s'; the page's ids are %s", selector,
              list_ids(place, root));
}

static const struct html_node *first_element(const struct place *place, const char *selector)
{
    const struct html_node *root = root_for(place, selector);
    const struct html_node *node = html_select(root, root, selector);

    if (!node) {
        no_element(place, root, selector);
    }
    return node;
}

const char *loads_app_text_(const char *file, int line, const loads_response *page,
                            const char *selector)
{
    struct place place = PLACE;

    return place.user ? text_of(&place, first_element(&place, selector)) : "";
}

const char *loads_app_attribute_(const char *file, int line, const loads_response *page,
                                 const char *selector, const char *name)
{
    struct place place = PLACE;

    if (!place.user) {
        return "";
    }
    const struct html_node *node = first_element(&place, selector);
    const char *value = html_attribute(node, name);
    if (!value) {
        struct form_listing listing = form_listing(&place.user->arena, "none");
        for (const struct html_attribute *a = node->attributes; a; a = a->next) {
            form_listing_add(&listing, "%.80s", a->name);
        }
        page_fail(&place, "element", "the element '%.100s' has no attribute '%.100s'; it has %s",
                  selector, name, listing.text);
    }
    return value;
}

size_t loads_app_count_(const char *file, int line, const loads_response *page,
                        const char *selector)
{
    struct place place = PLACE;
    size_t count = 0;

    if (place.user) {
        const struct html_node *root = root_for(&place, selector);
        for (const struct html_node *n = html_select(root, root, selector); n;
             n = html_select(n, root, selector)) {
            count++;
        }
    }
    return count;
}

/* ---- assertions ------------------------------------------------------------------------------ */

void loads_assert_body_(const char *file, int line, const loads_response *page, const char *text,
                        bool has)
{
    struct place place = PLACE;
    char quoted[PAGE_QUOTE_BYTES(QUOTED_BYTES)], body[PAGE_QUOTE_BYTES(QUOTED_BYTES)];

    if (!place.user) {
        return;
    }
    bool found = memmem(page->body, page->body_size, text, strlen(text)) != NULL;
    if (!found && page->status > 0 && page_is_html(page)) {
        found = strstr(text_of(&place, page_html(&place)), text) != NULL;
    }
    if (found != has) {
        page_fail(&place, "assertion", "the body %s %s: it is %s", has ? "lacks" : "contains",
                  page_quote(text, strlen(text), QUOTED_BYTES, quoted),
                  page_quote(page->body, page->body_size, QUOTED_BYTES, body));
    }
}

void loads_assert_text_(const char *file, int line, const loads_response *page,
                        const char *selector, const char *text, bool whole)
{
    struct place place = PLACE;
    char first[PAGE_QUOTE_BYTES(QUOTED_BYTES)], wanted[PAGE_QUOTE_BYTES(QUOTED_BYTES)];
    struct html_buffer buffer = {NULL, 0};
    size_t count = 0;

    if (!place.user) {
        return;
    }
    const struct html_node *root = root_for(&place, selector);
    for (const struct html_node *n = html_select(root, root, selector); n;
         n = html_select(n, root, selector)) {
        const char *its = html_text_again(&place.user->arena, n, &buffer);
        if (!its) {
            out_of_memory(&place);
        }
        if (whole ? strcmp(its, text) == 0 : strstr(its, text) != NULL) {
            return;
        }
        if (count++ == 0) {
            (void)page_quote(its, strlen(its), QUOTED_BYTES, first);
        }
    }
    if (count == 0) {
        no_element(&place, root, selector);
    }
    page_fail(&place, "assertion", "the text of '%.100s' is %s%s, expected %s%s", selector, first,
              count > 1 ? " and others" : "", whole ? "" : "one with ",
              page_quote(text, strlen(text), QUOTED_BYTES, wanted));
}
