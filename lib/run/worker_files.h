/* SPDX-License-Identifier: MPL-2.0 */
/* What every kind of worker finds in the run's directory when it starts: what to run, and where to
 * count. */
#ifndef LOADS_RUN_WORKER_FILES_H
#define LOADS_RUN_WORKER_FILES_H

#include "base/error.h"
#include "run/area.h"
#include "wire/spec.h"

struct worker_files {
    struct run_spec *spec;
    struct names_file *names;
    struct area *area;
};

/* Reads and maps the files of the worker with that number; what is in *ret is the caller's, to be
 * given to worker_files_close(). -errno with a text, and *ret is untouched. */
int worker_files_open(struct worker_files *ret, const char *run_dir, unsigned serial,
                      struct error *error) _must_check_;

/* All zero is fine, too. */
void worker_files_close(struct worker_files *files);
#endif
