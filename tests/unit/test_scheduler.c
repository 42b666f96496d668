/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "broker/scheduler.h"

#define AGENTS 6

/* Three hosts: a has three agents, b two, c one; a-1 is busy, the others have been idle for longer
 * the later they stand here. */
static struct agent all[AGENTS];
static struct agent *agents[AGENTS];

static int set_up(void **state _unused_)
{
    static char ids[AGENTS][4] = {"a-1", "a-2", "a-3", "b-1", "b-2", "c-1"};
    static char hosts[AGENTS][2] = {"a", "a", "a", "b", "b", "c"};

    for (size_t i = 0; i < AGENTS; i++) {
        all[i] = (struct agent){
            .agent_id = ids[i], .hostname = hosts[i], .idle_usec = 1000 - (uint64_t)i};
        agents[i] = &all[i];
    }
    (void)snprintf(all[0].run_id, sizeof all[0].run_id, "busy");
    return 0;
}

static void expect(size_t wanted, const char *ids)
{
    _cleanup_free_ struct agent **chosen = NULL;
    char found[64] = "";

    assert_int_equal(scheduler_choose(agents, AGENTS, wanted, &chosen, NULL), 0);
    for (size_t i = 0; i < wanted; i++) {
        (void)snprintf(found + strlen(found), sizeof found - strlen(found), "%s ",
                       chosen[i]->agent_id);
    }
    assert_string_equal(found, ids);
}

/* First one of each host that does nothing, idle for longest first; then second ones. */
static void test_spread_over_hosts(void **state _unused_)
{
    expect(1, "c-1 ");
    expect(2, "c-1 b-2 ");
    expect(3, "c-1 b-2 b-1 ");
    expect(5, "c-1 b-2 b-1 a-3 a-2 ");
    all[0].run_id[0] = '\0'; /* now a is as idle as the others */
    expect(3, "c-1 b-2 a-3 ");
}

static void test_too_few(void **state _unused_)
{
    struct agent **chosen = NULL;
    struct error error = {0};

    all[5].lost = true;
    all[4].leaving = true;
    assert_int_equal(scheduler_count_free(agents, AGENTS), 3);
    assert_int_equal(scheduler_choose(agents, AGENTS, 4, &chosen, &error), -EAGAIN);
    assert_string_equal(error.text, "the run asks for 4 agents, 3 of 6 are free");
    assert_int_equal(scheduler_choose(agents, 0, 1, &chosen, &error), -EAGAIN);
    assert_null(chosen);
}

/* ---- by name ---- */

static struct registry *make_registry(void)
{
    struct registry *registry = NULL;
    char previous[SPEC_RUN_ID_BYTES + 1], id[8];

    assert_int_equal(registry_new(&registry), 0);
    for (unsigned i = 1; i <= 4; i++) {
        struct agent_message message = {.protocol = AGENT_PROTOCOL,
                                        .agent_id = id,
                                        .incarnation = "0f8fad5b-d9cb-469f-a165-70867728950e",
                                        .hostname = "box"};
        struct agent *agent;
        bool is_new;
        (void)snprintf(id, sizeof id, "box-%u", i);
        assert_int_equal(registry_register(registry, &message, id, strlen(id), 1, &agent, &is_new,
                                           previous, NULL),
                         0);
    }
    return registry;
}

static void expect_refusal(const struct registry *registry, const char *const *ids, size_t count,
                           int result, const char *text)
{
    struct agent **taken = NULL;
    struct error error = {0};

    assert_int_equal(scheduler_take(registry, ids, count, &taken, &error), result);
    assert_string_equal(error.text, text);
    assert_null(taken);
}

static void test_take(void **state _unused_)
{
    _cleanup_(registry_freep) struct registry *registry = make_registry();
    _cleanup_free_ struct agent **taken = NULL;
    static const char *const ids[] = {"box-3", "box-1"},
                             *const twice[] = {"box-1", "box-3", "box-1"},
                             *const strange[] = {"box-1", "box-9"};

    assert_int_equal(scheduler_take(registry, ids, 2, &taken, NULL), 0);
    assert_ptr_equal(taken[0], registry_find(registry, "box-3")); /* in the order asked for */
    assert_ptr_equal(taken[1], registry_find(registry, "box-1"));
    expect_refusal(registry, twice, 3, -EINVAL, "agents: box-1 is there twice");
    expect_refusal(registry, strange, 2, -ENOENT, "there is no agent box-9");
}

static void test_take_those_that_are_not_free(void **state _unused_)
{
    _cleanup_(registry_freep) struct registry *registry = make_registry();
    static const char *const ids[] = {"box-4", "box-2"};
    struct agent *agent = registry_find(registry, "box-2");

    (void)snprintf(agent->run_id, sizeof agent->run_id, "busy");
    expect_refusal(registry, ids, 2, -EAGAIN, "agent box-2 is busy");
    agent->leaving = true;
    expect_refusal(registry, ids, 2, -EAGAIN, "agent box-2 is leaving");
    agent->lost = true;
    expect_refusal(registry, ids, 2, -EAGAIN, "agent box-2 is lost");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_spread_over_hosts, set_up),
        cmocka_unit_test_setup(test_too_few, set_up),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_take_those_that_are_not_free),
    };
    return cmocka_run_group_tests_name("scheduler", tests, NULL, NULL);
}
