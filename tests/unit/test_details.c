/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "remote/details.h"

#define DATE   "\"2026-06-15T10:15:06.376001Z\""
#define STATUS "\"test\":\"S.t\",\"loads_status\":[7,20,3,9]"
#define AT     "\"time\":" DATE ",\"elapsed\":1.25," STATUS

static struct snapshot snapshot;

static int set_up(void **state _unused_)
{
    struct series_key key = {"S.t", "a page", "GET", 200};
    const struct error_key errors[] = {
        {ERROR_KIND_ERROR, "connect", "refused", "s.c:1", "S.t", ""},
        {ERROR_KIND_FAILURE, "assertion", "no", "s.c:2", "S.t", "#0 a\n#1 b"},
    };

    snapshot.names_memory = calloc(1, names_size_bytes());
    assert_non_null(snapshot.names_memory);
    assert_int_equal(names_new(&snapshot.names, snapshot.names_memory, names_size_bytes()), 0);
    assert_int_equal(names_id(snapshot.names, NAME_TEST, "S.t", 3), 1);
    assert_int_equal(names_series(snapshot.names, &key), 1);
    key.status = 0;
    assert_int_equal(names_series(snapshot.names, &key), 2);
    assert_int_equal(names_error(snapshot.names, &errors[0]), 1);
    assert_int_equal(names_error(snapshot.names, &errors[1]), 2);
    assert_int_equal(names_id(snapshot.names, NAME_COUNTER, "sold", 4), 1);
    assert_int_equal(run_spec_new(&snapshot.spec), 0);
    snapshot.spec->users = (struct number_list){{10, 20}, 2};
    snapshot.spec->hits = (struct number_list){{5, 7}, 2};
    return 0;
}

static int tear_down(void **state _unused_)
{
    names_free(snapshot.names);
    free(snapshot.names_memory);
    run_spec_free(snapshot.spec);
    return 0;
}

/* The texts of `ret` are `json`'s. */
static int read_event(const char *text, json_t **json, struct detail *ret, struct error *error)
{
    assert_int_equal(wire_json_load(text, strlen(text), 1 << 20, json, NULL), 0);
    return details_read(*json, &snapshot, ret, error);
}

static void test_events(void **state _unused_)
{
    static const struct {
        const char *text;
        enum detail_type type;
        uint32_t id, error_id;
    } cases[] = {
        {"{\"data_type\":\"startTest\"," AT "}", DETAIL_START_TEST, 0, 0},
        {"{\"data_type\":\"addSuccess\"," AT "}", DETAIL_SUCCESS, 0, 0},
        {"{\"data_type\":\"addError\"," AT ",\"exc_info\":[\"refused\",\"connect\",\"s.c:1\"]}",
         DETAIL_ERROR, 1, 0},
        {"{\"data_type\":\"addFailure\"," AT
         ",\"exc_info\":[\"no\",\"assertion\",\"#0 a\\n#1 b\"]}",
         DETAIL_FAILURE, 2, 0},
        {"{\"data_type\":\"addFailure\"," AT ",\"exc_info\":[\"another\"]}", DETAIL_FAILURE, 0, 0},
        {"{\"data_type\":\"interrupted\"," AT "}", DETAIL_INTERRUPTED, 0, 0},
        {"{\"data_type\":\"incr_counter\"," AT ",\"name\":\"sold\",\"value\":-5}", DETAIL_COUNTER,
         1, 0},
        {"{\"data_type\":\"add_hit\",\"started\":" DATE ",\"elapsed\":1.25," STATUS
         ",\"url\":\"http://a/\",\"name\":\"a page\",\"method\":\"GET\",\"status\":200}",
         DETAIL_HIT, 1, 0},
        {"{\"data_type\":\"add_hit\",\"started\":" DATE ",\"elapsed\":1.25," STATUS
         ",\"url\":\"http://a/\",\"name\":\"a page\",\"method\":\"GET\",\"status\":0,"
         "\"exc_info\":[\"refused\",\"connect\",\"s.c:1\"]}",
         DETAIL_REQUEST_ERROR, 2, 1},
        {"{\"data_type\":\"add_hit\",\"started\":" DATE ",\"elapsed\":1.25," STATUS
         ",\"url\":\"http://a/\",\"method\":\"GET\",\"status\":200}",
         DETAIL_HIT, 0, 0}, /* the name is the URL, and there is no such series */
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_(json_decrefp) json_t *json = NULL;
        struct error error = {0};
        struct detail detail;
        assert_int_equal(read_event(cases[i].text, &json, &detail, &error), 1);
        assert_int_equal(detail.type, cases[i].type);
        assert_int_equal(detail.id, cases[i].id);
        assert_int_equal(detail.error_id, cases[i].error_id);
        assert_int_equal(detail.test, 1);
        assert_int_equal(detail.cycle, 3); /* 20 users, 7 hits */
        assert_int_equal(detail.iteration, 2);
        assert_int_equal(detail.user, 8);
        assert_int_equal(detail.elapsed_usec, 1250000);
        assert_int_equal(detail.started_usec, UINT64_C(1781518506376001));
        assert_int_equal(detail.value, detail.type == DETAIL_COUNTER ? -5 : 0);
        assert_int_equal(detail.text_size, detail.text ? strlen("http://a/") : 0);
    }
}

/* Of an outcome the outputs write the end of the test, too; what isn't known is left out. */
static void test_left_out(void **state _unused_)
{
    _cleanup_(json_decrefp) json_t *stop = NULL, *other = NULL;
    struct detail detail;

    assert_int_equal(read_event("{\"data_type\":\"stopTest\"}", &stop, &detail, NULL), 0);
    assert_int_equal(read_event("{\"data_type\":\"new\"}", &other, &detail, NULL), 0);
}

static void test_refused(void **state _unused_)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"{}", "data_type: a text is expected"},
        {"{\"data_type\":\"addSuccess\"}", "loads_status: a list is expected"},
        {"{\"data_type\":\"addSuccess\",\"loads_status\":[1,1,0,1]}", "loads_status: four"},
        {"{\"data_type\":\"addSuccess\",\"loads_status\":[1,1,1,4294967296]}",
         "loads_status: four"},
        {"{\"data_type\":\"addSuccess\",\"elapsed\":-1," STATUS "}", "elapsed: "},
        {"{\"data_type\":\"addSuccess\",\"elapsed\":1e9," STATUS "}", "elapsed: "},
        {"{\"data_type\":\"addSuccess\",\"time\":\"today\"," STATUS "}", "time: "},
        {"{\"data_type\":\"add_hit\",\"url\":5," STATUS "}", "url: a text is expected"},
        {"{\"data_type\":\"add_hit\",\"status\":-1," STATUS "}", "status: "},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_(json_decrefp) json_t *json = NULL;
        struct error error = {0};
        struct detail detail;
        assert_int_equal(read_event(cases[i].text, &json, &detail, &error), -EBADMSG);
        if (!strstr(error.text, cases[i].said)) {
            fail_msg("'%s' says '%s'", cases[i].text, error.text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
