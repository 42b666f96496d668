/* SPDX-License-Identifier: MPL-2.0 */
/* The one place that knows what XML can't have in it. There is no tree: a line per hit must cost no
 * more than its bytes, and the few elements there are close where they are opened. */
#include "outputs/xml.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"

static const char *entity(uint32_t character)
{
    switch (character) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\t': /* a parser would make blanks of these in an attribute */
        return "&#9;";
    case '\n':
        return "&#10;";
    case '\r':
        return "&#13;";
    default:
        return NULL;
    }
}

/* Whether XML 1.0 has such a character at all. Of what it has C1 controls are left out, too: a
 * terminal obeys them. */
static bool exists(uint32_t character)
{
    return character >= 0x20 && (character < 0x7f || character > 0x9f) && character != 0xfffe &&
           character != 0xffff;
}

void xml_put_text(FILE *file, const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        uint32_t character = 0;
        size_t length = utf8_character(text + i, size - i, &character);
        const char *escape = length > 0 ? entity(character) : NULL;

        if (escape) {
            (void)fputs_unlocked(escape, file);
        } else if (length == 0 || !exists(character)) {
            (void)fputs_unlocked(UTF8_REPLACEMENT, file);
        } else {
            (void)fwrite_unlocked(text + i, 1, length, file);
        }
        i += MAX(length, (size_t)1);
    }
}

void xml_put_attribute_bytes(FILE *file, const char *name, const char *text, size_t size)
{
    (void)putc_unlocked(' ', file);
    (void)fputs_unlocked(name, file);
    (void)fputs_unlocked("=\"", file);
    xml_put_text(file, text, size);
    (void)putc_unlocked('"', file);
}

void xml_put_attribute(FILE *file, const char *name, const char *text)
{
    xml_put_attribute_bytes(file, name, text, strlen(text));
}

void xml_put_attribute_format(FILE *file, const char *name, const char *format, ...)
{
    char text[200];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments); /* numbers have room */
    va_end(arguments);
    xml_put_attribute(file, name, text);
}
