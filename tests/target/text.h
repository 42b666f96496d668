/* SPDX-License-Identifier: MPL-2.0 */
/* Text that grows. */
#ifndef LOADS_TARGET_TEXT_H
#define LOADS_TARGET_TEXT_H

#include "base/macros.h"

#define TEXT_MAX_BYTES ((size_t)32 << 20)

/* All zero: empty. `bytes` is NUL-terminated when not NULL. */
struct text {
    char *bytes;
    size_t size, capacity;
};

void text_clear(struct text *text);

/* -ENOMEM, -E2BIG beyond TEXT_MAX_BYTES: unchanged. */
int text_append(struct text *text, const void *bytes, size_t size) _must_check_;
int text_add(struct text *text, const char *format, ...) _printf_(2, 3) _must_check_;

#endif
