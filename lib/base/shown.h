/* SPDX-License-Identifier: MPL-2.0 */
/* What may be shown of a text that may have a secret in it: in messages, logs, reports, the
 * database, and to others who look at the list of processes. */
#ifndef LOADS_BASE_SHOWN_H
#define LOADS_BASE_SHOWN_H

#include <stdbool.h>

#include "base/macros.h"

#define SHOWN_BYTES  256
#define SHOWN_SECRET "(secret)" /* instead of a value that is one as a whole */

/* A URL without user and password, query and fragment; three stars tell where one of the first
 * three was. It may be wrong in any way, or none at all; when in doubt, more of it is left out. Cut
 * to what `buffer` holds; returns that. */
const char *shown_url(const char *text, char buffer[static SHOWN_BYTES]);

/* The same, whole and malloc'ed. NULL: no memory. */
char *shown_url_copy(const char *text) _must_check_;

/* Whether it is the text of a URL of which something was left out. */
bool shown_url_lacks(const char *text);

/* Writes '*' over what would be left out, byte by byte. */
void shown_url_blot(char *text);

/* The same two of a word that nobody knows what to make of: "key=value" has "***" for its value,
 * anything else is taken for a URL. */
const char *shown_word(const char *text, char buffer[static SHOWN_BYTES]);
void shown_word_blot(char *text);

#endif
