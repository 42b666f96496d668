/* SPDX-License-Identifier: MPL-2.0 */
/* Content codings. The first line of an input is how it comes in pieces (a byte) and
 * Content-Encoding (the rest), what follows is the body: decoded whole and in pieces it is the
 * same. With an exclamation mark in place of the codings' line, the body is encoded first and must
 * come back. */
#include <errno.h>
#include <zlib.h>

#include "fuzz.h"
#include "worker/decode.h"

#define MAX_DECODED ((size_t)1 << 17)
#define MAX_ENCODED ((size_t)1 << 16)

struct decoded {
    size_t size;
    uint8_t bytes[MAX_DECODED];
};

static bool collect(void *context, const void *bytes, size_t size)
{
    struct decoded *decoded = context;

    assert(size > 0);
    if (size > MAX_DECODED - decoded->size) {
        return false;
    }
    memcpy(decoded->bytes + decoded->size, bytes, size);
    decoded->size += size;
    return true;
}

/* Each time `step` bytes, or as many as the least bits of a hash of the place say. */
static size_t next_piece(size_t left, unsigned step, size_t place)
{
    size_t size = step == 0      ? left
                  : step < 0x80u ? step
                                 : (place * 2654435761u >> 7) % (step & 0x3f) + 1;
    return MIN(size, left);
}

static int decode(struct decoder_pool *pool, struct input coding, struct input body, unsigned step,
                  struct decoded *ret)
{
    _cleanup_(decoder_freep) struct decoder *decoder = NULL;
    struct error error;
    size_t place = 0;

    ret->size = 0;
    int r = decoder_new(&decoder, pool, (const char *)coding.at, coding.left, &error);

    if (r < 0) {
        assert(r == -EBADMSG);
        check_error(r, &error);
        return r;
    }
    while (r == 0 && body.left > 0) {
        struct input piece = input_take(&body, next_piece(body.left, step, place++));
        /* A copy of its own: reads behind it are noticed. */
        _cleanup_free_ uint8_t *bytes = malloc(piece.left);
        assert(bytes);
        memcpy(bytes, piece.at, piece.left);
        r = decoder_write(decoder, bytes, piece.left, collect, ret, &error);
    }
    int end = decoder_finish(decoder, r == 0 ? &error : NULL);
    assert(r == 0 || end == r);
    if (end < 0) {
        assert(end == -EBADMSG || end == -ECANCELED);
        check_error(end, &error);
        assert(decoder_write(decoder, "", 1, collect, ret, &error) == end);
        assert(decoder_finish(decoder, &error) == end);
    }
    return end;
}

static void check_pieces(struct decoder_pool *pool, struct input coding, struct input body,
                         unsigned step)
{
    static struct decoded whole, pieces;
    int r = decode(pool, coding, body, 0, &whole);
    int s = decode(pool, coding, body, step, &pieces);

    if (r != -ECANCELED && s != -ECANCELED) {
        assert(r == s);
    }
    if (r == 0 && s == 0) {
        assert(whole.size == pieces.size);
        assert(memcmp(whole.bytes, pieces.bytes, whole.size) == 0);
    }
}

static struct input encode(uint8_t *out, struct input body, unsigned step, int bits)
{
    z_stream stream = {.next_in = (uint8_t *)body.at,
                       .avail_in = (uInt)body.left,
                       .next_out = out,
                       .avail_out = MAX_ENCODED};

    assert(deflateInit2(&stream, (int)step % 10, Z_DEFLATED, bits, 1 + (int)step % 9,
                        (int)step % 5) == Z_OK);
    assert(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    assert(deflateEnd(&stream) == Z_OK);
    return (struct input){out, MAX_ENCODED - stream.avail_out};
}

static void check_round_trip(struct decoder_pool *pool, struct input body, unsigned step)
{
    static const struct {
        const char *coding;
        int bits;
    } codings[] = {{"gzip", MAX_WBITS + 16}, {"deflate", MAX_WBITS}, {"deflate", -MAX_WBITS}};
    static uint8_t encoded[MAX_ENCODED];
    static struct decoded decoded;

    for (size_t i = 0; i < ELEMENTSOF(codings) && body.left < MAX_ENCODED / 4; i++) {
        struct input coding = {(const uint8_t *)codings[i].coding, strlen(codings[i].coding)};
        struct input bytes = encode(encoded, body, step, codings[i].bits);
        assert(decode(pool, coding, bytes, step, &decoded) == 0 && decoded.size == body.left);
        assert(body.left == 0 || memcmp(decoded.bytes, body.at, body.left) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct decoder_pool *pool;
    struct input body = {data, size};
    struct input coding = input_until(&body, '\n');
    unsigned step = (unsigned)input_number(&coding, 1);

    assert(decoder_pool_new(&pool) == 0);
    if (coding.left > 0 && coding.at[0] == '!') {
        check_round_trip(pool, body, step);
    } else {
        check_pieces(pool, coding, body, MAX(step, 1));
    }
    decoder_pool_free(pool); /* asserts that all came back */
    return 0;
}
