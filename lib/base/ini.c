/* SPDX-License-Identifier: MPL-2.0 */
/* Configuration files by libinih, made strict. inih takes lines in pieces of its buffer's size
 * without a word, drops what follows a section's ']', goes on after errors and does not tell a
 * value that goes on from a key that stands there twice. So its lines come from a reader of ours,
 * which sees each one first, counts them, and ends the file at the first error. The switches that
 * some builds of inih have as global variables are left alone: others don't have them. */
#include "base/ini.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <string.h>

struct reader {
    FILE *file;
    const char *name;
    ini_visit visit;
    void *context;
    struct error *error;
    unsigned line; /* that was given to inih last */
    int result;    /* of the first error */
    bool indented; /* whether that line begins with a blank */
    bool has_key;  /* an indented line goes on with a value */
    bool expects;  /* inih has yet to make something of that line, or it is wrong */
    char section[64];
};

static const char *skip_blanks(const char *text)
{
    while (isspace((unsigned char)*text)) {
        text++;
    }
    return text;
}

/* One line without its end into `text`. Returns its length, -ENODATA at the end, or an error. */
static int read_line(struct reader *reader, char *text, int size)
{
    int c, length = 0;

    while ((c = getc_unlocked(reader->file)) != EOF && c != '\n') {
        if (c == '\0') {
            return error_set(reader->error, -EINVAL, "a zero byte: this is not a text file");
        }
        if (length == size - 1) {
            return error_set(reader->error, -EINVAL, "the line is longer than %d bytes", size - 1);
        }
        text[length++] = (char)c;
    }
    text[length] = '\0';
    if (c == EOF && ferror(reader->file)) {
        return error_set_errno(reader->error, errno ? -errno : -EIO, "can't read the file");
    }
    return c == EOF && length == 0 ? -ENODATA : length;
}

/* The ']' of a section, or NULL: there is none before a comment. */
static const char *find_end(const char *text)
{
    const char *end = strchr(text, ']');

    for (const char *c = text + 2; end && c < end; c++) {
        if (*c == ';' && isspace((unsigned char)c[-1])) {
            return NULL;
        }
    }
    return end;
}

/* A line "[section]": nothing but a comment may follow. */
static int open_section(struct reader *reader, const char *text)
{
    const char *end = find_end(text);
    if (!end) {
        return error_set(reader->error, -EINVAL, "'[' without ']'");
    }
    const char *rest = skip_blanks(end + 1);
    if (*rest && *rest != ';' && *rest != '#') {
        return error_set(reader->error, -EINVAL, "text behind '%.*s]'", (int)(end - text), text);
    }
    size_t length = (size_t)(end - text) - 1;
    if (length >= sizeof reader->section) {
        return error_set(reader->error, -EINVAL, "the name of the section is too long");
    }
    memcpy(reader->section, text + 1, length);
    reader->section[length] = '\0';
    reader->has_key = false;
    return 0;
}

/* Looks at a line that was read. Errors get file and line here, but for the visitor's own. */
static int look_at(struct reader *reader, const char *text)
{
    bool marked = reader->line == 1 && strncmp(text, "\xEF\xBB\xBF", 3) == 0;
    const char *start = marked ? text + 3 : text;
    const char *word = skip_blanks(start);
    int r = 0;

    reader->indented = word > start;
    bool section = *word == '[' && !(reader->indented && reader->has_key);
    reader->expects = *word && *word != '#' && *word != ';' && !section;
    if (reader->line > INI_FILE_MAX_LINES) {
        r = error_set(reader->error, -EINVAL, "the file has more than %d lines",
                      INI_FILE_MAX_LINES);
    } else if (section) {
        r = open_section(reader, word);
    }
    if (r < 0) {
        return error_prefix(reader->error, r, "%s:%u", reader->name, reader->line);
    }
    const struct ini_line line = {.number = reader->line, .section = reader->section};
    return section ? reader->visit(&line, reader->context, reader->error) : 0;
}

/* inih's way to get a line; NULL ends the file for it. */
static char *next_line(char *text, int size, void *stream)
{
    struct reader *reader = stream;

    if (reader->result < 0 || reader->expects) {
        return NULL;
    }
    reader->line++;
    int length = read_line(reader, text, size);
    if (length == -ENODATA) {
        return NULL;
    }
    if (length < 0) {
        reader->result = error_prefix(reader->error, length, "%s:%u", reader->name, reader->line);
    } else {
        reader->result = look_at(reader, text);
    }
    return reader->result < 0 ? NULL : text;
}

/* inih's handler; 0 is its word for an error. */
static int on_value(void *user, const char *section _unused_, const char *name, const char *value)
{
    struct reader *reader = user;
    const struct ini_line line = {.number = reader->line,
                                  .section = reader->section,
                                  .key = name,
                                  .value = value ? value : "",
                                  .continued = reader->indented && reader->has_key};
    reader->has_key = *name;
    reader->expects = false;
    reader->result = reader->visit(&line, reader->context, reader->error);
    return reader->result == 0;
}

/* inih gives one pointer to the reader and another to the handler; both are ours. */
int ini_file_read(FILE *file, const char *name, ini_visit visit, void *context, struct error *error)
{
    struct reader reader = {
        .file = file, .name = name, .visit = visit, .context = context, .error = error};
    errno = 0;
    int line = ini_parse_stream(next_line, &reader, on_value, &reader);
    if (line > 0 && reader.result == 0) {
        return error_set(error, -EINVAL, "%s:%d: neither 'key = value' nor '[section]'", name,
                         line);
    }
    if (reader.result == 0 && line < 0) {
        return error_set(error, -ENOMEM, "%s: out of memory", name);
    }
    return reader.result;
}
