/* SPDX-License-Identifier: MPL-2.0 */
/* Options as rows of a table. A row says how an option is called, what it takes, where its value is
 * stored and from where it may come: a file (`--config`), the environment (LOADS_NAME), the command
 * line; later sources win. --help is printed from the table, and tests hold the manual against it.
 */
#ifndef LOADS_BASE_CONF_H
#define LOADS_BASE_CONF_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "base/strlist.h"

#define CONF_MAX_OPTIONS 128
#define CONF_MAX_ITEMS   1000 /* of one list */
#define CONF_NAME_BYTES  64

enum conf_kind {
    CONF_FLAG,   /* bool. Takes no argument on the command line, yes or no elsewhere */
    CONF_STRING, /* char *, malloc'ed */
    CONF_LIST,   /* struct strlist. May be repeated; one value per line in files */
    CONF_VALUE,  /* whatever `parse` stores, without memory of its own */
};

enum conf_where {
    CONF_FILE = 1 << 0,        /* may stand in the file */
    CONF_ENVIRONMENT = 1 << 1, /* may come from the environment */
    CONF_POSITIONAL = 1 << 2,  /* also takes an argument that is no option; a list takes the rest */
    CONF_ALONE = 1 << 3,       /* flag after which nothing else is looked at: --help */
    CONF_NAMES_FILE = 1 << 4,  /* string: the file to read */
    CONF_OPTIONAL = 1 << 5,    /* string: "" without an argument, at the end or before an option */

    CONF_SECRET = 1 << 6, /* the value is shown nowhere */
    CONF_WORDS = 1 << 8,  /* positional string: further ones are put behind it, after a '\n' */
    CONF_URL = 1 << 7,    /* of the value that is shown which base/shown.h leaves of a URL */
};

struct conf_option {
    const char *name;    /* "http-timeout": --http-timeout, http_timeout (or '-') in files */
    const char *aliases; /* more long names, blanks between, or NULL */
    const char *letters; /* short names, or NULL */
    const char *metavar; /* what the argument is called in --help; NULL for flags */
    const char *help;    /* one sentence; NULL: not shown */
    const char *group;   /* heading in --help; rows of a group stand together */
    enum conf_kind kind;
    unsigned where;
    size_t offset; /* of the field in the options' struct */

    /* CONF_VALUE: stores the value of a text into `field`. CONF_STRING, CONF_LIST: NULL, or judges
     * one text (`field` is NULL). Returns 0, or -EINVAL with a text like those of base/parse.h. */
    int (*parse)(const char *text, void *field, struct error *error);
};

/* Rows that several tables have, and where the struct that their offsets are in is within a
 * table's. */
struct conf_rows {
    const struct conf_option *options;
    size_t count;
};

struct conf_shared {
    const struct conf_rows *rows;
    size_t offset;
};

struct conf_table {
    const char *program; /* "loads-runner" */
    const char *usage;   /* "[OPTION...] FQN" */
    const char *summary; /* a paragraph for --help */
    const char *section; /* of the file; no other may be there */
    const char *file;    /* read when none is named, if it is there; or NULL */
    bool directory;      /* the files in FILE.d whose names end in .conf are read, too */
    bool partial;        /* of the file: other keys are another program's, and passed over */
    const struct conf_option *options;
    size_t count;                     /* CONF_MAX_OPTIONS at most, shared ones included */
    const struct conf_shared *shared; /* stand before the table's own; the last one has no rows;
                                         NULL: none */
};

/* Fills `options` (a struct with the table's fields, which hold the defaults; strings and lists
 * must be NULL or malloc'ed) from the file(s), the environment, the command line. A later source
 * replaces scalars and whole lists; within the command line the last scalar wins, in a file one may
 * not stand twice. An empty variable counts as none. -EINVAL: a text names option, variable or file
 * and line, and what is wrong; also other -errno of a file that can't be read. Give `options` to
 * conf_clear() in either case. */
int conf_parse(const struct conf_table *table, int argc, char *const argv[], void *options,
               struct error *error) _must_check_;

/* Writes '*' over the secrets in the arguments, once conf_parse() has taken them: everybody may
 * look at them for as long as a program runs (`ps`). */
void conf_hide_arguments(const struct conf_table *table, int argc, char *argv[]);

/* The file alone, under a name for texts. */
int conf_read_file(const struct conf_table *table, FILE *file, const char *name, void *options,
                   struct error *error) _must_check_;

/* Frees strings and lists of the options, and leaves them empty. */
void conf_clear(const struct conf_table *table, void *options);

/* --help, within 80 columns. */
void conf_print_help(const struct conf_table *table, FILE *file);

/* The row behind `option` (NULL: the first one), or NULL behind the last one. */
const struct conf_option *conf_next(const struct conf_table *table,
                                    const struct conf_option *option);

/* Calls `visit` for each row until it returns other than 0; returns that, or 0. */
int conf_each(const struct conf_table *table,
              int (*visit)(const struct conf_option *option, void *context), void *context);

/* The field of a row in a struct of a table's options. */
void *conf_row_field(const struct conf_table *table, const struct conf_option *option,
                     void *options);

/* The variable and the key of an option: "LOADS_HTTP_TIMEOUT", "http_timeout". Returns `name`. */
const char *conf_variable(const struct conf_option *option, char name[static CONF_NAME_BYTES]);
const char *conf_key(const struct conf_option *option, char name[static CONF_NAME_BYTES]);

#endif
