/* SPDX-License-Identifier: MPL-2.0 */
/* The detail of one run on its way to the broker: records are gathered into chunks, which get their
 * numbers at once. Unlike intervals they can't be put together: what memory has no room for is
 * counted as lost. */
#ifndef LOADS_AGENT_DETAIL_QUEUE_H
#define LOADS_AGENT_DETAIL_QUEUE_H

#include "metrics/detail.h"
#include "outbox.h"

struct detail_queue;

/* Borrows the outbox, which is apart from that of intervals. */
int detail_queue_new(struct detail_queue **ret, struct outbox *outbox) _must_check_;
struct detail_queue *detail_queue_free(struct detail_queue *queue);
DEFINE_CLEANUP(struct detail_queue, detail_queue_free)

void detail_queue_add(struct detail_queue *queue, const struct detail *detail);

/* What was added is to be sent, however little it is. */
void detail_queue_flush(struct detail_queue *queue);

bool detail_queue_has_room(const struct detail_queue *queue);

/* Where chunks are. Borrowed. */
struct outbox_queue *detail_queue_outbox(struct detail_queue *queue);

/* How many records there was no memory for. */
uint64_t detail_queue_lost(const struct detail_queue *queue);

#endif
