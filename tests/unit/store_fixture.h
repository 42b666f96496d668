/* SPDX-License-Identifier: MPL-2.0 */
/* A store on a PostgreSQL of the test's own with the real schema, and runs to put into it. */
#ifndef LOADS_TESTS_UNIT_STORE_FIXTURE_H
#define LOADS_TESTS_UNIT_STORE_FIXTURE_H

#include "loop/resolve.h"
#include "run/schema.h"
#include "store.h"

#include "postgres_query.h"
#include "random.h"
#include "shared_memory.h"

/* ---- the store ---- */

struct fixture {
    struct ev_loop *loop;
    struct resolver *resolver;
    struct store *store;
    bool up, down;
    unsigned ups;
    char reason[1024]; /* of the last down() */
};

static void on_store_up(void *context)
{
    struct fixture *fixture = context;

    fixture->up = true;
    fixture->ups++;
}

static void on_store_down(const char *reason, void *context)
{
    struct fixture *fixture = context;

    fixture->up = false;
    fixture->down = true;
    (void)snprintf(fixture->reason, sizeof fixture->reason, "%s", reason);
}

static void fixture_open(struct fixture *fixture, const char *conninfo)
{
    struct error error;

    *fixture = (struct fixture){.loop = ev_loop_new(0)};
    assert_non_null(fixture->loop);
    assert_int_equal(resolver_new(&fixture->resolver, fixture->loop, 1000000, NULL), 0);
    const struct store_options options = {.database = conninfo,
                                          .resolver = fixture->resolver,
                                          .max_retry_usec = 20000,
                                          .callbacks = {on_store_up, on_store_down, fixture}};
    assert_int_equal(store_new(&fixture->store, fixture->loop, &options, &error), 0);
}

static void fixture_close(struct fixture *fixture)
{
    store_free(fixture->store);
    resolver_free(fixture->resolver);
    ev_loop_destroy(fixture->loop);
}

static void ignore_told(const char *text _unused_, void *context _unused_)
{
}

/* A new database with the schema; the name stays valid. */
static _unused_ const char *database_with_schema(const struct postgres *server)
{
    static char names[64][16];
    static unsigned number;
    char *name = names[number], sql[64];
    struct error error;

    (void)snprintf(name, sizeof names[0], "test%u", ++number);
    (void)snprintf(sql, sizeof sql, "CREATE DATABASE %s", name);
    (void)postgres_ask(server, "postgres", sql);
    assert_int_equal(schema_migrate(postgres_conninfo(server, name), ignore_told, NULL, &error), 0);
    return name;
}

/* ---- answers ---- */

struct answer {
    bool done;
    int result;
    char reason[1024];
    char run_id[STORE_UUID_BYTES + 1];
};

static _unused_ void on_store_answer(const struct store_answer *from, void *context)
{
    struct answer *answer = context;

    assert_false(answer->done);
    answer->done = true;
    answer->result = from->result;
    (void)snprintf(answer->reason, sizeof answer->reason, "%s", from->reason);
    (void)snprintf(answer->run_id, sizeof answer->run_id, "%s", from->run_id);
}

/* ---- a run, as a broker has it ---- */

#define SOURCES 3

struct test_run {
    char run_id[STORE_UUID_BYTES + 1];
    struct store_run row;
    void *names_memory;
    struct names *names;
    struct totals *totals;
    uint64_t seq[SOURCES], detail_seq;
    uint32_t second;
};

static _unused_ void run_make(struct test_run *run, unsigned number)
{
    *run = (struct test_run){0};
    (void)snprintf(run->run_id, sizeof run->run_id, "6b0f7d5c-0c5e-4c52-9d8e-%012x", number);
    run->row = (struct store_run){
        .run_id = run->run_id,
        .name = "example.TestWebSite.test_es",
        .spec =
            "{\"users\": [10, 20], \"hits\": [20], \"project_name\": \"p\", \"tags\": [\"a=b\"]}",
        .agents = SOURCES,
        .state = "running",
        .submitted_usec = UINT64_C(1781510000123456),
        .started_usec = UINT64_C(1781510001000001),
        .start_usec = 4711,
    };
    run->names_memory = share_memory(names_size_bytes());
    assert_int_equal(names_new(&run->names, run->names_memory, names_size_bytes()), 0);
    assert_int_equal(totals_new(&run->totals), 0);
}

static _unused_ void run_clear(struct test_run *run)
{
    totals_free(run->totals);
    names_free(run->names);
    unshare_memory(run->names_memory, names_size_bytes());
}

static _unused_ struct store_source test_source(unsigned number)
{
    static char agents[SOURCES][16];

    (void)snprintf(agents[number], sizeof agents[0], "box-%u", number);
    return (struct store_source){
        .number = number,
        .agent_id = agents[number],
        .agent_index = number,
        .incarnation = "0f8fad5b-d9cb-469f-a165-70867728950e",
        .hostname = "box",
        .pid = 1000 + (int)number,
        .state = "running",
        .clock_offset_usec = -5000000,
        .cpu_usec = 1000 * number,
        .memory_peak_bytes = number == 1 ? 4096 : 0,
    };
}

/* Adds the run and its sources, and waits for it. */
static _unused_ void run_store(struct fixture *fixture, struct test_run *run)
{
    struct answer answers[1 + SOURCES] = {0};

    assert_int_equal(store_run_add(fixture->store, &run->row, on_store_answer, &answers[0]), 0);
    for (unsigned i = 0; i < SOURCES; i++) {
        struct store_source source = test_source(i);
        assert_int_equal(store_source_put(fixture->store, run->run_id, &source, on_store_answer,
                                          &answers[1 + i]),
                         0);
    }
    for (unsigned i = 0; i < ELEMENTSOF(answers); i++) {
        run_until(fixture->loop, &answers[i].done);
        assert_int_equal(answers[i].result, 0);
    }
}

/* ---- results ---- */

static uint64_t fixture_seed = 1;

/* Something of everything: `n_series` series with `hits` hits each, and two that are "(other)". */
static struct interval *make_interval(struct test_run *run, unsigned n_series, unsigned hits)
{
    struct interval *interval = calloc(1, sizeof *interval);
    unsigned series[64];

    assert_true(interval && n_series <= ELEMENTSOF(series));
    interval->second = run->second;
    interval->seconds = 1;
    interval->series = calloc(n_series, sizeof *interval->series);
    for (unsigned i = 0; i < n_series; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "http://127.0.0.1/\xc3\xa4/%u", i);
        series[i] = names_series(
            run->names, &(struct series_key){"Suite.test", name, "GET", i % 5 == 4 ? 404 : 200});
    }
    for (unsigned i = 0; i < n_series; i++) { /* ids are ascending: each was new in its turn */
        struct interval_series *entry = &interval->series[interval->n_series++];
        entry->id = series[i];
        entry->errors = random_below(&fixture_seed, 3);
        entry->sent_bytes = 100;
        entry->received_bytes = random_below(&fixture_seed, 100000);
        for (unsigned hit = 0; hit < hits; hit++) {
            uint64_t usec =
                100 +
                random_below(&fixture_seed, UINT64_C(1) << (10 + random_below(&fixture_seed, 12)));
            assert_int_equal(histogram_add(&entry->latency, usec, 1), 0);
        }
    }
    interval->timers = calloc(2, sizeof *interval->timers);
    interval->timers[interval->n_timers++] = (struct interval_series){.id = 0, .errors = 2};
    struct interval_series *timer = &interval->timers[interval->n_timers++];
    timer->id = names_timer(run->names,
                            &(struct timer_key){TIMER_ROUND_TRIP, "Suite.test", "ws://\xc3\xa4/"});
    assert_int_equal(
        histogram_add(&timer->latency, 1 + random_below(&fixture_seed, 5000000), hits + 1), 0);
    interval->tests = calloc(1, sizeof *interval->tests);
    interval->tests[interval->n_tests++] =
        (struct interval_test){names_id(run->names, NAME_TEST, "Suite.test", 10), {hits, 1, 2, 3}};
    interval->errors = calloc(2, sizeof *interval->errors);
    interval->errors[interval->n_errors++] = (struct interval_count){0, 1};
    interval->errors[interval->n_errors++] = (struct interval_count){
        names_error(run->names, &(struct error_key){ERROR_KIND_FAILURE, "assertion", "'1' != \"2\"",
                                                    "example.c:12", "Suite.test", "a\nb"}),
        2};
    interval->counters = calloc(1, sizeof *interval->counters);
    interval->counters[interval->n_counters++] =
        (struct interval_count){names_id(run->names, NAME_COUNTER, "logins", 6), -3};
    return interval;
}

/* Puts a batch of so many messages, a second each, from all sources in turn. */
static _unused_ int run_put(struct fixture *fixture, struct test_run *run, unsigned n_messages,
                            unsigned n_series, unsigned hits, struct answer *answer)
{
    struct store_interval messages[64];

    assert_true(n_messages <= ELEMENTSOF(messages));
    for (unsigned i = 0; i < n_messages; i++) {
        unsigned source = i % SOURCES;
        messages[i] =
            (struct store_interval){source, ++run->seq[source], make_interval(run, n_series, hits)};
        run->second += source == SOURCES - 1;
        assert_int_equal(totals_add(run->totals, messages[i].interval), 0);
    }
    const struct store_batch batch = {.run_id = run->run_id,
                                      .started_usec = run->row.started_usec,
                                      .names = run->names,
                                      .totals = run->totals,
                                      .intervals = messages,
                                      .n_intervals = n_messages};
    int r = store_results(fixture->store, &batch, answer ? on_store_answer : NULL, answer);
    for (unsigned i = 0; i < n_messages; i++) {
        interval_free((struct interval *)messages[i].interval);
    }
    return r;
}

#endif
