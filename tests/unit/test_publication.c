/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "remote/publication.h"

static int decode(const char *text, struct publication *ret, struct error *error)
{
    return publication_decode(text, strlen(text), ret, error);
}

static void test_live(void **state _unused_)
{
    struct publication live;

    assert_int_equal(
        decode("{\"data_type\":\"live\",\"run_id\":\"x\",\"number\":7,\"state\":\"running\","
               "\"cycle\":1,\"cycles\":2,\"users\":3,\"elapsed_usec\":1250000,"
               "\"done\":0.75,\"hits\":70,\"request_errors\":0,\"successes\":60,"
               "\"failures\":4,\"errors\":5,\"interrupted\":0,\"agents\":1,\"lost\":[]}",
               &live, NULL),
        0);
    assert_int_equal(live.type, PUBLICATION_LIVE);
    assert_string_equal(live.state, "running");
    assert_true(live.number == 7 && live.cycle == 1 && live.cycles == 2 && live.users == 3);
    assert_true(live.elapsed_usec == 1250000 && live.hits == 70 && live.failures == 4);
    assert_true(live.errors == 5 && live.done == 0.75);
    assert_true(live.agents == 1 && live.lost == 0 && !live.has_recent && !live.last_error);
    publication_clear(&live);
    assert_null(live.json);
}

#define LIVE   "{\"data_type\":\"live\",\"state\":\"running\","
#define RECENT "\"p50_usec\":4,\"p95_usec\":5,\"p99_usec\":6,"

static void test_live_and_recent(void **state _unused_)
{
    struct publication live;

    assert_int_equal(
        decode(LIVE "\"agents\":3,\"lost\":[\"a\"],\"last_error\":\"no\",\"recent\":{" RECENT
                    "\"hits_per_sec\":2.5,\"p95_usec_by_second\":[7,0,8]}}",
               &live, NULL),
        0);
    assert_true(live.agents == 3 && live.lost == 1 && live.has_recent);
    assert_string_equal(live.last_error, "no");
    assert_true(live.recent.p50_usec == 4 && live.recent.p95_usec == 5);
    assert_true(live.recent.p99_usec == 6 && live.recent.hits_per_sec == 2.5);
    assert_int_equal(live.recent.n_trend, 3);
    assert_true(live.recent.trend_usec[0] == 7 && live.recent.trend_usec[2] == 8);
    publication_clear(&live);
}

static void test_a_trend_that_is_too_long(void **state _unused_)
{
    char text[1000] = LIVE "\"recent\":{" RECENT "\"hits_per_sec\":1,\"p95_usec_by_second\":[0";
    struct publication live;
    struct error error;

    for (unsigned i = 0; i < RECENT_TREND_SEC; i++) {
        (void)strcat(text, ",0");
    }
    (void)strcat(text, "]}}");
    assert_int_equal(decode(text, &live, &error), -EBADMSG);
    assert_string_equal(error.text, "recent: more than 60 seconds");
}

static void test_others(void **state _unused_)
{
    static const struct {
        const char *text;
        enum publication_type type;
        const char *said, *agent_id;
    } cases[] = {
        {"{\"data_type\":\"log\",\"agent_id\":\"a\",\"text\":\"t\"}", PUBLICATION_LOG, "t", "a"},
        {"{\"data_type\":\"problem\",\"text\":\"t\"}", PUBLICATION_PROBLEM, "t", NULL},
        {"{\"data_type\":\"problem\",\"agent_id\":null,\"text\":\"\"}", PUBLICATION_PROBLEM, "",
         NULL},
        {"{\"data_type\":\"detach\"}", PUBLICATION_DETACH, NULL, NULL},
        {"{\"data_type\":\"run-finished\",\"state\":\"failed\"}", PUBLICATION_FINISHED, NULL, NULL},
        {"{\"data_type\":\"weather\",\"text\":7}", PUBLICATION_OTHER, NULL, NULL},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct publication publication;
        assert_int_equal(decode(cases[i].text, &publication, NULL), 0);
        assert_int_equal(publication.type, cases[i].type);
        if (cases[i].said) {
            assert_string_equal(publication.text, cases[i].said);
        }
        assert_true(!publication.agent_id == !cases[i].agent_id);
        publication_clear(&publication);
    }
}

static void test_what_is_wrong(void **state _unused_)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", "not JSON"},
        {"[]", "not a JSON object"},
        {"{}", "data_type: a text is expected"},
        {"{\"data_type\":1}", "data_type: a text is expected"},
        {"{\"data_type\":\"live\"}", "state: a text is expected"},
        {"{\"data_type\":\"live\",\"state\":\"s\",\"hits\":-1}", "hits: a whole number"},
        {"{\"data_type\":\"live\",\"state\":\"s\",\"done\":\"1\"}", "done: a number is expected"},
        {LIVE "\"recent\":1}", "recent: hits_per_sec: a number"},
        {LIVE "\"recent\":{" RECENT "\"hits_per_sec\":-1}}", "recent: hits_per_sec: a number"},
        {LIVE "\"recent\":{\"p99_usec\":-1}}", "recent: p99_usec: a whole number"},
        {LIVE "\"recent\":{" RECENT "\"hits_per_sec\":1}}",
         "recent: p95_usec_by_second: a list is expected"},
        {LIVE "\"recent\":{" RECENT "\"hits_per_sec\":1,\"p95_usec_by_second\":[-1]}}",
         "recent: whole numbers, not negative"},
        {LIVE "\"last_error\":1}", "last_error: a text is expected"},
        {LIVE "\"agents\":-1}", "agents: a whole number"},
        {"{\"data_type\":\"log\"}", "text: a text is expected"},
        {"{\"data_type\":\"problem\",\"text\":\"t\",\"agent_id\":1}",
         "agent_id: a text is expected"},
        {"{\"data_type\":\"run-finished\"}", "state: a text is expected"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct publication publication = {.type = PUBLICATION_DETACH};
        struct error error;
        assert_int_equal(decode(cases[i].text, &publication, &error), -EBADMSG);
        assert_ptr_equal(strstr(error.text, cases[i].error), error.text);
        assert_int_equal(publication.type, PUBLICATION_DETACH);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live),
        cmocka_unit_test(test_live_and_recent),
        cmocka_unit_test(test_a_trend_that_is_too_long),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
