/* SPDX-License-Identifier: MPL-2.0 */
/* What the parts of the broker that do something share: everything it has. */
#ifndef LOADS_BROKER_BROKER_H
#define LOADS_BROKER_BROKER_H

#include <ev.h>
#include <stdbool.h>

#include "audit.h"
#include "authority.h"
#include "base/log.h"
#include "frontend.h"
#include "loop/mq.h"
#include "options.h"
#include "registry.h"
#include "runs.h"
#include "status.h"
#include "store.h"

struct inquiry;
struct introduction;
struct observe;
struct resolver;
struct wake_wait;

struct broker {
    struct ev_loop *loop;
    const struct broker_options *options;
    struct mq *mq;
    struct authority *authority;
    struct audit *audit;
    struct mq_guard *guard;
    struct key_file *key; /* NULL: it has none */
    struct mq_socket *backend, *receiver, *publisher;
    struct frontend *frontend;
    struct introduction *introduction; /* NULL: without a key */
    struct resolver *resolver;         /* of the store */
    struct store *store;
    struct registry *registry;
    struct runs *runs;
    struct wake_wait *wake;
    struct observe *observe;
    struct status status;
    uint64_t started_usec; /* by the monotonic clock */
    uint64_t loaded_usec;
    bool loaded;  /* runs that were on are read back, at this time */
    bool loading; /* the store was asked for them */
    bool ending;
    uint64_t last_request;     /* number of the last question to an agent */
    struct inquiry *inquiries; /* that wait for the store */
};

/* Lines that operators search for carry the run and the agent as fields. NULL: not about one. */
#define broker_log(level, run_id_, agent_id_, ...)                                                 \
    log_fields((level),                                                                            \
               (const struct log_field[]){{"RUN_ID", (run_id_)}, {"AGENT_ID", (agent_id_)}}, 2,    \
               __VA_ARGS__)

#define broker_event(event, run_id_, agent_id_, ...)                                               \
    log_event((event),                                                                             \
              (const struct log_field[]){{"RUN_ID", (run_id_)}, {"AGENT_ID", (agent_id_)}}, 2,     \
              __VA_ARGS__)

#endif
