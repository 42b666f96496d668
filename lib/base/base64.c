/* SPDX-License-Identifier: MPL-2.0 */
/* Base64. A text has one meaning only, and bytes have one text: what a decoder may wink at isn't
 * accepted, but for line ends, which many encoders put in. */
#include "base/base64.h"

#include <errno.h>
#include <stdbool.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_encode(const void *bytes, size_t size, char **ret)
{
    const uint8_t *from = bytes;
    char *text = malloc((size + 2) / 3 * 4 + 1), *to = text;

    if (!text) {
        return -ENOMEM;
    }
    for (; size > 0; from += 3, size -= MIN(size, (size_t)3)) {
        uint32_t group = (uint32_t)from[0] << 16;
        group |= size > 1 ? (uint32_t)from[1] << 8 : 0;
        group |= size > 2 ? from[2] : 0;
        *to++ = letters[group >> 18];
        *to++ = letters[group >> 12 & 63];
        *to++ = size > 1 ? letters[group >> 6 & 63] : '=';
        *to++ = size > 2 ? letters[group & 63] : '=';
    }
    *to = '\0';
    *ret = text;
    return 0;
}

/* What a letter stands for, or 64 for '=', 65 for a line end, 66 for all others. */
static unsigned value_of(char letter)
{
    if (letter >= 'A' && letter <= 'Z') {
        return (unsigned)(letter - 'A');
    }
    if (letter >= 'a' && letter <= 'z') {
        return (unsigned)(letter - 'a') + 26;
    }
    if (letter >= '0' && letter <= '9') {
        return (unsigned)(letter - '0') + 52;
    }
    switch (letter) {
    case '+':
        return 62;
    case '/':
        return 63;
    case '=':
        return 64;
    case '\r':
    case '\n':
        return 65;
    default:
        return 66;
    }
}

int base64_decode(const char *text, size_t size, uint8_t **ret, size_t *ret_size)
{
    _cleanup_free_ uint8_t *bytes = malloc(size / 4 * 3 + 3);
    uint32_t bits = 0;
    unsigned n = 0, ends = 0; /* letters of this group; '=' at its end */
    size_t used = 0;

    if (!bytes) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < size; i++) {
        unsigned value = value_of(text[i]);
        if (value == 65) {
            continue;
        }
        bool done = ends > 0 && n == 0; /* nothing is behind a group with '=' */
        if (value > 64 || done || (value == 64 ? n < 2 : ends > 0)) {
            return -EBADMSG;
        }
        ends += value == 64;
        bits = bits << 6 | (value & 63);
        if (++n == 4) {
            bytes[used] = (uint8_t)(bits >> 16);
            bytes[used + 1] = (uint8_t)(bits >> 8);
            bytes[used + 2] = (uint8_t)bits;
            if (bits & (ends == 2 ? 0xffff : ends == 1 ? 0xff : 0)) {
                return -EBADMSG;
            }
            used += 3 - ends;
            bits = n = 0;
        }
    }
    if (n > 0) {
        return -EBADMSG;
    }
    *ret = TAKE_PTR(bytes);
    *ret_size = used;
    return 0;
}
