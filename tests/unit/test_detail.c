/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "metrics/detail.h"
#include "random.h"
#include "shared_memory.h"

#define CAPACITY 4096

struct rings {
    void *memory;
    size_t size_bytes;
    struct detail_ring *writer, *reader;
};

static void make_rings(struct rings *rings, size_t capacity)
{
    rings->size_bytes = detail_ring_size_bytes(capacity);
    rings->memory = share_memory(rings->size_bytes);
    assert_int_equal(detail_ring_new(&rings->writer, rings->memory, capacity), 0);
    assert_int_equal(detail_ring_attach(&rings->reader, rings->memory, rings->size_bytes), 0);
}

static void drop_rings(struct rings *rings)
{
    detail_ring_free(rings->writer);
    detail_ring_free(rings->reader);
    unshare_memory(rings->memory, rings->size_bytes);
}

static void publish(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static void test_refuses_what_is_no_ring(void **state _unused_)
{
    size_t size = detail_ring_size_bytes(CAPACITY);
    void *memory = share_memory(2 * size);
    struct detail_ring *ring = NULL;

    assert_int_equal(detail_ring_attach(&ring, memory, size), -EINVAL);
    assert_int_equal(detail_ring_new(&ring, memory, 0), -EINVAL);
    assert_int_equal(detail_ring_new(&ring, memory, 2048), -EINVAL);
    assert_int_equal(detail_ring_new(&ring, memory, CAPACITY + 1), -EINVAL);
    assert_int_equal(detail_ring_new(&ring, (char *)memory + 8, CAPACITY), -EINVAL);
    assert_int_equal(detail_ring_new(&ring, memory, CAPACITY), 0);
    ring = detail_ring_free(ring);
    assert_int_equal(detail_ring_attach(&ring, memory, size - 1), -EINVAL);
    assert_int_equal(detail_ring_attach(&ring, memory, 8), -EINVAL);
    assert_null(ring);
    unshare_memory(memory, 2 * size);
}

static void test_fields_arrive(void **state _unused_)
{
    struct rings rings;
    struct detail detail = {.type = DETAIL_REQUEST_ERROR,
                            .id = 1,
                            .error_id = 2,
                            .test = 3,
                            .user = 4,
                            .iteration = 5,
                            .cycle = 6,
                            .started_usec = UINT64_MAX,
                            .elapsed_usec = 8,
                            .value = INT64_MIN,
                            .text = "http://host/\0x",
                            .text_size = 14};
    struct detail got;
    char buffer[DETAIL_MAX_BYTES];
    uint64_t *word, value;

    make_rings(&rings, CAPACITY);
    assert_int_equal(detail_ring_take(rings.reader, &got, buffer), 0);
    assert_int_equal(detail_ring_put(rings.writer, &detail, &word, &value), 0);
    assert_int_equal(detail_ring_take(rings.reader, &got, buffer), 0); /* not published */
    publish(word, value);
    assert_int_equal(detail_ring_take(rings.reader, &got, buffer), 1);
    assert_int_equal(got.type, DETAIL_REQUEST_ERROR);
    assert_int_equal(got.id, 1);
    assert_int_equal(got.error_id, 2);
    assert_int_equal(got.test, 3);
    assert_int_equal(got.user, 4);
    assert_int_equal(got.iteration, 5);
    assert_int_equal(got.cycle, 6);
    assert_int_equal(got.started_usec, UINT64_MAX);
    assert_int_equal(got.elapsed_usec, 8);
    assert_int_equal(got.value, INT64_MIN);
    assert_int_equal(got.text_size, 14);
    assert_memory_equal(got.text, "http://host/\0x", 15);
    assert_int_equal(detail_ring_take(rings.reader, &got, buffer), 0);

    detail = (struct detail){.type = DETAIL_START_TEST, .text_size = 5}; /* no text */
    assert_int_equal(detail_ring_put(rings.writer, &detail, &word, &value), 0);
    publish(word, value);
    assert_int_equal(detail_ring_take(rings.reader, &got, buffer), 1);
    assert_int_equal(got.text_size, 0);
    assert_string_equal(got.text, "");
    drop_rings(&rings);
}

static void test_long_texts_are_cut(void **state _unused_)
{
    struct rings rings;
    char text[DETAIL_MAX_TEXT + 8];
    struct detail detail = {.type = DETAIL_HIT, .text = text, .text_size = sizeof text};
    struct detail got;
    char buffer[DETAIL_MAX_BYTES];
    uint64_t *word, value;

    make_rings(&rings, CAPACITY);
    memset(text, 'x', sizeof text);
    assert_int_equal(detail_ring_put(rings.writer, &detail, &word, &value), 0);
    publish(word, value);
    assert_int_equal(detail_ring_take(rings.reader, &got, buffer), 1);
    assert_int_equal(got.text_size, DETAIL_MAX_TEXT);
    memcpy(text + DETAIL_MAX_TEXT - 1, "\xe2\x82\xac", 3); /* not within a character */
    assert_int_equal(detail_ring_put(rings.writer, &detail, &word, &value), 0);
    publish(word, value);
    assert_int_equal(detail_ring_take(rings.reader, &got, buffer), 1);
    assert_int_equal(got.text_size, DETAIL_MAX_TEXT - 1);
    drop_rings(&rings);
}

/* Several records are published by the last one's word; the reader makes room again. */
static void test_fill_and_drain(void **state _unused_)
{
    struct rings rings;
    struct detail detail = {.type = DETAIL_COUNTER};
    struct detail got;
    char buffer[DETAIL_MAX_BYTES];
    uint64_t *word = NULL, value = 0;
    int64_t put = 0, taken = 0;

    make_rings(&rings, CAPACITY);
    assert_int_equal(detail_ring_room_bytes(rings.writer), CAPACITY);
    for (unsigned round = 0; round < 50; round++) {
        int r = 0;
        while (r == 0) {
            detail.value = put;
            detail.text = "0123456789012345678901234567890123456789";
            detail.text_size = (size_t)(put % 40);
            r = detail_ring_put(rings.writer, &detail, &word, &value);
            put += r == 0;
        }
        assert_int_equal(r, -ENOBUFS);
        assert_true(detail_ring_room_bytes(rings.writer) < 128);
        if (round == 0) {
            assert_int_equal(detail_ring_take(rings.reader, &got, buffer), 0);
        }
        publish(word, value);
        unsigned leave = round % 7;
        while (taken + leave < put) {
            assert_int_equal(detail_ring_take(rings.reader, &got, buffer), 1);
            assert_int_equal(got.value, taken);
            assert_int_equal(got.text_size, taken % 40);
            taken++;
        }
    }
    drop_rings(&rings);
}

#define STREAM_RECORDS 20000

static size_t text_size_of(uint64_t number)
{
    uint64_t random = number;
    uint64_t size = random_below(&random, 100);
    return size == 0 ? DETAIL_MAX_TEXT : size;
}

static int write_stream(void *context)
{
    struct detail_ring *writer = context;
    char text[DETAIL_MAX_TEXT];
    uint64_t *word = NULL, value = 0;

    for (uint64_t number = 0; number < STREAM_RECORDS; number++) {
        struct detail detail = {.type = DETAIL_HIT,
                                .started_usec = number,
                                .text = text,
                                .text_size = text_size_of(number)};
        memset(text, (int)('a' + number % 26), detail.text_size);
        while (detail_ring_put(writer, &detail, &word, &value) == -ENOBUFS) {
            if (word) {
                publish(word, value);
            }
            sched_yield();
        }
        if (number % 3 == 0) {
            publish(word, value);
        }
    }
    publish(word, value);
    return 0;
}

static void test_two_processes(void **state _unused_)
{
    struct rings rings;
    struct detail got;
    char buffer[DETAIL_MAX_BYTES];

    make_rings(&rings, CAPACITY);
    pid_t child = start_child(write_stream, rings.writer);
    for (uint64_t number = 0; number < STREAM_RECORDS;) {
        int r = detail_ring_take(rings.reader, &got, buffer);
        assert_true(r >= 0);
        if (r == 0) {
            sched_yield();
            continue;
        }
        assert_int_equal(got.started_usec, number);
        assert_int_equal(got.text_size, text_size_of(number));
        for (size_t i = 0; i < got.text_size; i++) {
            assert_int_equal(got.text[i], 'a' + number % 26);
        }
        number++;
    }
    assert_int_equal(wait_for_child(child), 0);
    assert_int_equal(detail_ring_take(rings.reader, &got, buffer), 0);
    drop_rings(&rings);
}

/* What was written over is given up, and after that the stream goes on. */
static void test_written_over(void **state _unused_)
{
    uint64_t random = 1;
    unsigned refused = 0, understood = 0;

    for (unsigned round = 0; round < 500; round++) {
        struct rings rings;
        struct detail detail = {.type = DETAIL_SUCCESS, .text = "text", .text_size = 4};
        struct detail got;
        char buffer[DETAIL_MAX_BYTES];
        uint64_t *word, value;
        make_rings(&rings, CAPACITY);
        unsigned char *bytes = rings.memory;
        for (unsigned i = 0; i < 8; i++) {
            assert_int_equal(detail_ring_put(rings.writer, &detail, &word, &value), 0);
            publish(word, value);
        }
        for (unsigned i = 0; i < 4; i++) {
            uint64_t noise = random_next(&random) >> random_below(&random, 64);
            memcpy(bytes + random_below(&random, 900), &noise, sizeof noise);
        }
        int r = 1;
        for (unsigned i = 0; i < 100 && r > 0; i++) {
            r = detail_ring_take(rings.reader, &got, buffer);
            if (r > 0) {
                assert_true(got.type > 0 && got.type < DETAIL_TYPES);
                assert_true(got.text_size <= DETAIL_MAX_TEXT && !got.text[got.text_size]);
                understood++;
            }
        }
        assert_true(r == 0 || r == -EBADMSG);
        refused += r == -EBADMSG;
        assert_true(detail_ring_room_bytes(rings.writer) <= CAPACITY);
        drop_rings(&rings);
    }
    assert_true(refused > 0 && understood > 0);
}

static void test_goes_on_after_a_bad_head(void **state _unused_)
{
    struct rings rings;
    struct detail detail = {.type = DETAIL_SUCCESS};
    struct detail got;
    char buffer[DETAIL_MAX_BYTES];
    uint64_t *word, value;

    make_rings(&rings, CAPACITY);
    assert_int_equal(detail_ring_put(rings.writer, &detail, &word, &value), 0);
    publish(word, UINT64_MAX - 3);
    assert_int_equal(detail_ring_take(rings.reader, &got, buffer), -EBADMSG);
    assert_int_equal(detail_ring_take(rings.reader, &got, buffer), 0);
    publish(word, value);
    assert_true(detail_ring_take(rings.reader, &got, buffer) != 0);
    assert_int_equal(detail_ring_take(rings.reader, &got, buffer), 0);
    assert_int_equal(detail_ring_put(rings.writer, &detail, &word, &value), 0);
    publish(word, value);
    assert_int_equal(detail_ring_take(rings.reader, &got, buffer), 1);
    drop_rings(&rings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses_what_is_no_ring),
        cmocka_unit_test(test_fields_arrive),
        cmocka_unit_test(test_long_texts_are_cut),
        cmocka_unit_test(test_fill_and_drain),
        cmocka_unit_test(test_two_processes),
        cmocka_unit_test(test_written_over),
        cmocka_unit_test(test_goes_on_after_a_bad_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
