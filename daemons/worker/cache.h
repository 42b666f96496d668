/* SPDX-License-Identifier: MPL-2.0 */
/* The directory of compiled modules: one file per key, which proves its own wholeness. */
#ifndef LOADS_WORKER_CACHE_H
#define LOADS_WORKER_CACHE_H

#include <stdint.h>

#include "base/error.h"
#include "run/hash.h"

/* A file is dropped when nobody used it for that long. */
#define CACHE_MAX_AGE_SEC (INT64_C(30) * 24 * 3600)

/* The directory: $XDG_CACHE_HOME/loads, else ~/.cache/loads, else `temporary_dir` (may be NULL);
 * the first that can be made or is there, belongs to us, and that nobody else can write to (what is
 * in it is loaded into a process of ours). The path is malloc'ed, the caller's. -EACCES: none, with
 * a text that names those tried. */
int cache_directory(const char *temporary_dir, char **ret, struct error *error) _must_check_;

/* 1: *ret is the path (malloc'ed, the caller's) of a whole file with that key, which counts as used
 * now. 0: there is none, or a spoilt one. -ENOMEM, -EIO. */
int cache_find(const char *directory, const char *key, char **ret) _must_check_;

/* An empty file to compile into; *ret is its path (malloc'ed, the caller's). */
int cache_begin(const char *directory, char **ret) _must_check_;

/* Seals what was written to `temporary` and puts it in place for the key; then it is what
 * cache_find() finds, and *ret is its path. Old files are dropped on the way. On failure the caller
 * unlinks `temporary`. */
int cache_commit(const char *directory, const char *temporary, const char *key, char **ret)
    _must_check_;

#endif
