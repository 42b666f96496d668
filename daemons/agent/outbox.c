/* SPDX-License-Identifier: MPL-2.0 */
/* A list per run: first what was sent (numbered, in order), then what wasn't. Intervals are kept
 * encoded, which is a fraction of their size in memory and what is sent anyway; two that are put
 * together are decoded for it, which happens only when a broker was away for long.
 *
 * Putting together those that cover the least, the oldest first, makes the whole queue coarser step
 * by step. Always taking the two oldest would make one that grows without bound and is decoded and
 * encoded again each second. */
#include "outbox.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"

struct item {
    struct item *next, *previous;
    uint64_t seq;             /* 0: never sent */
    uint32_t second, seconds; /* 0, 0: no interval */
    uint8_t *bytes;
    size_t size;
};

struct outbox {
    size_t limit_bytes, used_bytes;
};

struct outbox_queue {
    struct outbox *outbox;
    struct item *first, *last;
    struct item *position; /* what is sent next on this connection; NULL: what comes next */
    size_t count;
    size_t window_bytes; /* of items before `position` */
    uint64_t last_seq, acknowledged;
};

static size_t cost(const struct item *item)
{
    return sizeof *item + item->size;
}

static void item_free(struct item *item)
{
    free(item->bytes);
    free(item);
}

static void drop(struct outbox_queue *queue, struct item *item)
{
    *(item->previous ? &item->previous->next : &queue->first) = item->next;
    *(item->next ? &item->next->previous : &queue->last) = item->previous;
    queue->count--;
    queue->outbox->used_bytes -= cost(item);
    item_free(item);
}

int outbox_new(struct outbox **ret, size_t limit_bytes)
{
    struct outbox *outbox = calloc(1, sizeof *outbox);

    if (!outbox) {
        return -ENOMEM;
    }
    outbox->limit_bytes = limit_bytes;
    *ret = outbox;
    return 0;
}

struct outbox *outbox_free(struct outbox *outbox)
{
    if (outbox) {
        assert(outbox->used_bytes == 0);
        free(outbox);
    }
    return NULL;
}

int outbox_queue_new(struct outbox_queue **ret, struct outbox *outbox)
{
    struct outbox_queue *queue = calloc(1, sizeof *queue);

    if (!queue) {
        return -ENOMEM;
    }
    queue->outbox = outbox;
    *ret = queue;
    return 0;
}

struct outbox_queue *outbox_queue_free(struct outbox_queue *queue)
{
    if (queue) {
        while (queue->first) {
            drop(queue, queue->first);
        }
        free(queue);
    }
    return NULL;
}

/* ---- making room ----------------------------------------------------------------------------- */

/* The seconds from the first of `item` to the last of the one behind it, or the reverse. */
static uint64_t span(const struct item *item)
{
    const struct item *other = item->next;
    uint64_t begin = MIN(item->second, other->second);
    uint64_t end =
        MAX((uint64_t)item->second + item->seconds, (uint64_t)other->second + other->seconds);
    return end - begin;
}

/* The item that is best put together with the one behind it; NULL: there are no two. */
static struct item *choose(const struct outbox_queue *queue)
{
    struct item *best = NULL;

    for (struct item *item = queue->last; item && item->previous && item->previous->seq == 0;
         item = item->previous) {
        if (!best || span(item->previous) <= span(best)) {
            best = item->previous;
        }
    }
    return best;
}

/* Puts an item and the one behind it together. */
static int merge(struct outbox_queue *queue, struct item *item)
{
    _cleanup_(interval_freep) struct interval *sum = NULL, *other = NULL;
    uint8_t *bytes = NULL;
    size_t size = 0;

    int r = interval_decode(item->bytes, item->size, &sum, NULL);
    if (r == 0) {
        r = interval_decode(item->next->bytes, item->next->size, &other, NULL);
    }
    if (r == 0) {
        r = interval_merge(sum, other);
    }
    if (r == 0) {
        r = interval_encode(sum, &bytes, &size);
    }
    if (r < 0) {
        return r;
    }
    if (queue->position == item->next) {
        queue->position = item;
    }
    drop(queue, item->next);
    queue->outbox->used_bytes -= cost(item);
    free(item->bytes);
    item->bytes = bytes;
    item->size = size;
    item->second = sum->second;
    item->seconds = sum->seconds;
    queue->outbox->used_bytes += cost(item);
    return 0;
}

/* What can't be put together, for want of memory or of two, stays as it is. */
static void make_room(struct outbox_queue *queue)
{
    while (queue->outbox->used_bytes > queue->outbox->limit_bytes) {
        struct item *item = choose(queue);
        if (!item || merge(queue, item) < 0) {
            return;
        }
    }
}

static void append(struct outbox_queue *queue, struct item *item)
{
    item->previous = queue->last;
    *(queue->last ? &queue->last->next : &queue->first) = item;
    queue->last = item;
    queue->count++;
    queue->outbox->used_bytes += cost(item);
    if (!queue->position) {
        queue->position = item;
    }
}

static void number(struct outbox_queue *queue, struct item *item)
{
    if (item->seq == 0) {
        item->seq = ++queue->last_seq;
    }
}

int outbox_add(struct outbox_queue *queue, const struct interval *interval)
{
    struct item *item = calloc(1, sizeof *item);

    if (!item) {
        return -ENOMEM;
    }
    int r = interval_encode(interval, &item->bytes, &item->size);
    if (r < 0) {
        free(item);
        return r;
    }
    item->second = interval->second;
    item->seconds = interval->seconds;
    append(queue, item);
    make_room(queue);
    return 0;
}

bool outbox_has_room(const struct outbox *outbox)
{
    return outbox->used_bytes < outbox->limit_bytes;
}

int outbox_add_bytes(struct outbox_queue *queue, uint8_t *bytes, size_t size)
{
    if (!outbox_has_room(queue->outbox)) {
        return -ENOBUFS;
    }
    struct item *item = calloc(1, sizeof *item);
    if (!item) {
        return -ENOMEM;
    }
    item->bytes = bytes;
    item->size = size;
    append(queue, item);
    number(queue, item);
    return 0;
}

/* ---- sending --------------------------------------------------------------------------------- */

void outbox_close(struct outbox_queue *queue)
{
    for (struct item *item = queue->first; item; item = item->next) {
        number(queue, item);
    }
}

bool outbox_next(struct outbox_queue *queue, struct outbox_item *ret)
{
    struct item *item = queue->position;

    if (!item || queue->window_bytes >= OUTBOX_WINDOW_BYTES) {
        return false;
    }
    number(queue, item);
    *ret = (struct outbox_item){.seq = item->seq, .bytes = item->bytes, .size = item->size};
    return true;
}

void outbox_advance(struct outbox_queue *queue)
{
    queue->window_bytes += cost(queue->position);
    queue->position = queue->position->next;
}

/* The window reaches up to this item; NULL: all of them are in it. */
static void set_position(struct outbox_queue *queue, struct item *position)
{
    queue->position = position;
    queue->window_bytes = 0;
    for (struct item *item = queue->first; item && item != position; item = item->next) {
        queue->window_bytes += cost(item);
    }
}

void outbox_rewind(struct outbox_queue *queue)
{
    set_position(queue, queue->first);
}

int outbox_acknowledge(struct outbox_queue *queue, uint64_t seq)
{
    if (seq > queue->last_seq) {
        return -EINVAL;
    }
    struct item *position = queue->position;
    while (queue->first && queue->first->seq > 0 && queue->first->seq <= seq) {
        position = queue->first == position ? position->next : position;
        drop(queue, queue->first);
    }
    queue->acknowledged = MAX(queue->acknowledged, seq);
    set_position(queue, position);
    return 0;
}

static struct item *find(const struct outbox_queue *queue, uint64_t seq)
{
    struct item *item = queue->first;

    while (item && item->seq != seq) {
        item = item->next;
    }
    return item;
}

int outbox_expect(struct outbox_queue *queue, uint64_t seq)
{
    if (seq <= queue->acknowledged || seq > queue->last_seq + 1) {
        return -EINVAL;
    }
    if (seq <= queue->last_seq) { /* else it waits for what it wasn't sent yet */
        set_position(queue, find(queue, seq));
    }
    return 0;
}

/* Its seconds, with nothing in them; of detail, nothing at all. */
static int empty(const struct item *item, uint8_t **ret, size_t *ret_size)
{
    if (item->seconds == 0) {
        *ret = NULL;
        *ret_size = 0;
        return 0;
    }
    return interval_encode(&(struct interval){.second = item->second, .seconds = item->seconds},
                           ret, ret_size);
}

int outbox_reject(struct outbox_queue *queue, uint64_t seq)
{
    struct item *item = seq > 0 ? find(queue, seq) : NULL;
    uint8_t *bytes;
    size_t size;

    if (!item) {
        return -EINVAL;
    }
    int r = empty(item, &bytes, &size);
    if (r < 0) {
        return r;
    }
    queue->outbox->used_bytes -= cost(item);
    free(item->bytes);
    item->bytes = bytes;
    item->size = size;
    queue->outbox->used_bytes += cost(item);
    set_position(queue, queue->position);
    return 0;
}

/* ---- looking --------------------------------------------------------------------------------- */

uint64_t outbox_last_seq(const struct outbox_queue *queue)
{
    return queue->last_seq;
}

uint64_t outbox_acknowledged_seq(const struct outbox_queue *queue)
{
    return queue->acknowledged;
}

size_t outbox_count(const struct outbox_queue *queue)
{
    return queue->count;
}

size_t outbox_used_bytes(const struct outbox *outbox)
{
    return outbox->used_bytes;
}
