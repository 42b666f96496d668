/* SPDX-License-Identifier: MPL-2.0 */
/* The broker's side of what it and agents say to each other: messages in, messages out. */
#ifndef LOADS_BROKER_BACKEND_H
#define LOADS_BROKER_BACKEND_H

#include "broker.h"

/* received() of the sockets `backend` and `receiver`; the context is the broker. */
void backend_received(struct mq_socket *socket, const struct mq_message *message, void *context);
void receiver_received(struct mq_socket *socket, const struct mq_message *message, void *context);

/* Sends an agent a message, with a payload or NULL. What can't be sent is as good as lost on the
 * way: agents repeat what matters, and one that isn't there will be missed. */
void backend_send(struct broker *broker, const struct agent *agent,
                  const struct agent_message *message, const void *payload, size_t size);

/* Sends it to the connection of a member to the receiver, if it has one. */
void receiver_send(struct broker *broker, const struct run *run, const struct member *member,
                   const struct agent_message *message);

#endif
