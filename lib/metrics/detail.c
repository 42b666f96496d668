/* SPDX-License-Identifier: MPL-2.0 */
/* The ring of the detail stream. Head and tail are counts of bytes that only grow; the reader owns
 * the tail, and the head is stored by whoever publishes, in one commit with the counts, so that a
 * worker's death loses either both or none. Each side keeps its own count to itself and shares a
 * copy: the reader takes no number from the ring that it has not checked, since tests run in the
 * writer. */
#include "metrics/detail.h"

#include <errno.h>
#include <string.h>

#define MAGIC        UINT64_C(0x6c69617465642d73) /* "s-detail" */
#define VERSION      1
#define MIN_CAPACITY 4096 /* one record must fit */
#define UNIT         8    /* sizes of records are multiples */

struct shared {
    uint64_t magic;
    uint64_t capacity;
    uint32_t version;
    _Alignas(64) uint64_t head; /* bytes published */
    _Alignas(64) uint64_t tail; /* bytes taken */
    _Alignas(64) unsigned char bytes[];
};

/* A record in the ring; `text_size` bytes of text follow, and zeros up to a multiple of UNIT. */
struct record {
    uint32_t size; /* all of it */
    uint32_t type;
    uint32_t id, error_id, test, user, iteration, cycle;
    uint64_t started_usec, elapsed_usec;
    int64_t value;
    uint32_t text_size;
    uint32_t zero;
};

struct detail_ring {
    struct shared *shared;
    uint64_t capacity;
    uint64_t position; /* writer: bytes put, published or not; reader: bytes taken */
};

size_t detail_ring_size_bytes(size_t capacity_bytes)
{
    return sizeof(struct shared) + capacity_bytes;
}

static bool is_capacity(uint64_t capacity)
{
    return capacity >= MIN_CAPACITY && capacity <= UINT32_MAX && (capacity & (capacity - 1)) == 0;
}

static int make_handle(struct detail_ring **ret, struct shared *shared, uint64_t capacity,
                       uint64_t position)
{
    struct detail_ring *ring = calloc(1, sizeof *ring);

    if (!ring) {
        return -ENOMEM;
    }
    *ring = (struct detail_ring){.shared = shared, .capacity = capacity, .position = position};
    *ret = ring;
    return 0;
}

static bool is_aligned(const void *memory)
{
    return (uintptr_t)memory % _Alignof(struct shared) == 0;
}

int detail_ring_new(struct detail_ring **ret, void *memory, size_t capacity_bytes)
{
    struct shared *shared = memory;

    if (!is_aligned(memory) || !is_capacity(capacity_bytes)) {
        return -EINVAL;
    }
    shared->capacity = capacity_bytes;
    shared->version = VERSION;
    __atomic_store_n(&shared->magic, MAGIC, __ATOMIC_RELEASE);
    return make_handle(ret, shared, capacity_bytes, 0);
}

int detail_ring_attach(struct detail_ring **ret, void *memory, size_t size_bytes)
{
    struct shared *shared = memory;

    if (!is_aligned(memory) || size_bytes < sizeof *shared ||
        __atomic_load_n(&shared->magic, __ATOMIC_ACQUIRE) != MAGIC || shared->version != VERSION) {
        return -EINVAL;
    }
    uint64_t capacity = __atomic_load_n(&shared->capacity, __ATOMIC_RELAXED);
    if (!is_capacity(capacity) || capacity > size_bytes - sizeof *shared) {
        return -EINVAL;
    }
    uint64_t tail = __atomic_load_n(&shared->tail, __ATOMIC_RELAXED);
    return make_handle(ret, shared, capacity, tail);
}

struct detail_ring *detail_ring_free(struct detail_ring *ring)
{
    free(ring);
    return NULL;
}

size_t detail_ring_room_bytes(const struct detail_ring *ring)
{
    uint64_t used = ring->position - __atomic_load_n(&ring->shared->tail, __ATOMIC_ACQUIRE);
    return used > ring->capacity ? 0 : (size_t)(ring->capacity - used);
}

/* Where in the ring a count of bytes is, and how many of `size` bytes lie there up to its end. */
static size_t locate(const struct detail_ring *ring, uint64_t position, size_t size,
                     size_t *ret_first)
{
    size_t offset = (size_t)(position & (ring->capacity - 1));
    *ret_first = MIN(size, (size_t)ring->capacity - offset);
    return offset;
}

static void copy_in(struct detail_ring *ring, uint64_t position, const void *bytes, size_t size)
{
    size_t first;
    size_t offset = locate(ring, position, size, &first);

    memcpy(ring->shared->bytes + offset, bytes, first);
    memcpy(ring->shared->bytes, (const char *)bytes + first, size - first);
}

static void copy_out(const struct detail_ring *ring, uint64_t position, void *bytes, size_t size)
{
    size_t first;
    size_t offset = locate(ring, position, size, &first);

    memcpy(bytes, ring->shared->bytes + offset, first);
    memcpy((char *)bytes + first, ring->shared->bytes, size - first);
}

static uint32_t record_size(size_t text_size)
{
    return (uint32_t)((sizeof(struct record) + text_size + UNIT - 1) / UNIT * UNIT);
}

/* How much of a text is kept; a cut is put between two characters of UTF-8. */
static size_t kept_text(const struct detail *detail)
{
    size_t size = detail->text ? detail->text_size : 0;

    if (size > DETAIL_MAX_TEXT) {
        size = DETAIL_MAX_TEXT;
        while (size > DETAIL_MAX_TEXT - 4 && (detail->text[size] & 0xc0) == 0x80) {
            size--;
        }
    }
    return size;
}

int detail_ring_put(struct detail_ring *ring, const struct detail *detail, uint64_t **ret_word,
                    uint64_t *ret_value)
{
    _Static_assert(sizeof(struct record) + DETAIL_MAX_TEXT + UNIT <= DETAIL_MAX_BYTES,
                   "the longest record is within its limit");
    size_t text_size = kept_text(detail);
    struct record record = {
        .size = record_size(text_size),
        .type = detail->type,
        .id = detail->id,
        .error_id = detail->error_id,
        .test = detail->test,
        .user = detail->user,
        .iteration = detail->iteration,
        .cycle = detail->cycle,
        .started_usec = detail->started_usec,
        .elapsed_usec = detail->elapsed_usec,
        .value = detail->value,
        .text_size = (uint32_t)text_size,
    };

    if (record.size > detail_ring_room_bytes(ring)) {
        return -ENOBUFS;
    }
    copy_in(ring, ring->position, &record, sizeof record);
    if (text_size > 0) {
        copy_in(ring, ring->position + sizeof record, detail->text, text_size);
    }
    ring->position += record.size;
    *ret_word = &ring->shared->head;
    *ret_value = ring->position;
    return 0;
}

static void set_tail(struct detail_ring *ring, uint64_t position)
{
    ring->position = position;
    __atomic_store_n(&ring->shared->tail, position, __ATOMIC_RELEASE);
}

int detail_ring_take(struct detail_ring *ring, struct detail *ret, char *buffer)
{
    uint64_t head = __atomic_load_n(&ring->shared->head, __ATOMIC_ACQUIRE);
    uint64_t filled = head - ring->position;
    struct record record = {0};

    if (filled == 0) {
        return 0;
    }
    if (filled >= sizeof record && filled <= ring->capacity) {
        copy_out(ring, ring->position, &record, sizeof record);
    }
    if (record.type == 0 || record.type >= DETAIL_TYPES || record.text_size > DETAIL_MAX_TEXT ||
        record.size != record_size(record.text_size) || record.size > filled) {
        set_tail(ring, head);
        return -EBADMSG;
    }
    copy_out(ring, ring->position + sizeof record, buffer, record.text_size);
    buffer[record.text_size] = '\0';
    *ret = (struct detail){
        .type = record.type,
        .id = record.id,
        .error_id = record.error_id,
        .test = record.test,
        .user = record.user,
        .iteration = record.iteration,
        .cycle = record.cycle,
        .started_usec = record.started_usec,
        .elapsed_usec = record.elapsed_usec,
        .value = record.value,
        .text = buffer,
        .text_size = record.text_size,
    };
    set_tail(ring, ring->position + record.size);
    return 1;
}
