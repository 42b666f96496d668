/* SPDX-License-Identifier: MPL-2.0 */
/* A check for UTF-8 that doesn't hang on the locale as mbrtowc() does. The first byte tells the
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

bool utf8_valid(const char *text, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)text;

    for (size_t i = 0; i < size;) {
        unsigned char low, high;
        unsigned length = sequence(bytes[i], &low, &high);
        if (length == 0 || length > size - i) {
            return false;
        }
        for (unsigned k = 1; k < length; k++) {
            if (bytes[i + k] < low || bytes[i + k] > high) {
                return false;
            }
            low = 0x80;
            high = 0xBF;
        }
        i += length;
    }
    return true;
}
