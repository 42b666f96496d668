/* SPDX-License-Identifier: MPL-2.0 */
/* Options from a table. The command line is walked by hand rather than by getopt_long(): the texts
 * are ours, abbreviations (which break scripts when an option is added) don't exist, and one table
 * is enough. It is walked twice, since it may name the file whose values it overrides: first to
 * find mistakes, --help and --config, then, behind file and environment, to store values. */
#include "base/conf.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "base/ini.h"
#include "base/parse.h"
#include "base/suggest.h"

struct source {
    const struct conf_table *table;
    void *options;
    struct error *error;
    const struct conf_option *alone; /* --help was seen */
    const char *file_name;
    bool touched[CONF_MAX_OPTIONS]; /* rows that this source has set */

    /* Of files: */
    unsigned lines[CONF_MAX_OPTIONS]; /* where a row's key stood, 0: nowhere yet */
    unsigned section_line;
    const struct conf_option *current; /* whose value lines may follow */
    unsigned values;                   /* of `current` so far */
};

static struct source source_of(const struct conf_table *table, void *options, struct error *error)
{
    assert(table->count <= CONF_MAX_OPTIONS);
    return (struct source){.table = table, .options = options, .error = error};
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

int conf_each(const struct conf_table *table,
              int (*visit)(const struct conf_option *option, void *context), void *context)
{
    for (size_t i = 0; i < table->count; i++) {
        int r = visit(&table->options[i], context);
        if (r != 0) {
            return r;
        }
    }
    return 0;
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

static const struct conf_option *find_name(const struct conf_table *table, const char *text,
                                           size_t size, bool loose)
{
    for (size_t i = 0; i < table->count; i++) {
        if (option_is_called(&table->options[i], text, size, loose)) {
            return &table->options[i];
        }
    }
    return NULL;
}

/* The row whose name is nearest, among those with one of the bits in `where` (0: all). */
static const struct conf_option *find_similar(const struct conf_table *table, const char *word,
                                              unsigned where)
{
    struct suggest suggest = {.word = word};
    for (size_t i = 0; i < table->count; i++) {
        const struct conf_option *option = &table->options[i];
        /* No row is NULL. NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
        if (option->help && (where == 0 || option->where & where)) {
            suggest_consider(&suggest, option->name);
        }
    }
    return suggest.nearest ? find_name(table, suggest.nearest, strlen(suggest.nearest), false)
                           : NULL;
}

/* ---- storing ---- */

static int store_string(const struct conf_option *option, const char *text, char **field,
                        struct error *error)
{
    char *copy = strdup(text);
    if (!copy) {
        return error_set_errno(error, -ENOMEM, "%s", option->name);
    }
    free(*field);
    *field = copy;
    return 0;
}

static int store_item(const struct conf_option *option, const char *text, bool first,
                      struct strlist *field, struct error *error)
{
    if (first) {
        strlist_clear(field);
    }
    if (field->count == CONF_MAX_ITEMS) {
        return error_set(error, -EINVAL, "more than %d values", CONF_MAX_ITEMS);
    }
    int r = strlist_add(field, text);
    return r < 0 ? error_set_errno(error, r, "%s", option->name) : 0;
}

/* Stores a value (NULL: a flag without argument). Texts are without the name of the option. */
static int store(struct source *source, const struct conf_option *option, const char *text)
{
    void *field = (char *)source->options + option->offset;
    bool *touched = &source->touched[option - source->table->options];
    bool first = !*touched;
    int r = 0;

    *touched = true;
    if (option->kind == CONF_FLAG) {
        if (text) {
            return parse_bool(text, field, source->error);
        }
        *(bool *)field = true;
        return 0;
    }
    assert(text);
    if (option->kind == CONF_VALUE) {
        return option->parse(text, field, source->error);
    }
    if (option->parse) {
        r = option->parse(text, NULL, source->error);
    }
    if (r == 0 && option->kind == CONF_STRING) {
        r = store_string(option, text, field, source->error);
    } else if (r == 0) {
        r = store_item(option, text, first, field, source->error);
    }
    return r;
}

void conf_clear(const struct conf_table *table, void *options)
{
    for (size_t i = 0; i < table->count; i++) {
        void *field = (char *)options + table->options[i].offset;
        if (table->options[i].kind == CONF_STRING) {
            char **string = field;
            free(*string);
            *string = NULL;
        } else if (table->options[i].kind == CONF_LIST) {
            strlist_clear(field);
        }
    }
}

/* ---- the file ---- */

/* The value lines of the current key are over. */
static int end_value(struct source *source)
{
    const struct conf_option *option = source->current;
    source->current = NULL;
    if (!option || source->values > 0) {
        return 0;
    }
    if (option->kind == CONF_LIST) { /* an empty list, instead of that of an earlier source */
        strlist_clear((struct strlist *)((char *)source->options + option->offset));
        return 0;
    }
    int r = store(source, option, "");
    if (r < 0) {
        return error_prefix(source->error, r, "%s:%u: %s", source->file_name,
                            source->lines[option - source->table->options], option->name);
    }
    return 0;
}

static int unknown_key(struct source *source, const char *key)
{
    const struct conf_option *similar = find_similar(source->table, key, CONF_FILE);
    char name[CONF_NAME_BYTES];

    if (find_name(source->table, key, strlen(key), true)) {
        return error_set(source->error, -EINVAL, "'%s' can't stand in a file", key);
    }
    if (similar) {
        return error_set(source->error, -EINVAL, "unknown key '%s' (did you mean '%s'?)", key,
                         conf_key(similar, name));
    }
    return error_set(source->error, -EINVAL, "unknown key '%s'; '%s --help' lists all", key,
                     source->table->program);
}

static int open_key(struct source *source, const struct ini_line *line)
{
    const struct conf_option *option = find_name(source->table, line->key, strlen(line->key), true);

    if (!*line->section) {
        return error_set(source->error, -EINVAL, "'%s' stands before any section; begin with [%s]",
                         line->key, source->table->section);
    }
    if (!option || !(option->where & CONF_FILE)) {
        return unknown_key(source, line->key);
    }
    unsigned *first_line = &source->lines[option - source->table->options];
    if (*first_line) {
        return error_set(source->error, -EINVAL, "'%s' stands on line %u already", line->key,
                         *first_line);
    }
    *first_line = line->number;
    source->current = option;
    source->values = 0;
    return 0;
}

static int open_section(struct source *source, const struct ini_line *line)
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
static int take_line(struct source *source, const struct ini_line *line)
{
    if (source->values++ > 0 && source->current->kind != CONF_LIST) {
        return error_set(source->error, -EINVAL, "'%s' takes one value", line->key);
    }
    int r = store(source, source->current, line->value);
    return r < 0 ? error_prefix(source->error, r, "%s", line->key) : 0;
}

static int on_line(const struct ini_line *line, void *context, struct error *error)
{
    struct source *source = context;
    int r = line->continued ? 0 : end_value(source);

    if (r < 0) {
        return r; /* about a line before */
    }
    if (!line->key) {
        r = open_section(source, line);
    } else if (!line->continued) {
        r = open_key(source, line);
    }
    if (r == 0 && line->key && *line->value) {
        r = take_line(source, line);
    }
    return r < 0 ? error_prefix(error, r, "%s:%u", source->file_name, line->number) : 0;
}

int conf_read_file(const struct conf_table *table, FILE *file, const char *name, void *options,
                   struct error *error)
{
    struct source source = source_of(table, options, error);
    source.file_name = name;
    int r = ini_file_read(file, name, on_line, &source, error);
    return r < 0 ? r : end_value(&source);
}

static void close_filep(FILE **file)
{
    if (*file) {
        (void)fclose(*file); /* only read from */
    }
}

static int read_named_file(const struct conf_table *table, const char *name, void *options,
                           struct error *error)
{
    _cleanup_(close_filep) FILE *file = fopen(name, "re");
    if (!file) {
        return error_set_errno(error, -errno, "can't open the configuration file %s", name);
    }
    return conf_read_file(table, file, name, options, error);
}

/* ---- the environment ---- */

/* One value per line for lists. */
static int store_variable(struct source *source, const struct conf_option *option, const char *text)
{
    if (option->kind != CONF_LIST) {
        return store(source, option, text);
    }
    while (*text) {
        size_t length = strcspn(text, "\n");
        _cleanup_free_ char *item = strndup(text, length);
        if (!item) {
            return error_set_errno(source->error, -ENOMEM, "%s", option->name);
        }
        int r = *item ? store(source, option, item) : 0;
        if (r < 0) {
            return r;
        }
        text += length + (text[length] == '\n');
    }
    return 0;
}

static int read_environment(const struct conf_table *table, void *options, struct error *error)
{
    struct source source = source_of(table, options, error);

    for (size_t i = 0; i < table->count; i++) {
        char name[CONF_NAME_BYTES];
        const struct conf_option *option = &table->options[i];
        const char *text = NULL;
        if (option->where & CONF_ENVIRONMENT) {
            text = getenv(conf_variable(option, name));
        }
        if (text && *text) {
            int r = store_variable(&source, option, text);
            if (r < 0) {
                return error_prefix(error, r, "%s", name);
            }
        }
    }
    return 0;
}

/* ---- the command line ---- */

typedef int (*visit_argument)(struct source *source, const struct conf_option *option,
                              const char *text);

struct arguments {
    struct source *source;
    visit_argument visit;
    int argc, next;
    char *const *argv;
    unsigned positionals;
};

static int usage_error(struct source *source, const char *format, ...) _printf_(2, 3);

/* Sets a text and puts behind it where to find help. */
static int usage_error(struct source *source, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments); /* cut is fine */
    va_end(arguments);
    return error_set(source->error, -EINVAL, "%s; try '%s --help'", text, source->table->program);
}

/* The argument of an option that needs one: behind '=' (or the letter), or the next one. */
static int take_value(struct arguments *arguments, const struct conf_option *option,
                      const char *spelled, int spelled_length, const char *attached,
                      const char **ret)
{
    if (attached) {
        *ret = attached;
        return 0;
    }
    if (arguments->next == arguments->argc) {
        return usage_error(arguments->source, "option '%.*s' needs an argument (%s)",
                           spelled_length, spelled, option->metavar);
    }
    *ret = arguments->argv[arguments->next++];
    return 0;
}

static int long_option(struct arguments *arguments, const char *text)
{
    size_t length = strcspn(text + 2, "=");
    const char *attached = text[2 + length] ? text + 2 + length + 1 : NULL;
    int spelled = (int)MIN(length + 2, (size_t)200);
    const struct conf_option *option = find_name(arguments->source->table, text + 2, length, false);

    if (!option) {
        char word[CONF_NAME_BYTES];
        (void)snprintf(word, sizeof word, "%.*s", (int)MIN(length, sizeof word - 1), text + 2);
        option = find_similar(arguments->source->table, word, 0);
        return option
                   ? usage_error(arguments->source, "unknown option '%.*s' (did you mean '--%s'?)",
                                 spelled, text, option->name)
                   : usage_error(arguments->source, "unknown option '%.*s'", spelled, text);
    }
    if (option->kind == CONF_FLAG && attached) {
        return usage_error(arguments->source, "option '%.*s' takes no argument", spelled, text);
    }
    const char *value = NULL;
    int r = 0;
    if (option->kind != CONF_FLAG) {
        r = take_value(arguments, option, text, spelled, attached, &value);
    }
    return r < 0 ? r : arguments->visit(arguments->source, option, value);
}

static const struct conf_option *find_letter(const struct conf_table *table, char letter)
{
    for (size_t i = 0; i < table->count; i++) {
        const char *letters = table->options[i].letters;
        if (letters && strchr(letters, letter)) {
            return &table->options[i];
        }
    }
    return NULL;
}

/* "-q", "-qv", "-u10", "-u 10". */
static int short_options(struct arguments *arguments, const char *text)
{
    for (const char *c = text + 1; *c; c++) {
        const struct conf_option *option = find_letter(arguments->source->table, *c);
        const char spelled[] = {'-', *c, '\0'};
        const char *value = NULL;
        if (!option) {
            return strlen(text) == 2
                       ? usage_error(arguments->source, "unknown option '%s'", text)
                       : usage_error(arguments->source, "unknown option '%s' in '%.200s'", spelled,
                                     text);
        }
        if (option->kind != CONF_FLAG) {
            int r = take_value(arguments, option, spelled, 2, c[1] ? c + 1 : NULL, &value);
            if (r < 0) {
                return r;
            }
        }
        int r = arguments->visit(arguments->source, option, value);
        if (r < 0 || value || arguments->source->alone) {
            return r;
        }
    }
    return 0;
}

static int positional(struct arguments *arguments, const char *text)
{
    const struct conf_table *table = arguments->source->table;
    unsigned skip = arguments->positionals;

    for (size_t i = 0; i < table->count; i++) {
        const struct conf_option *option = &table->options[i];
        if (!(option->where & CONF_POSITIONAL)) {
            continue;
        }
        if (option->kind == CONF_LIST) {
            return arguments->visit(arguments->source, option, text);
        }
        if (skip-- == 0) {
            arguments->positionals++;
            return arguments->visit(arguments->source, option, text);
        }
    }
    return usage_error(arguments->source, "unexpected argument '%.200s'", text);
}

static int walk(struct source *source, int argc, char *const argv[], visit_argument visit)
{
    struct arguments arguments = {
        .source = source, .visit = visit, .argc = argc, .next = 1, .argv = argv};
    bool ended = false;

    while (arguments.next < argc && !source->alone) {
        const char *text = argv[arguments.next++];
        int r = 0;
        if (ended || text[0] != '-' || text[1] == '\0') {
            r = positional(&arguments, text);
        } else if (strcmp(text, "--") == 0) {
            ended = true;
        } else if (text[1] == '-') {
            r = long_option(&arguments, text);
        } else {
            r = short_options(&arguments, text);
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int note_argument(struct source *source, const struct conf_option *option, const char *text)
{
    if (option->where & CONF_NAMES_FILE) {
        source->file_name = text;
    }
    if (option->where & CONF_ALONE) {
        source->alone = option;
    }
    return 0;
}

static int store_argument(struct source *source, const struct conf_option *option, const char *text)
{
    int r = store(source, option, text);
    if (r < 0) {
        return error_prefix(source->error, r, option->where & CONF_POSITIONAL ? "%s" : "--%s",
                            option->name);
    }
    return 0;
}

/* The file that the environment names, or NULL. */
static const char *file_from_environment(const struct conf_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        unsigned both = CONF_NAMES_FILE | CONF_ENVIRONMENT;
        if ((table->options[i].where & both) == both) {
            char name[CONF_NAME_BYTES];
            const char *text = getenv(conf_variable(&table->options[i], name));
            return text && *text ? text : NULL;
        }
    }
    return NULL;
}

int conf_parse(const struct conf_table *table, int argc, char *const argv[], void *options,
               struct error *error)
{
    struct source command_line = source_of(table, options, error);
    int r = walk(&command_line, argc, argv, note_argument);
    if (r < 0) {
        return r;
    }
    if (command_line.alone) {
        return store(&command_line, command_line.alone, NULL);
    }
    const char *file_name =
        command_line.file_name ? command_line.file_name : file_from_environment(table);
    if (file_name) {
        r = read_named_file(table, file_name, options, error);
    }
    if (r == 0) {
        r = read_environment(table, options, error);
    }
    return r < 0 ? r : walk(&command_line, argc, argv, store_argument);
}
