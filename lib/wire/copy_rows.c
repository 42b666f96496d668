/* SPDX-License-Identifier: MPL-2.0 */
/* The binary form of COPY: a row is a number of columns (16 bits) and then, for each, its size in
 * bytes (32 bits; -1: NULL) and the bytes, all in network order. An array begins with its number of
 * dimensions, a word that says whether it has NULLs, the type of its elements, and for the one
 * dimension its length and first index; an empty array has no dimension. Headers of arrays are
 * written when their end has shown how many elements there are. */
#include "wire/copy_rows.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define FIRST_BYTES 4096
#define OID_INT2    21
#define OID_INT8    20

/* Between 1970 and 2000, where PostgreSQL's timestamps begin. */
#define EPOCH_USEC (INT64_C(946684800) * 1000000)

void copy_rows_clear(struct copy_rows *rows)
{
    free(rows->bytes);
    *rows = (struct copy_rows){0};
}

int copy_rows_finish(const struct copy_rows *rows)
{
    return rows->failed;
}

/* Where `size` more bytes go, or NULL. */
static uint8_t *extend(struct copy_rows *rows, size_t size)
{
    if (rows->failed < 0) {
        return NULL;
    }
    if (size > COPY_ROWS_MAX_BYTES - rows->size) {
        rows->failed = -E2BIG;
        return NULL;
    }
    if (rows->size + size > rows->capacity) {
        size_t capacity = MAX(rows->capacity, (size_t)FIRST_BYTES);
        while (capacity < rows->size + size) {
            capacity *= 2;
        }
        uint8_t *bytes = realloc(rows->bytes, capacity);
        if (!bytes) {
            rows->failed = -ENOMEM;
            return NULL;
        }
        rows->bytes = bytes;
        rows->capacity = capacity;
    }
    uint8_t *at = rows->bytes + rows->size;
    rows->size += size;
    return at;
}

static void put_2(uint8_t *at, uint16_t value)
{
    value = htobe16(value);
    memcpy(at, &value, sizeof value);
}

static void put_4(uint8_t *at, uint32_t value)
{
    value = htobe32(value);
    memcpy(at, &value, sizeof value);
}

static void put_8(uint8_t *at, uint64_t value)
{
    value = htobe64(value);
    memcpy(at, &value, sizeof value);
}

void copy_rows_begin(struct copy_rows *rows, unsigned columns)
{
    uint8_t *at = extend(rows, 2);

    if (at) {
        put_2(at, (uint16_t)columns);
        rows->count++;
    }
}

void copy_rows_null(struct copy_rows *rows)
{
    uint8_t *at = extend(rows, 4);

    if (at) {
        put_4(at, UINT32_MAX);
    }
}

void copy_rows_int4(struct copy_rows *rows, int32_t value)
{
    uint8_t *at = extend(rows, 8);

    if (at) {
        put_4(at, 4);
        put_4(at + 4, (uint32_t)value);
    }
}

void copy_rows_int8(struct copy_rows *rows, int64_t value)
{
    uint8_t *at = extend(rows, 12);

    if (at) {
        put_4(at, 8);
        put_8(at + 4, (uint64_t)value);
    }
}

void copy_rows_text(struct copy_rows *rows, const char *text, size_t size)
{
    uint8_t *at = size <= COPY_ROWS_MAX_BYTES ? extend(rows, 4 + size) : NULL;

    if (at) {
        put_4(at, (uint32_t)size);
        if (size > 0) {
            memcpy(at + 4, text, size);
        }
    } else if (rows->failed == 0) {
        rows->failed = -E2BIG;
    }
}

void copy_rows_time(struct copy_rows *rows, uint64_t realtime_usec)
{
    copy_rows_int8(rows, (int64_t)MIN(realtime_usec, (uint64_t)INT64_MAX) - EPOCH_USEC);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#define UUID_BYTES 16

/* False: it is no UUID in small letters. */
static bool parse_uuid(const char *text, uint8_t bytes[static UUID_BYTES])
{
    for (unsigned i = 0; i < UUID_BYTES; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-') {
            return false;
        }
        int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);
        if (low < 0) {
            return false;
        }
        bytes[i] = (uint8_t)(high << 4 | low);
        text += 2;
    }
    return *text == '\0';
}

void copy_rows_uuid(struct copy_rows *rows, const char *text)
{
    uint8_t bytes[UUID_BYTES], *at;

    if (!parse_uuid(text, bytes)) {
        rows->failed = rows->failed < 0 ? rows->failed : -EINVAL;
        return;
    }
    at = extend(rows, 4 + UUID_BYTES);
    if (at) {
        put_4(at, UUID_BYTES);
        memcpy(at + 4, bytes, UUID_BYTES);
    }
}

/* ---- arrays ---- */

#define ARRAY_HEADER_BYTES                                                                         \
    (4 + 3 * 4 + 2 * 4) /* the value's size, the array's words, one dimension */

static void begin_array(struct copy_rows *rows, uint32_t type)
{
    rows->array_at = rows->size;
    rows->array_elements = 0;
    uint8_t *at = extend(rows, ARRAY_HEADER_BYTES);
    if (at) {
        put_4(at + 4, 1);
        put_4(at + 8, 0);
        put_4(at + 12, type);
        put_4(at + 20, 1);
    }
}

void copy_rows_begin_int2s(struct copy_rows *rows)
{
    begin_array(rows, OID_INT2);
}

void copy_rows_begin_int8s(struct copy_rows *rows)
{
    begin_array(rows, OID_INT8);
}

void copy_rows_add_int2(struct copy_rows *rows, int16_t value)
{
    uint8_t *at = extend(rows, 6);

    if (at) {
        put_4(at, 2);
        put_2(at + 4, (uint16_t)value);
        rows->array_elements++;
    }
}

void copy_rows_add_int8(struct copy_rows *rows, int64_t value)
{
    copy_rows_int8(rows, value);
    rows->array_elements++;
}

void copy_rows_end_array(struct copy_rows *rows)
{
    if (rows->failed < 0) {
        return;
    }
    uint8_t *at = rows->bytes + rows->array_at;
    if (rows->array_elements == 0) {
        put_4(at + 4, 0);
        rows->size -= (size_t)2 * 4;
    }
    put_4(at, (uint32_t)(rows->size - rows->array_at - 4));
    put_4(at + 16, (uint32_t)rows->array_elements);
}
