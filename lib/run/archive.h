/* SPDX-License-Identifier: MPL-2.0 */
/* The files of a run on their way to agents: one archive. Ours are compressed tars; zips are read,
 * too, since other clients send them. The home of libarchive. */
#ifndef LOADS_RUN_ARCHIVE_H
#define LOADS_RUN_ARCHIVE_H

#include <stdint.h>

#include "base/error.h"
#include "run/file_list.h"

#define ARCHIVE_MAX_BYTES    ((size_t)64 << 20)  /* packed */
#define ARCHIVE_MAX_UNPACKED (UINT64_C(1) << 30) /* of all files */

/* The archive of a list's files, malloc'ed, the caller's. -E2BIG: more than `max_bytes` (the text
 * says so in MiB); -errno of a file that can't be read; each with a text. */
int archive_make(const struct file_list *list, size_t max_bytes, uint8_t **ret, size_t *ret_size,
                 struct error *error) _must_check_;

/* Unpacks an archive, a file, into a directory that exists. What would leave the directory
 * (absolute names, "..", links to elsewhere), what is no file, directory or symbolic link, more
 * than FILE_LIST_MAX entries and more than `max_unpacked_bytes` are refused: -EBADMSG, -E2BIG. What
 * was unpacked before is left where it is. Files that are there already are replaced, never written
 * through. Modes lose set-uid, set-gid and sticky bits. The text names the entry.
 *
 * Changes the working directory meanwhile: for processes that do nothing else. */
int archive_extract(const char *path, const char *directory, uint64_t max_unpacked_bytes,
                    struct error *error) _must_check_;

/* The same for an archive in memory. */
int archive_extract_bytes(const void *bytes, size_t size, const char *directory,
                          uint64_t max_unpacked_bytes, struct error *error) _must_check_;

#endif
