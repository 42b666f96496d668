/* SPDX-License-Identifier: MPL-2.0 */
/* Outputs: what becomes of a run's results on the client, chosen with --output NAME[=FILE]. Each is
 * a row of a table with the same few verbs. */
#ifndef LOADS_OUTPUTS_OUTPUT_H
#define LOADS_OUTPUTS_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "metrics/detail.h"
#include "metrics/summary.h"
#include "metrics/totals.h"
#include "outputs/options.h"
#include "report/output_run.h"

struct output;

struct output_type {
    const char *name;
    const char *help;  /* for --help: one line */
    bool wants_detail; /* gets every hit and test event */
    bool wants_timeline;
    bool wants_file;    /* FILE may be given; else standard output */
    bool wants_program; /* is called NAME:PROGRAM, and writes to that instead */
    size_t filename;    /* offset of --output-NAME-filename in struct output_options */

    /* Each may be NULL. -errno with a text. Writing errors are reported by the first call that sees
     * them, once; the run goes on. */
    int (*begin)(struct output *output, const struct output_run *run, struct error *error);
    int (*detail)(struct output *output, const struct output_run *run, const struct detail *detail,
                  struct error *error);
    int (*end)(struct output *output, const struct output_run *run, const struct summary *summary,
               struct error *error);
    void (*release)(void *data); /* of the type; NULL: free() */
};

/* The types, ended by one without a name. */
extern const struct output_type output_types[];

struct output {
    const struct output_type *type;
    const struct output_options *options; /* borrowed */
    FILE *file;                           /* NULL: nothing is written, ever, or it is closed */
    char *buffer;                         /* the stream's, where it is larger than usual */
    char *path;                           /* NULL: standard output, or a program */
    struct exec *exec;                    /* the program it is written to; NULL: none */
    void *data;                           /* the type's */
    bool made;   /* the file wasn't there before, and nothing has begun: it goes again */
    bool broken; /* a write failed: it was said, nothing more is written */
};

/* Parses NAME, NAME=FILE or NAME:PROGRAM, starts the program or opens the file for writing, so that
 * what can't be written is known before the run starts: an existing file is only truncated at
 * begin(), and one that wasn't there goes again if nothing begins. -EINVAL for an unknown name
 * (lists those there are), or -errno of the file; with a text. `options` is borrowed. */
int output_open(struct output **ret, const char *argument, const struct output_options *options,
                struct error *error) _must_check_;

/* Whether what it writes is on standard output. */
bool output_writes_to_stdout(const struct output *output) _must_check_;

/* Whether both write to one regular file, whatever its names. */
bool output_shares_file(const struct output *output, const struct output *other) _must_check_;

/* Closes; -errno with a text when the last bytes could not be written (a full disk). */
int output_close(struct output *output, struct error *error) _must_check_;
struct output *output_free(struct output *output);
DEFINE_CLEANUP(struct output, output_free)

/* Call these instead of the type's own functions: they leave a broken output alone, and break it
 * when it fails. */
int output_begin(struct output *output, const struct output_run *run, struct error *error)
    _must_check_;
int output_detail(struct output *output, const struct output_run *run, const struct detail *detail,
                  struct error *error) _must_check_;
/* Whether it has room for more detail without keeping its caller waiting; one that never says so
 * has. Takes the place of waiting if it is called every now and then while there is detail. */
int output_takes_detail(struct output *output, bool *ret, struct error *error) _must_check_;

int output_end(struct output *output, const struct output_run *run, const struct summary *summary,
               struct error *error) _must_check_;

#endif
