/* SPDX-License-Identifier: MPL-2.0 */
/* The verbs of the types, for the table in output.c. Nobody else includes this. */
#ifndef LOADS_OUTPUTS_TYPES_H
#define LOADS_OUTPUTS_TYPES_H

#include "outputs/output.h"

/* What was written so far did not arrive: -errno with a text, or 0. */
int output_check(struct output *output, struct error *error) _must_check_;

int stdout_end(struct output *output, const struct output_run *run, const struct summary *summary,
               struct error *error);

int json_end(struct output *output, const struct output_run *run, const struct summary *summary,
             struct error *error);

int html_end(struct output *output, const struct output_run *run, const struct summary *summary,
             struct error *error);

int csv_end(struct output *output, const struct output_run *run, const struct summary *summary,
            struct error *error);

int junit_end(struct output *output, const struct output_run *run, const struct summary *summary,
              struct error *error);

int prometheus_end(struct output *output, const struct output_run *run,
                   const struct summary *summary, struct error *error);

int hdr_end(struct output *output, const struct output_run *run, const struct summary *summary,
            struct error *error);

int funkload_begin(struct output *output, const struct output_run *run, struct error *error);
int funkload_detail(struct output *output, const struct output_run *run,
                    const struct detail *detail, struct error *error);
int funkload_end(struct output *output, const struct output_run *run, const struct summary *summary,
                 struct error *error);
void funkload_release(void *data);

int file_begin(struct output *output, const struct output_run *run, struct error *error);
int file_detail(struct output *output, const struct output_run *run, const struct detail *detail,
                struct error *error);

#endif
