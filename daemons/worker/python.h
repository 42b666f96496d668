/* SPDX-License-Identifier: MPL-2.0 */
/* What comes before a run of tests in Python: their interpreter, what pip installs for them, and
 * whether they can be imported. Like compiling, it is done in a process of its own. */
#ifndef LOADS_WORKER_PYTHON_H
#define LOADS_WORKER_PYTHON_H

#include "base/error.h"
#include "base/strlist.h"
#include "wire/mix.h"

struct python_options {
    const char *directory;      /* absolute; where the module's path begins */
    const struct mix *mix;      /* tests, or NULL and */
    const char *module;         /* "path.to.module" */
    const struct strlist *deps; /* for pip, as in the run's specification; file names are relative
                                   to `directory` */
    const char *deps_dir;       /* where pip puts them, which is made; NULL: there are none */
    const struct strlist *sources; /* the modules' files, in the order of the mix */
    void (*importing)(const char *source, void *context); /* before each is imported; or NULL */
    void *context;
};

struct python {
    char *program;        /* the interpreter's path */
    char *path;           /* what its $PYTHONPATH must be */
    struct strlist tests; /* of the module, or those: "Suite.test (file:line)" each */
};

/* Prepares it; what pip and Python say on standard error goes to ours. *ret is all zero before, and
 * python_clear() is for the caller in any case. -ENOENT: there is no Python, no package `loads` in
 * it, or no pip; -ENOEXEC: a dependency can't be installed, or the test not be imported; each with
 * a text. Changes $PYTHONPATH of the calling process. */
int python_prepare(const struct python_options *options, struct python *ret, struct error *error)
    _must_check_;

void python_clear(struct python *python);

#endif
