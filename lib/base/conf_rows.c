/* SPDX-License-Identifier: MPL-2.0 */
/* The rows of a table, wherever they stand: some may be shared with other tables. Everybody else
 * goes from one row to the next and needn't know. */
#include "base/conf_rows.h"

#include <ctype.h>
#include <string.h>

#include "base/suggest.h"

/* ---- rows ---- */

/* Where a row is. */
struct place {
    const struct conf_shared *shared; /* NULL: one of the table's own */
    const struct conf_option *first;  /* row of its part */
    size_t count, before;             /* rows of that part, and of those before it */
};

static struct place find_place(const struct conf_table *table, const struct conf_option *option)
{
    struct place place = {NULL, table->options, table->count, 0};

    for (const struct conf_shared *shared = table->shared; shared && shared->rows; shared++) {
        const struct conf_rows *rows = shared->rows;
        if (option >= rows->options && option < rows->options + rows->count) {
            return (struct place){shared, rows->options, rows->count, place.before};
        }
        place.before += rows->count;
    }
    return place;
}

size_t conf_row_index(const struct conf_table *table, const struct conf_option *option)
{
    struct place place = find_place(table, option);

    return place.before + (size_t)(option - place.first);
}

void *conf_row_field(const struct conf_table *table, const struct conf_option *option,
                     void *options)
{
    struct place place = find_place(table, option);

    return (char *)options + (place.shared ? place.shared->offset : 0) + option->offset;
}

size_t conf_count(const struct conf_table *table)
{
    size_t count = table->count;

    for (const struct conf_shared *shared = table->shared; shared && shared->rows; shared++) {
        count += shared->rows->count;
    }
    return count;
}

const struct conf_option *conf_next(const struct conf_table *table,
                                    const struct conf_option *option)
{
    const struct conf_shared *next = table->shared;

    if (option) {
        struct place place = find_place(table, option);
        if (option + 1 < place.first + place.count) {
            return option + 1;
        }
        if (!place.shared) {
            return NULL;
        }
        next = place.shared + 1;
    }
    return next && next->rows ? next->rows->options : table->count > 0 ? table->options : NULL;
}

int conf_each(const struct conf_table *table,
              int (*visit)(const struct conf_option *option, void *context), void *context)
{
    for (const struct conf_option *row = conf_next(table, NULL); row; row = conf_next(table, row)) {
        int r = visit(row, context);
        if (r != 0) {
            return r;
        }
    }
    return 0;
}

/* ---- names ---- */

static const char *convert_name(const struct conf_option *option, const char *prefix,
                                int (*convert)(int), char name[static CONF_NAME_BYTES])
{
    (void)snprintf(name, CONF_NAME_BYTES, "%s%s", prefix, option->name);
    for (char *c = name; *c; c++) {
        *c = *c == '-' ? '_' : (char)convert((unsigned char)*c);
    }
    return name;
}

const char *conf_variable(const struct conf_option *option, char name[static CONF_NAME_BYTES])
{
    return convert_name(option, "LOADS_", toupper, name);
}

const char *conf_key(const struct conf_option *option, char name[static CONF_NAME_BYTES])
{
    return convert_name(option, "", tolower, name);
}

/* Whether `size` bytes are the name; `loose`: '-' and '_' are the same. */
static bool name_equals(const char *name, size_t name_size, const char *text, size_t size,
                        bool loose)
{
    if (name_size != size) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (name[i] != text[i] && !(loose && name[i] == '-' && text[i] == '_')) {
            return false;
        }
    }
    return true;
}

static bool option_is_called(const struct conf_option *option, const char *text, size_t size,
                             bool loose)
{
    if (name_equals(option->name, strlen(option->name), text, size, loose)) {
        return true;
    }
    for (const char *alias = option->aliases; alias && *alias;) {
        size_t length = strcspn(alias, " ");
        if (name_equals(alias, length, text, size, loose)) {
            return true;
        }
        alias += length + strspn(alias + length, " ");
    }
    return false;
}

const struct conf_option *conf_find_name(const struct conf_table *table, const char *text,
                                         size_t size, bool loose)
{
    for (const struct conf_option *row = conf_next(table, NULL); row; row = conf_next(table, row)) {
        if (option_is_called(row, text, size, loose)) {
            return row;
        }
    }
    return NULL;
}

const struct conf_option *conf_find_similar(const struct conf_table *table, const char *word,
                                            unsigned where)
{
    struct suggest suggest = {.word = word};
    for (const struct conf_option *row = conf_next(table, NULL); row; row = conf_next(table, row)) {
        if (row->help && (where == 0 || row->where & where)) {
            suggest_consider(&suggest, row->name);
        }
    }
    return suggest.nearest ? conf_find_name(table, suggest.nearest, strlen(suggest.nearest), false)
                           : NULL;
}
