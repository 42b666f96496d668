/* SPDX-License-Identifier: MPL-2.0 */
/* What agents count and write, on its way to the store. */
#ifndef LOADS_BROKER_CONDUCT_RESULTS_H
#define LOADS_BROKER_CONDUCT_RESULTS_H

#include "broker.h"

/* An AGENT_RESULTS of a member, with its payload; an AGENT_LOG. */
void conduct_results(struct broker *broker, struct run *run, struct member *member,
                     const struct agent_message *message, const void *payload, size_t size);
void conduct_log(struct broker *broker, struct run *run, struct member *member,
                 const struct agent_message *message);

/* Gives the store what came, unless it has a batch of the run or can't take one; at the end of a
 * run in any case. */
void conduct_store_results(struct broker *broker, struct run *run);

/* Asks agents again for what is missing. */
void conduct_remind(struct broker *broker, struct run *run);

#endif
