/* SPDX-License-Identifier: MPL-2.0 */
/* Answers as pages: their HTML, read once, and where their references lead. */
#ifndef LOADS_WORKER_PAGE_H
#define LOADS_WORKER_PAGE_H

#include "html.h"
#include "user.h"

/* Who asks, where in the test, about which answer. */
struct place {
    loads_user *user;
    const char *file;
    int line;
    const loads_response *page;
};

/* Leaves the iteration as a failure; the page's URL is put behind the text. */
void page_fail(const struct place *place, const char *class, const char *format, ...) _printf_(3, 4)
    __attribute__((noreturn));

/* The same with the text of page_error(), after something that was looked for gave this result: out
 * of memory is an error. */
void page_fail_by(const struct place *place, const char *class, int result)
    __attribute__((noreturn));

/* Where the text of what is done next goes. The worker has one: nothing may wait until it was used.
 */
struct error *page_error(const struct place *place);

/* Whether its header says, or if it says nothing its first byte, that it is HTML. */
bool page_is_html(const loads_response *page);

/* Its HTML. Leaves the iteration when it has none, or none that can be read. */
const struct html_node *page_html(const struct place *place);

/* Where a reference in the page leads: a URL to be had, and unless `lines` have one or nothing is
 * to be told, those and a Referer. An empty one is the page's own URL if `own`, else its base's. A
 * query (NULL: none) replaces what it has. Leaves the iteration if it leads nowhere. */
void page_resolve(const struct place *place, const char *reference, bool own, const char *query,
                  loads_request *request);

/* Bytes for a message: in quotes, one line, white space as blanks, cut after `limit`. */
#define PAGE_QUOTE_BYTES(limit) ((limit) + 8)
const char *page_quote(const char *bytes, size_t size, size_t limit, char *buffer);

#endif
