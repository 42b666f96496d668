/* SPDX-License-Identifier: MPL-2.0 */
/* Whether bytes from outside are text. */
#ifndef LOADS_BASE_UTF8_H
#define LOADS_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF, nothing cut off. */
bool utf8_valid(const char *text, size_t size);

#endif
