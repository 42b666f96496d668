/* SPDX-License-Identifier: MPL-2.0 */
/* Numbers in as many bytes as they need: seven bits each, the least first, the highest bit set in
 * all but the last. There is one way to write a number, so two ends can compare bytes. */
#ifndef LOADS_BASE_VARINT_H
#define LOADS_BASE_VARINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* ---- writing ---- */

/* All zero: nothing is written. `bytes` is malloc'ed, whoever made the writer frees it. */
struct varint_writer {
    uint8_t *bytes;
    size_t size, capacity;
    bool failed; /* no memory: nothing more is written */
};

void varint_put(struct varint_writer *writer, uint64_t value);
void varint_put_signed(struct varint_writer *writer, int64_t value);
void varint_put_bytes(struct varint_writer *writer, const void *bytes, size_t size);

/* ---- reading ---- */

/* The first failure stays; after it every number reads as 0. */
struct varint_reader {
    const uint8_t *at, *end;
    const char *what; /* for the error's text */
    struct error *error;
    int r;
};

uint64_t varint_get(struct varint_reader *reader);
int64_t varint_get_signed(struct varint_reader *reader);

/* So many bytes, borrowed from what is read; NULL: there are fewer. */
const uint8_t *varint_get_bytes(struct varint_reader *reader, size_t size);

/* Something else is wrong. Returns 0. */
uint64_t varint_fail(struct varint_reader *reader, int r, const char *text);

#endif
