/* SPDX-License-Identifier: MPL-2.0 */
/* The notation is WebTest's, so that a journey reads the same in C and in Python. */
#include "worker/expected.h"

#include <stdio.h>
#include <string.h>

#define SEPARATORS " ,\t"

/* The next word, its size in *size; NULL: there is none. */
static const char *next_word(const char *text, size_t *size)
{
    text += strspn(text, SEPARATORS);
    *size = strcspn(text, SEPARATORS);
    return *size > 0 ? text : NULL;
}

bool expected_is_sound(const char *expected)
{
    size_t size, count = 0;

    for (const char *word = expected; (word = next_word(word, &size)); word += size, count++) {
        size_t digits = strspn(word, "0123456789");
        bool star = word[digits] == '*';
        if (size != digits + (star ? 1 : 0) || (star ? digits > 2 : digits != 3)) {
            return false;
        }
    }
    return count > 0;
}

bool expected_has(const char *expected, int status)
{
    char text[16];
    size_t size;

    (void)snprintf(text, sizeof text, "%03d", status);
    for (const char *word = expected; (word = next_word(word, &size)); word += size) {
        size_t digits = strspn(word, "0123456789");
        bool star = size > digits;
        if (strncmp(word, text, digits) == 0 && (star || text[digits] == '\0')) {
            return true;
        }
    }
    return false;
}
