/* SPDX-License-Identifier: MPL-2.0 */
/* --help from the table. Columns are counted in characters, not bytes: texts may have an ellipsis.
 */
#include <stdbool.h>
#include <string.h>

#include "base/conf.h"

#define WIDTH       80
#define HELP_COLUMN 30

/* Characters of `size` bytes of UTF-8: all bytes but those that go on with a character. */
static unsigned columns(const char *text, size_t size)
{
    unsigned count = 0;
    for (size_t i = 0; i < size; i++) {
        count += ((unsigned char)text[i] & 0xC0) != 0x80;
    }
    return count;
}

/* Prints words from `column` on, going on at `indent`; ends the line. */
static void print_wrapped(FILE *file, const char *text, unsigned column, unsigned indent)
{
    bool first = true;

    for (const char *word = text + strspn(text, " "); *word;) {
        size_t size = strcspn(word, " ");
        unsigned width = columns(word, size);
        if (!first && column + 1 + width > WIDTH) {
            fprintf(file, "\n%*s", (int)indent, "");
            column = indent;
            first = true;
        }
        fprintf(file, "%s%.*s", first ? "" : " ", (int)size, word);
        column += width + (first ? 0 : 1);
        first = false;
        word += size;
        word += strspn(word, " ");
    }
    fputc('\n', file);
}

/* "  -u, --users=N" into `text`; longer ones are cut. */
static void spell(const struct conf_option *option, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "  ");

    if (option->where & CONF_POSITIONAL) {
        (void)snprintf(text, size, "  %s", option->metavar);
        return;
    }
    for (const char *letter = option->letters; letter && *letter && used < size; letter++) {
        used += (size_t)snprintf(text + used, size - used, "-%c, ", *letter);
    }
    if (used == 2) {
        used += (size_t)snprintf(text + used, size - used, "    ");
    }
    if (used < size) {
        used += (size_t)snprintf(text + used, size - used, "--%s", option->name);
    }
    if (option->metavar && used < size) {
        bool optional = option->where & CONF_OPTIONAL;
        (void)snprintf(text + used, size - used, optional ? "[=%s]" : "=%s", option->metavar);
    }
}

static void print_option(const struct conf_option *option, FILE *file)
{
    char left[WIDTH * 2];
    spell(option, left, sizeof left);
    unsigned width = columns(left, strlen(left));

    if (width + 2 > HELP_COLUMN) {
        fprintf(file, "%s\n%*s", left, HELP_COLUMN, "");
    } else {
        fprintf(file, "%s%*s", left, (int)(HELP_COLUMN - width), "");
    }
    print_wrapped(file, option->help, HELP_COLUMN, HELP_COLUMN);
}

void conf_print_help(const struct conf_table *table, FILE *file)
{
    const char *group = NULL;

    fprintf(file, "Usage: %s %s\n\n", table->program, table->usage);
    print_wrapped(file, table->summary, 0, 0);
    for (const struct conf_option *option = conf_next(table, NULL); option;
         option = conf_next(table, option)) {
        if (!option->help) {
            continue;
        }
        if (option->group && (!group || strcmp(group, option->group) != 0)) {
            group = option->group;
            fprintf(file, "\n%s:\n", group);
        }
        print_option(option, file);
    }
}
