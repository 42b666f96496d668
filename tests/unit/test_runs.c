/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "broker/runs.h"

#define KEEP 3

static struct runs *runs;

static int set_up(void **state _unused_)
{
    return runs_new(&runs, KEEP);
}

static int tear_down(void **state _unused_)
{
    runs = runs_free(runs);
    return 0;
}

static void ignore_change(struct run *run _unused_, enum run_state from _unused_,
                          enum run_action action _unused_, void *context _unused_)
{
}

/* A run whose id ends with that number, and whose request is called so (NULL: not at all). */
static struct run *make(unsigned number, const char *request_id, enum run_state state)
{
    struct run_spec *spec = NULL;
    struct run_options options = {
        .spec = &spec, .request_id = request_id, .n_agents = 1, .hooks = {ignore_change, NULL}};
    struct run *run = NULL;
    struct error error = {0};

    assert_int_equal(run_spec_new(&spec), 0);
    (void)snprintf(spec->run_id, sizeof spec->run_id, "6b0f7d5c-0c5e-4c52-9d8e-%012x", number);
    spec->url = strdup("http://127.0.0.1/");
    assert_int_equal(parse_numbers("1", &spec->users, &error), 0);
    assert_int_equal(parse_numbers("1", &spec->hits, &error), 0);
    assert_int_equal(run_new(&run, &options, state, &error), 0);
    return run;
}

static struct run *add(unsigned number, const char *request_id, enum run_state state)
{
    struct run *run = make(number, request_id, state), *added = run;

    assert_int_equal(runs_add(runs, &run, NULL), 0);
    assert_null(run); /* it was taken over */
    return added;
}

/* Both ways through the list. */
static void expect(const char *numbers)
{
    char forth[64] = "", back[64] = "";
    size_t at = sizeof back - 1;

    for (const struct run *run = runs_first(runs); run; run = run->next) {
        size_t used = strlen(forth);
        (void)snprintf(forth + used, sizeof forth - used, "%c", run->run_id[SPEC_RUN_ID_BYTES - 1]);
    }
    for (const struct run *run = runs_last(runs); run; run = run->previous) {
        back[--at] = run->run_id[SPEC_RUN_ID_BYTES - 1];
    }
    assert_string_equal(forth, numbers);
    assert_string_equal(back + at, numbers);
}

static void test_in_the_order_of_submission(void **state _unused_)
{
    expect("");
    struct run *first = add(7, NULL, RUN_RUNNING);
    struct run *second = add(3, NULL, RUN_QUEUED);
    struct run *third = add(5, NULL, RUN_FINISHED);
    expect("735");
    runs_remove(runs, second);
    expect("75");
    runs_remove(runs, first);
    expect("5");
    add(1, NULL, RUN_NEW);
    expect("51");
    runs_remove(runs, third);
    expect("1");
    runs_remove(runs, runs_last(runs));
    expect("");
}

static void test_finding(void **state _unused_)
{
    struct run *found = NULL;
    const struct run *one = add(0x11, "request-1", RUN_RUNNING);
    const struct run *two = add(0x12, NULL, RUN_FINISHED);

    assert_ptr_equal(runs_find(runs, one->run_id), one);
    assert_ptr_equal(runs_find(runs, two->run_id), two);
    assert_null(runs_find(runs, "6b0f7d5c"));
    assert_ptr_equal(runs_find_request(runs, "request-1"), one);
    assert_null(runs_find_request(runs, "request-2"));

    assert_int_equal(runs_find_prefix(runs, "6b0f", &found), -ENOTUNIQ);
    assert_int_equal(runs_find_prefix(runs, "", &found), -ENOTUNIQ);
    assert_int_equal(runs_find_prefix(runs, "6b0f7d5c-0c5e-4c52-9d8e-000000000012", &found), 0);
    assert_ptr_equal(found, two);
    found = NULL;
    assert_int_equal(runs_find_prefix(runs, "7", &found), -ENOENT);
    assert_int_equal(runs_find_prefix(runs, "6b0f7d5c-0c5e-4c52-9d8e-0000000000120", &found),
                     -ENOENT);
    assert_null(found);
}

/* A run that isn't stored yet is nobody's to ask for; but a request that comes again is the same.
 */
static void test_one_that_is_new(void **state _unused_)
{
    struct run *found = NULL;
    struct run *run = add(0x11, "request-1", RUN_NEW);

    assert_int_equal(runs_find_prefix(runs, "6b0f", &found), -ENOENT);
    assert_ptr_equal(runs_find(runs, run->run_id), run);
    assert_ptr_equal(runs_find_request(runs, "request-1"), run);
    run_happen(run, RUN_WAITS);
    assert_int_equal(runs_find_prefix(runs, "6b0f", &found), 0);
    assert_ptr_equal(found, run);
}

/* The oldest that are over go; never one that is on, or that the store has something to say about.
 */
static void test_trimming(void **state _unused_)
{
    add(1, NULL, RUN_FINISHED);
    add(2, NULL, RUN_RUNNING);
    struct run *called = add(3, NULL, RUN_ABORTED);
    add(4, NULL, RUN_FAILED);
    runs_trim(runs);
    expect("1234");
    add(5, NULL, RUN_FINISHED);
    runs_trim(runs);
    expect("2345");
    called->calls = 1;
    add(6, NULL, RUN_ENDING); /* not over before it is stored */
    runs_trim(runs);
    expect("23456");
    add(7, NULL, RUN_FINISHED);
    runs_trim(runs);
    expect("23567");
    called->calls = 0;
    add(8, NULL, RUN_FINISHED);
    runs_trim(runs);
    expect("25678");
}

static void test_too_many(void **state _unused_)
{
    struct error error = {0};

    add(RUNS_MAX_ACTIVE, NULL, RUN_FINISHED); /* counts for nothing */
    for (unsigned i = 0; i < RUNS_MAX_ACTIVE; i++) {
        add(i, NULL, i % 2 ? RUN_QUEUED : RUN_RUNNING);
    }
    _cleanup_(run_freep) struct run *run = make(RUNS_MAX_ACTIVE + 1, NULL, RUN_NEW);
    assert_int_equal(runs_add(runs, &run, &error), -E2BIG);
    assert_string_equal(error.text, "1000 runs are on already");
    assert_non_null(run); /* still the caller's */
    runs_remove(runs, runs_last(runs));
    assert_int_equal(runs_add(runs, &run, &error), 0);
}

/* What is stored and told of a run has no secrets; its agents get them. */
static void test_secrets_of_a_url(void **state _unused_)
{
    struct run_spec *spec = NULL;
    struct run_options options = {.spec = &spec, .n_agents = 1, .hooks = {ignore_change, NULL}};
    _cleanup_(run_freep) struct run *run = NULL;
    struct error error = {0};

    assert_int_equal(run_spec_new(&spec), 0);
    (void)snprintf(spec->run_id, sizeof spec->run_id, "6b0f7d5c-0c5e-4c52-9d8e-%012x", 1);
    spec->url = strdup("http://me:hush@h/?hush");
    assert_int_equal(parse_numbers("1", &spec->users, &error), 0);
    assert_int_equal(parse_numbers("1", &spec->hits, &error), 0);
    assert_int_equal(run_new(&run, &options, RUN_NEW, &error), 0);
    assert_string_equal(run->name, "http://***@h/?***");
    assert_null(strstr(run->shown_spec, "hush"));
    assert_non_null(strstr(run->shown_spec, run->name));
    assert_non_null(strstr(run->spec_text, "http://me:hush@h/?hush"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_in_the_order_of_submission),
        TEST(test_finding),
        TEST(test_one_that_is_new),
        TEST(test_trimming),
        TEST(test_too_many),
        TEST(test_secrets_of_a_url),
    };
    return cmocka_run_group_tests_name("runs", tests, NULL, NULL);
}
