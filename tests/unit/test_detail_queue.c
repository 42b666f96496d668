/* SPDX-License-Identifier: MPL-2.0 */
/* Detail on its way: all of it is sent in its order while there is room, and what isn't is counted.
 */
#include "test.h"

#include <string.h>

#include "agent/detail_queue.h"
#include "metrics/detail_codec.h"

struct fixture {
    struct outbox *outbox;
    struct detail_queue *queue;
};

static int set_up_with(void **state, size_t limit_bytes)
{
    static struct fixture f;

    assert_int_equal(outbox_new(&f.outbox, limit_bytes), 0);
    assert_int_equal(detail_queue_new(&f.queue, f.outbox), 0);
    *state = &f;
    return 0;
}

static int set_up(void **state)
{
    return set_up_with(state, OUTBOX_LIMIT_BYTES);
}

static int set_up_small(void **state)
{
    return set_up_with(state, DETAIL_CHUNK_BYTES + 1);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    f->queue = detail_queue_free(f->queue);
    f->outbox = outbox_free(f->outbox);
    return 0;
}

/* Hits that are told apart by what they took. */
static void add(struct fixture *f, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        struct detail hit = {
            .type = DETAIL_HIT, .id = 1, .elapsed_usec = i, .text = "http://h/", .text_size = 9};
        detail_queue_add(f->queue, &hit);
    }
}

/* Sends one message, and checks that its records go on from `first`. Returns how many they are. */
static unsigned send_next(struct fixture *f, uint64_t seq, unsigned first)
{
    _cleanup_(detail_list_freep) struct detail_list *list = NULL;
    struct outbox_item item;
    struct error error;

    assert_true(outbox_next(detail_queue_outbox(f->queue), &item));
    assert_int_equal(item.seq, seq);
    assert_int_equal(detail_decode(item.bytes, item.size, &list, &error), 0);
    for (size_t i = 0; i < list->n_records; i++) {
        assert_int_equal(list->records[i].elapsed_usec, first + i);
    }
    outbox_advance(detail_queue_outbox(f->queue));
    return (unsigned)list->n_records;
}

static void test_little(void **state)
{
    struct fixture *f = *state;
    struct outbox_item item;

    detail_queue_flush(f->queue); /* nothing is no message */
    add(f, 0, 3);
    assert_false(outbox_next(detail_queue_outbox(f->queue), &item));
    detail_queue_flush(f->queue);
    assert_int_equal(send_next(f, 1, 0), 3);
    assert_int_equal(outbox_last_seq(detail_queue_outbox(f->queue)), 1);
}

/* Full messages don't wait for a flush. */
static void test_much(void **state)
{
    struct fixture *f = *state;
    unsigned sent = 0;
    uint64_t seq = 0;

    add(f, 0, 50000);
    detail_queue_flush(f->queue);
    while (sent < 50000) {
        sent += send_next(f, ++seq, sent);
    }
    assert_true(seq > 1 && sent == 50000);
    assert_int_equal(detail_queue_lost(f->queue), 0);
}

/* Nobody takes it, and there is more than memory for it. */
static void test_lost(void **state)
{
    struct fixture *f = *state;
    unsigned kept = 0;

    add(f, 0, 50000);
    detail_queue_flush(f->queue);
    assert_false(detail_queue_has_room(f->queue));
    uint64_t lost = detail_queue_lost(f->queue);
    uint64_t messages = outbox_last_seq(detail_queue_outbox(f->queue));
    assert_true(lost > 0 && messages > 0);
    for (uint64_t seq = 1; seq <= messages; seq++) {
        kept += send_next(f, seq, kept);
    }
    assert_int_equal(kept + lost, 50000);
    assert_int_equal(outbox_acknowledge(detail_queue_outbox(f->queue), messages), 0);
    assert_true(detail_queue_has_room(f->queue)); /* and it goes on, without a gap in the numbers */
    add(f, 0, 1);
    detail_queue_flush(f->queue);
    assert_int_equal(send_next(f, messages + 1, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_little, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_much, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lost, set_up_small, tear_down),
    };
    return cmocka_run_group_tests_name("detail_queue", tests, NULL, NULL);
}
