/* SPDX-License-Identifier: MPL-2.0 */
/* Which files a run takes along, and what they are called where it runs: below the current
 * directory as they are called here, else by the last part of what was named. */
#ifndef LOADS_RUN_FILE_LIST_H
#define LOADS_RUN_FILE_LIST_H

#include <sys/types.h>

#include "base/error.h"
#include "base/strlist.h"
#include "base/strmap.h"

#define FILE_LIST_MAX 10000

/* Empty when all zero. */
struct file_list {
    struct file_list_item {
        char *path; /* here */
        char *name; /* there: relative, without ".." */
        mode_t mode;
        off_t size_bytes;
    } * items;
    size_t count, room;
    struct strmap *names;
};

void file_list_clear(struct file_list *list);

/* Adds one file. Nothing happens if its name is in the list already. -errno with a text. */
int file_list_add(struct file_list *list, const char *path, const char *name, struct error *error)
    _must_check_;

/* Adds the files that --include-file patterns (glob(3), braces, ~) name, and those below
 * directories that they name; links are not followed. Each pattern must match something. -ENOENT:
 * one doesn't; -E2BIG: more than FILE_LIST_MAX; other -errno; each with a text. */
int file_list_add_patterns(struct file_list *list, const struct strlist *patterns,
                           struct error *error) _must_check_;

/* Copies all into a directory, which is made with its parents, as are theirs. A file that is its
 * own copy is left alone. -errno with a text. */
int file_list_copy(const struct file_list *list, const char *directory, struct error *error)
    _must_check_;

/* Makes a directory and its parents, as mkdir -p does. -errno with a text. */
int make_directories(const char *path, struct error *error) _must_check_;

#endif
