/* SPDX-License-Identifier: MPL-2.0 */
/* The options of loads-cluster. */
#ifndef LOADS_CLUSTER_OPTIONS_H
#define LOADS_CLUSTER_OPTIONS_H

#include <stdint.h>

#include "base/conf.h"

#define CLUSTER_MAX_AGENTS 1000

struct cluster_options {
    uint64_t agents;
    bool temporary, help, version;
    char *const *command; /* what stands behind "--", of argv; NULL: a shell */
};

extern const struct conf_table cluster_table;

/* -EINVAL with a text. Give `ret` to conf_clear() in either case. */
int cluster_options_parse(int argc, char *const argv[], struct cluster_options *ret,
                          struct error *error) _must_check_;

#endif
