/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "broker/run_table.h"

/* Every event in every state, as the protocol wants it: rows are states, in the order of events.
 * A dot: nothing happens; else the first letter of the action, and of the next state (E: ending).
 */
static const char *const expected[RUN_STATES] = {
    /*                  stored waits agents ready cant stop give-up over deserted F F A */
    [RUN_NEW] = "       PP     NQ    .      .     .    .    .       .    .        . . .",
    [RUN_QUEUED] = "    .      .     PP     .     .    AE   AE      .    .        . . .",
    [RUN_PREPARING] = " .      .     .      BR    XE   HS   HS      XE   AE       . . .",
    [RUN_RUNNING] = "   .      .     .      BR    HS   HS   HS      FE   AE       . . .",
    [RUN_STOPPING] = "  .      .     .      .     .    HS   .       AE   AE       . . .",
    [RUN_ENDING] = "    .      .     .      .     .    .    .       .    .        CF CX CA",
    [RUN_FINISHED] = "  .      .     .      .     .    .    .       .    .        . . .",
    [RUN_FAILED] = "    .      .     .      .     .    .    .       .    .        . . .",
    [RUN_ABORTED] = "   .      .     .      .     .    .    .       .    .        . . .",
};

static const char states[RUN_STATES] = "NQPRSEFXA", actions[] = ".NPBHFXAC";

static void test_every_event_in_every_state(void **state _unused_)
{
    for (unsigned from = 0; from < RUN_STATES; from++) {
        const char *at = expected[from];
        for (unsigned event = 0; event < RUN_EVENTS; event++) {
            struct run_transition transition =
                run_table_after((enum run_state)from, (enum run_event)event);
            char found[3] = {actions[transition.action], states[transition.next], '\0'};
            at += strspn(at, " ");
            size_t length = strcspn(at, " ");
            if (transition.action == RUN_IGNORE) {
                assert_int_equal(transition.next, from);
                found[1] = '\0';
            }
            if (length != strlen(found) || memcmp(at, found, length) != 0) {
                fail_msg("event %u in state %s: %s", event, run_state_word((enum run_state)from),
                         found);
            }
            at += length;
        }
        assert_int_equal(*at, '\0');
    }
}

/* Whatever happens, a run that has left a state of waiting never comes back to it. */
static void test_only_forward(void **state _unused_)
{
    for (unsigned from = 0; from < RUN_STATES; from++) {
        for (unsigned event = 0; event < RUN_EVENTS; event++) {
            assert_true(run_table_after((enum run_state)from, (enum run_event)event).next >= from);
        }
        if (run_state_is_over((enum run_state)from)) {
            assert_true(from >= RUN_FINISHED);
        }
    }
}

static void test_words(void **state _unused_)
{
    static const char *const all[] = {"queued",   "preparing", "running", "stopping",
                                      "finished", "failed",    "aborted"};
    for (size_t i = 0; i < ELEMENTSOF(all); i++) {
        assert_string_equal(run_state_word(run_state_of(all[i])), all[i]);
    }
    assert_int_equal(run_state_of("stopping"), RUN_STOPPING);
    assert_int_equal(run_state_of("queued"), RUN_QUEUED);
    assert_int_equal(run_state_of("flying"), RUN_STATES);
    assert_string_equal(run_state_word(RUN_NEW), "queued");
    assert_string_equal(run_state_word(RUN_ENDING), "stopping");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_event_in_every_state),
        cmocka_unit_test(test_only_forward),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
