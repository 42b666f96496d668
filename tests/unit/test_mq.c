/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "loop/mq.h"

#define MESSAGES 5000

struct talk {
    struct ev_loop *loop;
    struct mq *mq;
    char directory[64];
    char address[128];
    unsigned received;
    unsigned wanted; /* ends the loop */
    size_t frames;
    char text[256]; /* of the last frame of the last message */
    char peer[128];
    struct mq_socket *frees; /* in received() */
    bool echo, welcomed, subscribed;
};

static int set_up(void **state)
{
    static struct talk talk;

    talk = (struct talk){.loop = ev_loop_new(EVFLAG_AUTO), .directory = "/tmp/loads-mq-XXXXXX"};
    if (!talk.loop || mq_new(&talk.mq, talk.loop) < 0 || !mkdtemp(talk.directory)) {
        return -1;
    }
    (void)snprintf(talk.address, sizeof talk.address, "ipc://%s/a.sock", talk.directory);
    *state = &talk;
    return 0;
}

static int tear_down(void **state)
{
    struct talk *talk = *state;

    mq_free(talk->mq);
    ev_loop_destroy(talk->loop);
    (void)unlink(talk->address + 6);
    return rmdir(talk->directory);
}

static void on_message(struct mq_socket *socket, const struct mq_message *message, void *context)
{
    struct talk *talk = context;
    size_t size, last = mq_message_count(message) - 1;
    const char *text = mq_message_bytes(message, last, &size);

    talk->received++;
    talk->frames = mq_message_count(message);
    (void)snprintf(talk->text, sizeof talk->text, "%.*s", (int)size, text);
    (void)snprintf(talk->peer, sizeof talk->peer, "%s", mq_message_peer(message));
    talk->welcomed = talk->welcomed || strcmp(talk->text, MQ_WELCOME) == 0;
    talk->subscribed = talk->subscribed || strcmp(talk->text, "\1run") == 0;
    if (talk->echo && talk->frames > 1) { /* a ROUTER answers whom it heard */
        size_t identity_size;
        const void *identity = mq_message_bytes(message, 0, &identity_size);
        assert_int_equal(mq_socket_send_text(socket, identity, identity_size, talk->text, NULL, 0),
                         0);
    }
    talk->frees = mq_socket_free(talk->frees);
    if (talk->received == talk->wanted) {
        ev_break(talk->loop, EVBREAK_ALL);
    }
}

static struct mq_socket *make(struct talk *talk, enum mq_type type)
{
    struct mq_socket_options options = {
        .type = type, .received = on_message, .context = talk, .high_water = 2 * MESSAGES};
    struct mq_socket *socket = NULL;
    assert_int_equal(mq_socket_new(&socket, talk->mq, &options, NULL), 0);
    return socket;
}

/* Runs until so many messages have come. */
static void wait_for(struct talk *talk, unsigned received)
{
    talk->wanted = received;
    if (talk->received < received) {
        ev_run(talk->loop, 0);
    }
    assert_int_equal(talk->received, received);
}

static int send_one(struct mq_socket *socket, const char *text)
{
    return mq_socket_send_text(socket, NULL, 0, text, NULL, 0);
}

/* Each question is answered, thousands of times both ways: no wake-up is missed. */
static void round_trips(struct talk *talk, const char *address)
{
    struct mq_socket *router = make(talk, MQ_ROUTER), *dealer = make(talk, MQ_DEALER);

    talk->echo = true;
    assert_int_equal(mq_socket_bind(router, address, NULL), 0);
    assert_int_equal(mq_socket_connect(dealer, mq_socket_endpoint(router, 0), NULL), 0);
    for (unsigned i = 0; i < MESSAGES; i++) {
        assert_int_equal(send_one(dealer, "ping"), 0);
    }
    wait_for(talk, 2 * MESSAGES);
    for (unsigned i = 1; i <= 100; i++) { /* one at a time */
        assert_int_equal(send_one(dealer, "one"), 0);
        wait_for(talk, 2 * MESSAGES + 2 * i);
    }
    assert_string_equal(talk->text, "one");
    mq_socket_free(router);
    mq_socket_free(dealer);
}

static void test_round_trips_ipc(void **state)
{
    struct talk *talk = *state;

    round_trips(talk, talk->address);
    assert_non_null(strstr(talk->peer, "localhost"));
}

static void test_round_trips_tcp(void **state)
{
    round_trips(*state, "tcp://127.0.0.1:*");
}

static void test_payload(void **state)
{
    struct talk *talk = *state;
    struct mq_socket *router = make(talk, MQ_ROUTER), *dealer = make(talk, MQ_DEALER);

    assert_int_equal(mq_socket_bind(router, talk->address, NULL), 0);
    assert_int_equal(mq_socket_connect(dealer, talk->address, NULL), 0);
    assert_int_equal(mq_socket_send_text(dealer, NULL, 0, "{}", "payload", 7), 0);
    wait_for(talk, 1);
    assert_int_equal(talk->frames, 3);
    assert_string_equal(talk->text, "payload");
    mq_socket_free(router);
    mq_socket_free(dealer);
}

static void test_too_many_frames(void **state)
{
    struct talk *talk = *state;
    struct mq_socket *router = make(talk, MQ_ROUTER), *dealer = make(talk, MQ_DEALER);
    _cleanup_(mq_message_freep) struct mq_message *message = NULL;

    assert_int_equal(mq_socket_bind(router, talk->address, NULL), 0);
    assert_int_equal(mq_socket_connect(dealer, talk->address, NULL), 0);
    assert_int_equal(mq_message_new(&message), 0);
    for (int i = 0; i < MQ_MAX_FRAMES; i++) { /* the identity will be one more */
        assert_int_equal(mq_message_add(message, "x", 1), 0);
    }
    assert_int_equal(mq_message_add(message, "x", 1), -E2BIG);
    assert_int_equal(mq_socket_send(dealer, message), 0);
    assert_int_equal(send_one(dealer, "behind it"), 0);
    wait_for(talk, 1);
    assert_string_equal(talk->text, "behind it");
    mq_socket_free(router);
    mq_socket_free(dealer);
}

/* Who sends too much loses the connection, and nobody else does. */
static void test_too_large(void **state)
{
    struct talk *talk = *state;
    struct mq_socket_options options = {
        .type = MQ_ROUTER, .max_message_bytes = 1000, .received = on_message, .context = talk};
    struct mq_socket *router = NULL, *large = make(talk, MQ_DEALER), *small;
    _cleanup_free_ char *text = calloc(1, 2001);

    assert_non_null(text);
    memset(text, 'x', 2000);
    assert_int_equal(mq_socket_new(&router, talk->mq, &options, NULL), 0);
    assert_int_equal(mq_socket_bind(router, talk->address, NULL), 0);
    assert_int_equal(mq_socket_connect(large, talk->address, NULL), 0);
    assert_int_equal(send_one(large, text), 0);
    small = make(talk, MQ_DEALER);
    assert_int_equal(mq_socket_connect(small, talk->address, NULL), 0);
    assert_int_equal(send_one(small, "small"), 0);
    wait_for(talk, 1);
    assert_string_equal(talk->text, "small");
    mq_socket_free(router);
    mq_socket_free(large);
    mq_socket_free(small);
}

static void test_high_water(void **state)
{
    struct talk *talk = *state;
    struct mq_socket_options options = {.type = MQ_DEALER, .high_water = 10};
    struct mq_socket *dealer = NULL;
    int sent = 0, r;

    assert_int_equal(mq_socket_new(&dealer, talk->mq, &options, NULL), 0);
    assert_int_equal(mq_socket_connect(dealer, talk->address, NULL), 0);
    while ((r = send_one(dealer, "nobody listens")) == 0) {
        sent++;
    }
    assert_int_equal(r, -EAGAIN);
    assert_int_equal(sent, 10);
    mq_socket_free(dealer);
}

static void test_unknown_peer(void **state)
{
    struct talk *talk = *state;
    struct mq_socket *router = make(talk, MQ_ROUTER);

    assert_int_equal(mq_socket_bind(router, talk->address, NULL), 0);
    assert_int_equal(mq_socket_send_text(router, "who", 3, "hello", NULL, 0), -EHOSTUNREACH);
    mq_socket_free(router);
}

static void test_several_addresses(void **state)
{
    struct talk *talk = *state;
    struct mq_socket *router = make(talk, MQ_ROUTER);
    static const char *const addresses[] = {"tcp://127.0.0.1:*", "tcp://[::1]:*"};

    for (size_t i = 0; i < ELEMENTSOF(addresses); i++) {
        assert_int_equal(mq_socket_bind(router, addresses[i], NULL), 0);
    }
    assert_int_equal(mq_socket_bind(router, talk->address, NULL), 0);
    for (unsigned i = 0; i < 3; i++) {
        struct mq_socket *dealer = make(talk, MQ_DEALER);
        assert_int_equal(mq_socket_connect(dealer, mq_socket_endpoint(router, i), NULL), 0);
        assert_int_equal(send_one(dealer, "hello"), 0);
        wait_for(talk, i + 1);
        mq_socket_free(dealer);
    }
    assert_memory_equal(mq_socket_endpoint(router, 0), "tcp://127.0.0.1:", 16);
    assert_memory_equal(mq_socket_endpoint(router, 1), "tcp://[::1]:", 12);
    assert_string_equal(mq_socket_endpoint(router, 2), talk->address);
    assert_null(mq_socket_endpoint(router, 3));
    mq_socket_free(router);
}

/* A socket that listens, as systemd passes it. */
static int listen_on(int family, const char *path)
{
    union {
        struct sockaddr any;
        struct sockaddr_un local;
        struct sockaddr_in v4;
    } address = {.any = {.sa_family = (sa_family_t)family}};
    socklen_t size = sizeof address.v4;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (family == AF_UNIX) {
        (void)snprintf(address.local.sun_path, sizeof address.local.sun_path, "%s", path);
        size = sizeof address.local;
    } else {
        address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &address.any, size), 0);
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

static void test_passed_descriptors(void **state)
{
    struct talk *talk = *state;
    struct mq_socket *router = make(talk, MQ_ROUTER);
    int fds[] = {listen_on(AF_UNIX, talk->address + 6), listen_on(AF_INET, NULL)};

    for (unsigned i = 0; i < ELEMENTSOF(fds); i++) {
        struct mq_socket *dealer = make(talk, MQ_DEALER);
        assert_int_equal(mq_socket_bind_fd(router, &fds[i], NULL), 0);
        assert_int_equal(fds[i], -1);
        assert_int_equal(mq_socket_connect(dealer, mq_socket_endpoint(router, i), NULL), 0);
        assert_int_equal(send_one(dealer, "hello"), 0);
        wait_for(talk, i + 1);
        mq_socket_free(dealer);
    }
    assert_int_equal(mq_socket_bind(router, "tcp://127.0.0.1:*", NULL), 0);
    mq_socket_free(router);
}

static void test_wrong_descriptors(void **state)
{
    struct talk *talk = *state;
    struct mq_socket *router = make(talk, MQ_ROUTER);
    int fds[] = {socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                 socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), dup(0), 999};

    for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
        struct error error = {0};
        int fd = fds[i];
        assert_int_equal(mq_socket_bind_fd(router, &fds[i], &error), -EINVAL);
        assert_int_equal(fds[i], fd);
        assert_non_null(strstr(error.text, "stream socket that listens"));
        if (fd != 999) {
            close_fd(fd);
        }
    }
    mq_socket_free(router);
}

static void test_addresses(void **state)
{
    struct talk *talk = *state;
    struct mq_socket *first = make(talk, MQ_ROUTER), *second = make(talk, MQ_ROUTER);
    char path[200] = "ipc:///tmp/", text[64];
    const struct {
        const char *address;
        int code;
        const char *text;
    } rows[] = {{talk->address, -EADDRINUSE, "another program does"},
                {mq_socket_endpoint(first, 0), -EADDRINUSE, "in use"},
                {"nonsense", -EINVAL, "no address"},
                {"tcp://127.0.0.1", -EINVAL, "no address"},
                {"ipc://", -EINVAL, "no path"},
                {"ipc:///no-such-directory/x", -ENOENT, "No such file"},
                {path, -ENAMETOOLONG, "107 bytes"}};

    memset(path + 11, 'x', 150);
    assert_int_equal(mq_socket_bind(first, "tcp://127.0.0.1:*", NULL), 0);
    (void)snprintf(text, sizeof text, "%s", mq_socket_endpoint(first, 0));
    assert_int_equal(mq_socket_bind(first, talk->address, NULL), 0);
    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        struct error error = {0};
        const char *address = rows[i].address ? rows[i].address : text;
        int r = mq_socket_bind(second, address, &error);
        if (r != rows[i].code || !strstr(error.text, rows[i].text)) {
            fail_msg("%s: %d, %s", address, r, error.text);
        }
    }
    assert_int_equal(mq_socket_connect(second, "nonsense", NULL), -EINVAL);
    mq_socket_free(first);
    mq_socket_free(second);
}

/* What a program that was killed left doesn't stand in the way. */
static void test_stale_path(void **state)
{
    struct talk *talk = *state;
    struct mq_socket *router = make(talk, MQ_ROUTER);

    close_fd(listen_on(AF_UNIX, talk->address + 6));
    assert_int_equal(mq_socket_bind(router, talk->address, NULL), 0);
    mq_socket_free(router);
}

/* What comes meanwhile is there afterwards; what was held back holds up nobody else. */
static void test_held(void **state)
{
    struct talk *talk = *state;
    struct mq_socket *server = make(talk, MQ_ROUTER), *client = make(talk, MQ_DEALER);

    mq_socket_hold(server, true);
    assert_int_equal(mq_socket_bind(server, talk->address, NULL), 0);
    assert_int_equal(mq_socket_connect(client, talk->address, NULL), 0);
    assert_int_equal(mq_socket_send_text(client, NULL, 0, "early", NULL, 0), 0);
    struct mq_socket *other = make(talk, MQ_ROUTER), *second = make(talk, MQ_DEALER);
    assert_int_equal(mq_socket_bind(other, "tcp://127.0.0.1:*", NULL), 0);
    assert_int_equal(mq_socket_connect(second, mq_socket_endpoint(other, 0), NULL), 0);
    for (unsigned i = 1; i <= 10; i++) {
        assert_int_equal(mq_socket_send_text(second, NULL, 0, "other", NULL, 0), 0);
        wait_for(talk, i);
        assert_string_equal(talk->text, "other");
    }
    mq_socket_hold(server, false);
    wait_for(talk, 11);
    assert_string_equal(talk->text, "early");
    mq_socket_free(second);
    mq_socket_free(other);
    mq_socket_free(client);
    mq_socket_free(server);
}

static void test_publish(void **state)
{
    struct talk *talk = *state;
    struct mq_socket *publisher = make(talk, MQ_XPUB), *subscriber = make(talk, MQ_SUB);

    assert_int_equal(mq_socket_bind(publisher, talk->address, NULL), 0);
    assert_int_equal(mq_socket_subscribe(subscriber, MQ_WELCOME, strlen(MQ_WELCOME)), 0);
    assert_int_equal(mq_socket_subscribe(subscriber, "run", 3), 0);
    assert_int_equal(mq_socket_connect(subscriber, talk->address, NULL), 0);
    while (!talk->welcomed || !talk->subscribed) { /* in any order */
        ev_run(talk->loop, EVRUN_ONCE);
    }
    assert_int_equal(mq_socket_send_text(publisher, "other", 5, "{}", NULL, 0), 0);
    assert_int_equal(mq_socket_send_text(publisher, "run", 3, "{\"a\":1}", NULL, 0), 0);
    while (talk->text[0] == '\1' || strcmp(talk->text, MQ_WELCOME) == 0) {
        ev_run(talk->loop, EVRUN_ONCE);
    }
    assert_string_equal(talk->text, "{\"a\":1}");
    assert_int_equal(talk->frames, 2);
    mq_socket_free(publisher);
    mq_socket_free(subscriber);
}

static void test_free_in_callback(void **state)
{
    struct talk *talk = *state;
    struct mq_socket *router = make(talk, MQ_ROUTER), *dealer = make(talk, MQ_DEALER);

    assert_int_equal(mq_socket_bind(router, talk->address, NULL), 0);
    assert_int_equal(mq_socket_connect(dealer, talk->address, NULL), 0);
    assert_int_equal(send_one(dealer, "one"), 0);
    assert_int_equal(send_one(dealer, "two"), 0);
    talk->frees = router;
    wait_for(talk, 1);
    assert_null(talk->frees);
    mq_socket_free(dealer);
    ev_run(talk->loop, 0); /* nothing is left in the loop */
}

static void on_timer(struct ev_loop *loop, ev_timer *timer _unused_, int events _unused_)
{
    ev_break(loop, EVBREAK_ALL);
}

/* Turns the loop for a moment. */
static void turn(struct talk *talk)
{
    ev_timer timer;

    ev_timer_init(&timer, on_timer, 0.05, 0);
    ev_timer_start(talk->loop, &timer);
    ev_run(talk->loop, 0);
}

/* Nothing comes while a socket is held, its sender can send no more at last, and nothing is lost
 * by it. */
static void test_held_sender(void **state)
{
    struct talk *talk = *state;
    struct mq_socket_options options = {
        .type = MQ_PULL, .received = on_message, .context = talk, .high_water = 10};
    struct mq_socket *pull = NULL, *push = NULL;
    unsigned sent = 0;

    assert_int_equal(mq_socket_new(&pull, talk->mq, &options, NULL), 0);
    options.type = MQ_PUSH;
    assert_int_equal(mq_socket_new(&push, talk->mq, &options, NULL), 0);
    assert_int_equal(mq_socket_bind(pull, talk->address, NULL), 0);
    assert_int_equal(mq_socket_connect(push, talk->address, NULL), 0);
    assert_int_equal(send_one(push, "first"), 0);
    wait_for(talk, ++sent);

    char text[10000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    mq_socket_hold(pull, true);
    for (unsigned i = 0; i < 10; i++) {
        while (send_one(push, text) == 0) {
            sent++;
            assert_true(sent < 100000);
        }
        turn(talk);
    }
    assert_int_equal(talk->received, 1);
    mq_socket_hold(pull, false);
    wait_for(talk, sent);
    mq_socket_free(push);
    mq_socket_free(pull);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_round_trips_ipc),
        CASE(test_round_trips_tcp),
        CASE(test_payload),
        CASE(test_too_many_frames),
        CASE(test_too_large),
        CASE(test_high_water),
        CASE(test_unknown_peer),
        CASE(test_several_addresses),
        CASE(test_passed_descriptors),
        CASE(test_wrong_descriptors),
        CASE(test_addresses),
        CASE(test_stale_path),
        CASE(test_held),
        CASE(test_publish),
        CASE(test_free_in_callback),
        CASE(test_held_sender),
    };
    return cmocka_run_group_tests_name("mq", tests, NULL, NULL);
}
