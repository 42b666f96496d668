/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <string.h>

#include "agent/run_log.h"
#include "allocation.h"
#include "base/utf8.h"

static int set_up(void **state)
{
    return run_log_new((struct run_log **)state);
}

static int tear_down(void **state)
{
    allocation_fails_after = -1;
    run_log_free(*state);
    return 0;
}

static void add(struct run_log *log, int worker, const char *text)
{
    run_log_add(log, worker, text, strlen(text));
}

static void assert_next(struct run_log *log, int worker, const char *text)
{
    struct run_log_piece piece;

    assert_true(run_log_next(log, &piece));
    assert_int_equal(piece.worker, worker);
    assert_string_equal(piece.text, text);
    run_log_advance(log);
}

static void assert_empty(struct run_log *log)
{
    struct run_log_piece piece;
    assert_false(run_log_next(log, &piece));
}

static void test_pieces(void **state)
{
    struct run_log *log = *state;

    assert_empty(log);
    add(log, RUN_LOG_PREPARING, "cc shop.c\n");
    add(log, 3, "hello ");
    add(log, 0, "I am 0\n");
    add(log, 3, "world\n");
    assert_next(log, RUN_LOG_PREPARING, "cc shop.c\n");
    assert_next(log, 3, "hello world\n");
    add(log, 3, "again\n");
    assert_next(log, 0, "I am 0\n");
    assert_next(log, 3, "again\n");
    assert_empty(log);
    add(log, -2, "nobody");
    add(log, RUN_LOG_MAX_WORKERS, "nobody");
    assert_empty(log);
}

static void test_cleaned(void **state)
{
    struct run_log *log = *state;

    run_log_add(log, 0, "a\0b\x1b[1m\tc\xff\n", 10);
    assert_next(log, 0, "a?b?[1m\tc" UTF8_REPLACEMENT);
    add(log, 0, "\xc2\x80\x7f"); /* control characters, too */
    assert_next(log, 0, "\xc2\x80?");
}

/* A character that comes in pieces is one. */
static void test_split_characters(void **state)
{
    struct run_log *log = *state;

    for (const char *c = "\xe2\x82\xac \xf0\x9f\x98\x80 \xc3\xa9"; *c; c++) {
        run_log_add(log, 1, c, 1);
    }
    assert_next(log, 1, "\xe2\x82\xac \xf0\x9f\x98\x80 \xc3\xa9");
    add(log, 1, "x\xe2\x82");
    assert_next(log, 1, "x");
    add(log, 1, "yz");
    assert_next(log, 1, UTF8_REPLACEMENT "yz");
    add(log, 1, "\xf0\x9f");
    add(log, 1, "\xf0\x9f");
    add(log, 1, "\x98\x80");
    assert_next(log, 1, UTF8_REPLACEMENT "\xf0\x9f\x98\x80");
    add(log, 1, "\xe2");
    add(log, 2, "another worker's");
    add(log, 1, "\x82\xac");
    assert_next(log, 2, "another worker's");
    assert_next(log, 1, "\xe2\x82\xac");
}

static size_t take_all(struct run_log *log, int worker)
{
    struct run_log_piece piece;
    size_t size = 0;

    while (run_log_next(log, &piece)) {
        assert_int_equal(piece.worker, worker);
        assert_true(strlen(piece.text) < RUN_LOG_PIECE_BYTES);
        assert_true(utf8_valid(piece.text, strlen(piece.text)));
        size += strlen(piece.text);
        run_log_advance(log);
    }
    return size;
}

/* Each worker has so much over the run, sent or not; others have theirs. */
static void test_limit_of_a_worker(void **state)
{
    struct run_log *log = *state;
    static char text[100000];
    size_t size = 0;

    memset(text, 'x', sizeof text - 1);
    for (unsigned i = 0; i < 20; i++) {
        add(log, 5, text);
        size += take_all(log, 5);
    }
    assert_true(size > RUN_LOG_WORKER_BYTES - 4096);
    assert_true(size < RUN_LOG_WORKER_BYTES + 100);
    add(log, 5, "more");
    assert_empty(log);
    add(log, 6, "more");
    assert_next(log, 6, "more");
}

static void test_says_that_it_is_cut(void **state)
{
    struct run_log *log = *state;
    struct run_log_piece piece;
    static char text[RUN_LOG_WORKER_BYTES + 1];
    bool said = false;

    memset(text, '\xff', sizeof text); /* which triples */
    run_log_add(log, 0, text, sizeof text);
    while (run_log_next(log, &piece)) {
        said = strstr(piece.text, "left out") != NULL;
        run_log_advance(log);
    }
    assert_true(said);
}

/* Nobody takes anything: what is kept is bounded. */
static void test_limit_of_what_is_kept(void **state)
{
    struct run_log *log = *state;
    static char text[RUN_LOG_WORKER_BYTES];
    struct run_log_piece piece;
    size_t size = 0;

    memset(text, 'x', sizeof text);
    for (int worker = 0; worker < 20; worker++) {
        run_log_add(log, worker, text, sizeof text);
    }
    while (run_log_next(log, &piece)) {
        size += strlen(piece.text);
        run_log_advance(log);
    }
    assert_true(size > RUN_LOG_KEPT_BYTES / 10 * 9);
    assert_true(size < RUN_LOG_KEPT_BYTES + RUN_LOG_KEPT_BYTES / 4);
}

static void test_without_memory(void **state)
{
    struct run_log *log = *state;

    for (long i = 0; i < 3; i++) {
        allocation_fails_after = i;
        add(log, 0, "hello");
        allocation_fails_after = -1;
    }
    add(log, 0, "!");
    assert_next(log, 0, "hello!");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pieces),
        TEST(test_cleaned),
        TEST(test_split_characters),
        TEST(test_limit_of_a_worker),
        TEST(test_says_that_it_is_cut),
        TEST(test_limit_of_what_is_kept),
        TEST(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
