/* SPDX-License-Identifier: MPL-2.0 */
/* What of a run the broker was told on this connection, and telling it the rest. */
#ifndef LOADS_AGENT_SENDER_H
#define LOADS_AGENT_SENDER_H

#include "link.h"
#include "run.h"

/* All zero: nothing was told. */
struct sender {
    unsigned names[NAME_KINDS]; /* of each kind, how many */
};

/* A new connection: all is told again, from behind what was acknowledged. */
void sender_rewind(struct sender *sender, struct run *run);

/* The broker asks for messages of a queue of the run again from this one on: names, too. -EINVAL:
 * it can't mean that. */
int sender_expect(struct sender *sender, struct outbox_queue *queue, uint64_t seq) _must_check_;

/* Sends results, detail and prints, as much as the connection takes. */
void sender_pump(struct sender *sender, struct run *run, struct link *link);

/* Tells what state it is in, if the broker has to know: ready, failed, ended. */
void sender_tell_state(struct run *run, struct link *link);

#endif
