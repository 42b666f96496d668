/* SPDX-License-Identifier: MPL-2.0 */
/* A worker whose users are other programs: it starts the processes of a test runner, takes what
 * they report, and counts it as a loads-worker counts its own. */
#ifndef LOADS_EXTERNAL_EXTERNAL_H
#define LOADS_EXTERNAL_EXTERNAL_H

#include <stdbool.h>

#include "base/error.h"
#include "run/worker_share.h"

/* What it was started with. */
struct external_options {
    const struct worker_share *share;
    const char *agent_id;
};

struct external;

/* Sets everything up and tells the supervisor that it is ready. -errno with a text. */
int external_new(struct external **ret, const struct external_options *options, struct error *error)
    _must_check_;

/* Runs until all processes are gone and what they sent is counted, and seals the tally. */
void external_run(struct external *external);

struct external *external_free(struct external *external);
DEFINE_CLEANUP(struct external, external_free)

#endif
