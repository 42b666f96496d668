/* SPDX-License-Identifier: MPL-2.0 */
/* The reader is for bytes from outside: it never reads beyond their end, and takes nothing but the
 * shortest form. */
#include "base/varint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

#define MAX_BYTES      10 /* of a number */
#define FIRST_CAPACITY 256

static bool make_room(struct varint_writer *writer, size_t size)
{
    if (writer->failed || size > SIZE_MAX / 2 - writer->size) {
        writer->failed = true;
        return false;
    }
    if (writer->capacity - writer->size >= size) {
        return true;
    }
    size_t capacity = MAX(MAX(2 * writer->capacity, writer->size + size), (size_t)FIRST_CAPACITY);
    uint8_t *bytes = realloc(writer->bytes, capacity);
    if (!bytes) {
        writer->failed = true;
        return false;
    }
    writer->bytes = bytes;
    writer->capacity = capacity;
    return true;
}

void varint_put(struct varint_writer *writer, uint64_t value)
{
    if (!make_room(writer, MAX_BYTES)) {
        return;
    }
    for (; value >= 0x80; value >>= 7) {
        writer->bytes[writer->size++] = (uint8_t)(value | 0x80);
    }
    writer->bytes[writer->size++] = (uint8_t)value;
}

/* Zigzag: 0, -1, 1, -2, … are 0, 1, 2, 3, … */
void varint_put_signed(struct varint_writer *writer, int64_t value)
{
    varint_put(writer, ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0));
}

void varint_put_bytes(struct varint_writer *writer, const void *bytes, size_t size)
{
    if (size > 0 && make_room(writer, size)) {
        memcpy(writer->bytes + writer->size, bytes, size);
        writer->size += size;
    }
}

uint64_t varint_fail(struct varint_reader *reader, int r, const char *text)
{
    if (reader->r == 0) {
        reader->r = error_set(reader->error, r, "%s: %s", reader->what, text);
    }
    return 0;
}

uint64_t varint_get(struct varint_reader *reader)
{
    uint64_t value = 0;

    for (unsigned shift = 0; reader->r == 0; shift += 7) {
        if (reader->at == reader->end) {
            return varint_fail(reader, -EBADMSG, "it ends in the middle");
        }
        uint8_t byte = *reader->at++;
        if (shift == 63 && byte > 1) {
            return varint_fail(reader, -EBADMSG, "a number has more than 64 bits");
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            if (byte == 0 && shift > 0) {
                return varint_fail(reader, -EBADMSG, "a number is not in its shortest form");
            }
            return value;
        }
    }
    return 0;
}

int64_t varint_get_signed(struct varint_reader *reader)
{
    uint64_t value = varint_get(reader);
    return (int64_t)((value >> 1) ^ (value & 1 ? UINT64_MAX : 0));
}

const uint8_t *varint_get_bytes(struct varint_reader *reader, size_t size)
{
    if (reader->r == 0 && size > (size_t)(reader->end - reader->at)) {
        varint_fail(reader, -EBADMSG, "it ends in the middle");
    }
    if (reader->r < 0) {
        return NULL;
    }
    const uint8_t *bytes = reader->at;
    reader->at += size;
    return bytes;
}
