/* SPDX-License-Identifier: MPL-2.0 */
/* The senders are libzmq's. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "loop/mq.h"
#include "loop/pull.h"

#define MAX_BYTES 100000
#define FEW       100 /* messages that a connection holds, each of them written by itself */

struct talk {
    struct ev_loop *loop;
    struct pull *pull;
    char directory[64];
    char address[128];
    unsigned received, refused, faults;
    unsigned hold_at; /* after so many; 0: never */
    size_t bytes;
    char text[256]; /* of the last message, or reason */
};

static void on_received(struct pull *pull, const struct zmtp_message *message, void *context)
{
    struct talk *talk = context;

    talk->received++;
    talk->bytes += message->size;
    talk->faults += message->fault ? 1 : 0;
    (void)snprintf(talk->text, sizeof talk->text, "%.*s", (int)MIN(message->size, (size_t)200),
                   message->bytes);
    if (talk->received == talk->hold_at) {
        pull_hold(pull, true);
    }
}

static void on_refused(struct pull *pull _unused_, const char *reason, void *context)
{
    struct talk *talk = context;

    talk->refused++;
    (void)snprintf(talk->text, sizeof talk->text, "%s", reason);
}

static int set_up(void **state)
{
    static struct talk talk;

    talk = (struct talk){.loop = ev_loop_new(EVFLAG_AUTO), .directory = "/tmp/loads-pull-XXXXXX"};
    if (!talk.loop || !mkdtemp(talk.directory)) {
        return -1;
    }
    (void)snprintf(talk.address, sizeof talk.address, "ipc://%s/a.sock", talk.directory);
    struct pull_options options = {.max_message_bytes = MAX_BYTES,
                                   .received = on_received,
                                   .refused = on_refused,
                                   .context = &talk};
    *state = &talk;
    return pull_new(&talk.pull, talk.loop, talk.address, &options, NULL);
}

/* The path is gone with the socket. */
static int tear_down(void **state)
{
    struct talk *talk = *state;

    talk->pull = pull_free(talk->pull);
    ev_loop_destroy(talk->loop);
    return rmdir(talk->directory);
}

static void run_until(struct talk *talk, const unsigned *count, unsigned wanted)
{
    while (*count < wanted) {
        ev_run(talk->loop, EVRUN_ONCE);
    }
    assert_int_equal(*count, wanted);
}

static void run_until_alone(struct talk *talk)
{
    while (pull_connections(talk->pull) > 0) {
        ev_run(talk->loop, EVRUN_ONCE);
    }
}

/* A PUSH socket with a context of its own, which can be ended: then all it sent is in the kernel's
 * hands. */
struct sender {
    struct mq *mq;
    struct mq_socket *socket;
};

static struct sender sender(struct talk *talk)
{
    struct mq_socket_options options = {.type = MQ_PUSH, .high_water = 100000, .linger_msec = -1};
    struct sender made = {NULL, NULL};

    assert_int_equal(mq_new(&made.mq, talk->loop), 0);
    assert_int_equal(mq_socket_new(&made.socket, made.mq, &options, NULL), 0);
    assert_int_equal(mq_socket_connect(made.socket, talk->address, NULL), 0);
    return made;
}

static void send_text(const struct sender *sender, const char *text)
{
    assert_int_equal(mq_socket_send_text(sender->socket, NULL, 0, text, NULL, 0), 0);
}

static void end_sender(struct sender *sender)
{
    mq_socket_free(sender->socket);
    mq_free(sender->mq);
}

static void test_messages(void **state)
{
    struct talk *talk = *state;
    struct sender one = sender(talk);

    assert_int_equal(pull_heard_usec(talk->pull), 0);
    for (unsigned i = 0; i < 5000; i++) {
        send_text(&one, "hello");
    }
    run_until(talk, &talk->received, 5000);
    assert_string_equal(talk->text, "hello");
    assert_int_equal(pull_connections(talk->pull), 1);
    assert_true(pull_is_dry(talk->pull));
    assert_true(pull_heard_usec(talk->pull) > 0);
    end_sender(&one);
    run_until_alone(talk);
    assert_int_equal(talk->faults + talk->refused, 0);
}

/* What lies in a connection is read to its end, though it was held when the other end was closed:
 * libzmq's own PULL sockets lose it. */
static void test_held_and_gone(void **state)
{
    struct talk *talk = *state;
    struct sender one = sender(talk);

    send_text(&one, "first");
    talk->hold_at = 1;
    run_until(talk, &talk->received, 1);
    for (unsigned i = 1; i < FEW; i++) {
        send_text(&one, "the others");
    }
    end_sender(&one);
    assert_false(pull_is_dry(talk->pull));
    assert_int_equal(talk->received, 1);

    /* Once more, in the middle of what lies in the buffer. */
    talk->hold_at = FEW / 2;
    pull_hold(talk->pull, false);
    assert_false(pull_is_dry(talk->pull));
    run_until(talk, &talk->received, FEW / 2);
    pull_hold(talk->pull, true);
    assert_false(pull_is_dry(talk->pull));
    pull_hold(talk->pull, false);
    run_until(talk, &talk->received, FEW);
    run_until_alone(talk);
    assert_true(pull_is_dry(talk->pull));
    assert_int_equal(talk->bytes, 5 + (FEW - 1) * 10);
}

/* Who comes while it is held is taken, and heard afterwards. */
static void test_comes_while_held(void **state)
{
    struct talk *talk = *state;

    pull_hold(talk->pull, true);
    struct sender one = sender(talk), two = sender(talk);
    send_text(&one, "one");
    send_text(&two, "two");
    while (pull_connections(talk->pull) < 2) {
        ev_run(talk->loop, EVRUN_ONCE);
    }
    assert_int_equal(talk->received, 0);
    pull_hold(talk->pull, false);
    run_until(talk, &talk->received, 2);
    end_sender(&one);
    end_sender(&two);
    run_until_alone(talk);
}

static void test_sizes(void **state)
{
    static char text[MAX_BYTES + 2];
    struct talk *talk = *state;
    struct sender one = sender(talk);

    memset(text, 'x', MAX_BYTES + 1);
    send_text(&one, text);
    assert_int_equal(mq_socket_send_text(one.socket, "several", 7, "frames", NULL, 0), 0);
    run_until(talk, &talk->received, 2);
    assert_int_equal(talk->faults, 2);
    text[MAX_BYTES] = '\0';
    send_text(&one, text);
    run_until(talk, &talk->received, 3);
    assert_int_equal(talk->faults, 2);
    assert_int_equal(talk->bytes, MAX_BYTES);
    end_sender(&one);
    run_until_alone(talk);
}

static int connect_to(const struct talk *talk)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(name.sun_path, sizeof name.sun_path, "%s/a.sock", talk->directory);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

static void test_no_zeromq(void **state)
{
    struct talk *talk = *state;
    int fd = connect_to(talk);

    assert_int_equal(write(fd, "hello\n", 6), 6);
    run_until(talk, &talk->refused, 1);
    assert_string_equal(talk->text, "what connects doesn't speak ZMTP, or version 1 of it");
    close(fd);
    fd = connect_to(talk);
    close(fd); /* without a word */
    assert_true(pull_is_dry(talk->pull));
    assert_int_equal(pull_connections(talk->pull), 1);
    run_until_alone(talk);
    assert_int_equal(talk->refused, 1);
}

/* Without a descriptor for it, a connection waits until there is one. */
static void test_no_descriptors(void **state)
{
    struct talk *talk = *state;
    struct rlimit before, few;
    int fd = connect_to(talk), next = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    close(next);
    few = (struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    ev_run(talk->loop, EVRUN_ONCE);
    assert_int_equal(pull_connections(talk->pull), 0);
    assert_false(pull_is_dry(talk->pull));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    int other = connect_to(talk); /* valgrind's accept4() has dropped the first one */
    while (pull_connections(talk->pull) < 1) {
        ev_run(talk->loop, EVRUN_ONCE);
    }
    close(fd);
    close(other);
    run_until_alone(talk);
}

static void test_addresses(void **state)
{
    struct talk *talk = *state;
    struct pull_options options = {.max_message_bytes = 1};
    struct pull *pull = NULL;
    struct error error;
    char address[256];

    assert_string_equal(pull_address(talk->pull), talk->address);
    assert_int_equal(pull_new(&pull, talk->loop, talk->address, &options, &error), -EADDRINUSE);
    assert_non_null(strstr(error.text, talk->address));
    assert_int_equal(pull_new(&pull, talk->loop, "tcp://127.0.0.1:1", &options, &error), -EINVAL);
    assert_int_equal(pull_new(&pull, talk->loop, "ipc://", &options, &error), -EINVAL);
    assert_int_equal(pull_new(&pull, talk->loop, "ipc:///no/where", &options, &error), -ENOENT);
    (void)snprintf(address, sizeof address, "ipc:///%0200d", 0);
    assert_int_equal(pull_new(&pull, talk->loop, address, &options, &error), -ENAMETOOLONG);
    assert_null(pull);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_messages),       CASE(test_held_and_gone), CASE(test_comes_while_held),
        CASE(test_sizes),          CASE(test_no_zeromq),     CASE(test_addresses),
        CASE(test_no_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
