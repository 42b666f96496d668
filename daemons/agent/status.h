/* SPDX-License-Identifier: MPL-2.0 */
/* The agent in one line, for `systemctl status`. */
#ifndef LOADS_AGENT_STATUS_H
#define LOADS_AGENT_STATUS_H

#include "agent.h"
#include "base/daemon.h"
#include "base/rate.h"
#include "wire/spec.h"

/* All zero: nothing was told. */
struct status {
    struct daemon_status line;
    struct rate rate;                   /* of hits, */
    char run_id[SPEC_RUN_ID_BYTES + 1]; /* of this run */
};

/* To be called some times a second. */
void status_tick(struct status *status, const struct agent *agent);

#endif
