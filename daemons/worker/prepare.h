/* SPDX-License-Identifier: MPL-2.0 */
/* What comes before a run: from the name of a test to a shared object that can be loaded. It is
 * done in a process of its own, so that nothing of it blocks a loop. */
#ifndef LOADS_WORKER_PREPARE_H
#define LOADS_WORKER_PREPARE_H

#include "base/error.h"

struct prepare_options {
    const char *fqn;           /* "path.to.module.Suite.test", or */
    const char *module;        /* "path.to.module" */
    const char *archive;       /* unpacked into test_dir first; NULL: none */
    const char *test_dir;      /* where the path begins; NULL: the current directory */
    const char *include_dir;   /* of loads/loads.h; NULL: where it is found */
    const char *cflags;        /* more flags for the compiler, or NULL */
    const char *libs;          /* more libraries, or NULL */
    const char *temporary_dir; /* the run's own, for what can't be cached, or NULL */
};

/* *ret is the absolute path (malloc'ed, the caller's) of the module: path/to/module.so if there is
 * one, else what path/to/module.c was compiled to. -ENOENT: neither is there, or no compiler;
 * -EINVAL: not a name; -ENOEXEC: it doesn't compile; -EILSEQ: the directory's path is
 * not UTF-8; an archive that can't be unpacked; each with a text. */
int prepare_module(const struct prepare_options *options, char **ret, struct error *error)
    _must_check_;

#endif
