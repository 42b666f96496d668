/* SPDX-License-Identifier: MPL-2.0 */
/* The directories of a run on this agent, gone with it: one in memory for what its processes share,
 * one for the test's files, which are also where it runs. */
#ifndef LOADS_AGENT_RUN_FILES_H
#define LOADS_AGENT_RUN_FILES_H

#include <stdint.h>

#include "base/error.h"

struct run_files;

/* `test_dir`: the files go to TEST_DIR/AGENT_ID, which is made, with its parents, and stays; NULL:
 * to a fresh directory in `work_dir`. -errno with a text. */
int run_files_new(struct run_files **ret, const char *test_dir, const char *agent_id,
                  const char *work_dir, struct error *error) _must_check_;
struct run_files *run_files_free(struct run_files *files);
DEFINE_CLEANUP(struct run_files, run_files_free)

/* Absolute paths. The archive's is NULL when there is none. */
const char *run_files_shared(const struct run_files *files);
const char *run_files_test_dir(const struct run_files *files);
const char *run_files_archive(const struct run_files *files);

/* Where what pip installs for the run may go, which isn't there yet. On a disk, since what lies in
 * memory may not be executable. */
const char *run_files_python_dir(const struct run_files *files);

/* Makes the archive's file; appends to it; how much was written; it is no longer needed. */
int run_files_open_archive(struct run_files *files, struct error *error) _must_check_;
int run_files_write(struct run_files *files, const void *bytes, size_t size, struct error *error)
    _must_check_;
uint64_t run_files_written(const struct run_files *files);
void run_files_drop_archive(struct run_files *files);

#endif
