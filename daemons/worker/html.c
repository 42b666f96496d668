/* SPDX-License-Identifier: MPL-2.0 */
/* The home of libxml2. Its HTML parser tells of elements and texts one by one (SAX), and they
 * become a tree of our own: so a page costs its size in the iteration's memory and nothing beside
 * it, nothing has to be freed, and who looks for something does it on whatever stack it has.
 *
 * A page comes from a server under load, or from one that means harm. What the parser does at each
 * tag grows with the depth, so depth and size have limits, at which it is stopped. It never fetches
 * anything, and says nothing on its own. */
#include "worker/html.h"

#include <errno.h>
#include <libxml/HTMLparser.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"

#define MAX_NODES      ((size_t)1000000)
#define META_MAX_BYTES ((size_t)1024) /* where a page may say its own character set */

struct reading {
    struct arena *arena;
    htmlParserCtxt *parser;
    struct html_node *root, *at;
    size_t depth;
    size_t nodes;
    int result;
};

/* It may forget that it was told so. */
static void stop(struct reading *reading, int result)
{
    reading->result = reading->result == 0 ? result : reading->result;
    xmlStopParser(reading->parser);
}

/* ---- what the parser tells ------------------------------------------------------------------- */

static struct html_node *add(struct reading *reading)
{
    struct html_node *parent = reading->at;

    if (reading->result < 0) {
        return NULL;
    }
    struct html_node *node = arena_alloc(reading->arena, sizeof *node);
    if (!node || ++reading->nodes > MAX_NODES) {
        stop(reading, node ? -EFBIG : -ENOMEM);
        return NULL;
    }
    *node = (struct html_node){.parent = parent, .text = ""};
    *(parent->last ? &parent->last->next : &parent->first) = node;
    parent->last = node;
    return node;
}

static const char *keep(struct reading *reading, const xmlChar *text)
{
    const char *kept = arena_strndup(reading->arena, (const char *)text, SIZE_MAX);
    if (!kept) {
        stop(reading, -ENOMEM);
    }
    return kept;
}

/* The first of several of the same name counts. */
static void add_attributes(struct reading *reading, struct html_node *node, const xmlChar **pairs)
{
    struct html_attribute **end = &node->attributes;

    for (; pairs && pairs[0]; pairs += 2) {
        struct html_attribute *attribute = arena_alloc(reading->arena, sizeof *attribute);
        if (!attribute) {
            stop(reading, -ENOMEM);
            return;
        }
        *attribute = (struct html_attribute){NULL, keep(reading, pairs[0]),
                                             pairs[1] ? keep(reading, pairs[1]) : ""};
        if (!attribute->name || !attribute->value) {
            return;
        }
        *end = attribute;
        end = &attribute->next;
    }
}

static void on_start(void *context, const xmlChar *name, const xmlChar **attributes)
{
    struct reading *reading = context;
    struct html_node *node = add(reading);

    if (!node) {
        return;
    }
    node->name = keep(reading, name);
    add_attributes(reading, node, attributes);
    reading->at = node;
    if (++reading->depth > HTML_MAX_DEPTH) {
        stop(reading, -E2BIG);
    }
}

/* The parser ends what it began, in the right order; ends of what never began are ignored. */
static void on_end(void *context, const xmlChar *name)
{
    struct reading *reading = context;
    struct html_node *node = reading->at;

    while (node->parent && strcmp(node->name ? node->name : "", (const char *)name) != 0) {
        node = node->parent;
    }
    while (node->parent && reading->at != node->parent) {
        reading->at = reading->at->parent;
        reading->depth--;
    }
}

/* Texts come in pieces; those beside each other are one. */
static void on_text(void *context, const xmlChar *text, int length)
{
    struct reading *reading = context;
    struct html_node *node = reading->at->last;
    size_t size = length > 0 ? (size_t)length : 0;

    if (!node || node->name) {
        node = add(reading);
    }
    if (!node || reading->result < 0) {
        return;
    }
    if (node->size + size + 1 > node->capacity) {
        size_t capacity = MAX(node->size + size + 1, 2 * node->capacity);
        char *grown = arena_grow(reading->arena, node->capacity > 0 ? (char *)node->text : NULL,
                                 node->capacity, capacity);
        if (!grown) {
            stop(reading, -ENOMEM);
            return;
        }
        node->text = grown;
        node->capacity = capacity;
    }
    char *to = (char *)node->text + node->size;
    memcpy(to, text, size);
    to[size] = '\0';
    node->size += size;
}

/* Without memory the parser would go on and on in places: it is told to stop. Since 2.12 libxml2
 * gives the error as one that can't be changed. */
#if LIBXML_VERSION >= 21200
static void on_error(void *context, const xmlError *error)
#else
static void on_error(void *context, xmlError *error)
#endif
{
    struct reading *reading = context;

    if (error->code == XML_ERR_NO_MEMORY) {
        stop(reading, -ENOMEM);
    }
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Of a page that doesn't say: UTF-8, if it can be that, since that is what pages are in today; else
 * what the parser makes of it. */
static const char *choose_charset(const char *bytes, size_t size, const char *charset)
{
    size_t begin = MIN(size, META_MAX_BYTES);

    if (charset && *charset) {
        xmlCharEncodingHandler *known = xmlFindCharEncodingHandler(charset);
        if (known) {
            (void)xmlCharEncCloseFunc(known); /* only whether there is one */
            return charset;
        }
    }
    for (size_t i = 0; i + 7 <= begin; i++) {
        if (strncasecmp(bytes + i, "charset", 7) == 0) {
            return NULL;
        }
    }
    return utf8_valid(bytes, size) ? "UTF-8" : NULL;
}

static int explain(int result, struct error *error)
{
    switch (result) {
    case 0:
        return 0;
    case -E2BIG:
        return error_set(error, -EFBIG, "the page's HTML is nested more than %zu levels deep",
                         HTML_MAX_DEPTH);
    case -EFBIG:
        return error_set(error, -EFBIG, "the page has more than %zu elements and texts", MAX_NODES);
    default:
        return error_set_errno(error, result, "can't read the page's HTML");
    }
}

static int parse(struct reading *reading, const char *bytes, size_t size, const char *charset)
{
    static const xmlSAXHandler handler = {
        .startElement = on_start,
        .endElement = on_end,
        .characters = on_text,
        .cdataBlock = on_text,
        .ignorableWhitespace = on_text,
    };
    htmlParserCtxt *parser = htmlNewParserCtxt();

    if (!parser) {
        return -ENOMEM;
    }
    *parser->sax = handler;
    parser->userData = reading;
    reading->parser = parser;
    xmlSetStructuredErrorFunc(reading, on_error);
    xmlDoc *document = htmlCtxtReadMemory(
        parser, bytes, (int)size, NULL, choose_charset(bytes, size, charset),
        HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_NONET);
    if (parser->errNo == XML_ERR_NO_MEMORY && reading->result == 0) {
        reading->result = -ENOMEM;
    }
    xmlSetStructuredErrorFunc(NULL, NULL);
    xmlFreeDoc(document);
    htmlFreeParserCtxt(parser);
    return reading->result;
}

int html_parse(struct arena *arena, const char *bytes, size_t size, const char *charset,
               struct html_node **ret, struct error *error)
{
    struct html_node *root = arena_alloc(arena, sizeof *root);

    if (!root) {
        return explain(-ENOMEM, error);
    }
    if (size > HTML_MAX_BYTES) {
        return error_set(error, -EFBIG, "the page has more than %zu MiB: its HTML isn't read",
                         HTML_MAX_BYTES >> 20);
    }
    *root = (struct html_node){.text = ""};
    struct reading reading = {.arena = arena, .root = root, .at = root};
    int r = explain(size > 0 ? parse(&reading, bytes, size, charset) : 0, error);
    if (r == 0) {
        *ret = root;
    }
    return r;
}

/* ---- walking --------------------------------------------------------------------------------- */

struct html_node *html_next_outside(const struct html_node *node, const struct html_node *within)
{
    while (node != within && !node->next) {
        node = node->parent;
    }
    return node == within ? NULL : node->next;
}

struct html_node *html_next(const struct html_node *node, const struct html_node *within)
{
    return node->first ? node->first : html_next_outside(node, within);
}

struct html_node *html_next_named(const struct html_node *node, const struct html_node *within,
                                  const char *name)
{
    struct html_node *next = html_next(node, within);

    while (next && !html_is(next, name)) {
        next = html_next(next, within);
    }
    return next;
}

bool html_is(const struct html_node *node, const char *name)
{
    return node->name && strcmp(node->name, name) == 0;
}

struct html_node *html_around(const struct html_node *node, const char *name)
{
    struct html_node *around = node->parent;

    while (around && !html_is(around, name)) {
        around = around->parent;
    }
    return around;
}

const char *html_attribute(const struct html_node *node, const char *name)
{
    for (const struct html_attribute *a = node->attributes; a; a = a->next) {
        if (strcmp(a->name, name) == 0) {
            return a->value;
        }
    }
    return NULL;
}

struct html_node *html_by_id(const struct html_node *root, const char *id)
{
    for (struct html_node *node = html_next(root, root); node; node = html_next(node, root)) {
        const char *its = html_attribute(node, "id");
        if (its && strcmp(its, id) == 0) {
            return node;
        }
    }
    return NULL;
}

/* ---- texts ----------------------------------------------------------------------------------- */

static bool is_unseen(const struct html_node *node)
{
    return html_is(node, "script") || html_is(node, "style") || html_is(node, "template");
}

/* What begins and ends on a line of its own, or in a cell. */
static bool parts_words(const struct html_node *node)
{
    static const char *const names[] = {
        "address", "article", "aside",    "blockquote", "br",   "caption", "dd",    "div",    "dl",
        "dt",      "form",    "fieldset", "footer",     "h1",   "h2",      "h3",    "h4",     "h5",
        "h6",      "header",  "hr",       "li",         "main", "nav",     "ol",    "option", "p",
        "pre",     "select",  "section",  "table",      "td",   "th",      "title", "tr",     "ul",
    };

    for (size_t i = 0; node->name && i < ELEMENTSOF(names); i++) {
        if (html_is(node, names[i])) {
            return true;
        }
    }
    return false;
}

/* Bytes of text in all, and of what parts them. */
static size_t room_for_text(const struct html_node *node)
{
    size_t room = 1;

    for (const struct html_node *n = node; n; n = html_next(n, node)) {
        room += n->size + 1;
    }
    return room;
}

static char *put_blank(char *to, const char *begin)
{
    if (to > begin && to[-1] != ' ') {
        *to++ = ' ';
    }
    return to;
}

static char *put_words(char *to, const char *begin, const char *text)
{
    while (*text) {
        if (strncmp(text, "\xc2\xa0", 2) == 0) { /* one that doesn't break a line */
            to = put_blank(to, begin);
            text += 2;
        } else if (strchr(" \t\n\r\f", *text)) {
            to = put_blank(to, begin);
            text++;
        } else {
            *to++ = *text++;
        }
    }
    return to;
}

/* Whether from one node to the next a line ends. */
static bool ends_line(const struct html_node *from, const struct html_node *to)
{
    bool ends = parts_words(to);

    for (const struct html_node *n = from; !ends && n != to->parent; n = n->parent) {
        ends = parts_words(n);
    }
    return ends;
}

const char *html_text_again(struct arena *arena, const struct html_node *node,
                            struct html_buffer *buffer)
{
    size_t room = room_for_text(node);
    const struct html_node *n = node, *next;

    if (room > buffer->size) {
        char *grown = arena_grow(arena, buffer->text, buffer->size, room);
        if (!grown) {
            return NULL;
        }
        *buffer = (struct html_buffer){grown, room};
    }
    char *begin = buffer->text, *to = begin;
    assert(begin); /* an empty text has room for its end, too */
    for (; n; n = next) {
        to = put_words(to, begin, n->text);
        next = n != node && is_unseen(n) ? html_next_outside(n, node) : html_next(n, node);
        if (next && ends_line(n, next)) {
            to = put_blank(to, begin);
        }
    }
    to -= to > begin && to[-1] == ' ' ? 1 : 0;
    *to = '\0';
    return begin;
}

const char *html_text(struct arena *arena, const struct html_node *node)
{
    struct html_buffer buffer = {NULL, 0};
    return html_text_again(arena, node, &buffer);
}

const char *html_raw_text(struct arena *arena, const struct html_node *node)
{
    char *begin = arena_alloc(arena, room_for_text(node)), *to = begin;

    for (const struct html_node *n = node; begin && n; n = html_next(n, node)) {
        to = mempcpy(to, n->text, n->size);
    }
    if (begin) {
        *to = '\0';
    }
    return begin;
}
