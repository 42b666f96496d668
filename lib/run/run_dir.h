/* SPDX-License-Identifier: MPL-2.0 */
/* The directory of a run: names, tallies and the specification, gone with the run. */
#ifndef LOADS_RUN_RUN_DIR_H
#define LOADS_RUN_RUN_DIR_H

#include "base/error.h"

/* Makes a directory for this run alone, mode 0700, in the first of $XDG_RUNTIME_DIR, /dev/shm,
 * $TMPDIR and /tmp that takes it: in memory where possible, since tallies are written at every hit.
 * The path is the caller's to free. -errno with a text. */
int run_dir_make(char **ret, struct error *error) _must_check_;

/* The same in one place, an absolute path. */
int run_dir_make_in(const char *parent, char **ret, struct error *error) _must_check_;

/* Marks a directory that run_dir_make() made as that of a process that lives, for as long as the
 * descriptor is open that is returned. -errno with a text. */
int run_dir_claim(const char *path, struct error *error) _must_check_;

/* Takes away what processes that were killed left beside this directory: those of ours that were
 * claimed and no longer are. */
void run_dir_sweep(const char *path);

/* Takes the directory and all files in it away. NULL is fine. Always returns NULL. */
char *run_dir_remove(char *path);

/* The same with everything in it, whoever made that. Links are not followed. */
char *run_dir_remove_all(char *path);

static inline void run_dir_removep(char **path)
{
    run_dir_remove(*path);
}

/* Path of a file in it: malloc'ed, NULL without memory. */
char *run_dir_file(const char *path, const char *format, ...) _printf_(2, 3);

#endif
