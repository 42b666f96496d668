/* SPDX-License-Identifier: MPL-2.0 */
/* Detail on the wire: records one behind the other, as an agent sends them to the broker. */
#ifndef LOADS_METRICS_DETAIL_CODEC_H
#define LOADS_METRICS_DETAIL_CODEC_H

#include "base/varint.h"
#include "metrics/detail.h"
#include "metrics/interval_remap.h"

#define DETAIL_CHUNK_BYTES   ((size_t)128 << 10) /* a chunk that has so many is to be sent */
#define DETAIL_CHUNK_RECORDS 65536               /* and that is the most that one is read with */

/* Records that are written; all zero: none yet. What `writer` has in it is the chunk's. */
struct detail_chunk {
    struct varint_writer writer;
    size_t n_records;
    uint64_t started_usec; /* of the last one */
};

/* -ENOMEM: the chunk is what it was. */
int detail_chunk_add(struct detail_chunk *chunk, const struct detail *detail) _must_check_;
bool detail_chunk_is_full(const struct detail_chunk *chunk);

/* The bytes, malloc'ed, the caller's; the chunk is empty then. NULL: it was. */
uint8_t *detail_chunk_take(struct detail_chunk *chunk, size_t *ret_size);
void detail_chunk_clear(struct detail_chunk *chunk);

/* Records that were read. */
struct detail_list {
    struct detail *records; /* their texts are in `bytes`, and not terminated */
    size_t n_records;
    uint8_t *bytes;
};

/* Reads bytes from outside; none at all are no records. Ids are within the limits of names.
 * -EBADMSG, -E2BIG, -ENOMEM with a text. */
int detail_decode(const uint8_t *bytes, size_t size, struct detail_list **ret, struct error *error)
    _must_check_;
struct detail_list *detail_list_free(struct detail_list *list);
DEFINE_CLEANUP(struct detail_list, detail_list_free)

/* Gives all ids their new numbers. -ENOENT: one has none, and nothing has changed. */
int detail_remap(struct detail_list *list, const struct interval_map *map) _must_check_;

#endif
