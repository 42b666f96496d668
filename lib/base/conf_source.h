/* SPDX-License-Identifier: MPL-2.0 */
/* What the parts of conf.c share: one place that values come from. Nobody else needs this. */
#ifndef LOADS_BASE_CONF_SOURCE_H
#define LOADS_BASE_CONF_SOURCE_H

#include <stdbool.h>

#include "base/conf_rows.h"

struct conf_source {
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

static inline _unused_ struct conf_source conf_source_of(const struct conf_table *table,
                                                         void *options, struct error *error)
{
    assert(conf_count(table) <= CONF_MAX_OPTIONS);
    return (struct conf_source){.table = table, .options = options, .error = error};
}

/* Stores a value (NULL: a flag without argument). Texts are without the name of the option. */
int conf_store(struct conf_source *source, const struct conf_option *option, const char *text)
    _must_check_;

/* Reads the files of a table: `name`, which must be there, or (NULL) the table's own, if it is; and
 * then the directory that belongs to it. -errno with a text. */
int conf_read_files(const struct conf_table *table, const char *name, void *options,
                    struct error *error) _must_check_;

#endif
