/* SPDX-License-Identifier: MPL-2.0 */
/* Looking into a table of options, for conf.c alone. */
#ifndef LOADS_BASE_CONF_ROWS_H
#define LOADS_BASE_CONF_ROWS_H

#include <stdbool.h>

#include "base/conf.h"

/* How many rows a table has. */
size_t conf_count(const struct conf_table *table);

/* The number of a row, from 0. */
size_t conf_row_index(const struct conf_table *table, const struct conf_option *option);

/* The row that is called like that, or NULL. `loose`: '_' may stand for '-'. */
const struct conf_option *conf_find_name(const struct conf_table *table, const char *text,
                                         size_t size, bool loose);

/* The row whose name is nearest, among those with one of the bits in `where` (0: all), or NULL. */
const struct conf_option *conf_find_similar(const struct conf_table *table, const char *word,
                                            unsigned where);

#endif
