/* SPDX-License-Identifier: MPL-2.0 */
/* Preparing a run: a child (`loads-worker --prepare`) finds or compiles the modules, loads them and
 * looks for the tests, so that neither the compiler nor a constructor of a test runs in our
 * process. Modules in Python are imported by Python. */
#ifndef LOADS_RUN_PREPARATION_H
#define LOADS_RUN_PREPARATION_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strlist.h"
#include "wire/spec.h"

struct preparation;

/* All but `tests` is empty after an error. */
struct prepared {
    struct strlist module_paths; /* of shared objects, as in the specification; or none */
    const char *python; /* the interpreter for tests in Python, and its $PYTHONPATH; or NULL */
    const char *python_path;
    struct strlist tests; /* "Suite.test (file:line)" each */
};

struct preparation_options {
    const char *worker_program;
    const char *name; /* the test's FQN, or those of several (wire/mix.h); with only_list, a
                         module's name. NULL: there is nothing to do but to unpack the archive */
    bool only_list;
    const char *test_dir; /* where the name's path begins; NULL: the current directory */
    const char *archive;  /* of the test's files, which are unpacked into test_dir; NULL: none */
    const char *cflags, *libs;
    bool no_patching;                  /* as in the specification */
    const struct strlist *python_deps; /* as in the specification; NULL: none */
    const char *python_dir;            /* where those go, which is made */
    const char *temporary_dir;         /* when there is no cache to write to */
    const char *cgroup;                /* where the child begins (loop/child.h); NULL: in ours */
    uint64_t load_timeout_usec; /* loading or importing a module may take so long, without what
                                   compiling and pip take; 0: for ever */

    /* What the compiler and the module's constructors write, as it comes. NULL: to our standard
     * error. */
    void (*output)(const char *text, size_t size, void *context);
    /* 0, or -errno with a text. What was prepared is borrowed during the call; the preparation may
     * be freed in it. */
    void (*done)(int result, const struct prepared *prepared, const struct error *error,
                 void *context);
    void *context;
};

/* Borrows the loop and all texts in `options` until done() or preparation_free(). */
int preparation_start(struct preparation **ret, struct ev_loop *loop,
                      const struct preparation_options *options, struct error *error) _must_check_;

/* A child that is still at it is ended. */
struct preparation *preparation_free(struct preparation *preparation);
DEFINE_CLEANUP(struct preparation, preparation_free)

/* Puts what was prepared into the specification of the run. -ENOMEM. */
int prepared_use(const struct prepared *prepared, struct run_spec *spec) _must_check_;

#endif
