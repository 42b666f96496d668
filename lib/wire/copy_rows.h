/* SPDX-License-Identifier: MPL-2.0 */
/* Rows in the binary form of PostgreSQL's COPY: bytes that grow. Functions that append latch a
 * failure, which copy_rows_finish() tells, so that a row is written without a check per column. */
#ifndef LOADS_WIRE_COPY_ROWS_H
#define LOADS_WIRE_COPY_ROWS_H

#include <stdint.h>

#include "base/macros.h"

#define COPY_ROWS_MAX_BYTES ((size_t)1 << 30) /* of all rows together */

/* All zero is empty. */
struct copy_rows {
    uint8_t *bytes;
    size_t size, capacity;
    size_t count;                    /* rows that were begun */
    size_t array_at, array_elements; /* the array that is being written */
    int failed;
};

void copy_rows_clear(struct copy_rows *rows);

/* 0; -ENOMEM; -E2BIG; -EINVAL: a UUID is none. */
int copy_rows_finish(const struct copy_rows *rows) _must_check_;

/* Begins a row of so many columns, which are to follow in their order. */
void copy_rows_begin(struct copy_rows *rows, unsigned columns);

void copy_rows_null(struct copy_rows *rows);
void copy_rows_int4(struct copy_rows *rows, int32_t value);
void copy_rows_int8(struct copy_rows *rows, int64_t value);
void copy_rows_text(struct copy_rows *rows, const char *text, size_t size);

/* "6b0f7d5c-0c5e-4c52-9d8e-5a3c2a1f0e11" */
void copy_rows_uuid(struct copy_rows *rows, const char *text);

/* timestamptz, from microseconds since 1970. */
void copy_rows_time(struct copy_rows *rows, uint64_t realtime_usec);

/* Arrays of one dimension: begin, elements, end. */
void copy_rows_begin_int2s(struct copy_rows *rows);
void copy_rows_add_int2(struct copy_rows *rows, int16_t value);
void copy_rows_begin_int8s(struct copy_rows *rows);
void copy_rows_add_int8(struct copy_rows *rows, int64_t value);
void copy_rows_end_array(struct copy_rows *rows);

#endif
