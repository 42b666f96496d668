/* SPDX-License-Identifier: MPL-2.0 */
/* The encoding, which HdrHistogram describes in its sources: a head of 40 bytes, in the order of
 * the network, and then the counts as zigzag LEB128 numbers, in which a negative one stands for so
 * many empty buckets. That is deflated, and gets a head of 8 bytes.
 *
 * HdrHistogram with three digits has 1,024 buckets per octave where we have 512. So each of ours
 * is one of theirs, that of the value which ours stands for, and nothing is lost. */
#include "outputs/hdr.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "base/base64.h"

#define COOKIE            UINT32_C(0x1c849313)
#define COMPRESSED_COOKIE UINT32_C(0x1c849314)
#define HEAD_BYTES        40
#define COMPRESSED_HEAD   8
#define DIGITS            3
#define HALF_MAGNITUDE    10 /* 1,024 buckets per octave */
#define NUMBER_BYTES      9  /* at most */

/* The index that a value has with them: its octave above the first 2,048 values, and its upper 11
 * bits. */
static uint32_t index_of(uint64_t usec)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(usec | ((2 << HALF_MAGNITUDE) - 1));
    unsigned octave = bits - (HALF_MAGNITUDE + 1);

    return (uint32_t)((octave << HALF_MAGNITUDE) + (usec >> octave));
}

struct encoder {
    const struct histogram *histogram;
    uint8_t *at;
    uint32_t next, index; /* of theirs: the first that isn't written; that of `count` */
    uint64_t count;       /* what several of ours have in one of theirs, at the ends */
};

static void put_number(struct encoder *encoder, int64_t number)
{
    uint64_t rest = ((uint64_t)number << 1) ^ (uint64_t)(number >> 63);

    for (unsigned i = 1; rest >= 0x80 && i < NUMBER_BYTES; i++) {
        *encoder->at++ = (uint8_t)(rest | 0x80);
        rest >>= 7;
    }
    *encoder->at++ = (uint8_t)rest;
}

static void put_pending(struct encoder *encoder)
{
    if (encoder->count == 0) {
        return;
    }
    uint32_t empty = encoder->index - encoder->next;
    if (empty > 0) {
        put_number(encoder, empty > 1 ? -(int64_t)empty : 0);
    }
    put_number(encoder, (int64_t)MIN(encoder->count, (uint64_t)INT64_MAX));
    encoder->next = encoder->index + 1;
    encoder->count = 0;
}

static void put_bucket(unsigned bucket, uint64_t count, void *context)
{
    struct encoder *encoder = context;
    const struct histogram *histogram = encoder->histogram;
    uint64_t usec =
        MIN(MAX(histogram_bucket_usec(bucket), histogram->min_usec), histogram->max_usec);
    uint32_t index = index_of(usec);

    if (index != encoder->index) {
        put_pending(encoder);
        encoder->index = index;
    }
    encoder->count += count;
}

static uint8_t *put_32(uint8_t *at, uint32_t value)
{
    value = htobe32(value);
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

static uint8_t *put_64(uint8_t *at, uint64_t value)
{
    value = htobe64(value);
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

static void put_head(uint8_t *head, size_t counts_size)
{
    const double ratio = 1;
    uint64_t bits;

    memcpy(&bits, &ratio, sizeof bits);
    head = put_32(head, COOKIE);
    head = put_32(head, (uint32_t)counts_size);
    head = put_32(head, 0); /* no shift of the indices */
    head = put_32(head, DIGITS);
    head = put_64(head, HISTOGRAM_MIN_USEC);
    head = put_64(head, HISTOGRAM_MAX_USEC);
    (void)put_64(head, bits);
}

int hdr_encode(const struct histogram *histogram, char **ret)
{
    _cleanup_free_ uint8_t *plain =
        malloc(HEAD_BYTES + (size_t)2 * HISTOGRAM_BUCKETS * NUMBER_BYTES);
    if (!plain) {
        return -ENOMEM;
    }
    struct encoder encoder = {.histogram = histogram, .at = plain + HEAD_BYTES};
    histogram_each(histogram, put_bucket, &encoder);
    put_pending(&encoder);
    size_t size = (size_t)(encoder.at - plain);
    put_head(plain, size - HEAD_BYTES);

    uLongf packed_size = compressBound(size);
    _cleanup_free_ uint8_t *packed = malloc(COMPRESSED_HEAD + packed_size);
    if (!packed || compress(packed + COMPRESSED_HEAD, &packed_size, plain, size) != Z_OK) {
        return -ENOMEM; /* nothing else can be wrong with room enough */
    }
    (void)put_32(put_32(packed, COMPRESSED_COOKIE), (uint32_t)packed_size);
    return base64_encode(packed, COMPRESSED_HEAD + packed_size, ret);
}
