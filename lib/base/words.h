/* SPDX-License-Identifier: MPL-2.0 */
/* A command line as a shell would take it apart, without a shell. */
#ifndef LOADS_BASE_WORDS_H
#define LOADS_BASE_WORDS_H

#include "base/error.h"
#include "base/strlist.h"

#define WORDS_MAX 256

/* Appends the words of a text, which blanks part; 'single' and "double" quotes and backslashes mean
 * what they mean in a shell. Nothing is expanded: $, ` and * are letters like others. -EINVAL: a
 * quote without its end, or more than WORDS_MAX words (then `list` may have some of them). */
int words_split(const char *text, struct strlist *list, struct error *error) _must_check_;

#endif
