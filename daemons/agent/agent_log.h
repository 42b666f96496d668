/* SPDX-License-Identifier: MPL-2.0 */
/* Log lines of an agent, with what an operator searches for. */
#ifndef LOADS_AGENT_AGENT_LOG_H
#define LOADS_AGENT_AGENT_LOG_H

#include "agent.h"
#include "base/log.h"

/* One line with AGENT_ID= and, unless it is NULL, RUN_ID=. */
#define agent_log(level, options, run_id, ...)                                                     \
    log_fields(                                                                                    \
        (level),                                                                                   \
        (const struct log_field[]){{"AGENT_ID", (options)->agent_id}, {"RUN_ID", (run_id)}}, 2,    \
        __VA_ARGS__)

/* The same about something that operators search for. */
#define agent_event(event, options, run_id, ...)                                                   \
    log_event((event),                                                                             \
              (const struct log_field[]){{"AGENT_ID", (options)->agent_id}, {"RUN_ID", (run_id)}}, \
              2, __VA_ARGS__)

#endif
