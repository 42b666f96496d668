/* SPDX-License-Identifier: MPL-2.0 */
/* Grows by doubling and always keeps room for the NUL. */
#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void text_clear(struct text *text)
{
    free(text->bytes);
    *text = (struct text){0};
}

static int reserve(struct text *text, size_t more)
{
    size_t needed = text->size + more + 1, capacity = MAX(text->capacity, (size_t)128);

    if (more > TEXT_MAX_BYTES - text->size) {
        return -E2BIG;
    }
    while (capacity < needed) {
        capacity *= 2;
    }
    if (capacity == text->capacity) {
        return 0;
    }
    char *bytes = realloc(text->bytes, capacity);
    if (!bytes) {
        return -ENOMEM;
    }
    text->bytes = bytes;
    text->capacity = capacity;
    return 0;
}

int text_append(struct text *text, const void *bytes, size_t size)
{
    int result = reserve(text, size);

    if (result < 0) {
        return result;
    }
    if (size > 0) {
        memcpy(text->bytes + text->size, bytes, size);
    }
    text->size += size;
    text->bytes[text->size] = '\0';
    return 0;
}

int text_add(struct text *text, const char *format, ...)
{
    _cleanup_free_ char *bytes = NULL;
    va_list arguments;

    va_start(arguments, format);
    int size = vasprintf(&bytes, format, arguments);
    va_end(arguments);
    if (size < 0) {
        bytes = NULL; /* vasprintf leaves it undefined */
        return -ENOMEM;
    }
    return text_append(text, bytes, (size_t)size);
}
