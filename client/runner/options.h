/* SPDX-License-Identifier: MPL-2.0 */
/* The options of loads-runner. */
#ifndef LOADS_RUNNER_OPTIONS_H
#define LOADS_RUNNER_OPTIONS_H

#include "remote/submit_options.h"
#include "shared/run_options.h"

struct runner_options {
    struct run_options run;
    struct submit_options submit;
    char *config;
    char *list;
    bool debug_http;
    bool detach;
    char *attach; /* "": the run that is on */
    bool ping_broker, purge_broker, health_check;
    bool help, version;
};

extern const struct conf_table runner_table;

/* From file, environment and command line, checked as a whole. -errno with a text. Clear them in
 * either case. */
int runner_options_parse(int argc, char *argv[], struct runner_options *ret, struct error *error)
    _must_check_;
void runner_options_clear(struct runner_options *options);

#endif
