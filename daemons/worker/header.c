/* SPDX-License-Identifier: MPL-2.0 */
/* Header lines. What servers send is read with tolerance, since a load test measures what is there;
 * what a test sends is checked strictly in one respect: it must be one line, or it could forge
 * others and the connection would never be in step again. */
#include "worker/header.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define QUOTED_BYTES 60 /* of a line in an error text */

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* RFC 9110, section 5.6.2: letters, digits and !#$%&'*+-.^_`|~, as a bit for each of 0 to 127.
 * Every line of every answer is looked at. */
static bool is_token_char(char c)
{
    static const uint64_t bits[] = {UINT64_C(0x3ff6cfa00000000), UINT64_C(0x57ffffffc7fffffe)};
    unsigned char byte = (unsigned char)c;

    return byte < 128 && (bits[byte / 64] >> (byte % 64) & 1);
}

static bool is_token(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!is_token_char(text[i])) {
            return false;
        }
    }
    return size > 0;
}

static void trim(const char **text, size_t *size)
{
    while (*size > 0 && is_space(**text)) {
        (*text)++;
        (*size)--;
    }
    while (*size > 0 && is_space((*text)[*size - 1])) {
        (*size)--;
    }
}

bool header_parse(const char *line, size_t size, struct header_field *ret)
{
    const char *colon = size > 0 ? memchr(line, ':', size) : NULL;
    if (!colon) {
        return false;
    }
    struct header_field field = {
        .name = line,
        .name_size = (size_t)(colon - line),
        .value = colon + 1,
        .value_size = size - (size_t)(colon - line) - 1,
    };
    trim(&field.name, &field.name_size);
    trim(&field.value, &field.value_size);
    if (!is_token(field.name, field.name_size)) {
        return false;
    }
    *ret = field;
    return true;
}

bool header_is(const struct header_field *field, const char *name)
{
    return strlen(name) == field->name_size &&
           strncasecmp(field->name, name, field->name_size) == 0;
}

ssize_t header_find(const char *const *lines, size_t from, const char *name,
                    struct header_field *ret)
{
    for (size_t i = from; lines && lines[i]; i++) {
        struct header_field field;
        if (header_parse(lines[i], strlen(lines[i]), &field) && header_is(&field, name)) {
            if (ret) {
                *ret = field;
            }
            return (ssize_t)i;
        }
    }
    return -ENOENT;
}

/* The bytes of a line that an error text repeats: what may be its name. The rest may be a secret,
 * and so may a line be that is one word only. */
static int quoted_size(const char *line, size_t size)
{
    size_t name = 0;

    while (name < size && is_token_char(line[name])) {
        name++;
    }
    return name < size ? (int)MIN(name, (size_t)QUOTED_BYTES) : 0;
}

int header_check(const char *line, size_t size, struct error *error)
{
    int quoted = quoted_size(line, size);
    const char *colon = size > 0 ? memchr(line, ':', size) : NULL;

    if (size > HEADER_MAX_BYTES) {
        return error_set(error, -EINVAL, "header '%.*s…' has %zu bytes, the limit is %zu", quoted,
                         line, size, HEADER_MAX_BYTES);
    }
    if (!colon) {
        return error_set(error, -EINVAL, "header '%.*s…' has no colon: it must be 'Name: value'",
                         quoted, line);
    }
    if (!is_token(line, (size_t)(colon - line))) {
        return error_set(error, -EINVAL,
                         "header '%.*s…' has no valid name before its colon: letters, digits and "
                         "!#$%%&'*+-.^_`|~ only",
                         quoted, line);
    }
    for (size_t i = 0; i < size; i++) {
        if (line[i] == '\r' || line[i] == '\n' || line[i] == '\0') {
            return error_set(error, -EINVAL,
                             "header '%.*s' has a line end or a zero byte in its value",
                             (int)MIN((size_t)(colon - line), (size_t)QUOTED_BYTES), line);
        }
    }
    return 0;
}
