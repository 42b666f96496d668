/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include "store.h"

#include "store_fixture.h"

static struct postgres server;

static void wait_for(struct fixture *fixture, struct answer *answer)
{
    run_until(fixture->loop, &answer->done);
}

static void open_with_run(struct fixture *fixture, struct test_run *run, const char *database)
{
    struct answer answer = {0};

    fixture_open(fixture, postgres_conninfo(&server, database));
    run_until(fixture->loop, &fixture->up);
    run_make(run, 1);
    run->row.save_hits = true;
    run_store(fixture, run);
    assert_int_equal(run_put(fixture, run, 3, 5, 1, &answer), 0);
    wait_for(fixture, &answer);
    assert_int_equal(answer.result, 0);
}

static void close_with_run(struct fixture *fixture, struct test_run *run)
{
    run_clear(run);
    fixture_close(fixture);
}

/* ---- logs ---- */

struct logs {
    bool done;
    int result;
    size_t count;
    char text[4096]; /* agent worker: text / … */
};

static void on_logs(const struct store_answer *answer, const struct store_log_piece *pieces,
                    size_t count, void *context)
{
    struct logs *logs = context;
    size_t used = 0;

    logs->done = true;
    logs->result = answer->result;
    logs->count = count;
    for (size_t i = 0; i < count && used < sizeof logs->text; i++) {
        used += (size_t)snprintf(logs->text + used, sizeof logs->text - used, "%s %d: %s/",
                                 pieces[i].agent_id, pieces[i].worker, pieces[i].text);
    }
}

static void read_logs(struct fixture *fixture, const char *run_id, const char *agent_id,
                      struct logs *logs)
{
    *logs = (struct logs){0};
    assert_int_equal(store_load_logs(fixture->store, run_id, agent_id, on_logs, logs), 0);
    run_until(fixture->loop, &logs->done);
}

static void test_logs(void **state _unused_)
{
    const char *database = database_with_schema(&server);
    struct fixture fixture;
    struct test_run run;
    struct logs logs;
    struct answer answer = {0};

    open_with_run(&fixture, &run, database);
    read_logs(&fixture, run.run_id, NULL, &logs);
    assert_int_equal(logs.result, 0);
    assert_int_equal(logs.count, 0);
    assert_int_equal(store_log(fixture.store, run.run_id, 1, 0, "a", 1, NULL, NULL), 0);
    assert_int_equal(store_log(fixture.store, run.run_id, 0, 2, "b\xff\0c\xc3\xa4", 6, NULL, NULL),
                     0);
    assert_int_equal(store_log(fixture.store, run.run_id, 0, -1, "compiler", 8, NULL, NULL), 0);
    assert_int_equal(store_log(fixture.store, run.run_id, 0, 2, "d", 1, NULL, NULL), 0);
    read_logs(&fixture, run.run_id, NULL, &logs);
    assert_int_equal(logs.count, 4);
    assert_string_equal(logs.text, "box-0 -1: compiler/box-0 2: b\xef\xbf\xbd?c\xc3\xa4/box-0 2: d/"
                                   "box-1 0: a/");
    read_logs(&fixture, run.run_id, "box-1", &logs);
    assert_string_equal(logs.text, "box-1 0: a/");
    read_logs(&fixture, run.run_id, "box-9", &logs);
    assert_int_equal(logs.result, 0);
    assert_int_equal(logs.count, 0);
    read_logs(&fixture, "00000000-0000-0000-0000-000000000000", NULL, &logs);
    assert_int_equal(logs.result, -ENOENT);
    assert_int_equal(store_load_logs(fixture.store, "x", NULL, on_logs, &logs), -EINVAL);

    assert_int_equal(store_log(fixture.store, "00000000-0000-0000-0000-000000000000", 0, 0, "x", 1,
                               on_store_answer, &answer),
                     0);
    wait_for(&fixture, &answer);
    assert_int_equal(answer.result, -ENOENT);

    /* What is too long is cut. */
    char *text = malloc(2 * STORE_MAX_LOG_BYTES);
    assert_non_null(text);
    memset(text, 'x', 2 * STORE_MAX_LOG_BYTES);
    answer = (struct answer){0};
    assert_int_equal(store_log(fixture.store, run.run_id, 2, 0, text, 2 * STORE_MAX_LOG_BYTES,
                               on_store_answer, &answer),
                     0);
    free(text);
    wait_for(&fixture, &answer);
    assert_int_equal(answer.result, 0);
    assert_string_equal(postgres_ask(&server, database, "SELECT max(length(text)) FROM loads.logs"),
                        "65536");
    close_with_run(&fixture, &run);
}

/* ---- detail ---- */

struct details {
    bool done;
    int result;
    char reason[256];
    char json[8192];
};

static void on_details(const struct store_answer *answer, const char *json, void *context)
{
    struct details *details = context;

    details->done = true;
    details->result = answer->result;
    (void)snprintf(details->reason, sizeof details->reason, "%s", answer->reason);
    (void)snprintf(details->json, sizeof details->json, "%s", json);
}

static void read_details(struct fixture *fixture, const char *run_id, const char *data_type,
                         bool grouped, uint64_t start, uint64_t size, struct details *details)
{
    *details = (struct details){0};
    assert_int_equal(store_load_details(fixture->store, run_id, data_type, grouped, start, size,
                                        on_details, details),
                     0);
    run_until(fixture->loop, &details->done);
}

#define BEGAN UINT64_C(1781510001000001) /* 2026-06-15T07:53:21.000001Z */

static void put_details(struct fixture *fixture, struct test_run *run, const struct detail *records,
                        size_t n, struct answer *answer)
{
    const struct store_details message = {
        .source = 1, .seq = ++run->detail_seq, .records = records, .n_records = n};
    const struct store_batch batch = {.run_id = run->run_id,
                                      .started_usec = run->row.started_usec,
                                      .names = run->names,
                                      .totals = run->totals,
                                      .details = &message,
                                      .n_details = 1};

    *answer = (struct answer){0};
    assert_int_equal(store_results(fixture->store, &batch, on_store_answer, answer), 0);
    wait_for(fixture, answer);
}

static const struct detail records[] = {
    {.type = DETAIL_START_TEST,
     .test = 1,
     .user = 3,
     .iteration = 1,
     .cycle = 1,
     .started_usec = BEGAN},
    {.type = DETAIL_HIT,
     .id = 1,
     .test = 1,
     .user = 3,
     .iteration = 1,
     .cycle = 1,
     .started_usec = BEGAN + 1,
     .elapsed_usec = 912,
     .text = "http://h/a?\xff",
     .text_size = 12},
    {.type = DETAIL_HIT,
     .id = 1,
     .test = 1,
     .user = 4,
     .iteration = 0,
     .cycle = 0,
     .started_usec = BEGAN + 2,
     .elapsed_usec = 1500000,
     .text = "http://h/a?\xff",
     .text_size = 12},
    {.type = DETAIL_REQUEST_ERROR,
     .id = 2,
     .error_id = 1,
     .test = 1,
     .user = 3,
     .iteration = 1,
     .cycle = 1,
     .started_usec = BEGAN + 3,
     .elapsed_usec = 5},
    {.type = DETAIL_COUNTER,
     .id = 1,
     .value = -2,
     .test = 1,
     .user = 3,
     .iteration = 1,
     .cycle = 1,
     .started_usec = BEGAN + 4},
    {.type = DETAIL_FAILURE,
     .id = 1,
     .test = 1,
     .user = 3,
     .iteration = 1,
     .cycle = 1,
     .started_usec = BEGAN + 5,
     .elapsed_usec = 7},
    {.type = DETAIL_STOP_TEST,
     .test = 1,
     .user = 3,
     .iteration = 1,
     .cycle = 1,
     .started_usec = BEGAN + 6},
    {.type = DETAIL_TYPES}, /* what nobody knows is left out */
};

static void test_details(void **state _unused_)
{
    const char *database = database_with_schema(&server);
    struct fixture fixture;
    struct test_run run;
    struct details details;
    struct answer answer;

    open_with_run(&fixture, &run, database);
    read_details(&fixture, run.run_id, NULL, false, 0, 100, &details);
    assert_int_equal(details.result, 0);
    assert_string_equal(details.json, "[]");
    put_details(&fixture, &run, records, ELEMENTSOF(records), &answer);
    assert_int_equal(answer.result, 0);
    run.detail_seq--;
    put_details(&fixture, &run, records, ELEMENTSOF(records), &answer); /* it is there already */
    assert_int_equal(answer.result, 0);
    assert_string_equal(
        postgres_ask(
            &server, database,
            "SELECT concat_ws(' ', (SELECT count(*) FROM loads.hits), (SELECT count(*) FROM"
            " loads.test_events), last_detail_seq) FROM loads.sources WHERE source = 1"),
        "3 4 1");

    read_details(&fixture, run.run_id, "add_hit", false, 0, 1, &details);
    assert_int_equal(details.result, 0);
    assert_string_equal(
        details.json, "[{\"data_type\":\"add_hit\",\"agent_id\":\"box-1\","
                      "\"run_id\":\"6b0f7d5c-0c5e-4c52-9d8e-000000000001\",\"test\":\"Suite.test\","
                      "\"url\":\"http://h/a?\xef\xbf\xbd\",\"method\":\"GET\",\"status\":200,"
                      "\"started\":\"2026-06-15T07:53:21.000002Z\",\"elapsed\":0.000912,"
                      "\"name\":\"http://127.0.0.1/\xc3\xa4/0\","
                      "\"loads_status\":[20,20,2,4]}]");
    read_details(&fixture, run.run_id, "add_hit", false, 2, 100, &details);
    assert_non_null(
        strstr(details.json, "\"exc_info\":[\"'1' != \\\"2\\\"\",\"assertion\",\"a\\nb\"]"));
    assert_non_null(strstr(details.json, "\"url\":\"\""));
    read_details(&fixture, run.run_id, "incr_counter", false, 0, 100, &details);
    assert_non_null(strstr(details.json, "\"name\":\"logins\",\"value\":-2"));
    assert_non_null(strstr(details.json, "\"time\":\"2026-06-15T07:53:21.000005Z\""));
    read_details(&fixture, run.run_id, NULL, false, 0, 100, &details);
    const char *at = details.json;
    static const char *const order[] = {"startTest",    "add_hit",    "add_hit", "add_hit",
                                        "incr_counter", "addFailure", "stopTest"};
    for (size_t i = 0; i < ELEMENTSOF(order); i++) {
        at = strstr(at, order[i]);
        assert_non_null(at);
        at++;
    }
    read_details(&fixture, run.run_id, "add_hit", true, 0, 100, &details);
    assert_non_null(strstr(details.json, "\"count\": 2"));
    assert_non_null(strstr(details.json, "\"count\": 1"));
    assert_null(strstr(details.json, "loads_status"));
    close_with_run(&fixture, &run);
}

static void test_details_that_are_not_there(void **state _unused_)
{
    const char *database = database_with_schema(&server);
    struct fixture fixture;
    struct test_run run, without;
    struct details details;
    struct answer answer;

    open_with_run(&fixture, &run, database);
    run_make(&without, 2);
    run_store(&fixture, &without);
    read_details(&fixture, without.run_id, NULL, false, 0, 1, &details);
    assert_int_equal(details.result, -EINVAL);
    assert_string_equal(details.reason, "the run was made without save_hits");
    read_details(&fixture, "00000000-0000-0000-0000-000000000000", NULL, true, 0, 1, &details);
    assert_int_equal(details.result, -ENOENT);
    assert_int_equal(store_load_details(fixture.store, run.run_id, NULL, false, 0,
                                        STORE_MAX_DETAILS + 1, on_details, &details),
                     -EINVAL);

    /* Deleting the run deletes them. */
    put_details(&fixture, &run, records, ELEMENTSOF(records), &answer);
    answer = (struct answer){0};
    assert_int_equal(store_delete_run(fixture.store, run.run_id, on_store_answer, &answer), 0);
    wait_for(&fixture, &answer);
    assert_int_equal(answer.result, 0);
    assert_string_equal(postgres_ask(&server, database, "SELECT count(*) FROM loads.hits"), "0");
    run_clear(&without);
    close_with_run(&fixture, &run);
}

/* ---- the run over time ---- */

static void read_timeline(struct fixture *fixture, const char *run_id, uint64_t start,
                          uint64_t size, struct details *page)
{
    *page = (struct details){0};
    assert_int_equal(store_load_timeline(fixture->store, run_id, start, size, on_details, page), 0);
    run_until(fixture->loop, &page->done);
}

/* What the three messages have of a second is one step, with all hits. */
static void test_timeline(void **state _unused_)
{
    const char *database = database_with_schema(&server);
    struct fixture fixture;
    struct test_run run;
    struct details page;

    open_with_run(&fixture, &run, database);
    const char *hits = postgres_ask(&server, database,
                                    "SELECT '\"hits\" : ' || sum(hits) FROM loads.intervals"
                                    " WHERE second = 0");
    char expected[64];
    (void)snprintf(expected, sizeof expected, "%s", hits);
    read_timeline(&fixture, run.run_id, 0, 60, &page);
    assert_int_equal(page.result, 0);
    assert_non_null(strstr(page.json, "\"steps\" : [{\"second\" : 0, \"seconds\" : 1, "));
    assert_non_null(strstr(page.json, expected));
    assert_non_null(strstr(page.json, "\"buckets\" : ["));
    read_timeline(&fixture, run.run_id, 1000, 60, &page);
    assert_int_equal(page.result, 0);
    assert_non_null(strstr(page.json, "\"steps\" : []"));
    read_timeline(&fixture, "00000000-0000-0000-0000-000000000000", 0, 1, &page);
    assert_int_equal(page.result, -ENOENT);
    assert_int_equal(
        store_load_timeline(fixture.store, run.run_id, 0, STORE_MAX_SECONDS + 1, on_details, &page),
        -EINVAL);
    close_with_run(&fixture, &run);
}

/* ---- questions that functions of the schema answer ---- */

static void ask(struct fixture *fixture, enum store_question question, const char *first,
                const char *second, const char *third, struct details *page)
{
    const char *words[STORE_MAX_WORDS] = {first, second, third};

    *page = (struct details){0};
    assert_int_equal(store_ask(fixture->store, question, words, on_details, page), 0);
    run_until(fixture->loop, &page->done);
    if (page->result < 0) {
        fail_msg("%s", page->reason);
    }
}

static void test_baselines_and_comparison(void **state _unused_)
{
    const char *database = database_with_schema(&server);
    struct fixture fixture;
    struct test_run run;
    struct details page;

    open_with_run(&fixture, &run, database);
    ask(&fixture, STORE_BASELINES, NULL, NULL, NULL, &page);
    assert_string_equal(page.json, "[]");
    ask(&fixture, STORE_BASELINE_SET, "main", run.run_id, "ada", &page);
    assert_non_null(strstr(page.json, "\"code\": \"active-run\""));
    ask(&fixture, STORE_COMPARABLE, run.run_id, run.run_id, NULL, &page);
    assert_non_null(strstr(page.json, "\"code\": \"active-run\""));
    (void)postgres_ask(&server, database,
                       "UPDATE loads.runs SET state = 'finished' RETURNING 'done'");
    ask(&fixture, STORE_BASELINE_SET, "cafe", run.run_id, "ada", &page);
    assert_non_null(strstr(page.json, "\"code\": \"usage\""));
    ask(&fixture, STORE_BASELINE_SET, "main", run.run_id, NULL, &page);
    assert_non_null(strstr(page.json, "\"name\": \"main\""));
    ask(&fixture, STORE_BASELINES, NULL, NULL, NULL, &page);
    assert_non_null(strstr(page.json, run.run_id));
    assert_non_null(strstr(page.json, "\"set_by\" : null"));
    ask(&fixture, STORE_COMPARABLE, run.run_id, "main", NULL, &page);
    assert_non_null(strstr(page.json, "\"a\": "));
    ask(&fixture, STORE_COMPARISON, run.run_id, run.run_id, NULL, &page);
    assert_non_null(strstr(page.json, "\"measure\": \"p95\""));

    struct answer answer = {0};
    assert_int_equal(store_delete_run(fixture.store, run.run_id, on_store_answer, &answer), 0);
    wait_for(&fixture, &answer);
    assert_int_equal(answer.result, -EINVAL);
    assert_non_null(strstr(answer.reason, "is the baseline 'main': remove that first"));
    ask(&fixture, STORE_BASELINE_REMOVE, "main", NULL, NULL, &page);
    ask(&fixture, STORE_BASELINE_REMOVE, "main", NULL, NULL, &page);
    assert_non_null(strstr(page.json, "\"code\": \"unknown-baseline\""));
    close_with_run(&fixture, &run);
}

static int set_up(void **state _unused_)
{
    assert_ptr_not_equal(signal(SIGPIPE, SIG_IGN), SIG_ERR);
    postgres_make(&server);
    return 0;
}

static int tear_down(void **state _unused_)
{
    postgres_remove(&server);
    assert_no_children();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logs),
        cmocka_unit_test(test_timeline),
        cmocka_unit_test(test_baselines_and_comparison),
        cmocka_unit_test(test_details),
        cmocka_unit_test(test_details_that_are_not_there),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
