/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "broker/wake.h"
#include "broker/wake_find.h"

#include "temporary_dir.h"

#define NOW  (1000 * USEC_PER_SEC)
#define LIFE "0f8fad5b-d9cb-469f-a165-70867728950e"

static struct {
    struct ev_loop *loop;
    struct mq *mq;
    struct registry *registry;
    struct wake *wake;
    struct strlist addresses;
    const char *answer;
    unsigned called;
} at;

static void identify(const char *address, void *context)
{
    assert_ptr_equal(context, &at);
    assert_true(strncmp(address, "ipc://", 6) == 0 || strncmp(address, "tcp://", 6) == 0);
}

static int set_up(void **state)
{
    memset(&at, 0, sizeof at);
    at.loop = ev_loop_new(EVFLAG_AUTO);
    return !at.loop || mq_new(&at.mq, at.loop) < 0 || registry_new(&at.registry) < 0 ||
                   wake_new(&at.wake, at.mq, identify, &at) < 0
               ? -1
               : enter_temporary_dir(state);
}

static int tear_down(void **state)
{
    wake_free(at.wake);
    registry_free(at.registry);
    mq_free(at.mq);
    ev_loop_destroy(at.loop);
    strlist_clear(&at.addresses);
    return leave_temporary_dir(state);
}

/* An agent registers that listens on these addresses. */
static struct agent *come(const char *agent_id, const char *const *control, size_t n_control)
{
    struct agent_message message = {.protocol = AGENT_PROTOCOL,
                                    .agent_id = agent_id,
                                    .incarnation = LIFE,
                                    .hostname = "box",
                                    .control = control,
                                    .n_control = n_control};
    char previous[SPEC_RUN_ID_BYTES + 1];
    struct agent *agent;
    bool is_new;

    assert_int_equal(registry_register(at.registry, &message, agent_id, strlen(agent_id), NOW,
                                       &agent, &is_new, previous, NULL),
                     0);
    return agent;
}

static void address(const char *text)
{
    assert_int_equal(strlist_add(&at.addresses, text), 0);
}

/* The path of a socket in the test's own directory; it is one of the addresses. */
static const char *socket_address(const char *name)
{
    char text[128];

    (void)snprintf(text, sizeof text, "ipc://%s/%s", temporary_dir, name);
    address(text);
    return at.addresses.items[at.addresses.count - 1];
}

static void begin(uint64_t now_usec)
{
    wake_begin(at.wake, &at.addresses, at.registry, now_usec);
}

static void tick(uint64_t now_usec)
{
    wake_tick(at.wake, at.registry, now_usec);
}

static void expect_explanation(const char *expected)
{
    char text[1024];

    wake_explain(at.wake, text, sizeof text);
    assert_string_equal(text, expected);
}

static bool explains(const char *part)
{
    char text[1024];

    wake_explain(at.wake, text, sizeof text);
    return strstr(text, part) != NULL;
}

/* ---- whom ---- */

static void test_whom(void **state _unused_)
{
    static const char *const both[] = {"ipc:///run/a.sock", "tcp://127.0.0.1:7783"};
    static const char *const other[] = {"ipc:///run/b.sock"};

    address("ipc:///run/a.sock");
    address("ipc:///run/b.sock");
    address("tcp://127.0.0.1:7783");
    address("tcp://box2:7783");
    assert_int_equal(wake_count(&at.addresses, at.registry), 4);
    come("box-1", both, 2);
    assert_int_equal(wake_count(&at.addresses, at.registry), 2);
    assert_false(wake_is_wanted("ipc:///run/a.sock", at.registry));
    assert_false(wake_is_wanted("tcp://127.0.0.1:7783", at.registry));
    assert_true(wake_is_wanted("ipc:///run/a.soc", at.registry));
    assert_true(wake_is_wanted("tcp://box2:7783", at.registry));
    struct agent *agent = come("box-2", other, 1);
    assert_false(wake_is_wanted("ipc:///run/b.sock", at.registry));
    agent->lost = true; /* it isn't there any more, but for the run that it was in */
    assert_true(wake_is_wanted("ipc:///run/b.sock", at.registry));
    agent->lost = false;
    agent->leaving = true; /* it still is, and takes no run: to wake it is no use */
    assert_false(wake_is_wanted("ipc:///run/b.sock", at.registry));
    registry_remove(at.registry, agent);
    assert_true(wake_is_wanted("ipc:///run/b.sock", at.registry));
    come("box-1", NULL, 0); /* registered anew, with no address */
    assert_int_equal(wake_count(&at.addresses, at.registry), 4);
}

static void test_nobody(void **state _unused_)
{
    begin(NOW);
    assert_false(wake_is_on(at.wake));
    tick(NOW + WAKE_USEC);
    expect_explanation("");
}

/* ---- patterns ---- */

/* A socket in the test's own directory, which nobody answers; the descriptor is the caller's. */
static int listen_at(const char *name)
{
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(where.sun_path, sizeof where.sun_path, "%s/%s", temporary_dir, name);
    assert_int_equal(bind(fd, (struct sockaddr *)&where, sizeof where), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static void test_patterns(void **state _unused_)
{
    static const char *const patterns[] = {"ipc:///run/a*.sock", "ipc:///run/[12]",
                                           "ipc:///run/agent-?.sock"};
    static const char *const names[] = {"ipc:///run/a.sock", "ipc:///ru*/a.sock", "tcp://*:7783",
                                        "ipc://@a*", ""};

    for (size_t i = 0; i < ELEMENTSOF(patterns); i++) {
        assert_true(wake_is_pattern(patterns[i]));
    }
    for (size_t i = 0; i < ELEMENTSOF(names); i++) {
        assert_false(wake_is_pattern(names[i]));
    }
}

static void test_finding(void **state _unused_)
{
    _cleanup_(strlist_clear) struct strlist found = {0};
    int fds[] = {listen_at("agent-1.sock"), listen_at("agent-2.sock"), listen_at(".agent-3.sock"),
                 listen_at("frontend.sock")};

    assert_int_equal(close(creat("agent-4.sock", 0600)), 0);
    const char *pattern = socket_address("agent-*.sock");
    assert_int_equal(wake_find(pattern, 1, &found), 0);
    assert_int_equal(found.count, 1);
    assert_int_equal(wake_find(pattern, 100, &found), 0);
    assert_int_equal(found.count, 2); /* each once */
    assert_int_equal(wake_find("ipc:///nowhere/*", 100, &found), 0);
    assert_int_equal(found.count, 2);
    assert_int_equal(wake_count(&at.addresses, at.registry), 2);
    (void)socket_address("agent-2.sock"); /* named as well */
    assert_int_equal(wake_count(&at.addresses, at.registry), 2);
    const char *const one[] = {found.items[0]};
    come("box-1", one, 1);
    assert_int_equal(wake_count(&at.addresses, at.registry), 1);
    for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
        close(fds[i]);
    }
}

/* What was killed leaves its socket: nobody waits for it, and nothing is said of it. */
static void test_what_is_left_of_one_that_was_killed(void **state _unused_)
{
    int left = listen_at("agent-1.sock");

    (void)socket_address("agent-*.sock");
    close(left);
    begin(NOW);
    assert_false(wake_is_on(at.wake));
    expect_explanation("");
    int there = listen_at("agent-2.sock");
    begin(NOW);
    assert_true(wake_is_on(at.wake));
    tick(NOW + WAKE_USEC);
    assert_true(explains("no agent answers at ipc:///"));
    assert_true(explains("/agent-2.sock"));
    assert_false(explains("/agent-1.sock"));
    close(there);
}

/* ---- calls ---- */

/* An agent's control socket that says `answer`. */
static void on_call(struct mq_socket *socket, const struct mq_message *message,
                    void *context _unused_)
{
    size_t size;
    const void *identity = mq_message_bytes(message, 0, &size), *delimiter, *bytes;
    _cleanup_(mq_message_freep) struct mq_message *back = NULL;

    assert_int_equal(mq_message_count(message), 3);
    assert_int_equal(mq_message_new(&back), 0);
    assert_int_equal(mq_message_add(back, identity, size), 0);
    delimiter = mq_message_bytes(message, 1, &size);
    assert_int_equal(size, 0);
    assert_int_equal(mq_message_add(back, delimiter, 0), 0);
    bytes = mq_message_bytes(message, 2, &size);
    assert_int_equal(size, strlen("{\"command\": \"WAKE\"}"));
    assert_memory_equal(bytes, "{\"command\": \"WAKE\"}", size);
    assert_int_equal(mq_message_add(back, at.answer, strlen(at.answer)), 0);
    assert_int_equal(mq_socket_send(socket, back), 0);
    at.called++;
}

static struct mq_socket *serve(const char *text)
{
    struct mq_socket_options options = {
        .type = MQ_ROUTER, .linger_msec = 1000, .received = on_call};
    struct mq_socket *socket = NULL;

    assert_int_equal(mq_socket_new(&socket, at.mq, &options, NULL), 0);
    assert_int_equal(mq_socket_bind(socket, text, NULL), 0);
    return socket;
}

/* Runs the loop until what is called SILENT isn't any more. */
static void wait_for_answer(void)
{
    while (explains("; no agent answers at")) {
        ev_run(at.loop, EVRUN_ONCE);
    }
}

/* What an answer means, and whether there is something to wait for after it. */
static void expect_outcome(const char *answer, bool on, const char *word)
{
    char expected[256] = "", name[16];
    static unsigned number; /* libzmq needs some time to close a socket */

    (void)snprintf(name, sizeof name, "%u.sock", ++number);
    const char *text = socket_address(name);
    struct mq_socket *socket = serve(text);
    at.answer = answer;
    at.called = 0;
    begin(NOW);
    assert_true(wake_is_on(at.wake));
    wait_for_answer();
    tick(NOW);
    assert_int_equal(wake_is_on(at.wake), on);
    if (word) {
        (void)snprintf(expected, sizeof expected, "; %s %s", word, text);
    }
    expect_explanation(expected);
    tick(NOW + WAKE_USEC);
    assert_false(wake_is_on(at.wake));
    expect_explanation(expected);
    assert_int_equal(at.called, 1);
    mq_socket_free(socket);
    strlist_clear(&at.addresses);
    begin(NOW); /* nobody any more: what was is forgotten */
    expect_explanation("");
}

static void test_answers(void **state _unused_)
{
    static const char strange[] = "no agent is what answers at";

    expect_outcome("{\"result\": {\"connected\": false, \"draining\": false}}", true,
                   "not registered in time: the agent at");
    expect_outcome("{\"result\": {\"connected\": true, \"draining\": false}}", true,
                   "connected to another broker: the agent at");
    expect_outcome("{\"result\": {\"connected\": true, \"draining\": true}}", false,
                   "about to leave: the agent at");
    expect_outcome("{\"result\": {\"connected\": 1, \"draining\": 0}}", false, strange);
    expect_outcome("{\"error\": \"unknown command 'WAKE'\"}", false, strange);
    expect_outcome("nonsense", false, strange);
    expect_outcome("", false, strange);
}

/* Who registers has come, whatever it said before. */
static void test_one_that_comes(void **state _unused_)
{
    const char *text = socket_address("a.sock");
    struct mq_socket *socket = serve(text);

    at.answer = "{\"result\": {\"connected\": false, \"draining\": false}}";
    begin(NOW);
    wait_for_answer();
    tick(NOW + 1);
    assert_true(wake_is_on(at.wake));
    come("box-1", &text, 1);
    tick(NOW + 2);
    assert_false(wake_is_on(at.wake));
    expect_explanation("");
    mq_socket_free(socket);
}

/* It had another broker, or the one before this one: that shows soon. */
static void test_one_that_is_connected(void **state _unused_)
{
    const char *text = socket_address("a.sock");
    struct mq_socket *socket = serve(text);

    at.answer = "{\"result\": {\"connected\": true, \"draining\": false}}";
    begin(NOW);
    wait_for_answer();
    tick(NOW + WAKE_RETURN_USEC - 1);
    assert_true(wake_is_on(at.wake));
    tick(NOW + WAKE_RETURN_USEC);
    assert_false(wake_is_on(at.wake));
    assert_true(explains("connected to another broker: the agent at ipc:///"));
    begin(NOW + WAKE_USEC);
    come("box-1", &text, 1);
    tick(NOW + WAKE_USEC + 1);
    assert_false(wake_is_on(at.wake));
    expect_explanation("");
    mq_socket_free(socket);
}

/* Nothing waits for an address where nobody is, but for its time. */
static void test_silence(void **state _unused_)
{
    const char *text = socket_address("nobody");
    char expected[256];

    begin(NOW);
    tick(NOW + WAKE_USEC - 1);
    assert_true(wake_is_on(at.wake));
    tick(NOW + WAKE_USEC);
    assert_false(wake_is_on(at.wake));
    (void)snprintf(expected, sizeof expected, "; no agent answers at %s", text);
    expect_explanation(expected);
    address("tcp://nonsense"); /* that can't be called at all */
    begin(NOW + WAKE_USEC);
    tick(NOW + WAKE_USEC);
    assert_true(wake_is_on(at.wake)); /* for the other one */
    (void)strcat(expected, ", tcp://nonsense");
    expect_explanation(expected);
}

/* Called once, not once for each run that needs it; and longer, if one needs it later. */
static void test_a_call_that_is_on(void **state _unused_)
{
    const char *text = socket_address("a.sock");
    struct mq_socket *socket = serve(text);

    at.answer = "{\"result\": {\"connected\": false, \"draining\": false}}";
    begin(NOW);
    wait_for_answer();
    begin(NOW + USEC_PER_SEC);
    begin(NOW + 2 * USEC_PER_SEC);
    tick(NOW + WAKE_USEC);
    assert_true(wake_is_on(at.wake));
    tick(NOW + WAKE_USEC + 2 * USEC_PER_SEC);
    assert_false(wake_is_on(at.wake));
    assert_int_equal(at.called, 1);
    begin(NOW + 60 * USEC_PER_SEC);
    wait_for_answer();
    assert_int_equal(at.called, 2);
    mq_socket_free(socket);
}

static void test_many(void **state _unused_)
{
    char text[16];

    for (unsigned i = 1; i <= WAKE_MAX_ADDRESSES; i++) {
        (void)snprintf(text, sizeof text, "%u.sock", i);
        (void)socket_address(text);
    }
    begin(NOW);
    assert_true(wake_is_on(at.wake));
    tick(NOW + WAKE_USEC);
    assert_true(explains(" and 495 more"));
    char small[40];
    wake_explain(at.wake, small, sizeof small);
    assert_int_equal(strlen(small), sizeof small - 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_whom),
        TEST(test_nobody),
        TEST(test_answers),
        TEST(test_one_that_is_connected),
        TEST(test_one_that_comes),
        TEST(test_silence),
        TEST(test_a_call_that_is_on),
        TEST(test_many),
        TEST(test_patterns),
        TEST(test_finding),
        TEST(test_what_is_left_of_one_that_was_killed),
    };
    return cmocka_run_group_tests_name("wake", tests, NULL, NULL);
}
