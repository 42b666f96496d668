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
    char *const *command; /* what stands behind "--", in `words`; NULL: a shell */
    struct strlist words;
};

extern const struct conf_table cluster_table;

/* -EINVAL with a text; -ENOMEM. What the command's arguments have of secrets is hidden in argv.
 * Clear `ret` in either case. */
int cluster_options_parse(int argc, char *argv[], struct cluster_options *ret, struct error *error)
    _must_check_;
void cluster_options_clear(struct cluster_options *options);

#endif
