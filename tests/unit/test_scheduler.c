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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_spread_over_hosts, set_up),
        cmocka_unit_test_setup(test_too_few, set_up),
    };
    return cmocka_run_group_tests_name("scheduler", tests, NULL, NULL);
}
