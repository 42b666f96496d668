/* SPDX-License-Identifier: MPL-2.0 */
/* What loads-agent can be told, on the command line and in /etc/loads/agent.conf. */
#ifndef LOADS_AGENT_OPTIONS_H
#define LOADS_AGENT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"
#include "run/cgroup.h"

struct agent_program_options {
    bool help, version;
    char *config;
    char *broker;
    char *instance;
    struct strlist control;
    bool allow_insecure;
    uint64_t workers; /* 0: one per core */
    char *work_dir;
    struct cgroup_limits run_max;
    uint64_t idle_exit_usec;                   /* 0: none */
    uint64_t max_age_usec, max_age_delta_usec; /* 0: none */
    int log_level;                             /* syslog's */
};

extern const struct conf_table agent_table;

/* Fills in the defaults, then as conf_parse(). Clear them in either case. */
int agent_options_parse(int argc, char *const argv[], struct agent_program_options *options,
                        struct error *error) _must_check_;
void agent_options_clear(struct agent_program_options *options);

#endif
