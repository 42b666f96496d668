/* SPDX-License-Identifier: MPL-2.0 */
/* The options of loadsctl's verbs: one struct for all, a table for each. */
#ifndef LOADS_LOADSCTL_OPTIONS_H
#define LOADS_LOADSCTL_OPTIONS_H

#include "remote/submit_options.h"
#include "shared/exit_code.h"
#include "shared/run_options.h"

struct ctl_options {
    char *broker;
    bool json, help, version;
    bool quiet, active;  /* of who shows runs */
    bool yes;            /* of trust */
    bool attach, detach; /* of submit */
    char *run, *agent;   /* ids */
    struct strlist outputs;
    uint64_t limit;
    struct strlist words;   /* of keygen, key, trust, compare and baseline */
    struct strlist fail_if; /* of compare */
    char *name;             /* of baseline */
    char *file;             /* of keygen and trust */
    char *role, *keys_dir;
    char *introduction;       /* of trust */
    char *action, *database;  /* of db */
    uint64_t older_than_days; /* of db expire; 0: what the configuration says */
    bool dry_run;             /* of db expire */
    char *broker_config;      /* of db expire: a file */

    /* Of submit: */
    struct run_options new_run;
    struct submit_options submit;
    char *config;
};

/* What loadsctl can do. */
struct verb {
    const char *name;
    const char *summary; /* a line for --help */
    const struct conf_table *table;
    enum exit_code (*run)(const struct ctl_options *options);
};

/* Ended by one without a name. */
extern const struct verb verbs[];

extern const struct conf_table ctl_table; /* of what stands before the verb */
extern const struct conf_table submit_table, attach_table, detach_table, stop_table, purge_table,
    runs_table, show_table, logs_table, agents_table, ping_table, health_check_table, delete_table,
    compare_table, baseline_table, db_table, keygen_table, key_table, trust_table;

#endif
