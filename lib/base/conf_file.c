/* SPDX-License-Identifier: MPL-2.0 */
/* Options from files: keys of one section. A file that stands alone may be missing when nobody
 * asked for it; those in the directory beside it, FILE.d, are read after it in the order of their
 * names, and what they say replaces what it says. */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/conf_rows.h"
#include "base/conf_source.h"
#include "base/ini.h"
#include "base/suggest.h"

/* The value lines of the current key are over. */
static int end_value(struct conf_source *source)
{
    const struct conf_option *option = source->current;
    source->current = NULL;
    if (!option || source->values > 0) {
        return 0;
    }
    if (option->kind == CONF_LIST) { /* an empty list, instead of that of an earlier source */
        strlist_clear(conf_row_field(source->table, option, source->options));
        return 0;
    }
    int r = conf_store(source, option, "");
    if (r < 0) {
        return error_prefix(source->error, r, "%s:%u: %s", source->file_name,
                            source->lines[conf_row_index(source->table, option)], option->name);
    }
    return 0;
}

static int unknown_key(struct conf_source *source, const char *key)
{
    const struct conf_option *similar = conf_find_similar(source->table, key, CONF_FILE);
    char name[CONF_NAME_BYTES];

    if (conf_find_name(source->table, key, strlen(key), true)) {
        return error_set(source->error, -EINVAL, "'%s' can't stand in a file", key);
    }
    if (similar) {
        return error_set(source->error, -EINVAL, "unknown key '%s' (did you mean '%s'?)", key,
                         conf_key(similar, name));
    }
    return error_set(source->error, -EINVAL, "unknown key '%s'; '%s --help' lists all", key,
                     source->table->program);
}

static int open_key(struct conf_source *source, const struct ini_line *line)
{
    const struct conf_option *option =
        conf_find_name(source->table, line->key, strlen(line->key), true);

    if (!*line->section) {
        return error_set(source->error, -EINVAL, "'%s' stands before any section; begin with [%s]",
                         line->key, source->table->section);
    }
    if (!option && source->table->partial &&
        !conf_find_similar(source->table, line->key, CONF_FILE)) {
        return 0; /* source->current is NULL */
    }
    if (!option || !(option->where & CONF_FILE)) {
        return unknown_key(source, line->key);
    }
    unsigned *first_line = &source->lines[conf_row_index(source->table, option)];
    if (*first_line) {
        return error_set(source->error, -EINVAL, "'%s' stands on line %u already", line->key,
                         *first_line);
    }
    *first_line = line->number;
    source->current = option;
    source->values = 0;
    return 0;
}

static int open_section(struct conf_source *source, const struct ini_line *line)
{
    if (strcmp(line->section, source->table->section) != 0) {
        struct suggest suggest = {.word = line->section};
        suggest_consider(&suggest, source->table->section);
        return error_set(source->error, -EINVAL,
                         suggest.nearest ? "unknown section [%s] (did you mean [%s]?)"
                                         : "unknown section [%s]; the options stand in [%s]",
                         line->section, source->table->section);
    }
    if (source->section_line) {
        return error_set(source->error, -EINVAL, "[%s] stands on line %u already", line->section,
                         source->section_line);
    }
    source->section_line = line->number;
    return 0;
}

/* One value of the current key. */
static int take_line(struct conf_source *source, const struct ini_line *line)
{
    if (source->values++ > 0 && source->current->kind != CONF_LIST) {
        return error_set(source->error, -EINVAL, "'%s' takes one value", line->key);
    }
    int r = conf_store(source, source->current, line->value);
    return r < 0 ? error_prefix(source->error, r, "%s", line->key) : 0;
}

static int on_line(const struct ini_line *line, void *context, struct error *error)
{
    struct conf_source *source = context;
    int r = line->continued ? 0 : end_value(source);

    if (r < 0) {
        return r; /* about a line before */
    }
    if (!line->key) {
        r = open_section(source, line);
    } else if (!line->continued) {
        r = open_key(source, line);
    }
    if (r == 0 && line->key && *line->value && source->current) {
        r = take_line(source, line);
    }
    return r < 0 ? error_prefix(error, r, "%s:%u", source->file_name, line->number) : 0;
}

int conf_read_file(const struct conf_table *table, FILE *file, const char *name, void *options,
                   struct error *error)
{
    struct conf_source source = conf_source_of(table, options, error);
    source.file_name = name;
    int r = ini_file_read(file, name, on_line, &source, error);
    return r < 0 ? r : end_value(&source);
}

static int read_open_file(const struct conf_table *table, const char *name, bool required,
                          void *options, struct error *error)
{
    _cleanup_file_ FILE *file = fopen(name, "re");
    if (!file && errno == ENOENT && !required) {
        return 0;
    }
    if (!file) {
        return error_set_errno(error, -errno, "can't open the configuration file %s", name);
    }
    return conf_read_file(table, file, name, options, error);
}

static int is_conf_file(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return entry->d_name[0] != '.' && length > 5 &&
           strcmp(entry->d_name + length - 5, ".conf") == 0;
}

static int read_directory(const struct conf_table *table, const char *directory, void *options,
                          struct error *error)
{
    struct dirent **entries;
    int n = scandir(directory, &entries, is_conf_file, alphasort), r = 0;

    if (n < 0) {
        return errno == ENOENT ? 0 : error_set_errno(error, -errno, "can't read %s", directory);
    }
    for (int i = 0; i < n; i++) {
        char *name = NULL;
        if (r == 0 && asprintf(&name, "%s/%s", directory, entries[i]->d_name) < 0) {
            r = error_set_errno(error, -ENOMEM, "can't read %s", directory);
        } else if (r == 0) {
            r = read_open_file(table, name, true, options, error);
            free(name);
        }
        free(entries[i]);
    }
    free(entries);
    return r;
}

int conf_read_files(const struct conf_table *table, const char *name, void *options,
                    struct error *error)
{
    _cleanup_free_ char *directory = NULL;
    bool required = name != NULL;

    name = name ? name : table->file;
    if (!name) {
        return 0;
    }
    int r = read_open_file(table, name, required, options, error);
    if (r < 0 || !table->directory) {
        return r;
    }
    if (asprintf(&directory, "%s.d", name) < 0) {
        directory = NULL;
        return error_set_errno(error, -ENOMEM, "can't read %s.d", name);
    }
    return read_directory(table, directory, options, error);
}
