/* SPDX-License-Identifier: MPL-2.0 */
/* Options from a table. The command line is walked by hand rather than by getopt_long(): the texts
 * are ours, abbreviations (which break scripts when an option is added) don't exist, and one table
 * is enough. It is walked twice, since it may name the file whose values it overrides: first to
 * find mistakes, --help and --config, then, behind file and environment, to store values. */
#include "base/conf.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/conf_rows.h"
#include "base/conf_source.h"
#include "base/parse.h"
#include "base/shown.h"
#include "base/suggest.h"

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

/* Stores a text, which is no flag's. */
static int store_text(struct conf_source *source, const struct conf_option *option,
                      const char *text, bool first)
{
    void *field = conf_row_field(source->table, option, source->options);
    int r = 0;

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

int conf_store(struct conf_source *source, const struct conf_option *option, const char *text)
{
    void *field = conf_row_field(source->table, option, source->options);
    bool *touched = &source->touched[conf_row_index(source->table, option)];
    bool first = !*touched;

    *touched = true;
    if (option->kind == CONF_FLAG) {
        if (text) {
            return parse_bool(text, field, source->error);
        }
        *(bool *)field = true;
        return 0;
    }
    assert(text);
    int r = store_text(source, option, text, first);
    if (r == -EINVAL && *text && option->where & CONF_SECRET) { /* the reason may quote it */
        return error_set(source->error, r, "'" SHOWN_SECRET "' makes no sense");
    }
    return r;
}

void conf_clear(const struct conf_table *table, void *options)
{
    for (const struct conf_option *row = conf_next(table, NULL); row; row = conf_next(table, row)) {
        void *field = conf_row_field(table, row, options);
        if (row->kind == CONF_STRING) {
            char **string = field;
            free(*string);
            *string = NULL;
        } else if (row->kind == CONF_LIST) {
            strlist_clear(field);
        }
    }
}

/* ---- the environment ---- */

/* One value per line for lists. */
static int store_variable(struct conf_source *source, const struct conf_option *option,
                          const char *text)
{
    if (option->kind != CONF_LIST) {
        return conf_store(source, option, text);
    }
    while (*text) {
        size_t length = strcspn(text, "\n");
        _cleanup_free_ char *item = strndup(text, length);
        if (!item) {
            return error_set_errno(source->error, -ENOMEM, "%s", option->name);
        }
        int r = *item ? conf_store(source, option, item) : 0;
        if (r < 0) {
            return r;
        }
        text += length + (text[length] == '\n');
    }
    return 0;
}

static int read_environment(const struct conf_table *table, void *options, struct error *error)
{
    struct conf_source source = conf_source_of(table, options, error);

    for (const struct conf_option *row = conf_next(table, NULL); row; row = conf_next(table, row)) {
        char name[CONF_NAME_BYTES];
        const char *text = NULL;
        if (row->where & CONF_ENVIRONMENT) {
            text = getenv(conf_variable(row, name));
        }
        if (text && *text) {
            int r = store_variable(&source, row, text);
            if (r < 0) {
                return error_prefix(error, r, "%s", name);
            }
        }
    }
    return 0;
}

/* ---- the command line ---- */

typedef int (*visit_argument)(struct conf_source *source, const struct conf_option *option,
                              const char *text);

struct arguments {
    struct conf_source *source;
    visit_argument visit;
    int argc, next;
    char *const *argv;
    unsigned positionals;
};

static int usage_error(struct conf_source *source, const char *format, ...) _printf_(2, 3);

/* Sets a text and puts behind it where to find help. */
static int usage_error(struct conf_source *source, const char *format, ...)
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
    bool last = arguments->next == arguments->argc;
    if (option->where & CONF_OPTIONAL && (last || arguments->argv[arguments->next][0] == '-')) {
        *ret = "";
        return 0;
    }
    if (last) {
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
    const struct conf_option *option =
        conf_find_name(arguments->source->table, text + 2, length, false);

    if (!option) {
        char word[CONF_NAME_BYTES];
        (void)snprintf(word, sizeof word, "%.*s", (int)MIN(length, sizeof word - 1), text + 2);
        option = conf_find_similar(arguments->source->table, word, 0);
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
    for (const struct conf_option *row = conf_next(table, NULL); row; row = conf_next(table, row)) {
        if (row->letters && strchr(row->letters, letter)) {
            return row;
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
    char shown[SHOWN_BYTES];

    for (const struct conf_option *row = conf_next(table, NULL); row; row = conf_next(table, row)) {
        if (!(row->where & CONF_POSITIONAL)) {
            continue;
        }
        if (row->kind == CONF_LIST || (skip > 0 && row->where & CONF_WORDS)) {
            return arguments->visit(arguments->source, row, text);
        }
        if (skip-- == 0) {
            arguments->positionals++;
            return arguments->visit(arguments->source, row, text);
        }
    }
    /* It may be the rest of a value that should have been quoted. */
    return usage_error(arguments->source, "unexpected argument '%.200s'", shown_word(text, shown));
}

static int walk(struct conf_source *source, int argc, char *const argv[], visit_argument visit)
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

static int note_argument(struct conf_source *source, const struct conf_option *option,
                         const char *text)
{
    if (option->where & CONF_NAMES_FILE) {
        source->file_name = text;
    }
    if (option->where & CONF_ALONE) {
        source->alone = option;
    }
    return 0;
}

static int store_argument(struct conf_source *source, const struct conf_option *option,
                          const char *text)
{
    _cleanup_free_ char *joined = NULL;

    if (option->where & CONF_WORDS && source->touched[conf_row_index(source->table, option)]) {
        const char *const *before = conf_row_field(source->table, option, source->options);
        if (asprintf(&joined, "%s\n%s", *before, text) < 0) {
            joined = NULL;
            return error_set_errno(source->error, -ENOMEM, "%s", option->name);
        }
    }
    int r = conf_store(source, option, joined ? joined : text);
    if (r < 0) {
        return error_prefix(source->error, r, option->where & CONF_POSITIONAL ? "%s" : "--%s",
                            option->name);
    }
    return 0;
}

/* The file that the environment names, or NULL. */
static const char *file_from_environment(const struct conf_table *table)
{
    for (const struct conf_option *row = conf_next(table, NULL); row; row = conf_next(table, row)) {
        unsigned both = CONF_NAMES_FILE | CONF_ENVIRONMENT;
        if ((row->where & both) == both) {
            char name[CONF_NAME_BYTES];
            const char *text = getenv(conf_variable(row, name));
            return text && *text ? text : NULL;
        }
    }
    return NULL;
}

int conf_parse(const struct conf_table *table, int argc, char *const argv[], void *options,
               struct error *error)
{
    struct conf_source command_line = conf_source_of(table, options, error);
    int r = walk(&command_line, argc, argv, note_argument);
    if (r < 0) {
        return r;
    }
    if (command_line.alone) {
        return conf_store(&command_line, command_line.alone, NULL);
    }
    const char *file_name =
        command_line.file_name ? command_line.file_name : file_from_environment(table);
    r = conf_read_files(table, file_name, options, error);
    if (r == 0) {
        r = read_environment(table, options, error);
    }
    return r < 0 ? r : walk(&command_line, argc, argv, store_argument);
}

/* ---- hiding ---- */

static int hide_argument(struct conf_source *source _unused_, const struct conf_option *option,
                         const char *text)
{
    char *argument = (char *)text; /* one of main()'s, which may be written to */

    if (argument && option->where & CONF_SECRET) {
        memset(argument, '*', strlen(argument));
    } else if (argument && option->where & CONF_URL) {
        shown_url_blot(argument);
    }
    return 0;
}

void conf_hide_arguments(const struct conf_table *table, int argc, char *argv[])
{
    struct conf_source command_line = conf_source_of(table, NULL, NULL);

    (void)walk(&command_line, argc, argv, hide_argument); /* what is wrong was said before */
}
