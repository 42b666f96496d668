/* SPDX-License-Identifier: MPL-2.0 */
/* A chunk is closed when it is full, and whenever the run is asked to send what it has. */
#include "detail_queue.h"

#include <errno.h>
#include <stdlib.h>

#include "metrics/detail_codec.h"

struct detail_queue {
    struct outbox *outbox;
    struct outbox_queue *chunks;
    struct detail_chunk open;
    uint64_t lost;
};

int detail_queue_new(struct detail_queue **ret, struct outbox *outbox)
{
    struct detail_queue *queue = calloc(1, sizeof *queue);

    if (!queue) {
        return -ENOMEM;
    }
    queue->outbox = outbox;
    int r = outbox_queue_new(&queue->chunks, outbox);
    if (r < 0) {
        free(queue);
        return r;
    }
    *ret = queue;
    return 0;
}

struct detail_queue *detail_queue_free(struct detail_queue *queue)
{
    if (queue) {
        outbox_queue_free(queue->chunks);
        detail_chunk_clear(&queue->open);
        free(queue);
    }
    return NULL;
}

void detail_queue_flush(struct detail_queue *queue)
{
    size_t n = queue->open.n_records, size = 0;
    uint8_t *bytes = detail_chunk_take(&queue->open, &size);

    if (bytes && outbox_add_bytes(queue->chunks, bytes, size) < 0) {
        free(bytes);
        queue->lost += n;
    }
}

void detail_queue_add(struct detail_queue *queue, const struct detail *detail)
{
    if (detail_chunk_add(&queue->open, detail) < 0) {
        queue->lost++;
    }
    if (detail_chunk_is_full(&queue->open)) {
        detail_queue_flush(queue);
    }
}

bool detail_queue_has_room(const struct detail_queue *queue)
{
    return outbox_has_room(queue->outbox);
}

struct outbox_queue *detail_queue_outbox(struct detail_queue *queue)
{
    return queue->chunks;
}

uint64_t detail_queue_lost(const struct detail_queue *queue)
{
    return queue->lost;
}
