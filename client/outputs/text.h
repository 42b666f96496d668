/* SPDX-License-Identifier: MPL-2.0 */
/* Numbers and foreign texts as a terminal should get them. */
#ifndef LOADS_OUTPUTS_TEXT_H
#define LOADS_OUTPUTS_TEXT_H

#include <locale.h>
#include <stdint.h>
#include <stdio.h>

#include "base/macros.h"

#define TEXT_NUMBER_BYTES 32

/* A share of 0 to 1 as "99.9 %", cut and not rounded: only all is "100 %", and only nothing is "0
 * %". Returns `text`. */
const char *text_share(double share, char text[static TEXT_NUMBER_BYTES]);

/* Writes `size` bytes of a text from outside in at most `columns` (5 at least) of them: control
 * characters and those that change the direction of writing as escapes, bytes that are no UTF-8 as
 * U+FFFD, and a "…" in the middle of what is too long. Each character counts as one column. Returns
 * how many there are. */
unsigned text_put(FILE *file, const char *text, size_t size, unsigned columns);

/* The same, and blanks up to `columns`. */
void text_put_padded(FILE *file, const char *text, unsigned columns);

/* What text_put() would return if there were no limit. */
size_t text_columns(const char *text, size_t size);

/* A text of several lines, each behind `indent` blanks and cut to `columns`, `lines` of them at
 * most; then says how many there are beside. Nothing for an empty text. */
void text_put_lines(FILE *file, const char *text, unsigned indent, unsigned columns,
                    unsigned lines);

/* Writes of `size` bytes of a text from outside what fits into `columns` of a terminal and into
 * `room` bytes, a NUL included, by the width of characters; what is too long ends with "…". What
 * text_put() escapes is escaped. `utf8` is a locale of UTF-8; 0: all but ASCII becomes '?'. Returns
 * the columns. */
unsigned text_fit(char *buffer, size_t room, const char *text, size_t size, unsigned columns,
                  locale_t utf8);

#endif
