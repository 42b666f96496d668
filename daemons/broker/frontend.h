/* SPDX-License-Identifier: MPL-2.0 */
/* What clients ask, and what they are answered: docs/protocol.md. */
#ifndef LOADS_BROKER_FRONTEND_H
#define LOADS_BROKER_FRONTEND_H

#include <stdint.h>

#include "authority.h"
#include "base/error.h"
#include "loop/mq.h"
#include "wire/agent_message.h"
#include "wire/json.h"

struct agent;
struct broker;
struct frontend;

#define FRONTEND_MAX_IDENTITY 256

/* Who is to be answered; may be copied, and kept for later. */
struct asker {
    char identity[FRONTEND_MAX_IDENTITY];
    size_t identity_size;
    bool delimiter; /* an empty frame stands before the request, and before the answer */
};

/* A request as it came; all borrowed. */
struct request {
    struct asker asker;
    const json_t *json;
    const void *payload; /* a second frame; NULL: none */
    size_t payload_size;
    struct caller caller;
    bool has_waited; /* for agents, in vain or not: it doesn't again */
};

/* Borrows the broker. -ENOMEM. */
int frontend_new(struct frontend **ret, struct broker *broker) _must_check_;
struct frontend *frontend_free(struct frontend *frontend);
DEFINE_CLEANUP(struct frontend, frontend_free)

/* Where clients connect: its messages go to frontend_received(), with the broker as context; from
 * frontend_open() on, or when there was time enough for it. */
void frontend_set_socket(struct frontend *frontend, struct mq_socket *socket);
void frontend_open(struct frontend *frontend);
struct mq_socket *frontend_socket(const struct frontend *frontend);
void frontend_received(struct mq_socket *socket, const struct mq_message *message, void *context);

/* An agent's answer to AGENT_ASK_STATUS; and, from time to time: who waits in vain is told so. */
void frontend_agent_status(struct frontend *frontend, const char *agent_id,
                           const struct agent_message *message);
void frontend_tick(struct frontend *frontend);

/* ---- for commands ---- */

/* Answers a request. Takes `result` over; NULL: there was no memory to make it. */
void frontend_answer(struct broker *broker, const struct asker *asker, json_t *result);

/* Refuses one: `code` is a word of docs/protocol.md. */
void frontend_refuse(struct broker *broker, const struct asker *asker, const char *code,
                     const char *format, ...) _printf_(4, 5);

/* Asks an agent for its workers; the asker is answered when they are known. */
void frontend_ask_status(struct broker *broker, const struct asker *asker,
                         const struct agent *agent);

/* A command: answers, now or later. */
typedef void command(struct broker *broker, const struct request *request);

/* The table of commands, and who may use each. NULL: there is none of that name. */
struct command {
    const char *name;
    command *run;
    enum key_role needs;
};

const struct command *command_find(const char *name);

/* CTRL_RUN. */
void submit_run(struct broker *broker, const struct request *request);

#endif
