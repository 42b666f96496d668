/* SPDX-License-Identifier: MPL-2.0 */
/* A list of strings that it owns, ended by NULL as argument vectors are. */
#ifndef LOADS_BASE_STRLIST_H
#define LOADS_BASE_STRLIST_H

#include <stdbool.h>

#include "base/macros.h"

/* All zero is an empty list. */
struct strlist {
    char **items; /* `count` strings and a NULL; NULL itself while the list is empty */
    size_t count;
};

/* Appends a copy of a text, or of its first `size` bytes. -ENOMEM: the list is unchanged. Whoever
 * takes the texts from outside bounds their number. */
int strlist_add(struct strlist *list, const char *text) _must_check_;
int strlist_add_bytes(struct strlist *list, const char *text, size_t size) _must_check_;

/* Appends "name=value", as in an environment. -ENOMEM. */
int strlist_add_variable(struct strlist *list, const char *name, const char *value) _must_check_;

bool strlist_has(const struct strlist *list, const char *text);

/* Appends copies of `count` texts. -ENOMEM: of the first ones, perhaps. */
int strlist_add_all(struct strlist *list, char *const *texts, size_t count) _must_check_;

/* Frees what is in it; the list is empty then. */
void strlist_clear(struct strlist *list);

#endif
