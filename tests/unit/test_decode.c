/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "worker/decode.h"

#define RAW  (-MAX_WBITS)
#define ZLIB MAX_WBITS
#define GZIP (MAX_WBITS + 16)

struct bytes {
    unsigned char *at;
    size_t size, room, limit;
    size_t calls, largest;
};

static void bytes_free(struct bytes *bytes)
{
    free(bytes->at);
}

#define _cleanup_bytes_ _cleanup_(bytes_free)

static bool collect(void *context, const void *piece, size_t size)
{
    struct bytes *bytes = context;

    assert_true(size > 0);
    bytes->calls++;
    bytes->largest = MAX(bytes->largest, size);
    if (bytes->limit && bytes->size + size > bytes->limit) {
        return false;
    }
    if (bytes->size + size > bytes->room) {
        bytes->room = (bytes->size + size) * 2;
        bytes->at = realloc(bytes->at, bytes->room);
        assert_non_null(bytes->at);
    }
    memcpy(bytes->at + bytes->size, piece, size);
    bytes->size += size;
    return true;
}

/* A text that is neither random nor all the same. */
static struct bytes sample(size_t size)
{
    struct bytes bytes = {.at = malloc(size + 1), .size = size};
    unsigned state = 1;

    assert_non_null(bytes.at);
    for (size_t i = 0; i < size; i++) {
        state = state * 1103515245 + 12345;
        bytes.at[i] = (unsigned char)("abcdefgh     \n"[(state >> 16) % 14]);
    }
    return bytes;
}

static struct bytes encode(const struct bytes *plain, int bits)
{
    z_stream stream = {0};

    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t bound = deflateBound(&stream, plain->size) + 64;
    struct bytes coded = {.at = malloc(bound)};
    assert_non_null(coded.at);
    stream.next_in = plain->at;
    stream.avail_in = (uInt)plain->size;
    stream.next_out = coded.at;
    stream.avail_out = (uInt)bound;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    coded.size = bound - stream.avail_out;
    assert_int_equal(deflateEnd(&stream), Z_OK);
    return coded;
}

static struct decoder_pool *pool;

static int setup(void **state _unused_)
{
    return decoder_pool_new(&pool);
}

static int teardown(void **state _unused_)
{
    pool = decoder_pool_free(pool);
    return 0;
}

/* Decodes in pieces of `step` bytes, to the end or to the first error. */
static int decode(const char *coding, const struct bytes *coded, size_t step, struct bytes *ret,
                  struct error *error)
{
    _cleanup_(decoder_freep) struct decoder *decoder = NULL;
    int r = decoder_new(&decoder, pool, coding, coding ? strlen(coding) : 0, error);

    for (size_t at = 0; r == 0 && at < coded->size; at += step) {
        r = decoder_write(decoder, coded->at + at, MIN(step, coded->size - at), collect, ret,
                          error);
    }
    int end = decoder ? decoder_finish(decoder, r == 0 ? error : NULL) : r;
    assert_true(r == 0 || end == r);
    return end;
}

static void check(const char *coding, const struct bytes *coded, const struct bytes *plain)
{
    static const size_t steps[] = {1, 2, 3, 7, 1000, 1000000};

    for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
        _cleanup_bytes_ struct bytes result = {0};
        struct error error = {0};
        assert_int_equal(decode(coding, coded, steps[i], &result, &error), 0);
        assert_int_equal(result.size, plain->size);
        if (plain->size > 0) {
            assert_memory_equal(result.at, plain->at, plain->size);
        }
    }
}

static void check_bad(const char *coding, const struct bytes *coded, const char *part)
{
    static const size_t steps[] = {1, 1000000};

    for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
        _cleanup_bytes_ struct bytes result = {0};
        struct error error = {0};
        assert_int_equal(decode(coding, coded, steps[i], &result, &error), -EBADMSG);
        assert_non_null(strstr(error.text, part));
    }
}

static void test_codings(void **state _unused_)
{
    static const size_t sizes[] = {0, 1, 100, 16384, 70000};

    for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
        _cleanup_bytes_ struct bytes plain = sample(sizes[i]);
        _cleanup_bytes_ struct bytes gzip = encode(&plain, GZIP);
        _cleanup_bytes_ struct bytes zlib = encode(&plain, ZLIB);
        _cleanup_bytes_ struct bytes raw = encode(&plain, RAW);
        check("gzip", &gzip, &plain);
        check("x-gzip", &gzip, &plain);
        check("GZip", &gzip, &plain);
        check(" , gzip\t,identity", &gzip, &plain);
        check("deflate", &zlib, &plain);
        check("deflate", &raw, &plain);
        check("identity", &plain, &plain);
        check("", &plain, &plain);
        check(NULL, &plain, &plain);
    }
}

/* The coding named last was applied last. */
static void test_chains(void **state _unused_)
{
    _cleanup_bytes_ struct bytes plain = sample(50000);
    _cleanup_bytes_ struct bytes one = encode(&plain, RAW);
    _cleanup_bytes_ struct bytes two = encode(&one, GZIP);
    _cleanup_bytes_ struct bytes three = encode(&two, GZIP);

    check("deflate, gzip", &two, &plain);
    check("deflate,gzip , x-gzip", &three, &plain);
    check("gzip", &three, &two);
    check_bad("gzip, deflate", &two, "deflate");
    check_bad("gzip, gzip, gzip, gzip", &three, "more than 3");
}

static void test_unknown_passes(void **state _unused_)
{
    _cleanup_bytes_ struct bytes plain = sample(40000);
    _cleanup_bytes_ struct bytes gzip = encode(&plain, GZIP);

    check("br", &gzip, &gzip);
    check("br, gzip", &gzip, &gzip);
    check("gzip, br", &gzip, &gzip);
    check("gzipp", &gzip, &gzip);
    check("gz ip", &gzip, &gzip);
    check("a, b, c, d, e", &gzip, &gzip);
}

static void test_gzip_members(void **state _unused_)
{
    _cleanup_bytes_ struct bytes plain = sample(1000);
    _cleanup_bytes_ struct bytes gzip = encode(&plain, GZIP);
    _cleanup_bytes_ struct bytes twice = {0}, plain_twice = {0};

    for (int i = 0; i < 2; i++) {
        assert_true(collect(&twice, gzip.at, gzip.size));
        assert_true(collect(&plain_twice, plain.at, plain.size));
    }
    check("gzip", &twice, &plain_twice);
    twice.size--;
    check_bad("gzip", &twice, "cut short");
}

static void test_trailing_garbage(void **state _unused_)
{
    static const int formats[] = {GZIP, ZLIB, RAW};
    _cleanup_bytes_ struct bytes plain = sample(1000);
    _cleanup_bytes_ struct bytes nothing = {0};

    for (size_t i = 0; i < ELEMENTSOF(formats); i++) {
        const char *coding = formats[i] == GZIP ? "gzip" : "deflate";
        _cleanup_bytes_ struct bytes coded = encode(&plain, formats[i]);
        _cleanup_bytes_ struct bytes empty = encode(&nothing, formats[i]);
        assert_true(collect(&coded, "HTTP/1.1", 8));
        assert_true(collect(&empty, "HTTP/1.1", 8));
        check_bad(coding, &coded, "behind its end");
        check_bad(coding, &empty, "behind its end");
    }
}

/* Every cut is noticed, wherever it is. */
static void test_truncated(void **state _unused_)
{
    static const int formats[] = {GZIP, ZLIB, RAW};
    _cleanup_bytes_ struct bytes plain = sample(300);

    for (size_t i = 0; i < ELEMENTSOF(formats); i++) {
        _cleanup_bytes_ struct bytes coded = encode(&plain, formats[i]);
        while (coded.size > 1) {
            coded.size--;
            check_bad(formats[i] == GZIP ? "gzip" : "deflate", &coded, "cut short");
        }
        coded.size = 0; /* as after HEAD */
        struct bytes none = {0};
        check(formats[i] == GZIP ? "gzip" : "deflate", &coded, &none);
    }
}

/* A changed byte is either noticed or (in a gzip header) of no consequence. */
static void test_corrupt(void **state _unused_)
{
    _cleanup_bytes_ struct bytes plain = sample(2000);
    _cleanup_bytes_ struct bytes gzip = encode(&plain, GZIP);
    unsigned noticed = 0;

    for (size_t at = 0; at < gzip.size; at++) {
        _cleanup_bytes_ struct bytes result = {.limit = 10 * 1024 * 1024};
        struct error error = {0};
        gzip.at[at] ^= 0x55;
        int r = decode("gzip", &gzip, 100, &result, &error);
        gzip.at[at] ^= 0x55;
        if (r == 0) {
            assert_int_equal(result.size, plain.size);
            assert_memory_equal(result.at, plain.at, plain.size);
        } else {
            assert_int_equal(r, -EBADMSG);
            assert_non_null(strstr(error.text, "gzip"));
            noticed++;
        }
    }
    assert_true(noticed > gzip.size - 10);
    check_bad("gzip", &plain, "incorrect header check");
    check("gzip", &gzip, &plain); /* decoders that failed are as good as new */
}

static void test_garbage(void **state _unused_)
{
    unsigned seed = 42;

    for (unsigned i = 0; i < 600; i++) {
        unsigned char noise[64];
        struct bytes coded = {.at = noise, .size = 1 + i % sizeof noise};
        _cleanup_bytes_ struct bytes result = {.limit = 1024 * 1024};
        for (size_t k = 0; k < coded.size; k++) {
            seed = seed * 1103515245 + 12345;
            noise[k] = (unsigned char)(seed >> 16);
        }
        int r = decode("deflate", &coded, 5, &result, NULL);
        assert_true(r == 0 || r == -EBADMSG);
        noise[0] = 0x1f;
        noise[coded.size > 1] = coded.size > 1 ? 0x8b : 0x1f;
        r = decode("gzip", &coded, 5, &result, NULL);
        assert_true(r == 0 || r == -EBADMSG);
    }
}

/* Twenty kilobytes that would be twenty megabytes come in small pieces, as many as are
 * wanted. */
static void test_bomb(void **state _unused_)
{
    struct bytes zeros = {.at = calloc(1, 20000000), .size = 20000000};
    assert_non_null(zeros.at);
    _cleanup_bytes_ struct bytes once = encode(&zeros, GZIP);
    free(zeros.at);
    _cleanup_bytes_ struct bytes twice = encode(&once, GZIP);
    _cleanup_bytes_ struct bytes result = {.limit = 1000000};
    struct error error = {0};

    assert_true(twice.size < 10000);
    _cleanup_(decoder_freep) struct decoder *decoder = NULL;
    assert_int_equal(decoder_new(&decoder, pool, "gzip, gzip", 10, &error), 0);
    assert_int_equal(decoder_write(decoder, twice.at, twice.size, collect, &result, &error),
                     -ECANCELED);
    assert_true(result.largest <= DECODER_PIECE_BYTES);
    assert_true(result.size <= result.limit);
    size_t calls = result.calls;
    assert_int_equal(decoder_write(decoder, twice.at, 1, collect, &result, &error), -ECANCELED);
    assert_int_equal(result.calls, calls);
    assert_int_equal(decoder_finish(decoder, &error), -ECANCELED);
}

/* More at once than a pool keeps, in different states, given back in another order. */
static void test_many(void **state _unused_)
{
    enum { N = 150 };
    static struct decoder *decoders[N];
    static struct bytes results[N];
    _cleanup_bytes_ struct bytes plain = sample(5000);
    _cleanup_bytes_ struct bytes gzip = encode(&plain, GZIP);
    _cleanup_bytes_ struct bytes raw = encode(&plain, RAW);

    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < N; i++) {
            const struct bytes *coded = (i + round) % 2 ? &gzip : &raw;
            results[i] = (struct bytes){0};
            assert_int_equal(decoder_new(&decoders[i], pool, (i + round) % 2 ? "gzip" : "deflate",
                                         (i + round) % 2 ? 4 : 7, NULL),
                             0);
            assert_int_equal(decoder_write(decoders[i], coded->at, i, collect, &results[i], NULL),
                             0);
        }
        for (size_t i = 0; i < N; i++) {
            const struct bytes *coded = (i + round) % 2 ? &gzip : &raw;
            assert_int_equal(decoder_write(decoders[i], coded->at + i, coded->size - i, collect,
                                           &results[i], NULL),
                             0);
            assert_int_equal(decoder_finish(decoders[i], NULL), 0);
            assert_int_equal(results[i].size, plain.size);
            assert_memory_equal(results[i].at, plain.at, plain.size);
            decoders[i] = decoder_free(decoders[i]);
            bytes_free(&results[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_codings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_chains, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_passes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gzip_members, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trailing_garbage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truncated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_corrupt, setup, teardown),
        cmocka_unit_test_setup_teardown(test_garbage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bomb, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
