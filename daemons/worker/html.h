/* SPDX-License-Identifier: MPL-2.0 */
/* HTML as a tree in the iteration's memory, and what is looked for in it. libxml2 reads it, and is
 * done when html_parse() returns: the rest needs no library and little stack. */
#ifndef LOADS_WORKER_HTML_H
#define LOADS_WORKER_HTML_H

#include <stdbool.h>

#include "arena.h"
#include "base/error.h"

#define HTML_MAX_BYTES ((size_t)16 << 20) /* of a page */
#define HTML_MAX_DEPTH ((size_t)512)      /* as browsers have it */

struct html_attribute {
    struct html_attribute *next;
    const char *name; /* in small letters */
    const char *value;
};

/* An element, or a piece of text. */
struct html_node {
    struct html_node *parent, *first, *last, *next;
    const char *name; /* of the element, in small letters; NULL: it is a text */
    const char *text; /* ends with NUL */
    size_t size, capacity;
    struct html_attribute *attributes;
};

/* Reads a page of which the header said that it is in `charset` (NULL: it didn't). The root, which
 * has no name, and below it whatever was made out of the bytes, maybe nothing. Not on a coroutine's
 * stack (user_on_loop()). -ENOMEM; -EFBIG with a text: too large, or nested too deeply. */
int html_parse(struct arena *arena, const char *bytes, size_t size, const char *charset,
               struct html_node **ret, struct error *error) _must_check_;

/* The next node in the order of the document that is inside `within`; NULL: none. Begin with
 * `within` itself. */
struct html_node *html_next(const struct html_node *node, const struct html_node *within);

/* The same without what is inside `node`. */
struct html_node *html_next_outside(const struct html_node *node, const struct html_node *within);

/* The same, only elements of that name. */
struct html_node *html_next_named(const struct html_node *node, const struct html_node *within,
                                  const char *name);

bool html_is(const struct html_node *node, const char *name);

/* The nearest element around it of that name; NULL: none. */
struct html_node *html_around(const struct html_node *node, const char *name);

/* The value of an attribute ("" if it has none), or NULL. */
const char *html_attribute(const struct html_node *node, const char *name);

/* The element with that id; NULL: none. */
struct html_node *html_by_id(const struct html_node *root, const char *id);

/* What a person reads inside it: white space becomes single blanks, none at the ends, and what is
 * in script, style and template is left out. NULL: no memory. */
const char *html_text(struct arena *arena, const struct html_node *node) _must_check_;

/* The same in a buffer (all zero at first) that is used again: for one of many. */
struct html_buffer {
    char *text;
    size_t size;
};
const char *html_text_again(struct arena *arena, const struct html_node *node,
                            struct html_buffer *buffer) _must_check_;

/* All of its texts as they stand. NULL: no memory. */
const char *html_raw_text(struct arena *arena, const struct html_node *node) _must_check_;

/* ---- selectors: html_select.c ---- */

/* Whether the selector can be understood. -EINVAL with a text. */
int html_select_check(const char *selector, struct error *error) _must_check_;

/* The next element behind `node` (the root at first) that a checked selector means; NULL: none. */
struct html_node *html_select(const struct html_node *node, const struct html_node *root,
                              const char *selector);

#endif
