/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "allocation.h"
#include "remote/timelines.h"

#define LATENCY                                                                                    \
    "\"hits\":10,\"sum_usec\":8129,\"min_usec\":702,\"max_usec\":900,"                             \
    "\"buckets\":[702,805,900],\"counts\":[2,5,3]"
#define REST                                                                                       \
    "\"request_errors\":1,\"sent_bytes\":2,\"received_bytes\":3,\"successes\":4,\"failures\":5,"   \
    "\"errors\":6,\"interrupted\":7"
#define STEP(second) "{\"second\":" #second "," LATENCY "," REST "}"

static int take(struct timeline *timeline, const char *text, uint64_t *seconds, struct error *error)
{
    _cleanup_(json_decrefp) json_t *page = NULL;

    assert_int_equal(wire_json_load(text, strlen(text), 1 << 20, &page, NULL), 0);
    return timeline_take(timeline, page, seconds, error);
}

static int check_step(const struct timeline_step *step, void *context)
{
    ++*(unsigned *)context;
    if (step->second == 1) {
        assert_int_equal(step->latency->count, 0);
        return 0;
    }
    assert_int_equal(step->latency->count, 10);
    assert_int_equal(histogram_percentile_usec(step->latency, 50000), 805);
    assert_int_equal(step->request_errors, 1);
    assert_int_equal(step->sent_bytes, 2);
    assert_int_equal(step->received_bytes, 3);
    assert_int_equal(step->outcomes[OUTCOME_SUCCESS], 4);
    assert_int_equal(step->outcomes[OUTCOME_FAILURE], 5);
    assert_int_equal(step->outcomes[OUTCOME_ERROR], 6);
    assert_int_equal(step->outcomes[OUTCOME_INTERRUPTED], 7);
    return 0;
}

static void test_pages(void **state _unused_)
{
    _cleanup_(timeline_freep) struct timeline *timeline = NULL;
    struct error error = {0};
    unsigned steps = 0;
    uint64_t seconds;

    assert_int_equal(timeline_new(&timeline, 8), 0);
    assert_int_equal(take(timeline, "{\"seconds\":3,\"steps\":[" STEP(0) "]}", &seconds, &error),
                     0);
    assert_int_equal(seconds, 3);
    assert_int_equal(take(timeline, "{\"seconds\":3,\"steps\":[" STEP(2) "]}", &seconds, &error),
                     0);
    assert_int_equal(timeline_each(timeline, check_step, &steps), 0);
    assert_int_equal(steps, 3);
}

static void test_refused(void **state _unused_)
{
    static const struct {
        const char *page, *said;
    } cases[] = {
        {"{}", "steps: a list is expected"},
        {"{\"seconds\":-1,\"steps\":[]}", "seconds: "},
        {"{\"seconds\":2147483648,\"steps\":[]}", "seconds: a number up to 2147483647"},
        {"{\"seconds\":1,\"steps\":[{}]}", "steps: entry 0: second: "},
        {"{\"seconds\":1,\"steps\":[" STEP(0) "," STEP(2147483648) "]}",
         "steps: entry 1: second: "},
        {"{\"seconds\":1,\"steps\":[{\"second\":0,\"hits\":1}]}", "buckets: a list is expected"},
        {"{\"seconds\":1,\"steps\":[{\"second\":0,\"hits\":1,\"buckets\":[1],\"counts\":[]}]}",
         "buckets and counts: entry 0 makes no sense"},
        {"{\"seconds\":1,\"steps\":[{\"second\":0,\"hits\":1,\"buckets\":[12123],\"counts\":[1]}]}",
         "buckets and counts: entry 0 makes no sense"},
        {"{\"seconds\":1,\"steps\":[{\"second\":0,\"hits\":2,\"sum_usec\":5,\"min_usec\":5,"
         "\"max_usec\":5,\"buckets\":[5],\"counts\":[1]}]}",
         "aren't of the counts"},
        {"{\"seconds\":1,\"steps\":[{\"second\":0,\"hits\":0,\"buckets\":[],\"counts\":[],"
         "\"errors\":\"x\"}]}",
         "errors: "},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_(timeline_freep) struct timeline *timeline = NULL;
        struct error error = {0};
        uint64_t seconds;
        assert_int_equal(timeline_new(&timeline, 8), 0);
        assert_int_equal(take(timeline, cases[i].page, &seconds, &error), -EBADMSG);
        if (!strstr(error.text, cases[i].said)) {
            fail_msg("'%s' says '%s'", cases[i].page, error.text);
        }
    }
}

static void test_no_memory(void **state _unused_)
{
    static const char page[] = "{\"seconds\":3,\"steps\":[" STEP(0) "," STEP(2) "]}";
    _cleanup_(json_decrefp) json_t *json = NULL;
    int r = -ENOMEM;

    assert_int_equal(wire_json_load(page, strlen(page), 1 << 20, &json, NULL), 0);
    for (long n = 0; r < 0; n++) {
        _cleanup_(timeline_freep) struct timeline *timeline = NULL;
        struct error error = {0};
        uint64_t seconds;
        assert_int_equal(timeline_new(&timeline, 8), 0);
        allocation_fails_after = n;
        r = timeline_take(timeline, json, &seconds, &error);
        allocation_fails_after = -1;
        assert_true(r == 0 || r == -ENOMEM);
        assert_int_equal(error.text[0] != '\0', r < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
