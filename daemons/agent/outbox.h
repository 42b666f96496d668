/* SPDX-License-Identifier: MPL-2.0 */
/* What an agent counted and the broker has not stored yet: queues of encoded intervals, and of
 * detail, per run, in memory that all runs share.
 *
 * An interval gets its number when it is first sent, and never changes from then on, since nobody
 * knows whether the broker has it. Those that were never sent can still be put together: when
 * memory is used up, neighbours that cover the least time are, the oldest first, so that nothing is
 * lost but resolution. */
#ifndef LOADS_AGENT_OUTBOX_H
#define LOADS_AGENT_OUTBOX_H

#include <stdbool.h>

#include "metrics/interval.h"

#define OUTBOX_LIMIT_BYTES  ((size_t)64 << 20)
#define OUTBOX_WINDOW_BYTES ((size_t)8 << 20) /* of one run, sent and not acknowledged */

struct outbox; /* the memory */
struct outbox_queue;

int outbox_new(struct outbox **ret, size_t limit_bytes) _must_check_;
/* Its queues are freed before. */
struct outbox *outbox_free(struct outbox *outbox);
DEFINE_CLEANUP(struct outbox, outbox_free)

/* One run's. Borrows the outbox. Freeing it forgets what is in it. */
int outbox_queue_new(struct outbox_queue **ret, struct outbox *outbox) _must_check_;
struct outbox_queue *outbox_queue_free(struct outbox_queue *queue);
DEFINE_CLEANUP(struct outbox_queue, outbox_queue_free)

/* Puts a copy of an interval at the end. -ENOMEM: it isn't in the queue. */
int outbox_add(struct outbox_queue *queue, const struct interval *interval) _must_check_;

/* Puts bytes that stand for themselves (detail) at the end, with their number: takes them over.
 * -ENOBUFS: memory is used up; -ENOMEM: the same. They are the caller's then. */
int outbox_add_bytes(struct outbox_queue *queue, uint8_t *bytes, size_t size) _must_check_;
bool outbox_has_room(const struct outbox *outbox);

/* Gives all that is in the queue its number: nothing will come behind it. */
void outbox_close(struct outbox_queue *queue);

/* What to send next on this connection. False: there is nothing, or the broker has to acknowledge
 * something first. The bytes are valid until anything else is done with the queue. */
struct outbox_item {
    uint64_t seq; /* from 1, without gaps */
    const uint8_t *bytes;
    size_t size;
};

bool outbox_next(struct outbox_queue *queue, struct outbox_item *ret);

/* It was sent: the one behind it is next. */
void outbox_advance(struct outbox_queue *queue);

/* A new connection: what isn't acknowledged is to be sent again. */
void outbox_rewind(struct outbox_queue *queue);

/* The broker has stored all up to this number; asks for what follows from this number on; can't
 * store this one, of which nothing but the number remains. -EINVAL: it can't mean that. */
int outbox_acknowledge(struct outbox_queue *queue, uint64_t seq) _must_check_;
int outbox_expect(struct outbox_queue *queue, uint64_t seq) _must_check_;
int outbox_reject(struct outbox_queue *queue, uint64_t seq) _must_check_;

/* The last number that was given; the last that was acknowledged. */
uint64_t outbox_last_seq(const struct outbox_queue *queue);
uint64_t outbox_acknowledged_seq(const struct outbox_queue *queue);

/* How many intervals, and bytes of all queues, are kept. */
size_t outbox_count(const struct outbox_queue *queue);
size_t outbox_used_bytes(const struct outbox *outbox);

#endif
