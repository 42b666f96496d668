/* SPDX-License-Identifier: MPL-2.0 */
/* Messages between supervisor and worker, and what a test may send in their place. */
#include "test.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "run/channel.h"

struct pair {
    int ours, theirs;
};

static int set_up(void **state)
{
    static struct pair pair;
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    pair = (struct pair){ends[0], ends[1]};
    *state = &pair;
    return 0;
}

static int tear_down(void **state)
{
    struct pair *pair = *state;
    close_fd(pair->ours);
    close_fd(pair->theirs);
    return 0;
}

static void test_every_type(void **state)
{
    struct pair *pair = *state;

    for (uint32_t type = MESSAGE_READY; type <= MESSAGE_DRAINED; type++) {
        struct message sent = {.type = type}, received;
        memset(&received, 0xff, sizeof received);
        assert_true(message_size_bytes(type) >= sizeof type);
        assert_true(message_size_bytes(type) <= sizeof sent);
        assert_int_equal(channel_send(pair->ours, &sent), 0);
        assert_int_equal(channel_receive(pair->theirs, &received), 1);
        assert_int_equal(received.type, type);
        assert_int_equal(channel_receive(pair->theirs, &received), 0);
    }
    assert_int_equal(message_size_bytes(0), 0);
    assert_int_equal(message_size_bytes(MESSAGE_DRAINED + 1), 0);
    assert_int_equal(message_size_bytes(UINT32_MAX), 0);
}

static void test_contents(void **state)
{
    struct pair *pair = *state;
    struct message received;
    struct message go = {.type = MESSAGE_GO, .go = {123456789012, UINT64_MAX}};
    struct message crash = {.type = MESSAGE_CRASH,
                            .crash = {.signal = 11, .user = -1, .address = 8, .n_frames = 1}};

    crash.crash.frames[0].offset = 0x1234;
    strcpy(crash.crash.frames[0].object, "/some/object.so");
    assert_int_equal(channel_send(pair->ours, &go), 0);
    assert_int_equal(channel_send(pair->ours, &crash), 0);
    assert_int_equal(channel_receive(pair->theirs, &received), 1);
    assert_int_equal(received.go.run_start_usec, 123456789012);
    assert_true(received.go.deadline_usec == UINT64_MAX);
    assert_int_equal(channel_receive(pair->theirs, &received), 1);
    assert_int_equal(received.crash.signal, 11);
    assert_int_equal(received.crash.user, -1);
    assert_int_equal(received.crash.frames[0].offset, 0x1234);
    assert_string_equal(received.crash.frames[0].object, "/some/object.so");
}

static void test_texts_end(void **state)
{
    struct pair *pair = *state;
    struct message received;
    struct message refused = {.type = MESSAGE_REFUSED}, crash = {.type = MESSAGE_CRASH};

    memset(refused.text, 'x', sizeof refused.text);
    memset(&crash.crash, 'x', sizeof crash.crash);
    assert_int_equal(channel_send(pair->ours, &refused), 0);
    assert_int_equal(channel_send(pair->ours, &crash), 0);
    assert_int_equal(channel_receive(pair->theirs, &received), 1);
    assert_int_equal(strlen(received.text), sizeof received.text - 1);
    assert_int_equal(channel_receive(pair->theirs, &received), 1);
    assert_int_equal(received.crash.n_frames, CRASH_MAX_FRAMES);
    for (unsigned i = 0; i < CRASH_MAX_FRAMES; i++) {
        const struct crash_frame *frame = &received.crash.frames[i];
        assert_int_equal(strlen(frame->object), sizeof frame->object - 1);
    }
}

/* The sizes of real messages and others, with types that fit and that don't. */
static void test_garbage(void **state)
{
    struct pair *pair = *state;
    static unsigned char bytes[2 * sizeof(struct message)];
    const size_t sizes[] = {0, 1, 3, 5, sizeof(struct message) + 1, sizeof bytes};
    const uint32_t types[] = {0, MESSAGE_READY, MESSAGE_CRASH, MESSAGE_GO, 99, UINT32_MAX};
    struct message received = {.type = 77};

    for (size_t t = 0; t < ELEMENTSOF(types); t++) {
        memcpy(bytes, &types[t], sizeof types[t]);
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
            assert_int_equal(send(pair->ours, bytes, sizes[i], 0), sizes[i]);
            assert_int_equal(channel_receive(pair->theirs, &received), -EBADMSG);
        }
    }
    assert_int_equal(received.type, 77);
    assert_int_equal(channel_receive(pair->theirs, &received), 0); /* all were dropped */
    assert_int_equal(channel_send(pair->ours, &(struct message){.type = MESSAGE_READY}), 0);
    assert_int_equal(channel_receive(pair->theirs, &received), 1);
}

static void test_other_end_gone(void **state)
{
    struct pair *pair = *state;
    struct message message = {.type = MESSAGE_READY};

    assert_int_equal(channel_send(pair->ours, &message), 0);
    pair->ours = close_fd(pair->ours);
    assert_int_equal(channel_receive(pair->theirs, &message), 1); /* what was sent before */
    assert_int_equal(channel_receive(pair->theirs, &message), -EPIPE);
    assert_int_equal(channel_send(pair->theirs, &message), -EPIPE); /* and no SIGPIPE */
}

/* Closing with unread messages: a reset, which is an end as well. */
static void test_other_end_gone_with_messages(void **state)
{
    struct pair *pair = *state;
    struct message message = {.type = MESSAGE_DRAINED};

    assert_int_equal(channel_send(pair->theirs, &message), 0);
    pair->ours = close_fd(pair->ours);
    assert_int_equal(channel_receive(pair->theirs, &message), -EPIPE);
}

static void test_full(void **state)
{
    struct pair *pair = *state;
    struct message message = {.type = MESSAGE_DRAINED};
    unsigned sent = 0;
    int r;

    while ((r = channel_send(pair->ours, &message)) == 0 && sent < 1000000) {
        sent++;
    }
    assert_int_equal(r, -EAGAIN);
    while (sent > 0) {
        assert_int_equal(channel_receive(pair->theirs, &message), 1);
        sent--;
    }
    assert_int_equal(channel_send(pair->ours, &message), 0);
}

static void test_not_a_socket(void **state _unused_)
{
    struct message message = {.type = MESSAGE_READY};

    assert_int_equal(channel_send(-1, &message), -EBADF);
    assert_int_equal(channel_receive(-1, &message), -EBADF);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_type), TEST(test_contents),       TEST(test_texts_end),
        TEST(test_garbage),    TEST(test_other_end_gone), TEST(test_other_end_gone_with_messages),
        TEST(test_full),       TEST(test_not_a_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
