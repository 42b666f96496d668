/* SPDX-License-Identifier: MPL-2.0 */
/* Every event in every state: what isn't written down here must not do anything. */
#include "test.h"

#include <string.h>

#include "agent/run_state.h"
#include "base/macros.h"

static const struct {
    enum run_state state;
    enum run_event event;
    enum run_state next;
    enum run_action action;
} expected[] = {
    /* the way of a run that goes well */
    {RUN_NEW, RUN_ARCHIVE, RUN_FETCHING, RUN_FETCH},
    {RUN_FETCHING, RUN_COMPLETE, RUN_PREPARING, RUN_PREPARE},
    {RUN_NEW, RUN_COMPLETE, RUN_PREPARING, RUN_PREPARE},
    {RUN_PREPARING, RUN_PREPARED, RUN_STARTING, RUN_SUPERVISE},
    {RUN_STARTING, RUN_WORKERS_READY, RUN_READY, RUN_REPORT_READY},
    {RUN_READY, RUN_START, RUN_READY, RUN_GO},
    {RUN_READY, RUN_BEGUN, RUN_RUNNING, RUN_NOTHING},
    {RUN_RUNNING, RUN_WORKERS_READY, RUN_READY, RUN_REPORT_READY},
    {RUN_RUNNING, RUN_FINISHED, RUN_ENDING, RUN_CLEAR},
    /* it can't be prepared */
    {RUN_NEW, RUN_CANT, RUN_FAILING, RUN_CLEAR},
    {RUN_FETCHING, RUN_CANT, RUN_FAILING, RUN_CLEAR},
    {RUN_PREPARING, RUN_CANT, RUN_FAILING, RUN_CLEAR},
    {RUN_STARTING, RUN_CANT, RUN_FAILING, RUN_CLEAR},
    {RUN_STARTING, RUN_FINISHED, RUN_FAILING, RUN_CLEAR},
    /* it is given up later */
    {RUN_READY, RUN_FINISHED, RUN_ENDING, RUN_CLEAR},
    /* it is stopped */
    {RUN_FETCHING, RUN_STOP, RUN_ENDING, RUN_CLEAR},
    {RUN_PREPARING, RUN_STOP, RUN_ENDING, RUN_CLEAR},
    {RUN_STARTING, RUN_STOP, RUN_STOPPING, RUN_STOP_SUPERVISOR},
    {RUN_READY, RUN_STOP, RUN_STOPPING, RUN_STOP_SUPERVISOR},
    {RUN_RUNNING, RUN_STOP, RUN_STOPPING, RUN_STOP_SUPERVISOR},
    {RUN_STOPPING, RUN_STOP, RUN_STOPPING, RUN_STOP_SUPERVISOR},
    {RUN_STOPPING, RUN_FINISHED, RUN_ENDING, RUN_CLEAR},
    /* what is left is ended */
    {RUN_ENDING, RUN_CLEARED, RUN_ENDED, RUN_REPORT_ENDED},
    {RUN_FAILING, RUN_CLEARED, RUN_FAILED, RUN_REPORT_FAILED},
};

static void test_every_event_in_every_state(void **state _unused_)
{
    size_t found = 0;

    for (enum run_state s = 0; s < RUN_STATES; s++) {
        for (enum run_event e = 0; e < RUN_EVENTS; e++) {
            struct run_transition after = run_state_after(s, e);
            enum run_state next = s;
            enum run_action action = RUN_IGNORE;
            for (size_t i = 0; i < ELEMENTSOF(expected); i++) {
                if (expected[i].state == s && expected[i].event == e) {
                    next = expected[i].next;
                    action = expected[i].action;
                    found++;
                }
            }
            assert_int_equal(after.next, next);
            assert_int_equal(after.action, action);
        }
    }
    assert_int_equal(found, ELEMENTSOF(expected));
}

static void test_words(void **state _unused_)
{
    assert_string_equal(run_state_word(RUN_FETCHING), "fetching");
    assert_string_equal(run_state_word(RUN_STARTING), "preparing");
    assert_string_equal(run_state_word(RUN_READY), "ready");
    assert_string_equal(run_state_word(RUN_RUNNING), "running");
    assert_string_equal(run_state_word(RUN_STOPPING), "stopping");
    assert_string_equal(run_state_word(RUN_FAILING), "preparing");
    assert_string_equal(run_state_word(RUN_ENDING), "stopping");
    assert_string_equal(run_state_word(RUN_ENDED), "ended");
    assert_string_equal(run_state_word(RUN_FAILED), "ended");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_event_in_every_state),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
