/* SPDX-License-Identifier: MPL-2.0 */
/* What an agent consists of, for agent.c and agent_look.c. */
#ifndef LOADS_AGENT_AGENT_STATE_H
#define LOADS_AGENT_AGENT_STATE_H

#include "agent.h"
#include "link.h"
#include "outbox.h"
#include "run.h"
#include "sender.h"
#include "status.h"

struct place {
    struct place *next;
    struct run *run;
    struct sender sender;
    bool rejected; /* something of it was, which was said */
};

struct agent {
    struct ev_loop *loop;
    struct agent_options options;
    struct link *link;
    struct outbox *outbox, *detail_outbox;
    struct place *places;
    ev_timer tick, last, idle;
    struct status status;
    bool draining, ending;
    bool leaves_idle; /* draining since there was no run for long */
    char trouble[512];
};

/* Those that are on, and those whose results are not stored yet. */
size_t agent_count_runs(const struct agent *agent);

#endif
