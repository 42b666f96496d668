/* SPDX-License-Identifier: MPL-2.0 */
/* What comes before a run: from the names of tests to shared objects that can be loaded, or to
 * Python. It is done in a process of its own, so that nothing of it blocks a loop. */
#ifndef LOADS_WORKER_PREPARE_H
#define LOADS_WORKER_PREPARE_H

#include <stdbool.h>

#include "base/error.h"
#include "python.h"

struct prepare_options {
    const char *fqn;           /* "path.to.module.Suite.test", or several (wire/mix.h), or */
    const char *module;        /* "path.to.module" */
    const char *archive;       /* unpacked into test_dir first; NULL: none */
    const char *test_dir;      /* where the path begins; NULL: the current directory */
    const char *include_dir;   /* of loads/loads.h; NULL: where it is found */
    const char *cflags;        /* more flags for the compiler, or NULL */
    const char *libs;          /* more libraries, or NULL */
    bool no_patching;          /* calls that block stay as they are */
    const char *temporary_dir; /* the run's own, for what can't be cached, or NULL */
    const struct strlist *python_deps;
    const char *python_dir; /* where those go (python.h), or NULL */

    /* Called before Python imports that file, which may take any time. */
    void (*importing)(const char *source, void *context);
    void *context;
};

/* All zero: nothing. */
struct prepared_modules {
    struct strlist sources; /* absolute, of the files that were found, by the modules' numbers */
    struct strlist paths;   /* the same of shared objects; or none, and */
    struct python python;   /* this, with their tests */
};

/* Finds each module: path/to/module.so if there is one, else what path/to/module.c is compiled to,
 * else path/to/module.py. *ret is all zero before, and the caller's to clear in any case. -ENOENT:
 * none is there, or no compiler or Python; -EINVAL: not a name, or some are in C and some in
 * Python; -ENOEXEC: one doesn't compile, or Python doesn't take it; -EILSEQ: the directory's path
 * is not UTF-8; an archive that can't be unpacked; each with a text. */
int prepare_modules(const struct prepare_options *options, struct prepared_modules *ret,
                    struct error *error) _must_check_;

void prepared_modules_clear(struct prepared_modules *modules);

#endif
