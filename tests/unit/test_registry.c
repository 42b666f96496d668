/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "broker/registry.h"

#define NOW  (1000 * USEC_PER_SEC)
#define RUN  "6b0f7d5c-0c5e-4c52-9d8e-000000000001"
#define LIFE "0f8fad5b-d9cb-469f-a165-70867728950e" /* the incarnation of a process */
#define NEXT "7c9e6679-7425-40de-944b-e07fc1f90ae7" /* of the one that comes after it */

static struct registry *registry;

/* What the last registration came to. */
static struct {
    struct agent *agent;
    bool is_new;
    char run[SPEC_RUN_ID_BYTES + 1];
    struct error error;
} last;

static int set_up(void **state _unused_)
{
    return registry_new(&registry);
}

static int tear_down(void **state _unused_)
{
    registry = registry_free(registry);
    return 0;
}

/* From a connection of that name. */
static int come(const char *agent_id, const char *incarnation, const char *connection,
                uint64_t now_usec)
{
    struct agent_message message = {.type = AGENT_REGISTER,
                                    .protocol = AGENT_PROTOCOL,
                                    .version = "1.2.3",
                                    .agent_id = agent_id,
                                    .incarnation = incarnation,
                                    .hostname = "box",
                                    .pid = 4711};
    last.error = (struct error){0};
    return registry_register(registry, &message, connection, strlen(connection), now_usec,
                             &last.agent, &last.is_new, last.run, &last.error);
}

static struct agent *at(const char *connection)
{
    return registry_find_identity(registry, connection, strlen(connection));
}

static void expect_agents(const char *ids)
{
    char found[256] = "";
    size_t count;
    struct agent *const *agents = registry_agents(registry, &count);

    for (size_t i = 0; i < count; i++) {
        (void)snprintf(found + strlen(found), sizeof found - strlen(found), "%s ",
                       agents[i]->agent_id);
    }
    assert_string_equal(found, ids);
}

/* Whatever the order in which they come, they are found by name, by connection, and in order. */
static void test_who_is_there(void **state _unused_)
{
    assert_null(registry_find(registry, "box-1"));
    assert_null(at("x"));
    assert_int_equal(come("box-2", LIFE, "x", NOW), 0);
    assert_true(last.is_new);
    assert_string_equal(last.run, "");
    assert_int_equal(come("box-3", LIFE, "y", NOW), 0);
    assert_int_equal(come("box-1", LIFE, "z", NOW), 0);
    expect_agents("box-1 box-2 box-3 ");
    const struct agent *agent = registry_find(registry, "box-1");
    assert_ptr_equal(agent, last.agent);
    assert_ptr_equal(agent, at("z"));
    assert_string_equal(agent->hostname, "box");
    assert_string_equal(agent->version, "1.2.3");
    assert_int_equal(agent->pid, 4711);
    assert_int_equal(agent->idle_usec, NOW);
    assert_string_equal(agent_state(agent), "free");
    assert_null(registry_find(registry, "box"));
    assert_null(registry_find(registry, "box-9"));
}

static void test_removal(void **state _unused_)
{
    assert_int_equal(come("box-1", LIFE, "x", NOW), 0);
    assert_int_equal(come("box-2", LIFE, "y", NOW), 0);
    assert_int_equal(come("box-3", LIFE, "z", NOW), 0);
    registry_remove(registry, registry_find(registry, "box-2"));
    expect_agents("box-1 box-3 ");
    assert_null(at("y"));
    assert_string_equal(at("z")->agent_id, "box-3");
    registry_remove(registry, registry_find(registry, "box-3"));
    registry_remove(registry, registry_find(registry, "box-1"));
    expect_agents("");
    assert_int_equal(come("box-2", NEXT, "y", NOW), 0);
    assert_true(last.is_new);
}

/* The same process on a new connection: it has what it had, and the old connection is nobody's. */
static void test_same_process_comes_again(void **state _unused_)
{
    assert_int_equal(come("box-1", LIFE, "x", NOW), 0);
    (void)snprintf(last.agent->run_id, sizeof last.agent->run_id, "%s", RUN);
    last.agent->leaving = last.agent->lost = true;
    assert_int_equal(come("box-1", LIFE, "y", NOW + 5 * USEC_PER_SEC), 0);
    assert_false(last.is_new);
    assert_string_equal(last.run, RUN);
    assert_string_equal(last.agent->run_id, RUN);
    assert_true(last.agent->leaving);
    assert_false(last.agent->lost);
    assert_int_equal(last.agent->idle_usec, NOW);
    assert_int_equal(last.agent->heard_usec, NOW + 5 * USEC_PER_SEC);
    assert_null(at("x"));
    assert_ptr_equal(at("y"), last.agent);
    assert_int_equal(come("box-1", LIFE, "y", NOW), 0); /* and on the one that it has */
    assert_ptr_equal(at("y"), last.agent);
    expect_agents("box-1 ");
}

/* Another process of the name: it is free, and the caller hears which run it is missing from. It is
 * refused as long as the older one is heard. */
static void test_older_process_is_replaced(void **state _unused_)
{
    assert_int_equal(come("box-1", LIFE, "x", NOW), 0);
    (void)snprintf(last.agent->run_id, sizeof last.agent->run_id, "%s", RUN);
    last.agent->leaving = true;

    assert_int_equal(come("box-1", NEXT, "y", NOW + REGISTRY_LOST_USEC - 1), -EBUSY);
    assert_string_equal(last.error.text, "agent box-1 is here already: process 4711 on box");
    assert_string_equal(at("x")->incarnation, LIFE);
    assert_null(at("y"));

    assert_int_equal(come("box-1", NEXT, "y", NOW + REGISTRY_LOST_USEC), 0);
    assert_true(last.is_new);
    assert_string_equal(last.run, RUN);
    assert_string_equal(last.agent->run_id, "");
    assert_false(last.agent->leaving);
    assert_string_equal(last.agent->incarnation, NEXT);
    assert_int_equal(last.agent->idle_usec, NOW + REGISTRY_LOST_USEC);
    assert_null(at("x"));
    expect_agents("box-1 ");

    last.agent->lost = true; /* known to be gone: nobody has to wait */
    assert_int_equal(come("box-1", LIFE, "z", NOW + REGISTRY_LOST_USEC), 0);
    assert_true(last.is_new);
}

static void test_a_connection_is_one_agents(void **state _unused_)
{
    char long_name[REGISTRY_MAX_IDENTITY + 2];

    assert_int_equal(come("box-1", LIFE, "x", NOW), 0);
    assert_int_equal(come("box-2", LIFE, "x", NOW), -EBUSY);
    assert_string_equal(last.error.text, "this connection is another agent's");
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_int_equal(come("box-3", LIFE, long_name, NOW), -EBUSY);
    long_name[REGISTRY_MAX_IDENTITY] = '\0';
    assert_int_equal(come("box-3", LIFE, long_name, NOW), 0);
    expect_agents("box-1 box-3 ");
}

static void test_another_protocol(void **state _unused_)
{
    struct agent_message message = {.protocol = AGENT_PROTOCOL + 1,
                                    .version = "9.9",
                                    .agent_id = "box-1",
                                    .incarnation = LIFE,
                                    .hostname = "box"};
    char text[256];

    assert_int_equal(registry_register(registry, &message, "x", 1, NOW, &last.agent, &last.is_new,
                                       last.run, &last.error),
                     -EPROTO);
    (void)snprintf(text, sizeof text,
                   "agent box-1 (version 9.9) speaks protocol %d, this broker (version %s) speaks "
                   "protocol %d",
                   AGENT_PROTOCOL + 1, LOADS_VERSION, AGENT_PROTOCOL);
    assert_string_equal(last.error.text, text);
    message.version = NULL;
    assert_int_equal(registry_register(registry, &message, "x", 1, NOW, &last.agent, &last.is_new,
                                       last.run, &last.error),
                     -EPROTO);
    assert_non_null(strstr(last.error.text, "version unknown"));
    expect_agents("");
}

static void test_too_many(void **state _unused_)
{
    char id[32], connection[32];

    for (unsigned i = 0; i < REGISTRY_MAX_AGENTS; i++) {
        (void)snprintf(id, sizeof id, "box-%u", i);
        (void)snprintf(connection, sizeof connection, "c%u", i);
        assert_int_equal(come(id, LIFE, connection, NOW), 0);
    }
    assert_int_equal(come("one-more", LIFE, "d", NOW), -E2BIG);
    assert_string_equal(last.error.text, "there are 10000 agents already");
    assert_int_equal(come("box-77", LIFE, "d", NOW), 0); /* one of them may come again */
    registry_remove(registry, registry_find(registry, "box-78"));
    assert_int_equal(come("one-more", LIFE, "e", NOW), 0);
}

static void test_silence(void **state _unused_)
{
    assert_int_equal(come("box-1", LIFE, "x", NOW), 0);
    assert_int_equal(come("box-2", LIFE, "y", NOW + 1), 0);
    assert_null(registry_next_silent(registry, NOW + REGISTRY_LOST_USEC - 1));
    struct agent *silent = registry_next_silent(registry, NOW + REGISTRY_LOST_USEC);
    assert_non_null(silent);
    assert_string_equal(silent->agent_id, "box-1");
    silent->lost = true;
    assert_null(registry_next_silent(registry, NOW + REGISTRY_LOST_USEC));
    assert_string_equal(registry_next_silent(registry, NOW + REGISTRY_LOST_USEC + 1)->agent_id,
                        "box-2");
}

/* Who doesn't look hears nobody: that time is not counted as theirs. */
static void test_nobody_is_silent_for_a_broker_that_stood_still(void **state _unused_)
{
    uint64_t now_usec = NOW;

    assert_int_equal(come("box-1", LIFE, "x", NOW), 0);
    registry_look(registry, now_usec);
    now_usec += 3600 * USEC_PER_SEC;
    registry_look(registry, now_usec);
    assert_null(registry_next_silent(registry, now_usec));
    for (unsigned i = 0; i < 12; i++) { /* now it looks in time, and there is nothing to hear */
        assert_null(registry_next_silent(registry, now_usec));
        now_usec += REGISTRY_LOST_USEC / 12;
        registry_look(registry, now_usec);
    }
    assert_non_null(registry_next_silent(registry, now_usec));
}

static void test_states(void **state _unused_)
{
    assert_int_equal(come("box-1", LIFE, "x", NOW), 0);
    assert_true(agent_is_free(last.agent));
    (void)snprintf(last.agent->run_id, sizeof last.agent->run_id, "%s", RUN);
    assert_string_equal(agent_state(last.agent), "busy");
    assert_false(agent_is_free(last.agent));
    last.agent->leaving = true;
    assert_string_equal(agent_state(last.agent), "leaving");
    last.agent->run_id[0] = '\0';
    assert_false(agent_is_free(last.agent));
    last.agent->lost = true;
    assert_string_equal(agent_state(last.agent), "lost");
    last.agent->leaving = false;
    assert_false(agent_is_free(last.agent));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_who_is_there),
        TEST(test_removal),
        TEST(test_same_process_comes_again),
        TEST(test_older_process_is_replaced),
        TEST(test_a_connection_is_one_agents),
        TEST(test_another_protocol),
        TEST(test_too_many),
        TEST(test_silence),
        TEST(test_nobody_is_silent_for_a_broker_that_stood_still),
        TEST(test_states),
    };
    return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
