/* SPDX-License-Identifier: MPL-2.0 */
/* Bytes from outside as text. */
#ifndef LOADS_BASE_UTF8_H
#define LOADS_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is shown in place of bytes that are no text: U+FFFD. */
#define UTF8_REPLACEMENT "\xEF\xBF\xBD"

/* The bytes (1 to 4) of the well-formed character that `size` > 0 bytes begin with, and the
 * character; 0: they don't begin with one, and the first byte belongs to none. */
size_t utf8_character(const char *text, size_t size, uint32_t *ret);

/* Well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF, nothing cut off. */
bool utf8_valid(const char *text, size_t size);

#endif
