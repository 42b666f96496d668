/* SPDX-License-Identifier: MPL-2.0 */
/* Foreign text goes through here, character by character: a URL or a server's words must not be
 * able to move the cursor, colour the screen or turn the line around. What the terminal makes of a
 * character's width is its own business; one column each is right for nearly all there is in URLs.
 */
#include "outputs/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <wchar.h>

#include "base/utf8.h"

#define ELLIPSIS  "…"
#define MAX_MARKS 2 /* combined with one character: more would stand on the lines around */

/* ---- numbers ---- */

const char *text_share(double share, char text[static TEXT_NUMBER_BYTES])
{
    double percent = floor(share * 1000) / 10;

    if (share >= 1) {
        (void)snprintf(text, TEXT_NUMBER_BYTES, "100 %%");
    } else if (share <= 0) {
        (void)snprintf(text, TEXT_NUMBER_BYTES, "0 %%");
    } else if (percent < 0.1) {
        (void)snprintf(text, TEXT_NUMBER_BYTES, "<0.1 %%");
    } else {
        (void)snprintf(text, TEXT_NUMBER_BYTES, "%.1f %%", percent);
    }
    return text;
}

/* ---- texts ---- */

/* What is shown for one character (or for one byte that belongs to none). */
struct piece {
    char bytes[12];
    unsigned columns;
};

static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0);
}

/* Marks and overrides of the direction, separators of lines and paragraphs. */
static bool is_layout(uint32_t c)
{
    return c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) ||
           (c >= 0x2066 && c <= 0x2069);
}

static void escape(uint32_t c, struct piece *ret)
{
    const char *short_form = c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : NULL;
    int length = short_form ? snprintf(ret->bytes, sizeof ret->bytes, "%s", short_form)
                            : snprintf(ret->bytes, sizeof ret->bytes,
                                       c < 0x80 ? "\\x%02" PRIx32 : "\\u%04" PRIx32, c);
    ret->columns = (unsigned)length;
}

/* Returns how many bytes of the text it stands for. */
static size_t next_piece(const char *text, size_t size, struct piece *ret)
{
    uint32_t character;
    size_t length = utf8_character(text, size, &character);

    if (length == 0) {
        *ret = (struct piece){UTF8_REPLACEMENT, 1};
        return 1;
    }
    if (is_control(character) || is_layout(character)) {
        escape(character, ret);
        return length;
    }
    memcpy(ret->bytes, text, length);
    ret->bytes[length] = '\0';
    ret->columns = 1;
    return length;
}

size_t text_columns(const char *text, size_t size)
{
    struct piece piece;
    size_t columns = 0;

    for (size_t i = 0; i < size; columns += piece.columns) {
        i += next_piece(text + i, size - i, &piece);
    }
    return columns;
}

/* Pieces from the start that fit into `columns`; *ret is what they take. */
static void put_head(FILE *file, const char *text, size_t size, size_t columns, unsigned *ret)
{
    struct piece piece;
    size_t used = 0;

    for (size_t i = 0; i < size;) {
        i += next_piece(text + i, size - i, &piece);
        if (used + piece.columns > columns) {
            break;
        }
        (void)fputs(piece.bytes, file); /* failures stay with the stream */
        used += piece.columns;
    }
    *ret += (unsigned)used;
}

/* Pieces from the end that fit into `columns`, of a text that takes `total`. */
static void put_tail(FILE *file, const char *text, size_t size, size_t total, size_t columns,
                     unsigned *ret)
{
    struct piece piece;

    for (size_t i = 0; i < size;) {
        bool fits = total <= columns;
        i += next_piece(text + i, size - i, &piece);
        if (fits) {
            (void)fputs(piece.bytes, file); /* failures stay with the stream */
            *ret += piece.columns;
        }
        total -= piece.columns;
    }
}

unsigned text_put(FILE *file, const char *text, size_t size, unsigned columns)
{
    size_t total = text_columns(text, size);
    unsigned used = 0;

    if (total <= columns) {
        put_head(file, text, size, columns, &used);
        return used;
    }
    unsigned tail = (columns - 1) / 2;
    put_head(file, text, size, columns - 1 - tail, &used);
    (void)fputs(ELLIPSIS, file); /* failures stay with the stream */
    used++;
    put_tail(file, text, size, total, tail, &used);
    return used;
}

void text_put_padded(FILE *file, const char *text, unsigned columns)
{
    unsigned used = text_put(file, text, strlen(text), columns);
    (void)fprintf(file, "%*s", (int)(columns - used), ""); /* failures stay with the stream */
}

void text_put_lines(FILE *file, const char *text, unsigned indent, unsigned columns, unsigned lines)
{
    unsigned left = 0;

    for (unsigned n = 0; *text; n++) {
        size_t size = strcspn(text, "\n");
        if (n < lines) {
            (void)fprintf(file, "%*s", (int)indent, ""); /* failures stay with the stream */
            (void)text_put(file, text, size, columns);
            (void)fputc('\n', file);
        } else {
            left++;
        }
        text += size + (text[size] == '\n');
    }
    if (left > 0) {
        (void)fprintf(file, "%*s(%u more %s)\n", (int)indent, "", left,
                      left == 1 ? "line" : "lines");
    }
}

/* ---- by the width of characters ---- */

/* What shows nothing and yet may change what its neighbours look like: joiners, selectors, tags. */
static bool is_format(uint32_t c)
{
    return c == 0x00AD || (c >= 0x200B && c <= 0x200F) || (c >= 0x2060 && c <= 0x206F) ||
           (c >= 0xFE00 && c <= 0xFE0F) || c == 0xFEFF || c >= 0xE0000;
}

static int width_of(uint32_t c, locale_t utf8)
{
    locale_t before = uselocale(utf8);
    int width = wcwidth((wchar_t)c);

    (void)uselocale(before); /* it was in use */
    return width;
}

/* As next_piece(), for a terminal that knows the width of characters, or knows but ASCII. `marks`
 * counts those without a width in a row. */
static size_t next_wide_piece(const char *text, size_t size, locale_t utf8, unsigned *marks,
                              struct piece *ret)
{
    uint32_t c = 0;
    size_t known = utf8_character(text, size, &c);
    size_t length = next_piece(text, size, ret);

    if (ret->columns > 1 || (known > 0 && c < 0x80)) {
        *marks = 0;
        return length; /* ASCII, or an escape */
    }
    if (!utf8) {
        *ret = (struct piece){"?", 1};
        return length;
    }
    int width = known == 0 ? 1 : is_format(c) ? 0 : width_of(c, utf8);
    if (width < 0) {
        escape(c, ret);
    } else {
        ret->columns = (unsigned)width;
    }
    *marks = width == 0 ? *marks + 1 : 0;
    if (width == 0 && (is_format(c) || *marks > MAX_MARKS)) {
        *ret = (struct piece){"", 0};
    }
    return length;
}

/* Pieces that fit into `columns`, and into `room` bytes. Whether all of the text does. */
static bool fit(const char *text, size_t size, unsigned columns, locale_t utf8, char *buffer,
                size_t room, unsigned *ret_columns)
{
    unsigned used = 0, marks = 0;
    bool whole = true;

    *buffer = '\0';
    for (size_t i = 0; i < size && whole;) {
        struct piece piece;
        i += next_wide_piece(text + i, size - i, utf8, &marks, &piece);
        size_t length = strlen(piece.bytes);
        whole = used + piece.columns <= columns && length < room;
        if (whole) {
            buffer = stpcpy(buffer, piece.bytes);
            room -= length;
            used += piece.columns;
        }
    }
    *ret_columns = used;
    return whole;
}

unsigned text_fit(char *buffer, size_t room, const char *text, size_t size, unsigned columns,
                  locale_t utf8)
{
    const char *end = utf8 ? ELLIPSIS : "...";
    unsigned end_columns = utf8 ? 1 : 3, used;

    if (fit(text, size, columns, utf8, buffer, room, &used) || columns <= end_columns ||
        room <= strlen(end)) {
        return used;
    }
    (void)fit(text, size, columns - end_columns, utf8, buffer, room - strlen(end), &used);
    size_t length = strlen(buffer);
    memcpy(buffer + length, end, strlen(end) + 1); /* there is room */
    return used + end_columns;
}
