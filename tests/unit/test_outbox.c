/* SPDX-License-Identifier: MPL-2.0 */
/* What a broker that is away, comes back, asks again or lies does to the numbers: nothing is lost
 * and nothing changes its number. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "agent/outbox.h"
#include "allocation.h"

struct fixture {
    struct outbox *outbox;
    struct outbox_queue *queue;
};

static int set_up_with(void **state, size_t limit_bytes)
{
    static struct fixture f;

    assert_int_equal(outbox_new(&f.outbox, limit_bytes), 0);
    assert_int_equal(outbox_queue_new(&f.queue, f.outbox), 0);
    *state = &f;
    return 0;
}

static int set_up(void **state)
{
    return set_up_with(state, OUTBOX_LIMIT_BYTES);
}

static int set_up_small(void **state)
{
    return set_up_with(state, 2000);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    allocation_fails_after = -1;
    f->queue = outbox_queue_free(f->queue);
    assert_int_equal(outbox_used_bytes(f->outbox), 0);
    f->outbox = outbox_free(f->outbox);
    return 0;
}

/* A second with a hit of `second` + 1 ms. */
static int try_add(struct outbox_queue *queue, uint32_t second)
{
    struct interval_series series = {.id = 1, .sent_bytes = 1};
    struct interval interval = {.second = second, .seconds = 1, .series = &series, .n_series = 1};
    long fails_after = allocation_fails_after;

    allocation_fails_after = -1;
    assert_int_equal(histogram_add(&series.latency, 1000 * (uint64_t)(second + 1), 1), 0);
    allocation_fails_after = fails_after;
    int r = outbox_add(queue, &interval);
    histogram_clear(&series.latency);
    return r;
}

static void add(struct fixture *f, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(try_add(f->queue, first + i), 0);
    }
}

/* The next one is this number, and covers these seconds. */
static void assert_next(struct fixture *f, uint64_t seq, uint32_t second, uint32_t seconds)
{
    _cleanup_(interval_freep) struct interval *interval = NULL;
    struct outbox_item item;

    assert_true(outbox_next(f->queue, &item));
    assert_int_equal(item.seq, seq);
    assert_int_equal(interval_decode(item.bytes, item.size, &interval, NULL), 0);
    assert_int_equal(interval->second, second);
    assert_int_equal(interval->seconds, seconds);
    outbox_advance(f->queue);
}

static void assert_nothing_next(struct fixture *f)
{
    struct outbox_item item;

    assert_false(outbox_next(f->queue, &item));
}

static void test_in_order(void **state)
{
    struct fixture *f = *state;

    assert_nothing_next(f);
    add(f, 0, 2);
    assert_int_equal(outbox_last_seq(f->queue), 0);
    assert_next(f, 1, 0, 1);
    assert_next(f, 2, 1, 1);
    assert_nothing_next(f);
    add(f, 2, 1);
    assert_next(f, 3, 2, 1);
    assert_int_equal(outbox_last_seq(f->queue), 3);
    assert_int_equal(outbox_count(f->queue), 3);
}

/* What could not be sent keeps its number. */
static void test_not_sent_after_all(void **state)
{
    struct fixture *f = *state;
    struct outbox_item item;

    add(f, 0, 2);
    assert_true(outbox_next(f->queue, &item));
    assert_next(f, 1, 0, 1);
    assert_next(f, 2, 1, 1);
}

static void test_acknowledged(void **state)
{
    struct fixture *f = *state;

    add(f, 0, 5);
    assert_next(f, 1, 0, 1);
    assert_next(f, 2, 1, 1);
    assert_next(f, 3, 2, 1);
    assert_int_equal(outbox_acknowledge(f->queue, 2), 0);
    assert_int_equal(outbox_count(f->queue), 3);
    assert_int_equal(outbox_acknowledge(f->queue, 1), 0); /* a late one */
    assert_int_equal(outbox_acknowledged_seq(f->queue), 2);
    assert_next(f, 4, 3, 1);
    assert_int_equal(outbox_acknowledge(f->queue, 6), -EINVAL); /* who sent that? */
    assert_int_equal(outbox_acknowledge(f->queue, 4), 0);
    assert_next(f, 5, 4, 1);
    assert_int_equal(outbox_acknowledge(f->queue, 5), 0);
    assert_int_equal(outbox_count(f->queue), 0);
    assert_int_equal(outbox_used_bytes(f->outbox), 0);
    add(f, 5, 1);
    assert_next(f, 6, 5, 1);
}

/* On a new connection, from behind the last acknowledgement. */
static void test_new_connection(void **state)
{
    struct fixture *f = *state;

    outbox_rewind(f->queue);
    add(f, 0, 4);
    assert_next(f, 1, 0, 1);
    assert_next(f, 2, 1, 1);
    assert_next(f, 3, 2, 1);
    assert_int_equal(outbox_acknowledge(f->queue, 1), 0);
    outbox_rewind(f->queue);
    assert_next(f, 2, 1, 1);
    /* an acknowledgement that overtakes what is sent again */
    assert_int_equal(outbox_acknowledge(f->queue, 3), 0);
    assert_next(f, 4, 3, 1);
    assert_nothing_next(f);
}

static void test_gap(void **state)
{
    struct fixture *f = *state;

    add(f, 0, 4);
    assert_next(f, 1, 0, 1);
    assert_next(f, 2, 1, 1);
    assert_next(f, 3, 2, 1);
    assert_int_equal(outbox_expect(f->queue, 2), 0);
    assert_next(f, 2, 1, 1);
    assert_next(f, 3, 2, 1);
    assert_int_equal(outbox_expect(f->queue, 4), 0); /* it wasn't sent yet */
    assert_next(f, 4, 3, 1);
    assert_int_equal(outbox_acknowledge(f->queue, 2), 0);
    assert_int_equal(outbox_expect(f->queue, 2), -EINVAL); /* it said that it has it */
    assert_int_equal(outbox_expect(f->queue, 0), -EINVAL);
    assert_int_equal(outbox_expect(f->queue, 6), -EINVAL);
    assert_int_equal(outbox_expect(f->queue, 5), 0);
    assert_nothing_next(f);
}

/* What can't be stored is in nobody's way: its number is sent with nothing in it. */
static void test_rejected(void **state)
{
    _cleanup_(interval_freep) struct interval *interval = NULL;
    struct fixture *f = *state;
    struct outbox_item item;

    add(f, 7, 3);
    assert_next(f, 1, 7, 1);
    assert_next(f, 2, 8, 1);
    assert_int_equal(outbox_reject(f->queue, 2), 0);
    assert_int_equal(outbox_reject(f->queue, 2), 0);
    assert_int_equal(outbox_reject(f->queue, 3), -EINVAL);
    assert_int_equal(outbox_reject(f->queue, 0), -EINVAL);
    assert_next(f, 3, 9, 1);
    assert_int_equal(outbox_expect(f->queue, 2), 0);
    assert_true(outbox_next(f->queue, &item));
    assert_int_equal(interval_decode(item.bytes, item.size, &interval, NULL), 0);
    assert_int_equal(interval->second, 8);
    assert_int_equal(interval->n_series + interval->n_tests, 0);
    outbox_advance(f->queue);
    assert_next(f, 3, 9, 1);
    assert_int_equal(outbox_acknowledge(f->queue, 3), 0);
    assert_int_equal(outbox_used_bytes(f->outbox), 0);
}

static int try_add_bytes(struct fixture *f, const char *text)
{
    uint8_t *bytes = malloc(strlen(text));

    assert_non_null(bytes);
    memcpy(bytes, text, strlen(text));
    int r = outbox_add_bytes(f->queue, bytes, strlen(text));
    if (r < 0) {
        free(bytes);
    }
    return r;
}

static void assert_next_bytes(struct fixture *f, uint64_t seq, const char *text)
{
    struct outbox_item item;

    assert_true(outbox_next(f->queue, &item));
    assert_int_equal(item.seq, seq);
    assert_int_equal(item.size, strlen(text));
    assert_memory_equal(item.size > 0 ? (const char *)item.bytes : "", text, item.size);
    outbox_advance(f->queue);
}

/* Bytes are sent as they came, have their number from the beginning, and nothing is left of those
 * that can't be stored. */
static void test_bytes(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(try_add_bytes(f, "one"), 0);
    assert_int_equal(try_add_bytes(f, "three"), 0);
    assert_int_equal(outbox_last_seq(f->queue), 2);
    assert_next_bytes(f, 1, "one");
    assert_int_equal(outbox_reject(f->queue, 2), 0);
    assert_next_bytes(f, 2, "");
    outbox_rewind(f->queue);
    assert_next_bytes(f, 1, "one");
    assert_int_equal(outbox_acknowledge(f->queue, 2), 0);
    assert_int_equal(outbox_used_bytes(f->outbox), 0);
}

/* They can't be put together: beyond the limit they are not taken. */
static void test_bytes_without_room(void **state)
{
    struct fixture *f = *state;
    unsigned n = 0;

    while (outbox_has_room(f->outbox)) {
        assert_int_equal(try_add_bytes(f, "bytes"), 0);
        n++;
    }
    assert_true(n > 10);
    assert_int_equal(try_add_bytes(f, "bytes"), -ENOBUFS);
    assert_int_equal(outbox_last_seq(f->queue), n);
    assert_next_bytes(f, 1, "bytes");
    assert_int_equal(outbox_acknowledge(f->queue, 1), 0);
    allocation_fails_after = 1; /* that of the test is the first */
    assert_int_equal(try_add_bytes(f, "bytes"), -ENOMEM);
    allocation_fails_after = -1;
    assert_int_equal(try_add_bytes(f, "bytes"), 0);
}

static void test_closed(void **state)
{
    struct fixture *f = *state;

    add(f, 0, 3);
    assert_next(f, 1, 0, 1);
    outbox_close(f->queue);
    assert_int_equal(outbox_last_seq(f->queue), 3);
    assert_next(f, 2, 1, 1);
    assert_next(f, 3, 2, 1);
}

/* A broker that takes and never answers gets no more than a window full. */
static void test_window(void **state)
{
    struct fixture *f = *state;
    struct interval_series series = {.id = 1};
    struct interval interval = {.seconds = 1, .series = &series, .n_series = 1};
    struct outbox_item item;
    size_t sent = 0;
    bool more;

    for (uint64_t usec = 1; usec < 2000000000; usec += usec / 1000 + 1) {
        assert_int_equal(histogram_add(&series.latency, usec, 1), 0);
    }
    do {
        assert_int_equal(outbox_add(f->queue, &interval), 0);
        more = outbox_next(f->queue, &item);
        if (more) {
            outbox_advance(f->queue);
            sent += item.size;
        }
    } while (more);
    assert_true(sent <= OUTBOX_WINDOW_BYTES + item.size);
    assert_true(sent > OUTBOX_WINDOW_BYTES / 10 * 9);
    assert_int_equal(outbox_acknowledge(f->queue, 1), 0);
    assert_true(outbox_next(f->queue, &item));
    histogram_clear(&series.latency);
}

/* ---- more than there is room for ------------------------------------------------------------- */

/* All hits are there, whatever was put together. Returns how many intervals there are. */
static unsigned check_all(struct fixture *f, uint64_t first_seq, uint32_t first, uint32_t count)
{
    _cleanup_(interval_freep) struct interval *sum = calloc(1, sizeof *sum);
    struct outbox_item item;
    unsigned n = 0;

    assert_non_null(sum);
    sum->second = first;
    sum->seconds = 1;
    uint64_t next_second = first;
    while (outbox_next(f->queue, &item)) {
        _cleanup_(interval_freep) struct interval *interval = NULL;
        assert_int_equal(item.seq, first_seq + n);
        assert_int_equal(interval_decode(item.bytes, item.size, &interval, NULL), 0);
        assert_int_equal(interval->second, next_second);
        next_second += interval->seconds;
        assert_int_equal(interval_merge(sum, interval), 0);
        outbox_advance(f->queue);
        n++;
    }
    assert_int_equal(next_second, first + count);
    assert_int_equal(sum->series[0].latency.count, count);
    assert_int_equal(sum->series[0].sent_bytes, count);
    assert_int_equal(sum->series[0].latency.min_usec, 1000 * (first + 1));
    assert_int_equal(sum->series[0].latency.max_usec, 1000 * (first + count));
    return n;
}

static void test_gets_coarser(void **state)
{
    struct fixture *f = *state;

    add(f, 0, 500);
    assert_true(outbox_used_bytes(f->outbox) <= 2000);
    size_t n = outbox_count(f->queue);
    assert_true(n > 2 && n < 100);
    assert_int_equal(check_all(f, 1, 0, 500), n);
}

/* The oldest lose resolution first. */
static void test_oldest_first(void **state)
{
    struct fixture *f = *state;
    uint32_t n = 0;

    while (outbox_count(f->queue) == n) {
        add(f, n++, 1);
    }
    assert_next(f, 1, 0, 2);
    assert_next(f, 2, 2, 1);
}

/* What was sent once can be at the broker already: it stays as it is. */
static void test_sent_ones_stay(void **state)
{
    struct fixture *f = *state;

    add(f, 0, 4);
    assert_next(f, 1, 0, 1);
    assert_next(f, 2, 1, 1);
    add(f, 4, 200);
    outbox_rewind(f->queue);
    assert_next(f, 1, 0, 1);
    assert_next(f, 2, 1, 1);
    check_all(f, 3, 2, 202);
}

/* One run's needs never touch what another one has. */
static void test_two_queues(void **state)
{
    struct fixture *f = *state;
    struct outbox_queue *other;

    assert_int_equal(outbox_queue_new(&other, f->outbox), 0);
    add(f, 0, 4);
    outbox_close(f->queue);
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(try_add(other, i), 0);
    }
    assert_int_equal(outbox_count(f->queue), 4);
    assert_true(outbox_used_bytes(f->outbox) <= 2000);
    assert_int_equal(check_all(f, 1, 0, 4), 4);
    outbox_queue_free(other);
}

static void test_nothing_to_put_together(void **state)
{
    struct fixture *f = *state;

    for (uint32_t i = 0; i < 100; i++) {
        add(f, i, 1);
        assert_next(f, i + 1, i, 1);
    }
    assert_true(outbox_used_bytes(f->outbox) > 2000);
}

static void test_without_memory(void **state)
{
    struct fixture *f = *state;
    uint32_t added = 0;

    for (long i = 0; i < 100; i++) {
        allocation_fails_after = i % 20;
        int r = try_add(f->queue, added);
        allocation_fails_after = -1;
        assert_true(r == 0 || r == -ENOMEM);
        added += r == 0 ? 1 : 0;
    }
    assert_true(added > 10);
    assert_true(added < 100);
    check_all(f, 1, 0, added);
    allocation_fails_after = 0;
    assert_int_equal(outbox_reject(f->queue, 1), -ENOMEM);
}

#define TEST(function)       cmocka_unit_test_setup_teardown(function, set_up, tear_down)
#define TEST_SMALL(function) cmocka_unit_test_setup_teardown(function, set_up_small, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_in_order),
        TEST(test_not_sent_after_all),
        TEST(test_acknowledged),
        TEST(test_new_connection),
        TEST(test_gap),
        TEST(test_rejected),
        TEST(test_closed),
        TEST(test_bytes),
        TEST_SMALL(test_bytes_without_room),
        TEST(test_window),
        TEST_SMALL(test_gets_coarser),
        TEST_SMALL(test_oldest_first),
        TEST_SMALL(test_sent_ones_stay),
        TEST_SMALL(test_two_queues),
        TEST_SMALL(test_nothing_to_put_together),
        TEST_SMALL(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
