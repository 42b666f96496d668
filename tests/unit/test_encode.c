/* SPDX-License-Identifier: MPL-2.0 */
/* What is encoded comes back by the decoder. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "worker/decode.h"
#include "worker/encode.h"

struct sink {
    char bytes[100000];
    size_t size;
};

static bool take(void *context, const void *bytes, size_t size)
{
    struct sink *sink = context;

    assert_true(size <= sizeof sink->bytes - sink->size);
    memcpy(sink->bytes + sink->size, bytes, size);
    sink->size += size;
    return true;
}

static void test_round_trip(void **state _unused_)
{
    static const char *const codings[] = {"gzip", "deflate"};
    static const size_t sizes[] = {0, 1, 1000, 99999};
    static struct sink sink;
    static char plain[100000];
    struct arena_pool *arenas = NULL;
    struct decoder_pool *decoders = NULL;
    struct arena arena;

    assert_int_equal(arena_pool_new(&arenas), 0);
    assert_int_equal(decoder_pool_new(&decoders), 0);
    arena_init(&arena, arenas);
    for (size_t i = 0; i < sizeof plain; i++) {
        plain[i] = (char)(i * i >> 7);
    }
    for (size_t i = 0; i < ELEMENTSOF(codings) * ELEMENTSOF(sizes); i++) {
        const char *coding = codings[i % 2], *coded = NULL;
        size_t size = sizes[i / 2], coded_size = 0;
        struct decoder *decoder = NULL;
        sink.size = 0;
        assert_int_equal(encode_body(coding, plain, size, &arena, &coded, &coded_size, NULL), 0);
        assert_int_equal(decoder_new(&decoder, decoders, coding, strlen(coding), NULL), 0);
        assert_int_equal(decoder_write(decoder, coded, coded_size, take, &sink, NULL), 0);
        assert_int_equal(decoder_finish(decoder, NULL), 0);
        decoder_free(decoder);
        assert_int_equal(sink.size, size);
        assert_memory_equal(sink.bytes, plain, size);
    }
    arena_reset(&arena);
    decoder_pool_free(decoders);
    arena_pool_free(arenas);
}

static void test_unknown(void **state _unused_)
{
    struct error error;
    const char *coded;
    size_t size;

    assert_int_equal(encode_body("br", "a", 1, NULL, &coded, &size, &error), -EINVAL);
    assert_non_null(strstr(error.text, "'br'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests_name("encode", tests, NULL, NULL);
}
