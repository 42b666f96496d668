/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "wire/runner_message.h"

#define ID  "0f8fad5b-d9cb-469f-a165-70867728950e"
#define AND "\",\"agent_id\":\"1\",\"run_id\":\"" ID "\""

static struct runner_messages *parsed; /* of the last take(): texts are borrowed of it */

static int take_text(const char *text, struct runner_message *ret, struct error *error)
{
    parsed = runner_messages_free(parsed);
    int r = runner_messages_new(&parsed, text, strlen(text), ID, error);
    return r < 0 ? r : runner_messages_next(parsed, ret, error);
}

/* A message of a data type and the rest of its keys. */
static int take(const char *data_type, const char *rest, struct runner_message *ret,
                struct error *error)
{
    char text[2048];

    (void)snprintf(text, sizeof text, "{\"data_type\":\"%s" AND "%s%s}", data_type,
                   rest[0] ? "," : "", rest);
    return take_text(text, ret, error);
}

static int drop(void **state _unused_)
{
    parsed = runner_messages_free(parsed);
    return 0;
}

static void test_hit(void **state _unused_)
{
    struct runner_message message;
    struct error error;

    assert_int_equal(take("add_hit",
                          "\"url\":\"http://localhost:9200/?q=1\",\"method\":\"GET\","
                          "\"status\":200,\"started\":\"2013-06-14T12:15:42.860586\","
                          "\"elapsed\":0.0123456,\"loads_status\":[10,5,1,3]",
                          &message, &error),
                     1);
    assert_int_equal(message.type, RUNNER_HIT);
    assert_string_equal(message.url, "http://localhost:9200/?q=1");
    assert_string_equal(message.method, "GET");
    assert_int_equal(message.status, 200);
    assert_int_equal(message.elapsed_usec, 12346);
    assert_int_equal(message.current_user, 3);
    assert_true(message.started_usec == UINT64_C(1371212142860586));
    assert_int_equal(runner_messages_next(parsed, &message, &error), 0);
}

static void test_dates(void **state _unused_)
{
    static const struct {
        const char *text;
        uint64_t usec; /* 0: refused */
    } dates[] = {
        {"1970-01-01T00:00:01", 1000000},
        {"1970-01-01T00:00:01Z", 1000000},
        {"1970-01-01 00:00:01.5", 1500000},
        {"1970-01-01T01:00:01.000001999+01:00", 1000001},
        {"1970-01-01T00:00:01-0130", UINT64_C(5401000000)},
        {"1970-01-01T02:00:01+02", 1000000},
        {"1970-01-01", 0},
        {"1970-13-01T00:00:01", 0},
        {"1970-01-01T00:00:01+1", 0},
        {"1970-01-01T00:00:01 o'clock", 0},
        {"yesterday", 0},
    };

    for (size_t i = 0; i < ELEMENTSOF(dates); i++) {
        struct runner_message message = {.started_usec = 1};
        struct error error = {0};
        char rest[256];
        (void)snprintf(
            rest, sizeof rest,
            "\"url\":\"/\",\"method\":\"GET\",\"status\":200,\"elapsed\":1,\"started\":\"%s\"",
            dates[i].text);
        int r = take("add_hit", rest, &message, &error);
        assert_int_equal(r, dates[i].usec > 0 ? 1 : -EBADMSG);
        assert_true(r < 0 ? strstr(error.text, "started") != NULL
                          : message.started_usec == dates[i].usec);
    }
}

static void test_tests(void **state _unused_)
{
    static const struct {
        const char *data_type;
        enum runner_type type;
    } rows[] = {
        {"startTest", RUNNER_START_TEST}, {"stopTest", RUNNER_STOP_TEST},
        {"addSuccess", RUNNER_SUCCESS},   {"addFailure", RUNNER_FAILURE},
        {"addError", RUNNER_ERROR},
    };
    struct runner_message message;
    struct error error;

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        assert_int_equal(take(rows[i].data_type, "\"test\":\"m.A.t\",\"loads_status\":[1,2,3,4]",
                              &message, &error),
                         1);
        assert_int_equal(message.type, rows[i].type);
        assert_string_equal(message.test, "m.A.t");
        assert_int_equal(message.current_user, 4);
        assert_string_equal(message.exception, "");
        assert_int_equal(take(rows[i].data_type, "\"test_name\":\"m.A.t\"", &message, &error), 1);
        assert_string_equal(message.test, "m.A.t");
        assert_int_equal(message.current_user, 0);
    }
}

static void test_exceptions(void **state _unused_)
{
    struct runner_message message;
    struct error error;

    assert_int_equal(
        take("addError", "\"test\":\"t\",\"exc_info\":[\"no\",\"E\",\"a\\nb\"]", &message, &error),
        1);
    assert_string_equal(message.exception, "no");
    assert_string_equal(message.class, "E");
    assert_string_equal(message.traceback, "a\nb");
    assert_int_equal(take("addFailure", "\"test\":\"t\",\"exc\":[\"no\",null]", &message, &error),
                     1);
    assert_string_equal(message.exception, "no");
    assert_string_equal(message.class, "");
}

static void test_the_others(void **state _unused_)
{
    struct runner_message message;
    struct error error;

    assert_int_equal(take("socket_open", "", &message, &error), 1);
    assert_int_equal(message.type, RUNNER_SOCKET_OPEN);
    assert_int_equal(take("socket_close", "", &message, &error), 1);
    assert_int_equal(message.type, RUNNER_SOCKET_CLOSE);
    assert_int_equal(take("socket_message", "\"size\":12", &message, &error), 1);
    assert_int_equal(message.type, RUNNER_SOCKET_MESSAGE);
    assert_int_equal(message.size_bytes, 12);
    assert_int_equal(take("incr_counter", "\"test\":\"t\",\"name\":\"there\"", &message, &error),
                     1);
    assert_int_equal(message.type, RUNNER_COUNTER);
    assert_string_equal(message.name, "there");
    assert_int_equal(take("startTestRun", "", &message, &error), 1);
    assert_int_equal(message.type, RUNNER_IGNORED);
    assert_int_equal(take("stopTestRun", "", &message, &error), 1);
    assert_int_equal(message.type, RUNNER_IGNORED);
    assert_int_equal(take("marmalade", "\"size\":\"?\"", &message, &error), 1);
    assert_int_equal(message.type, RUNNER_OTHER);
    assert_string_equal(message.data_type, "marmalade");
}

static void test_refusals(void **state _unused_)
{
#define REQUEST(rest) "{\"data_type\":\"add_hit" AND ",\"url\":\"/\",\"method\":\"GET\"," rest "}"
    static const char *const rows[][2] = {
        {"", "not JSON"},
        {"[]", "not a JSON object"},
        {"{}", "data_type is missing"},
        {"{\"data_type\":1}", "data_type is not a string"},
        {"{\"data_type\":\"\"}", "data_type is empty"},
        {"{\"data_type\":\"x\",\"run_id\":\"another\"}", "run_id is another run's"},
        {"{\"data_type\":\"x\",\"run_id\":1}", "run_id is not a string"},
        {REQUEST("\"status\":\"200\",\"elapsed\":1"), "add_hit: status is not a number"},
        {REQUEST("\"status\":0,\"elapsed\":1"), "add_hit: status is not a number"},
        {REQUEST("\"elapsed\":1"), "add_hit: status is not a number"},
        {REQUEST("\"status\":200,\"elapsed\":-0.1"), "add_hit: elapsed is negative"},
        {REQUEST("\"status\":200,\"elapsed\":\"1\""), "add_hit: elapsed is not a number"},
        {REQUEST("\"status\":200"), "add_hit: elapsed is missing"},
        {"{\"data_type\":\"add_hit\"}", "add_hit: url is missing"},
        {"{\"data_type\":\"addError\",\"exc\":\"no\"}", "addError: exc_info is not a list"},
        {"{\"data_type\":\"addError\",\"exc\":[1]}", "addError: exc_info has something else"},
        {"{\"data_type\":\"addError\",\"test\":1}", "addError: test is not a string"},
        {"{\"data_type\":\"startTest\",\"loads_status\":1}", "loads_status is not a list"},
        {"{\"data_type\":\"incr_counter\"}", "incr_counter: name is missing"},
        {"{\"data_type\":\"incr_counter\",\"name\":\"\"}", "incr_counter: name is empty"},
        {"{\"data_type\":\"socket_message\",\"size\":-1}", "size is not a number of bytes"},
        {"{\"data_type\":\"batch\"}", "batch: counts is not an object"},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        struct runner_message message;
        struct error error = {0};
        assert_int_equal(take_text(rows[i][0], &message, &error), -EBADMSG);
        if (!strstr(error.text, rows[i][1])) {
            fail_msg("%s: %s", rows[i][0], error.text);
        }
    }
}

static void test_too_long(void **state _unused_)
{
    _cleanup_free_ char *text = calloc(1, RUNNER_MAX_BYTES + 1);
    struct runner_message message;
    struct error error;

    assert_non_null(text);
    assert_int_equal(runner_messages_new(&parsed, text, RUNNER_MAX_BYTES + 1, ID, &error), -E2BIG);
    char type[RUNNER_MAX_TYPE_BYTES + 2] = "";
    memset(type, 'x', sizeof type - 1);
    assert_int_equal(take(type, "", &message, &error), -EBADMSG);
    type[RUNNER_MAX_TYPE_BYTES] = '\0';
    assert_int_equal(take(type, "", &message, &error), 1);
}

/* The good ones of a batch come whatever the others are, and need no data_type of their own. */
static void test_batch(void **state _unused_)
{
    static const char text[] =
        "{\"data_type\":\"batch" AND ",\"counts\":{"
        "\"startTest\":[{\"test\":\"a\"},{\"test\":\"b\"}],\"nothing\":[],"
        "\"add_hit\":[{},3,{\"url\":\"/\",\"method\":\"GET\",\"status\":200,\"elapsed\":0}],"
        "\"x\":1,\"y\":[{\"run_id\":\"another\"}],\"batch\":[{}],"
        "\"socket_open\":[{\"data_type\":\"socket_open" AND "}]}}";
    static const enum runner_type types[] = {RUNNER_START_TEST, RUNNER_START_TEST, RUNNER_HIT,
                                             RUNNER_SOCKET_OPEN};
    struct runner_message message;
    struct error error;
    unsigned good = 0, bad = 0;
    int r;

    assert_int_equal(runner_messages_new(&parsed, text, strlen(text), ID, &error), 0);
    while ((r = runner_messages_next(parsed, &message, &error)) != 0) {
        if (r < 0) {
            assert_int_equal(r, -EBADMSG);
            bad++;
        } else {
            assert_true(good < ELEMENTSOF(types));
            assert_int_equal(message.type, types[good]);
            good++;
        }
    }
    assert_int_equal(good, ELEMENTSOF(types));
    assert_int_equal(bad, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_hit, drop),
        cmocka_unit_test_teardown(test_dates, drop),
        cmocka_unit_test_teardown(test_tests, drop),
        cmocka_unit_test_teardown(test_exceptions, drop),
        cmocka_unit_test_teardown(test_the_others, drop),
        cmocka_unit_test_teardown(test_refusals, drop),
        cmocka_unit_test_teardown(test_too_long, drop),
        cmocka_unit_test_teardown(test_batch, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
