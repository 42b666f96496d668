/* SPDX-License-Identifier: MPL-2.0 */
/* The options of loads-runner, and the run they describe. */
#ifndef LOADS_RUNNER_OPTIONS_H
#define LOADS_RUNNER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/conf.h"
#include "base/parse.h"
#include "wire/spec.h"

struct runner_options {
    char *fqn; /* or a URL */
    struct number_list users, hits;
    uint64_t duration_usec;
    uint64_t grace_usec;
    uint64_t timeout_usec;
    uint64_t workers; /* 0: one per core */
    uint64_t stack_size_bytes;
    uint64_t stall_timeout_usec;
    char *config;
    char *server_url;
    char *ca_file;
    bool insecure;
    char *test_dir;
    struct strlist include_files;
    char *cflags, *libs;
    struct strlist outputs;
    bool quiet;
    struct strlist tags;
    char *project_name, *user_id;
    char *list;
    bool help, version;
};

extern const struct conf_table runner_table;

/* From file, environment and command line, checked as a whole. -errno with a text. Clear them in
 * either case. */
int runner_options_parse(int argc, char *argv[], struct runner_options *ret, struct error *error)
    _must_check_;
void runner_options_clear(struct runner_options *options);

/* The run that the options ask for; module_path is still missing. */
int runner_options_spec(const struct runner_options *options, struct run_spec **ret,
                        struct error *error) _must_check_;

#endif
