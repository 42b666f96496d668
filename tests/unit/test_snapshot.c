/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "allocation.h"
#include "base/base64.h"
#include "remote/snapshot.h"

#define ID "6b0f7d5c-0c5e-4c52-9d8e-5a3c2a1f0e11"

static const char form[] =
    "{\"run\":{\"name\":\"m.A.t\",\"state\":\"finished\",\"outcome\":\"lost\",\"trouble\":null,"
    "\"submitted\":\"2026-06-15T10:15:05Z\",\"started\":\"2026-06-15T10:15:06.5Z\",\"new\":[1],"
    "\"agents\":[\"a\",\"b\"],\"usage\":[{\"agent\":\"a\",\"cpu_usec\":1500,"
    "\"memory_peak_bytes\":4096},{\"agent\":\"b\",\"cpu_usec\":7}],\"lost\":[\"b\"],"
    "\"thresholds\":[{\"threshold\":\"p95 < 1ms, stop\",\"holds\":false,\"value\":\"1.23 ms\","
    "\"measured\":1234.0,\"unit\":\"new\",\"broken_sec\":4},"
    "{\"threshold\":\"new < 1\",\"holds\":true}],\"spec\":{"
    "\"run_id\":\"" ID "\",\"fqn\":\"m.A.t\","
    "\"users\":[1],\"hits\":[1],\"grace_usec\":0,\"http_timeout_usec\":30000000,"
    "\"stack_size_bytes\":262144,\"insecure\":false,\"detail\":false}},"
    "\"number\":12,\"active_usec\":1500000,"
    "\"names\":[[0,1,\"A.t\"],[1,1,\"one\"],[1,2,\"two\"],[2,1,\"an error\"],[3,1,\"counter\"]],"
    "\"overflows\":[0,5,0,7,0],\"totals\":\"%s\"}";

/* 10 hits of a series and one request without an answer; an error, a counter, a test. */
static char *make_totals(void)
{
    struct interval_series series = {.id = 2, .errors = 1, .sent_bytes = 5, .received_bytes = 7};
    struct interval_count errors = {1, 3}, counters = {1, -4};
    struct interval_test tests = {1, {10, 0, 1, 2}};
    const struct interval interval = {0,         3, &series, 1, &errors, 1,
                                      &counters, 1, &tests,  1, NULL,    0};
    _cleanup_free_ uint8_t *bytes = NULL;
    char *text;
    size_t size;

    assert_int_equal(histogram_add(&series.latency, 1234, 10), 0);
    assert_int_equal(interval_encode(&interval, &bytes, &size), 0);
    assert_int_equal(base64_encode(bytes, size, &text), 0);
    histogram_clear(&series.latency);
    return text;
}

/* `from` in the text replaced by `to`, unless it is NULL. */
static json_t *make_json(const char *from, const char *to)
{
    _cleanup_free_ char *totals = make_totals(), *text = NULL, *changed = NULL;
    json_t *json;

    assert_true(asprintf(&text, form, totals) > 0);
    const char *place = from ? strstr(text, from) : text;
    assert_non_null(place);
    assert_true(asprintf(&changed, "%.*s%s%s", (int)(place - text), text, from ? to : "",
                         place + (from ? strlen(from) : 0)) > 0);
    assert_int_equal(wire_json_load_any(changed, strlen(changed), &json, NULL), 0);
    return json;
}

static void test_all_of_it(void **state _unused_)
{
    _cleanup_(json_decrefp) json_t *json = make_json(NULL, NULL);
    _cleanup_(snapshot_freep) struct snapshot *snapshot = NULL;
    struct error error;

    assert_int_equal(snapshot_decode(json, &snapshot, &error), 0);
    assert_string_equal(snapshot->spec->run_id, ID);
    assert_string_equal(snapshot->name, "m.A.t");
    assert_string_equal(snapshot->state, "finished");
    assert_string_equal(snapshot->outcome, "lost");
    assert_null(snapshot->trouble);
    assert_true(snapshot->started_usec == snapshot->submitted_usec + 1500000);
    assert_true(snapshot->finished_usec == 0);
    assert_int_equal(snapshot->agents.count, 2);
    assert_int_equal(snapshot->lost.count, 1);
    assert_string_equal(snapshot->lost.items[0], "b");
    assert_int_equal(snapshot->n_usage, 2);
    assert_string_equal(snapshot->usage[0].agent, "a");
    assert_int_equal(snapshot->usage[0].cpu_usec, 1500);
    assert_int_equal(snapshot->usage[0].memory_peak_bytes, 4096);
    assert_string_equal(snapshot->usage[1].agent, "b");
    assert_int_equal(snapshot->usage[1].cpu_usec, 7);
    assert_int_equal(snapshot->usage[1].memory_peak_bytes, 0);
    assert_int_equal(snapshot->n_thresholds, 2);
    const struct threshold_result *broken = &snapshot->thresholds[0];
    assert_string_equal(broken->shown, "1.23 ms");
    assert_true(broken->has_value && broken->value > 1233 && broken->value < 1235);
    assert_true(broken->bound > 999 && broken->bound < 1001 && broken->stop && !broken->holds);
    assert_string_equal(broken->unit, "usec");
    assert_true(broken->has_broken_sec && broken->broken_sec == 4);
    const struct threshold_result *other = &snapshot->thresholds[1]; /* of a later version */
    assert_true(other->holds && !other->unit && !other->has_value && !other->has_broken_sec);
    assert_true(snapshot->number == 12 && snapshot->active_usec == 1500000);
    assert_string_equal(names_text(snapshot->names, NAME_SERIES, 2), "two");
    assert_true(names_overflows(snapshot->names, NAME_SERIES) == 5);
    assert_true(names_overflows(snapshot->names, NAME_COUNTER) == 7);
    assert_true(snapshot->totals->hits == 10 && snapshot->totals->request_errors == 1);
    assert_true(snapshot->totals->series[2].latency.count == 10);
    assert_true(snapshot->totals->errors[1] == 3 && snapshot->totals->counters[1] == -4);
    assert_true(totals_outcome(snapshot->totals, OUTCOME_INTERRUPTED) == 2);
}

static void test_which_states_are_the_end(void **state _unused_)
{
    static const struct {
        const char *state;
        bool over;
    } states[] = {{"queued", false},  {"preparing", false}, {"running", false}, {"stopping", false},
                  {"finished", true}, {"failed", true},     {"aborted", true},  {"new", false}};

    for (size_t i = 0; i < ELEMENTSOF(states); i++) {
        struct snapshot snapshot = {.state = (char *)states[i].state};
        assert_true(snapshot_is_over(&snapshot) == states[i].over);
    }
}

static void test_what_is_wrong(void **state _unused_)
{
    static const struct {
        const char *from, *to, *error;
    } cases[] = {
        {"\"run\"", "\"ran\"", "run: an object is expected"},
        {"\"state\":\"finished\"", "\"state\":null", "state: a text is expected"},
        {"\"spec\":{", "\"spec\":{\"x\":1,", "spec: unknown key 'x'"},
        {"\"users\":[1]", "\"users\":[0]", "spec: users: numbers from"},
        {"\"trouble\":null", "\"trouble\":[]", "trouble: a text is expected"},
        {"10:15:05Z", "25:15:05Z", "submitted: a date in ISO 8601, UTC, is expected"},
        {"[\"a\",\"b\"]", "\"a\"", "agents: a list of texts is expected"},
        {"[{\"agent\"", "[7,{\"agent\"", "usage: agent: a text is expected"},
        {"\"cpu_usec\":7", "\"cpu_usec\":-7", "usage: cpu_usec: a whole number"},
        {"\"usage\":", "\"usage\":1,\"new\":", "usage: a list is expected"},
        {"\"measured\":1234.0", "\"measured\":\"1\"", "thresholds: measured: a number is expected"},
        {"\"broken_sec\":4", "\"broken_sec\":-4", "thresholds: broken_sec: a whole number"},
        {"\"holds\":true", "\"holds\":1", "thresholds: holds: true or false is expected"},
        {"\"number\":12", "\"number\":1.5", "number: a whole number, not negative, is expected"},
        {"[0,1,\"A.t\"]", "[0,1,\"A.t\\u0007\"],[0,1,\"A.t?\"]", "names: entry 1 is not the next"},
        {"[1,2,\"two\"]", "[1,3,\"two\"]", "names: entry 2 is not the next one"},
        {"[1,2,\"two\"],", "", "totals: there are numbers without a name"},
        {"[0,5,0,7,0]", "[0,5,0,7]", "overflows: whole numbers are expected"},
        {"\"totals\":\"", "\"totals\":\"=", "totals: base64 is expected"},
        {"\"totals\":\"", "\"totals\":\"AAAA", "totals: "},
    };
    struct error error;

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_(json_decrefp) json_t *json = make_json(cases[i].from, cases[i].to);
        struct snapshot *snapshot = NULL;
        assert_int_equal(snapshot_decode(json, &snapshot, &error), -EBADMSG);
        assert_null(snapshot);
        assert_ptr_equal(strstr(error.text, cases[i].error), error.text);
    }
}

static void test_without_memory(void **state _unused_)
{
    _cleanup_(json_decrefp) json_t *json = make_json(NULL, NULL);
    int r = -ENOMEM;

    for (long n = 0; r < 0; n++) {
        struct snapshot *snapshot = NULL;
        struct error error;
        allocation_fails_after = n;
        r = snapshot_decode(json, &snapshot, &error);
        allocation_fails_after = -1;
        assert_true(r == 0 || (r == -ENOMEM && !snapshot && error.text[0]));
        snapshot_free(snapshot);
        assert_true(n < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_of_it),
        cmocka_unit_test(test_which_states_are_the_end),
        cmocka_unit_test(test_what_is_wrong),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
