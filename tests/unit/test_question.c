/* SPDX-License-Identifier: MPL-2.0 */
/* Who answers is in a thread of its own, since who asks blocks. */
#include "test.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "run/question.h"

struct server {
    struct ev_loop *loop;
    struct mq *mq;
    struct mq_socket *socket;
    ev_async end;
    pthread_t thread;
    const char *answer; /* NULL: none */
    char request[128];
    struct strlist addresses;
};

static void on_request(struct mq_socket *socket, const struct mq_message *message, void *context)
{
    struct server *server = context;
    size_t identity_size, size;
    const void *identity = mq_message_bytes(message, 0, &identity_size);
    const char *text = mq_message_bytes(message, 2, &size);

    (void)snprintf(server->request, sizeof server->request, "%.*s", (int)size, text);
    if (server->answer) {
        assert_int_equal(mq_socket_send_text(socket, identity, identity_size, "", server->answer,
                                             strlen(server->answer)),
                         0);
    }
}

static void on_end(struct ev_loop *loop, ev_async *async _unused_, int events _unused_)
{
    ev_break(loop, EVBREAK_ALL);
}

static void *serve(void *context)
{
    struct server *server = context;

    ev_run(server->loop, 0);
    return NULL;
}

static void server_start(struct server *server, const char *answer)
{
    struct mq_socket_options options = {
        .type = MQ_ROUTER, .received = on_request, .context = server};

    *server = (struct server){.loop = ev_loop_new(EVFLAG_AUTO), .answer = answer};
    assert_non_null(server->loop);
    assert_int_equal(mq_new(&server->mq, server->loop), 0);
    assert_int_equal(mq_socket_new(&server->socket, server->mq, &options, NULL), 0);
    assert_int_equal(mq_socket_bind(server->socket, "tcp://127.0.0.1:*", NULL), 0);
    assert_int_equal(strlist_add(&server->addresses, mq_socket_endpoint(server->socket, 0)), 0);
    ev_async_init(&server->end, on_end);
    ev_async_start(server->loop, &server->end);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_stop(struct server *server)
{
    ev_async_send(server->loop, &server->end);
    assert_int_equal(pthread_join(server->thread, NULL), 0);
    mq_socket_free(server->socket);
    mq_free(server->mq);
    ev_loop_destroy(server->loop);
    strlist_clear(&server->addresses);
}

/* Of several addresses one is enough. */
static void test_an_answer(void **state _unused_)
{
    struct server server;
    json_auto_t *answer = NULL;

    server_start(&server, "{\"result\": {\"pid\": 7}}");
    assert_int_equal(strlist_add(&server.addresses, "ipc:///nonexistent/x.sock"), 0);
    struct question question = {
        .addresses = &server.addresses, .command = "PING", .wait_sec = 60.0};
    assert_int_equal(question_ask(&question, &answer, NULL), 1);
    assert_int_equal(json_integer_value(json_object_get(answer, "pid")), 7);
    server_stop(&server);
    assert_string_equal(server.request, "{\"command\":\"PING\"}");
}

static void test_what_is_no_answer(void **state _unused_)
{
    static const char *const answers[] = {NULL, "nonsense", "{\"error\": \"no\"}", "[]"};

    for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
        struct server server;
        json_t *answer = NULL;
        server_start(&server, answers[i]);
        struct question question = {
            .addresses = &server.addresses, .command = "PING", .wait_sec = 0.2};
        assert_int_equal(question_ask(&question, &answer, NULL), 0);
        assert_null(answer);
        server_stop(&server);
    }
}

static void test_no_address(void **state _unused_)
{
    struct strlist addresses = {.count = 0};
    struct question question = {.addresses = &addresses, .command = "PING", .wait_sec = 60.0};
    struct error error = {0};
    json_t *answer = NULL;

    assert_int_equal(strlist_add(&addresses, "nonsense"), 0);
    assert_true(question_ask(&question, &answer, &error) < 0);
    assert_non_null(strstr(error.text, "nonsense"));
    strlist_clear(&addresses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer),
        cmocka_unit_test(test_what_is_no_answer),
        cmocka_unit_test(test_no_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
