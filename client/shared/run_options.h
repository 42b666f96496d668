/* SPDX-License-Identifier: MPL-2.0 */
/* The options that describe a run, which several programs have, and the run they describe. */
#ifndef LOADS_SHARED_RUN_OPTIONS_H
#define LOADS_SHARED_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/conf.h"
#include "base/parse.h"
#include "outputs/options.h"
#include "shared/http_options.h"
#include "wire/spec.h"

struct run_options {
    char *fqn; /* or a URL */
    struct number_list users, hits;
    uint64_t duration_usec;
    uint64_t grace_usec;
    uint64_t timeout_usec;
    uint64_t workers; /* 0: one per core */
    uint64_t seed;    /* 0: any */
    char *pace;
    uint64_t stack_size_bytes;
    uint64_t stall_timeout_usec;
    char *server_url;
    struct http_options http;
    char *test_dir;
    struct strlist include_files;
    char *cflags, *libs;
    char *test_runner;
    struct strlist thresholds;
    struct strlist python_deps;
    bool no_patching;
    bool test_runner_self;
    uint64_t external_timeout_usec;
    struct strlist outputs;
    struct output_options output_options; /* their rows are output_option_rows */
    bool quiet;
    struct strlist tags;
    char *project_name, *user_id;
};

extern const struct conf_rows run_option_rows;

/* What an option is when nobody says. */
void run_options_init(struct run_options *options);

/* Whether they make sense as a whole: for a run here, or for one on agents. -EINVAL with a text
 * that says `program` where help is to be had. */
int run_options_check(const struct run_options *options, bool on_agents, const char *program,
                      struct error *error) _must_check_;

/* The run that the options ask for; module_paths are still missing. */
int run_options_spec(const struct run_options *options, struct run_spec **ret, struct error *error)
    _must_check_;

#endif
