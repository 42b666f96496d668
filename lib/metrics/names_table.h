/* SPDX-License-Identifier: MPL-2.0 */
/* What the files of struct names share: names.c keeps the table, names_key.c makes texts of parts,
 * names_clean.c says what a text may be. */
#ifndef LOADS_METRICS_NAMES_TABLE_H
#define LOADS_METRICS_NAMES_TABLE_H

#include "base/strmap.h"
#include "metrics/names.h"

#define NAMES_SEPARATOR   '\x1f'
#define NAMES_RECENT_BITS 8

struct names_shared;

/* A series with its text in parts, in memory of this process. */
struct names_series {
    unsigned id, status;
    size_t test_size, name_size;
    char text[]; /* test, name and method, each with a NUL */
};

struct names {
    struct names_shared *shared;
    struct strmap *ids[NAME_KINDS];                      /* text -> id + 1 */
    unsigned synced[NAME_KINDS];                         /* ids below this are in `ids` */
    int lock_kind;                                       /* of the lock, as it was made */
    bool lock_failed;                                    /* so it isn't waited for */
    struct names_series *series[NAMES_MAX_SERIES + 1];   /* those that were asked for */
    struct names_series *recent[1 << NAMES_RECENT_BITS]; /* borrowed from `series` */
};

/* Whether this handle knows a text as it is; its id. */
bool names_look_up(const struct names *names, enum name_kind kind, const char *text, size_t size,
                   unsigned *ret);

/* names_id() of a clean text of at most NAME_MAX_BYTES. */
unsigned names_id_of_clean(struct names *names, enum name_kind kind, const char *text, size_t size);

/* Writes a clean copy of at most `limit` bytes, without a NUL, and returns its size. */
size_t names_clean(char *out, size_t limit, const char *text, size_t size, bool keep_separator);

/* Whether a text is what names_clean() would make of it. */
bool names_is_clean(const char *text, size_t size);

#endif
