/* SPDX-License-Identifier: MPL-2.0 */
/* The options of a run on agents, which several programs have: where the broker is and how the run
 * goes there. */
#ifndef LOADS_REMOTE_SUBMIT_OPTIONS_H
#define LOADS_REMOTE_SUBMIT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"
#include "run/observer_options.h"

#define SUBMIT_MAX_AGENTS 10000

enum on_agent_loss {
    AGENT_LOSS_DEFAULT, /* the broker's */
    AGENT_LOSS_CONTINUE,
    AGENT_LOSS_ABORT,
};

struct submit_options {
    uint64_t agents; /* 0: not given */
    char *broker;    /* NULL: not given */
    enum on_agent_loss on_agent_loss;
    bool queue, save_hits;
    struct observer_options observers; /* filled by observer_run_rows */
};

extern const struct conf_rows submit_option_rows;

/* The row of --broker alone, for who talks to a broker without a run; its field is a char *. */
extern const struct conf_rows broker_option_row;

/* Refuses what a run without agents can't have. -EINVAL with a text. */
int submit_options_check_local(const struct submit_options *options, struct error *error)
    _must_check_;

#endif
