/* SPDX-License-Identifier: MPL-2.0 */
/* INI files: what a visitor is told can stand in the file, in that order. */
#include <ctype.h>
#include <errno.h>

#include "base/ini.h"
#include "fuzz.h"

#define MAX_LINE 200 /* inih's buffer */

struct seen {
    unsigned line;
    size_t calls;
    bool stops;
};

static void check_value(const struct ini_line *line)
{
    size_t length = strlen(line->value);

    assert(length < MAX_LINE && strlen(line->key) < MAX_LINE);
    assert(!strchr(line->value, '\n'));
    assert(length == 0 || (!isspace((unsigned char)line->value[0]) &&
                           !isspace((unsigned char)line->value[length - 1])));
}

static int visit(const struct ini_line *line, void *context, struct error *error)
{
    struct seen *seen = context;

    assert(line->number > seen->line || (line->number == seen->line && seen->calls == 0));
    assert(line->number > 0 && line->number <= INI_FILE_MAX_LINES);
    assert(strlen(line->section) < MAX_LINE);
    seen->line = line->number;
    seen->calls++;
    if (line->key) {
        check_value(line);
    } else {
        assert(!line->value && !line->continued);
    }
    return seen->stops && line->continued ? error_set(error, -ENOTSUP, "no more") : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen seen = {.stops = size > 0 && data[size - 1] == '.'};
    struct error error;
    FILE *file = size > 0 ? fmemopen((void *)data, size, "r") : NULL;

    if (!file) {
        return 0;
    }
    int r = ini_file_read(file, "file", visit, &seen, &error);
    assert(r == 0 || r == -EINVAL || (r == -ENOTSUP && seen.stops));
    if (r < 0) {
        check_error(r, &error);
        assert(r == -ENOTSUP || strncmp(error.text, "file:", 5) == 0);
    }
    (void)fclose(file); /* only read from */
    return 0;
}
