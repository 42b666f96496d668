/* SPDX-License-Identifier: MPL-2.0 */
/* What the broker does about runs: tells agents, the store and those who watch. */
#ifndef LOADS_BROKER_CONDUCT_H
#define LOADS_BROKER_CONDUCT_H

#include "broker.h"

/* changed() of every run; the context is the broker. */
void conduct_changed(struct run *run, enum run_state from, enum run_action action, void *context);

/* Four times a second: who is late, what waits. */
void conduct_tick(struct broker *broker);

/* Gives free agents to runs that wait for some. */
void conduct_queue(struct broker *broker);

/* Gives a run the agents that were chosen for it. -errno. */
int conduct_reserve(struct broker *broker, struct run *run, struct agent *const *agents,
                    size_t count) _must_check_;

/* Frees the agents that are reserved for a run. */
void conduct_release(struct broker *broker, struct run *run);

/* ---- what agents are told ---- */

/* The agent of a member, if it is the same process and there; or NULL. */
struct agent *conduct_agent(const struct broker *broker, const struct member *member);

/* To prepare a run; then its archive follows, piece by piece. */
void conduct_prepare(struct broker *broker, struct run *run, struct member *member,
                     const struct agent *agent);

/* The next piece of the archive. */
void conduct_send_archive(struct broker *broker, struct run *run, struct member *member,
                          const struct agent *agent);

/* To start the cycle that a member is ready for, if it is time for it. */
void conduct_start(struct broker *broker, struct run *run, struct member *member);

/* To stop. */
void conduct_halt(struct broker *broker, const struct run *run, const struct member *member);

/* One that leaves has nothing to do any more: it is told that it may go, and is gone. */
void conduct_dismiss(struct broker *broker, struct agent *agent);

/* To forget a run. */
void conduct_drop(struct broker *broker, struct agent *agent, const char *run_id);

/* ---- what agents say ---- */

void conduct_registered(struct broker *broker, struct agent *agent,
                        const struct agent_message *message, bool is_new, const char *previous_run);
void conduct_leaving(struct broker *broker, struct agent *agent);
void conduct_archive_got(struct broker *broker, struct run *run, struct member *member,
                         struct agent *agent, const struct agent_message *message);
void conduct_ready(struct broker *broker, struct run *run, struct member *member,
                   struct agent *agent, const struct agent_message *message);
void conduct_failed(struct broker *broker, struct run *run, struct member *member,
                    struct agent *agent, const struct agent_message *message);
void conduct_ended(struct broker *broker, struct run *run, struct member *member,
                   struct agent *agent, const struct agent_message *message);

/* A member is not heard any more, or is another process now. */
void conduct_lose(struct broker *broker, struct run *run, struct member *member,
                  const char *reason);

/* Stores the end of a run as far as it isn't. False: the store can't take it now. */
bool conduct_keep_end(struct broker *broker, struct run *run);

#endif
