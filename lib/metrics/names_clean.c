/* SPDX-License-Identifier: MPL-2.0 */
/* What a text must be before it becomes a name: names end on terminals, in JSON and in databases,
 * and come from tests and from servers. */
#include <string.h>

#include "metrics/names_table.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* The size of the UTF-8 sequence at `text` (1 to 4), or 0 if it isn't one. */
static size_t sequence(const char *text, size_t size, uint32_t *ret_character)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *bytes = (const unsigned char *)text;
    size_t n = bytes[0] < 0x80    ? 1
               : bytes[0] < 0xc2  ? 0
               : bytes[0] < 0xe0  ? 2
               : bytes[0] < 0xf0  ? 3
               : bytes[0] <= 0xf4 ? 4
                                  : 0;
    if (n == 0 || n > size) {
        return 0;
    }
    uint32_t character = n == 1 ? bytes[0] : bytes[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
        character = character << 6 | (bytes[i] & 0x3f);
    }
    if (character < least[n] || character > 0x10ffff ||
        (character >= 0xd800 && character < 0xe000)) {
        return 0;
    }
    *ret_character = character;
    return n;
}

static bool is_control(uint32_t character)
{
    return (character < 0x20 && character != '\n' && character != '\t' &&
            character != NAMES_SEPARATOR) ||
           (character >= 0x7f && character < 0xa0);
}

size_t names_clean(char *out, size_t limit, const char *text, size_t size, bool keep_separator)
{
    size_t used = 0;

    for (size_t i = 0; i < size;) {
        const char *piece = text + i;
        uint32_t character = 0;
        size_t n = sequence(text + i, size - i, &character);
        size_t piece_size = n;
        if (n == 0) {
            piece = REPLACEMENT;
            piece_size = sizeof REPLACEMENT - 1;
        } else if (is_control(character) || (character == NAMES_SEPARATOR && !keep_separator)) {
            piece = "?";
            piece_size = 1;
        }
        if (piece_size > limit - used) {
            break;
        }
        memcpy(out + used, piece, piece_size);
        used += piece_size;
        i += MAX(n, 1);
    }
    return used;
}

bool names_is_clean(const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        uint32_t character = 0;
        size_t n = sequence(text + i, size - i, &character);
        if (n == 0 || is_control(character)) {
            return false;
        }
        i += n;
    }
    return true;
}
