/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "allocation.h"
#include "metrics/detail_codec.h"

#define STARTED 1781518506376001

static const struct detail records[] = {
    {.type = DETAIL_START_TEST, .test = 1, .user = 7, .iteration = 3, .started_usec = STARTED},
    {.type = DETAIL_HIT,
     .id = 1000,
     .test = 1,
     .user = UINT32_MAX,
     .iteration = UINT32_MAX,
     .cycle = INT32_MAX,
     .started_usec = STARTED + 5,
     .elapsed_usec = 912,
     .text = "http://127.0.0.1/\xff",
     .text_size = 18},
    {.type = DETAIL_REQUEST_ERROR, .id = 2, .error_id = 200, .started_usec = STARTED - 1000},
    {.type = DETAIL_COUNTER, .id = 9, .value = -3, .started_usec = STARTED},
    {.type = DETAIL_FAILURE, .id = 4, .test = 1, .started_usec = 0},
    {.type = DETAIL_ERROR, .id = 5, .test = 1, .started_usec = STARTED},
    {.type = DETAIL_SUCCESS, .test = 100, .started_usec = STARTED, .elapsed_usec = INT64_MAX},
    {.type = DETAIL_INTERRUPTED, .started_usec = STARTED},
    {.type = DETAIL_STOP_TEST, .test = 1, .started_usec = STARTED},
};

static struct error error;

static uint8_t *encode(size_t *ret_size)
{
    struct detail_chunk chunk = {0};

    for (size_t i = 0; i < ELEMENTSOF(records); i++) {
        assert_int_equal(detail_chunk_add(&chunk, &records[i]), 0);
    }
    uint8_t *bytes = detail_chunk_take(&chunk, ret_size);
    assert_non_null(bytes);
    assert_null(detail_chunk_take(&chunk, ret_size)); /* it is empty */
    return bytes;
}

static void test_there_and_back(void **state _unused_)
{
    _cleanup_(detail_list_freep) struct detail_list *list = NULL;
    size_t size;
    _cleanup_free_ uint8_t *bytes = encode(&size);

    assert_int_equal(detail_decode(bytes, size, &list, &error), 0);
    assert_int_equal(list->n_records, ELEMENTSOF(records));
    for (size_t i = 0; i < list->n_records; i++) {
        struct detail got = list->records[i], want = records[i];
        assert_int_equal(got.text_size, want.text_size);
        assert_memory_equal(got.text ? got.text : "", want.text ? want.text : "", got.text_size);
        assert_true(got.type == want.type && got.id == want.id && got.error_id == want.error_id);
        assert_true(got.test == want.test && got.user == want.user);
        assert_true(got.iteration == want.iteration && got.cycle == want.cycle);
        assert_true(got.started_usec == want.started_usec && got.value == want.value);
        assert_true(got.elapsed_usec == want.elapsed_usec);
    }
}

/* What is left of one that was rejected. */
static void test_nothing(void **state _unused_)
{
    _cleanup_(detail_list_freep) struct detail_list *list = NULL;

    assert_int_equal(detail_decode(NULL, 0, &list, &error), 0);
    assert_int_equal(list->n_records, 0);
}

/* No part of a chunk is one, unless it ends with a record. */
static void test_cut(void **state _unused_)
{
    size_t size, whole = 0;
    _cleanup_free_ uint8_t *bytes = encode(&size);

    for (size_t cut = 1; cut <= size; cut++) {
        _cleanup_(detail_list_freep) struct detail_list *list = NULL;
        int r = detail_decode(bytes, cut, &list, &error);
        assert_true(r == 0 || r == -EBADMSG);
        whole += r == 0 ? 1 : 0;
        assert_true(r == 0 ? list->n_records == whole : list == NULL);
    }
    assert_int_equal(whole, ELEMENTSOF(records));
}

static void test_bad(void **state _unused_)
{
    static const struct {
        const char *bytes;
        size_t size;
        int r;
        const char *text;
    } cases[] = {
        {"\x02", 1, -EBADMSG, "detail: it is of another version"},
        {"\x01", 1, -EBADMSG, "detail: it ends before its first record"},
        {"\x01\x00", 2, -EBADMSG, "detail: a record of an unknown type"},
        {"\x01\x0a", 2, -EBADMSG, "detail: a record of an unknown type"},
        {"\x01\x01\x65", 3, -E2BIG, "detail: an id is too large"},
        {"\x01\x01\x01\x80\x80\x80\x80\x10", 8, -EBADMSG, "detail: a number is too large"},
        {"\x01\x01\x01\x00\x00\x00\x01", 7, -EBADMSG, "detail: a date that can't be"},
        {"\x01\x07\x01\x00\x00\x00\x00\x00\x01\x81\x10", 11, -EBADMSG,
         "detail: a text is too long"},
        {"\x01\x07\x01\x00\x00\x00\x00\x00\x01\x05"
         "abcd",
         14, -EBADMSG, "detail: it ends in the middle"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct detail_list *list = NULL;
        assert_int_equal(
            detail_decode((const uint8_t *)cases[i].bytes, cases[i].size, &list, &error),
            cases[i].r);
        assert_string_equal(error.text, cases[i].text);
        assert_null(list);
    }
}

static void test_full(void **state _unused_)
{
    struct detail_chunk chunk = {0};
    struct detail longest = records[1];
    static char text[DETAIL_MAX_TEXT + 100];
    size_t n = 0;

    longest.text = memset(text, 'x', sizeof text);
    longest.text_size = sizeof text; /* more than there may be: it is cut */
    for (; !detail_chunk_is_full(&chunk); n++) {
        assert_int_equal(detail_chunk_add(&chunk, &longest), 0);
    }
    assert_true(n >= DETAIL_CHUNK_BYTES / DETAIL_MAX_BYTES && n < 100);
    detail_chunk_clear(&chunk);
    for (n = 0; !detail_chunk_is_full(&chunk); n++) {
        assert_int_equal(detail_chunk_add(&chunk, &records[8]), 0);
    }
    assert_true(n > 10000 && n <= DETAIL_CHUNK_RECORDS);
    detail_chunk_clear(&chunk);
}

/* Ids get new numbers by their kinds, all of them or none. */
static void test_remap(void **state _unused_)
{
    static uint32_t ids[NAME_KINDS][1001];
    struct interval_map map = {0};
    _cleanup_(detail_list_freep) struct detail_list *list = NULL;
    size_t size;
    _cleanup_free_ uint8_t *bytes = encode(&size);

    for (unsigned kind = 0; kind < NAME_KINDS; kind++) {
        for (uint32_t id = 0; id < ELEMENTSOF(ids[kind]); id++) {
            ids[kind][id] = 10000 * (kind + 1) + id;
        }
        map.ids[kind] = ids[kind];
        map.counts[kind] = ELEMENTSOF(ids[kind]);
    }
    assert_int_equal(detail_decode(bytes, size, &list, &error), 0);
    ids[NAME_ERROR][5] = INTERVAL_UNMAPPED;
    assert_int_equal(detail_remap(list, &map), -ENOENT);
    assert_int_equal(list->records[1].id, 1000);
    ids[NAME_ERROR][5] = 77;
    assert_int_equal(detail_remap(list, &map), 0);
    assert_int_equal(list->records[0].test, 10001);
    assert_int_equal(list->records[1].id, 21000);
    assert_int_equal(list->records[2].id, 20002);
    assert_int_equal(list->records[2].error_id, 30200);
    assert_int_equal(list->records[2].test, 0); /* "(other)" everywhere */
    assert_int_equal(list->records[3].id, 40009);
    assert_int_equal(list->records[4].id, 30004);
    assert_int_equal(list->records[5].id, 77);
    assert_int_equal(list->records[8].id, 0); /* it has none */
}

static void test_without_memory(void **state _unused_)
{
    size_t size;
    _cleanup_free_ uint8_t *bytes = encode(&size);
    struct detail_chunk chunk = {0};

    allocation_fails_after = 0;
    assert_int_equal(detail_chunk_add(&chunk, &records[1]), -ENOMEM);
    assert_int_equal(chunk.writer.size + chunk.n_records, 0);
    for (long n = 0; n < 2; n++) {
        struct detail_list *list = NULL;
        allocation_fails_after = n;
        assert_int_equal(detail_decode(bytes, size, &list, &error), -ENOMEM);
        assert_null(list);
    }
    allocation_fails_after = -1;
    assert_int_equal(detail_chunk_add(&chunk, &records[1]), 0);
    detail_chunk_clear(&chunk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_remap),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests_name("detail_codec", tests, NULL, NULL);
}
