/* SPDX-License-Identifier: MPL-2.0 */
/* Header lines, and what becomes of them at a redirect. The first line of an input is a status, a
 * blank and a method, the second a header line of any bytes, the rest lines to search. */
#include <errno.h>
#include <strings.h>

#include "fuzz.h"
#include "worker/header.h"
#include "worker/redirect.h"

#define MAX_LINES 20

static void check_field(const struct header_field *field, const char *line, size_t size)
{
    assert(field->name >= line && field->name + field->name_size < field->value);
    assert(field->value + field->value_size <= line + size);
    assert(field->name_size > 0 && !memchr(field->name, ':', field->name_size));
    assert(field->value_size == 0 || (*field->value != ' ' && *field->value != '\t'));
}

static void check_line(struct input piece)
{
    _cleanup_free_ char *line = malloc(MAX(piece.left, 1));
    struct header_field field;
    struct error error;

    assert(line);
    memcpy(line, piece.at, piece.left);
    bool parsed = header_parse(line, piece.left, &field);
    int r = header_check(line, piece.left, &error);
    if (parsed) {
        check_field(&field, line, piece.left);
    }
    if (r < 0) {
        assert(r == -EINVAL);
        check_error(r, &error);
    } else {
        assert(parsed && field.name == line);
        assert(!memchr(line, '\n', piece.left) && !memchr(line, '\r', piece.left));
        assert(!memchr(line, '\0', piece.left));
    }
}

static void check_redirect(const char *method, int status, const char *line)
{
    struct redirect redirect;

    if (!redirect_next(method, status, true, &redirect)) {
        return;
    }
    assert(status >= 301 && status <= 308 && !redirect_next(method, status, false, &redirect));
    assert(strcmp(redirect.method, "GET") == 0 || redirect.method == method);
    bool near = redirect_keeps(line, &redirect, false, false);
    bool far = redirect_keeps(line, &redirect, true, false);
    assert(near || !far); /* what isn't sent to the same server isn't sent to another */
    if (strncasecmp(line, "Authorization:", 14) == 0 || strncasecmp(line, "Cookie :", 8) == 0) {
        assert(!far);
    }
}

static void search(char **lines)
{
    const char *const *all = (const char *const *)lines;
    struct header_field field, first;
    size_t seen = 0;

    for (size_t i = 0; lines[i]; i++) {
        if (!header_parse(lines[i], strlen(lines[i]), &field)) {
            continue;
        }
        _cleanup_free_ char *name = strndup(field.name, field.name_size);
        assert(name && header_is(&field, name));
        ssize_t at = header_find(all, 0, name, &first);
        assert(at >= 0 && (size_t)at <= i && header_is(&first, name));
        assert(header_find(all, i, name, NULL) == (ssize_t)i);
        seen++;
    }
    assert(seen > 0 || header_find(all, 0, "Name", NULL) == -ENOENT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct input first = input_until(&input, '\n');
    _cleanup_free_ char *status = input_text(input_until(&first, ' '));
    _cleanup_free_ char *method = input_text(first);
    struct input second = input_until(&input, '\n');
    _cleanup_free_ char *line = input_text(second);
    char *lines[MAX_LINES + 1] = {NULL};
    size_t n = 0;

    check_line(second);
    check_redirect(method, atoi(status), line);
    while (input.left > 0 && n < MAX_LINES) {
        lines[n++] = input_text(input_until(&input, '\n'));
    }
    search(lines);
    while (n > 0) {
        free(lines[--n]);
    }
    return 0;
}
