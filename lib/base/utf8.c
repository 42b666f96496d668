/* SPDX-License-Identifier: MPL-2.0 */
/* UTF-8 without the locale that mbrtowc() hangs on. The first byte tells the
 * length and, with it, the range of the second; that range is what keeps overlong forms and
 * surrogates out. */
#include "base/utf8.h"

#include "base/macros.h"

/* The length of the character that begins with `first`, and its second byte's range; 0: none does.
 */
static unsigned sequence(unsigned char first, unsigned char *low, unsigned char *high)
{
    *low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    *high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (first < 0x80) {
        return 1;
    }
    if (first < 0xC2 || first > 0xF4) {
        return 0;
    }
    return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

size_t utf8_character(const char *text, size_t size, uint32_t *ret)
{
    const unsigned char *bytes = (const unsigned char *)text;
    unsigned char low, high;
    unsigned length = sequence(bytes[0], &low, &high);

    if (length == 0 || length > size) {
        return 0;
    }
    uint32_t character = length == 1 ? bytes[0] : bytes[0] & (0x7Fu >> length);
    for (unsigned k = 1; k < length; k++) {
        if (bytes[k] < low || bytes[k] > high) {
            return 0;
        }
        low = 0x80;
        high = 0xBF;
        character = character << 6 | (bytes[k] & 0x3F);
    }
    *ret = character;
    return length;
}

bool utf8_valid(const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        uint32_t character;
        size_t length = utf8_character(text + i, size - i, &character);
        if (length == 0) {
            return false;
        }
        i += length;
    }
    return true;
}
