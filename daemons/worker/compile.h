/* SPDX-License-Identifier: MPL-2.0 */
/* From a module's C source to a shared object, by way of the cache. */
#ifndef LOADS_WORKER_COMPILE_H
#define LOADS_WORKER_COMPILE_H

#include <stdbool.h>

#include "base/error.h"

/* What has a module's calls that would block the loop go to blocking.c and its like. The linker
 * does it, so libraries aren't concerned. loads.pc.in says the same for who links modules
 * themselves. */
#define COMPILE_PATCHES                                                                            \
    "-Wl,--wrap=sleep,--wrap=usleep,--wrap=nanosleep,--wrap=clock_nanosleep,--wrap=poll,"          \
    "--wrap=__poll_chk,--wrap=ppoll,--wrap=__ppoll_chk,--wrap=getaddrinfo"

struct compile_options {
    const char *directory;     /* absolute; where the compiler runs */
    const char *source;        /* relative to it: "path/to/module.c" */
    const char *include_dir;   /* of loads/loads.h; NULL: compile_include_dir() */
    const char *cflags;        /* more flags as a shell would read them, or NULL */
    const char *libs;          /* the same, behind the source, or NULL */
    bool no_patching;          /* without COMPILE_PATCHES */
    const char *temporary_dir; /* if there is no cache that can be used, or NULL */
};

/* *ret is the path (malloc'ed, the caller's) of the shared object. The compiler's words go to
 * stderr as they are. -ENOEXEC: it doesn't compile, -ENOENT: there is no compiler, -EINVAL: wrong
 * flags, -EAGAIN: the source changes faster than it is compiled; each with a text. */
int compile_module(const struct compile_options *options, char **ret, struct error *error)
    _must_check_;

/* Where loads/loads.h is for a program at `program` (NULL: this one): ../include beside its
 * directory if it is there, else where it is installed. The path is malloc'ed, the caller's.
 * -ENOMEM. */
int compile_include_dir(const char *program, char **ret) _must_check_;

#endif
