/* SPDX-License-Identifier: MPL-2.0 */
/* One who listens with a key and one who connects, each of a context of its own: both are told why
 * it came to nothing. */
#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "loop/mq.h"

struct end {
    struct mq *mq;
    struct mq_socket *socket;
    bool failed;
    enum mq_failure failure;
    char peer[64];
    struct pair *pair;
};

struct pair {
    struct ev_loop *loop;
    struct end server, client;
    struct mq_guard *guard;
    struct mq_key_pair server_key, client_key;
    bool key_is_known, waits_for_client;
    unsigned received;
};

static int set_up(void **state)
{
    static struct pair pair;

    pair = (struct pair){.loop = ev_loop_new(EVFLAG_AUTO)};
    pair.server.pair = pair.client.pair = &pair;
    *state = &pair;
    return !pair.loop || mq_new(&pair.server.mq, pair.loop) < 0 ||
           mq_new(&pair.client.mq, pair.loop) < 0 || mq_key_pair_make(&pair.server_key) < 0 ||
           mq_key_pair_make(&pair.client_key) < 0;
}

static int tear_down(void **state)
{
    struct pair *pair = *state;

    mq_socket_free(pair->server.socket);
    mq_socket_free(pair->client.socket);
    mq_guard_free(pair->guard);
    mq_free(pair->server.mq);
    mq_free(pair->client.mq);
    ev_loop_destroy(pair->loop);
    return 0;
}

static void on_message(struct mq_socket *socket _unused_, const struct mq_message *message _unused_,
                       void *context)
{
    struct pair *pair = context;

    pair->received++;
    ev_break(pair->loop, EVBREAK_ALL);
}

static void on_failed(struct mq_socket *socket, enum mq_failure failure, const char *peer,
                      void *context)
{
    struct end *end = context;

    assert_ptr_equal(socket, end->socket);
    end->failed = true;
    end->failure = failure;
    (void)snprintf(end->peer, sizeof end->peer, "%s", peer);
    if (end->pair->server.failed && (end->pair->client.failed || !end->pair->waits_for_client)) {
        ev_break(end->pair->loop, EVBREAK_ALL);
    }
}

static bool is_known(const struct mq_key *public_key, const char *address, const char *socket_name,
                     void *context)
{
    const struct pair *pair = context;

    assert_string_equal(public_key->text, pair->client_key.public_key.text);
    assert_string_equal(address, "127.0.0.1");
    assert_string_equal(socket_name, "router");
    return pair->key_is_known;
}

static void open_end(struct end *end, enum mq_type type)
{
    struct mq_socket_options options = {
        .type = type, .name = "router", .received = on_message, .context = end->pair};

    assert_int_equal(mq_socket_new(&end->socket, end->mq, &options, NULL), 0);
    assert_int_equal(mq_socket_watch(end->socket, on_failed, end, NULL), 0);
}

static void listen_with_key(struct pair *pair)
{
    assert_int_equal(mq_guard_new(&pair->guard, pair->server.mq, is_known, pair, NULL), 0);
    mq_serve(pair->server.mq, &pair->server_key);
    open_end(&pair->server, MQ_ROUTER);
    assert_int_equal(mq_socket_bind(pair->server.socket, "tcp://127.0.0.1:*", NULL), 0);
}

/* servers_key NULL: without any. */
static void connect_as(struct pair *pair, const struct mq_key *servers_key)
{
    if (servers_key) {
        mq_identify(pair->client.mq, &pair->client_key, servers_key);
    }
    pair->waits_for_client = true;
    open_end(&pair->client, MQ_DEALER);
    const char *address = mq_socket_endpoint(pair->server.socket, 0);
    assert_int_equal(mq_socket_connect(pair->client.socket, address, NULL), 0);
    assert_int_equal(mq_socket_send_text(pair->client.socket, NULL, 0, "hello", NULL, 0), 0);
    ev_run(pair->loop, 0);
}

static void expect(const struct pair *pair, enum mq_failure server, enum mq_failure client)
{
    assert_true(pair->server.failed && pair->client.failed);
    assert_int_equal(pair->server.failure, server);
    assert_true(!*pair->server.peer || strcmp(pair->server.peer, "127.0.0.1") == 0);
    assert_int_equal(pair->client.failure, client);
    assert_int_equal(pair->received, 0);
}

/* Each end looks for itself, and to the slower one the other is only gone. */
static void expect_mechanism(const struct pair *pair)
{
    bool server = pair->server.failure == MQ_MECHANISM,
         client = pair->client.failure == MQ_MECHANISM;

    assert_true(server || client);
    expect(pair, server ? MQ_MECHANISM : MQ_NO_CONVERSATION,
           client ? MQ_MECHANISM : MQ_NO_CONVERSATION);
}

static void test_a_known_key_fails_nowhere(void **state)
{
    struct pair *pair = *state;

    pair->key_is_known = true;
    listen_with_key(pair);
    connect_as(pair, &pair->server_key.public_key);
    assert_int_equal(pair->received, 1);
    assert_false(pair->server.failed || pair->client.failed);
}

static void test_an_unknown_key(void **state)
{
    struct pair *pair = *state;

    listen_with_key(pair);
    connect_as(pair, &pair->server_key.public_key);
    expect(pair, MQ_KEY_REFUSED, MQ_KEY_REFUSED);
    assert_string_equal(pair->server.peer, "127.0.0.1"); /* the guard was asked meanwhile */
}

static void test_no_key(void **state)
{
    struct pair *pair = *state;

    listen_with_key(pair);
    connect_as(pair, NULL);
    expect_mechanism(pair);
}

static void test_another_servers_key(void **state)
{
    struct pair *pair = *state;

    listen_with_key(pair);
    connect_as(pair, &pair->client_key.public_key);
    expect(pair, MQ_OTHER_KEY, MQ_NO_CONVERSATION);
}

static void test_a_key_for_who_has_none(void **state)
{
    struct pair *pair = *state;

    open_end(&pair->server, MQ_ROUTER);
    assert_int_equal(mq_socket_bind(pair->server.socket, "tcp://127.0.0.1:*", NULL), 0);
    connect_as(pair, &pair->server_key.public_key);
    expect_mechanism(pair);
}

/* Somebody who says nothing and goes, by IPv6. */
static void test_nothing_said(void **state)
{
    struct pair *pair = *state;
    struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};

    mq_serve(pair->server.mq, &pair->server_key);
    open_end(&pair->server, MQ_ROUTER);
    assert_int_equal(mq_socket_bind(pair->server.socket, "tcp://[::1]:*", NULL), 0);
    const char *port = strrchr(mq_socket_endpoint(pair->server.socket, 0), ':') + 1;
    name.sin6_port = htons((uint16_t)strtoul(port, NULL, 10));
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&name, sizeof name), 0);
    /* It stays open until it is accepted, else nobody knows whose it was. */
    char greeting[10];
    assert_int_equal(recv(fd, greeting, sizeof greeting, MSG_WAITALL), sizeof greeting);
    for (int i = 0; i < 100 && !pair->server.failed; i++) {
        ev_run(pair->loop, EVRUN_NOWAIT);
    }
    assert_false(pair->server.failed);
    assert_int_equal(close(fd), 0);
    ev_run(pair->loop, 0);
    assert_int_equal(pair->server.failure, MQ_NO_CONVERSATION);
    assert_string_equal(pair->server.peer, "::1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_known_key_fails_nowhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_unknown_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_servers_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_key_for_who_has_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_said, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
