/* SPDX-License-Identifier: MPL-2.0 */
/* The detail stream: every hit and every test event of a worker, one after the other, through a
 * ring in memory that worker and supervisor share; on only when an output asks for it. One writer,
 * one reader, bounded: when the ring is short of room, users wait with their next request until the
 * supervisor has caught up, so that nothing is lost and no latency is bent. */
#ifndef LOADS_METRICS_DETAIL_H
#define LOADS_METRICS_DETAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum detail_type {
    DETAIL_START_TEST = 1,
    DETAIL_STOP_TEST,
    DETAIL_SUCCESS,
    DETAIL_FAILURE, /* id: the error */
    DETAIL_ERROR,   /* id: the error */
    DETAIL_INTERRUPTED,
    DETAIL_HIT,           /* id: the series; text: the URL, without query and fragment */
    DETAIL_REQUEST_ERROR, /* id: the series; error_id: the error; text: the same */
    DETAIL_COUNTER,       /* id: the counter; value: the increment */
    DETAIL_TYPES
};

struct detail {
    enum detail_type type;
    uint32_t id;
    uint32_t error_id;
    uint32_t test;         /* id of the test */
    uint32_t user;         /* 0-based, unique over the cycle */
    uint32_t iteration;    /* 0-based, of this user */
    uint32_t cycle;        /* 0-based */
    uint64_t started_usec; /* realtime, when it began (events: when it happened) */
    uint64_t elapsed_usec;
    int64_t value;
    const char *text; /* `text_size` bytes, may be NULL; at most DETAIL_MAX_TEXT are kept */
    size_t text_size;
};

#define DETAIL_MAX_TEXT  2048
#define DETAIL_MAX_BYTES (DETAIL_MAX_TEXT + 128) /* of one record in the ring */

struct detail_ring;

/* Memory of detail_ring_size_bytes(capacity) bytes, aligned to 64; capacity a power of two of at
 * least 4096. Like tallies: the worker formats zeroed memory, the supervisor attaches (-EINVAL). */
size_t detail_ring_size_bytes(size_t capacity_bytes);
int detail_ring_new(struct detail_ring **ret, void *memory, size_t capacity_bytes) _must_check_;
int detail_ring_attach(struct detail_ring **ret, void *memory, size_t size_bytes) _must_check_;
struct detail_ring *detail_ring_free(struct detail_ring *ring);
DEFINE_CLEANUP(struct detail_ring, detail_ring_free)

/* Bytes free for the writer. */
size_t detail_ring_room_bytes(const struct detail_ring *ring);

/* Writer: puts a record behind the others without publishing it, and says where the ring's head
 * word is and what to store there to publish (tally_stage_store() does, together with the counts).
 * -ENOBUFS: no room. */
int detail_ring_put(struct detail_ring *ring, const struct detail *detail, uint64_t **ret_word,
                    uint64_t *ret_value) _must_check_;

/* Reader: takes the next record; its text is in `buffer` (DETAIL_MAX_BYTES), NUL-terminated. 1:
 * there was one; 0: none; -EBADMSG: what is there is no record (everything in the ring is given
 * up). */
int detail_ring_take(struct detail_ring *ring, struct detail *ret, char *buffer) _must_check_;

#endif
