/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "allocation.h"
#include "base/macros.h"
#include "broker/run.h"

#define RUN_ID "6b0f7d5c-0c5e-4c52-9d8e-000000000001"
#define NOW    UINT64_C(50000000)

/* ---- what was stored ---- */

static struct store_source sources[2];
static struct interval totals;
static struct store_record record;
static char *spec_text;

/* As it is stored; "key": "value" says what is tested. */
static void store_spec(const char *what)
{
    static const char json[] = "{\"run_id\": \"" RUN_ID "\", %s,"
                               " \"users\": [1, 2], \"hits\": [3], \"grace_usec\": 5000000,"
                               " \"http_timeout_usec\": 30000000, \"insecure\": false,"
                               " \"stack_size_bytes\": 262144, \"detail\": false}";
    struct run_spec *spec;
    struct error error;
    char text[1024];

    (void)snprintf(text, sizeof text, json, what);
    if (run_spec_decode(text, strlen(text), &spec, &error) < 0) {
        fail_msg("%s", error.text);
    }
    free(spec_text);
    assert_int_equal(run_spec_encode_shown(spec, &spec_text, &error), 0);
    run_spec_free(spec);
    record.run.spec = spec_text;
}

static int set_up(void **state _unused_)
{
    spec_text = NULL;
    store_spec("\"url\": \"http://127.0.0.1/\"");
    totals = (struct interval){.seconds = 1};
    for (unsigned i = 0; i < ELEMENTSOF(sources); i++) {
        sources[i] = (struct store_source){.number = i,
                                           .agent_id = i == 0 ? "box-0" : "box-1",
                                           .incarnation = "0f8fad5b-d9cb-469f-a165-70867728950e",
                                           .hostname = "box",
                                           .pid = 100,
                                           .state = "running",
                                           .last_seq = 7 + i};
    }
    record = (struct store_record){.run = {.run_id = RUN_ID,
                                           .request_id = "0d9b6a3e-63b4-4d3e-8a55-1b9f0c2d7e44",
                                           .spec = spec_text,
                                           .agents = 2,
                                           .abort_on_loss = true,
                                           .state = "running",
                                           .trouble = "it rained",
                                           .started_usec = 4711,
                                           .start_usec = 40000000,
                                           .cycle = 0,
                                           .active_usec = 5},
                                   .sources = sources,
                                   .n_sources = ELEMENTSOF(sources),
                                   .totals = &totals};
    return 0;
}

static int tear_down(void **state _unused_)
{
    free(spec_text);
    return 0;
}

/* ---- what happens to it ---- */

static enum run_action actions[16];
static unsigned n_actions;

static void on_changed(struct run *run _unused_, enum run_state from _unused_,
                       enum run_action action, void *context _unused_)
{
    assert_true(n_actions < ELEMENTSOF(actions));
    actions[n_actions++] = action;
}

static int restore(struct run **ret, struct error *error)
{
    n_actions = 0;
    *error = (struct error){0};
    return run_restore(ret, &record, &(struct run_hooks){.changed = on_changed}, NOW, error);
}

static void test_all_that_was_stored(void **state _unused_)
{
    _cleanup_(run_freep) struct run *run = NULL;
    struct error error;

    assert_int_equal(restore(&run, &error), 0);
    assert_string_equal(run->run_id, RUN_ID);
    assert_string_equal(run->request_id, record.run.request_id);
    assert_string_equal(run->trouble, "it rained");
    assert_int_equal(run->state, RUN_RUNNING);
    assert_true(run->restored && run->start_is_stored && run->abort_on_loss);
    assert_null(run->missing);
    assert_int_equal(run->begun, 1);
    assert_int_equal(run->start_usec, 40000000);
    assert_int_equal(run->cycle_start_usec, 40000000);
    assert_int_equal(run->n_members, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_string_equal(run->members[i].agent_id, sources[i].agent_id);
        assert_true(run->members[i].away);
        assert_int_equal(run->members[i].state, MEMBER_RUNNING);
        assert_int_equal(results_expected(run->results, i, STREAM_INTERVALS), 8 + i);
        assert_int_equal(results_stored_seq(run->results, i, STREAM_INTERVALS), 7 + i);
    }
    assert_int_equal(n_actions, 0);
}

/* The database has neither files nor what a URL has of secrets. */
static void test_what_was_not_stored(void **state _unused_)
{
    static const char *const cases[][2] = {
        {"\"fqn\": \"m.A.t\"", "its files"},
        {"\"url\": \"http://me:hush@h/\"", "the secrets of its URL"},
        {"\"url\": \"http://h/?token=hush\"", "the secrets of its URL"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_(run_freep) struct run *run = NULL;
        struct error error;
        store_spec(cases[i][0]);
        assert_null(strstr(spec_text, "hush"));
        assert_int_equal(restore(&run, &error), 0);
        assert_string_equal(run->missing, cases[i][1]);
    }
}

/* Who ended tells so again, with the number of its last results: until then nothing is over. */
static void test_who_ended_ends_again(void **state _unused_)
{
    _cleanup_(run_freep) struct run *run = NULL;
    struct error error;

    record.run.cycle = 1;
    sources[0].state = sources[1].state = "ended";
    assert_int_equal(restore(&run, &error), 0);
    for (unsigned i = 0; i < 2; i++) {
        run_check(run, NOW + i);
        assert_int_equal(run->state, RUN_RUNNING);
        run_member_is_back(run, &run->members[i]);
        run_member_has_ended(run, &run->members[i], 0, "", (uint64_t[STREAMS]){7 + i}, 1000);
    }
    run_check(run, NOW + 2);
    assert_int_equal(run->state, RUN_ENDING);
    assert_int_equal(actions[n_actions - 1], RUN_FINISH);
}

/* The cycle that an agent is in had begun, also when the broker had no time to store that. */
static void test_a_cycle_that_was_not_stored(void **state _unused_)
{
    _cleanup_(run_freep) struct run *run = NULL;
    struct error error;

    assert_int_equal(restore(&run, &error), 0);
    run_member_is_back(run, &run->members[0]);
    run_member_is_running(run, &run->members[0], 1);
    assert_int_equal(run->begun, 2);
    run_member_is_running(run, &run->members[0], 7); /* there is none */
    assert_int_equal(run->begun, 2);
    run_member_is_back(run, &run->members[1]);
    run_member_is_ready(run, &run->members[1], 1);
    run_check(run, NOW);
    assert_int_equal(n_actions, 0); /* nobody begins it again: the other is told to follow */
}

static void test_the_lost_and_the_failed_stay_so(void **state _unused_)
{
    _cleanup_(run_freep) struct run *run = NULL;
    struct error error;

    record.run.abort_on_loss = false;
    sources[0].state = "lost";
    sources[0].lost_usec = 4712;
    sources[0].reason = "it was not heard";
    sources[1].state = "failed";
    sources[1].result = -ECANCELED;
    assert_int_equal(restore(&run, &error), 0);
    assert_true(run->members[0].lost && !run->members[0].away);
    assert_string_equal(run->members[0].reason, "it was not heard");
    assert_int_equal(run->members[0].lost_usec, 4712);
    assert_int_equal(run->members[1].state, MEMBER_FAILED);
    assert_int_equal(run->members[1].result, -ECANCELED);
}

/* Nobody comes back: it isn't waited for for ever. */
static void test_nobody_comes_back(void **state _unused_)
{
    _cleanup_(run_freep) struct run *run = NULL;
    struct error error;

    assert_int_equal(restore(&run, &error), 0);
    run_check(run, NOW);
    run_check(run, NOW + RUN_RETURN_USEC - 1);
    assert_int_equal(run->state, RUN_RUNNING);
    run_check(run, NOW + RUN_RETURN_USEC);
    assert_int_equal(run->state, RUN_ENDING);
    assert_int_equal(run->end, RUN_NEW); /* changed() decides */
    assert_int_equal(actions[n_actions - 1], RUN_ABORT);
}

static void test_one_that_waits(void **state _unused_)
{
    _cleanup_(run_freep) struct run *run = NULL;
    struct error error;

    record.run.state = "queued";
    record.run.start_usec = 0;
    record.n_sources = 0;
    assert_int_equal(restore(&run, &error), 0);
    assert_int_equal(run->state, RUN_QUEUED);
    assert_int_equal(run->begun, 0);
    assert_null(run->results);
}

static void test_one_that_is_prepared(void **state _unused_)
{
    _cleanup_(run_freep) struct run *run = NULL;
    struct error error;

    record.run.state = "preparing";
    record.run.start_usec = 0;
    assert_int_equal(restore(&run, &error), 0);
    assert_int_equal(run->members[0].state, MEMBER_PREPARING);
    assert_false(run->cycle_is_on || run->start_is_stored);
    for (unsigned i = 0; i < 2; i++) {
        run_member_is_back(run, &run->members[i]);
        run_member_is_ready(run, &run->members[i], 0);
    }
    run_check(run, NOW);
    assert_int_equal(actions[0], RUN_BEGIN);
}

/* What somebody changed by hand, or an older version wrote. */
static void test_what_does_not_fit_together(void **state _unused_)
{
    struct run *run = NULL;
    struct error error;

    const struct store_record good = record;
    record.run.spec = NULL;
    assert_true(restore(&run, &error) < 0);
    record.run.spec = "{}";
    assert_true(restore(&run, &error) < 0);
    record = good;
    record.run.run_id = "6b0f7d5c-0c5e-4c52-9d8e-000000000002";
    assert_int_equal(restore(&run, &error), -EBADMSG);
    record = good;
    record.run.state = "finished";
    assert_int_equal(restore(&run, &error), -EBADMSG);
    record.run.state = "flying";
    assert_int_equal(restore(&run, &error), -EBADMSG);
    record = good;
    record.run.agents = 3;
    assert_int_equal(restore(&run, &error), -EBADMSG);
    assert_non_null(strstr(error.text, "agents"));
    record = good;
    sources[1].number = 5;
    assert_int_equal(restore(&run, &error), -EBADMSG);
    sources[1].number = 1;
    record.run.cycle = 99; /* of two */
    assert_int_equal(restore(&run, &error), 0);
    assert_int_equal(run->begun, 2);
    run_free(run);
}

static void test_without_memory(void **state _unused_)
{
    struct run *run = NULL;
    struct error error;

    for (long after = 0; !run; after++) {
        allocation_fails_after = after;
        int r = restore(&run, &error);
        allocation_fails_after = -1;
        assert_true(r == 0 || (r < 0 && !run));
    }
    run_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_that_was_stored, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_was_not_stored, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_ended_ends_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_cycle_that_was_not_stored, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_lost_and_the_failed_stay_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_that_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_that_is_prepared, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_does_not_fit_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
