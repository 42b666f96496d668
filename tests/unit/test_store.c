/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include "store.h"

#include "store_fixture.h"

static struct postgres server;

static void wait_for(struct fixture *fixture, struct answer *answer)
{
    run_until(fixture->loop, &answer->done);
}

static void open_up(struct fixture *fixture, const char *database)
{
    fixture_open(fixture, postgres_conninfo(&server, database));
    run_until(fixture->loop, &fixture->up);
}

/* ---- whether it is up ---- */

static void test_schemas(void **state _unused_)
{
    struct fixture fixture;
    struct error error;
    (void)postgres_ask(&server, "postgres", "CREATE DATABASE schemas");
    fixture_open(&fixture, postgres_conninfo(&server, "schemas"));
    assert_false(store_is_up(fixture.store));
    assert_string_not_equal(store_trouble(fixture.store), "");
    run_until(fixture.loop, &fixture.down);
    assert_non_null(strstr(fixture.reason, "database 'schemas' as user 'postgres' on host '"));
    assert_non_null(
        strstr(fixture.reason, "there are no tables of loads yet: loadsctl db migrate"));
    assert_string_equal(store_trouble(fixture.store), fixture.reason);

    assert_int_equal(
        schema_migrate(postgres_conninfo(&server, "schemas"), ignore_told, NULL, &error), 0);
    run_until(fixture.loop, &fixture.up); /* by itself */
    assert_string_equal(store_trouble(fixture.store), "");
    fixture_close(&fixture);

    (void)postgres_ask(&server, "schemas", "DELETE FROM loads.schema_migrations WHERE version > 1");
    fixture_open(&fixture, postgres_conninfo(&server, "schemas"));
    run_until(fixture.loop, &fixture.down);
    assert_non_null(
        strstr(fixture.reason, "the schema has version 1, and this loads-broker needs"));
    assert_non_null(strstr(fixture.reason, "loadsctl db migrate"));
    fixture_close(&fixture);

    (void)postgres_ask(&server, "schemas", "INSERT INTO loads.schema_migrations VALUES (99, 'x')");
    fixture_open(&fixture, postgres_conninfo(&server, "schemas"));
    struct test_run run;
    struct answer answer = {0};
    run_make(&run, 1);
    assert_int_equal(store_run_add(fixture.store, &run.row, on_store_answer, &answer), 0);
    run_until(fixture.loop, &fixture.down);
    assert_non_null(
        strstr(fixture.reason, "the schema has version 99, and this loads-broker knows"));
    assert_non_null(strstr(fixture.reason, "nothing is written"));
    assert_false(answer.done);
    assert_string_equal(postgres_ask(&server, "schemas", "SELECT count(*) FROM loads.runs"), "0");
    run_clear(&run);
    fixture_close(&fixture);
}

static void test_no_such_database(void **state _unused_)
{
    struct fixture fixture;
    struct error error;
    struct store *store = NULL;

    fixture_open(&fixture, postgres_conninfo(&server, "nowhere"));
    run_until(fixture.loop, &fixture.down);
    assert_non_null(strstr(fixture.reason, "database 'nowhere' as user 'postgres' on host '"));
    assert_non_null(strstr(fixture.reason, "does not exist"));
    const struct store_options bad = {.database = "nonsense"};
    assert_int_equal(store_new(&store, fixture.loop, &bad, &error), -EINVAL);
    assert_null(store);
    assert_non_null(strstr(error.text, "database: not a connection string"));
    fixture_close(&fixture);
}

/* The second broker is told who writes, and takes over when the first has gone. */
static void test_only_writer(void **state _unused_)
{
    const char *database = database_with_schema(&server);
    struct fixture first, second;
    char expected[128], host[64] = "";

    open_up(&first, database);
    fixture_open(&second, postgres_conninfo(&server, database));
    run_until(second.loop, &second.down);
    assert_int_equal(gethostname(host, sizeof host - 1), 0);
    (void)snprintf(expected, sizeof expected, "': loads-broker %d on %.30s ", (int)getpid(), host);
    assert_non_null(strstr(second.reason, expected));
    assert_non_null(strstr(second.reason, " of the server) writes there already"));
    assert_true(store_is_up(first.store));
    fixture_close(&first);
    run_until(second.loop, &second.up);
    fixture_close(&second);
}

/* The server may think that a connection of ours is alive that we have lost: it doesn't keep us
 * out.
 */
static void test_lost_lock_is_taken_back(void **state _unused_)
{
    const char *database = database_with_schema(&server);
    struct fixture fixture;

    open_up(&fixture, database);
    for (unsigned i = 0; i < 3; i++) {
        fixture.down = false;
        (void)postgres_ask(&server, database,
                           "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                           "WHERE application_name LIKE 'loads-broker%'");
        run_until(fixture.loop, &fixture.down);
        run_until(fixture.loop, &fixture.up);
    }
    fixture_close(&fixture);
}

/* ---- runs ---- */

static void test_runs(void **state _unused_)
{
    const char *database = database_with_schema(&server);
    struct answer first = {0}, again = {0}, other = {0}, update = {0}, nowhere = {0};
    struct fixture fixture;
    struct test_run a, b;

    run_make(&a, 1);
    run_make(&b, 2);
    a.row.request_id = b.row.request_id = "the same";
    open_up(&fixture, database);
    assert_true(store_keeps(fixture.store));
    assert_int_equal(store_run_add(fixture.store, &a.row, on_store_answer, &first), 0);
    assert_int_equal(store_run_add(fixture.store, &a.row, on_store_answer, &again), 0);
    assert_int_equal(store_run_add(fixture.store, &b.row, on_store_answer, &other), 0);
    assert_int_equal(store_waiting(fixture.store), 3);
    assert_false(first.done);
    wait_for(&fixture, &other);
    assert_true(first.done && again.done);
    assert_int_equal(first.result, 0);
    assert_int_equal(again.result, 0);
    assert_int_equal(other.result, -EEXIST);
    assert_string_equal(other.run_id, a.run_id);
    assert_string_equal(
        postgres_ask(&server, database,
                     "SELECT concat_ws(' ', project, tags, state, submitted AT TIME ZONE 'UTC',"
                     " started AT TIME ZONE 'UTC', finished) FROM loads.runs"),
        "p {\"a\": \"b\"} running 2026-06-15 07:53:20.123456 2026-06-15 07:53:21.000001");

    a.row.state = "finished";
    a.row.outcome = "lost";
    a.row.trouble = "agent 'box-1' was lost";
    a.row.finished_usec = a.row.started_usec + 1;
    a.row.active_usec = 12345;
    a.row.cycle = 7;
    a.row.overflows[NAME_ERROR] = 4;
    b.row.request_id = NULL;
    assert_int_equal(store_run_update(fixture.store, &a.row, on_store_answer, &update), 0);
    assert_int_equal(store_run_update(fixture.store, &b.row, on_store_answer, &nowhere), 0);
    wait_for(&fixture, &nowhere);
    assert_int_equal(update.result, 0);
    assert_int_equal(nowhere.result, -ENOENT);
    assert_string_equal(nowhere.reason, "there is no such run in the database");
    assert_string_equal(
        postgres_ask(&server, database,
                     "SELECT concat_ws(' ', state, outcome, trouble, finished - started,"
                     " active_usec, cycle, overflows, start_usec) FROM loads.runs"),
        "finished lost agent 'box-1' was lost 00:00:00.000001 12345 7 {0,0,4,0,0} 4711");
    assert_int_equal(store_waiting(fixture.store), 0);
    fixture_close(&fixture);
    run_clear(&a);
    run_clear(&b);
}

static void test_bad_arguments(void **state _unused_)
{
    const char *database = database_with_schema(&server);
    struct fixture fixture;
    struct test_run run;
    struct answer answer = {0};

    run_make(&run, 1);
    open_up(&fixture, database);
    run.row.run_id = "nonsense";
    assert_int_equal(store_run_add(fixture.store, &run.row, NULL, NULL), -EINVAL);
    run.row.run_id = run.run_id;
    run.row.name = "\xff";
    assert_int_equal(store_run_add(fixture.store, &run.row, NULL, NULL), -EINVAL);
    run.row.name = "x";
    run.row.active_usec = UINT64_MAX;
    assert_int_equal(store_run_add(fixture.store, &run.row, NULL, NULL), -EINVAL);
    run.row.active_usec = 0;
    /* What only the database finds wrong. */
    run.row.state = "dreaming";
    assert_int_equal(store_run_add(fixture.store, &run.row, on_store_answer, &answer), 0);
    wait_for(&fixture, &answer);
    assert_int_equal(answer.result, -EINVAL);
    assert_non_null(strstr(answer.reason, "violates check constraint"));
    run.row.state = "running";
    run.row.spec = "{";
    answer.done = false;
    assert_int_equal(store_run_add(fixture.store, &run.row, on_store_answer, &answer), 0);
    wait_for(&fixture, &answer);
    assert_int_equal(answer.result, -EINVAL);
    assert_true(store_is_up(fixture.store));
    struct store_source source = test_source(0);
    answer.done = false;
    assert_int_equal(store_source_put(fixture.store, run.run_id, &source, on_store_answer, &answer),
                     0);
    wait_for(&fixture, &answer);
    assert_int_equal(answer.result, -ENOENT);
    assert_string_equal(answer.reason, "there is no such run in the database");
    fixture_close(&fixture);
    run_clear(&run);
}

static void test_find_and_delete(void **state _unused_)
{
    static const struct {
        const char *prefix;
        int result;
        const char *run_id;
    } cases[] = {
        {"6b0f7d5c-0c5e-4c52-9d8e-000000000001", 0, "6b0f7d5c-0c5e-4c52-9d8e-000000000001"},
        {"6b0f7d5c-0c5e-4c52-9d8e-00000000000", -ENOTUNIQ, ""},
        {"6", -ENOTUNIQ, ""},
        {"", -ENOTUNIQ, ""},
        {"6b0f7d5c-0c5e-4c52-9d8e-0000000001", 0, "6b0f7d5c-0c5e-4c52-9d8e-000000000100"},
        {"7", -ENOENT, ""},
    };
    static const char *const bad[] = {"x", "6b0f7d5c0", "6B",
                                      "6b0f7d5c-0c5e-4c52-9d8e-0000000000012"};
    const char *database = database_with_schema(&server);
    struct fixture fixture;
    struct answer answer;
    struct test_run runs[3];

    open_up(&fixture, database);
    for (unsigned i = 0; i < ELEMENTSOF(runs); i++) {
        run_make(&runs[i], i == 2 ? 0x100 : i + 1);
        run_store(&fixture, &runs[i]);
        assert_int_equal(run_put(&fixture, &runs[i], 3, 2, 10, NULL), 0);
    }
    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        answer = (struct answer){0};
        assert_int_equal(store_find_run(fixture.store, cases[i].prefix, on_store_answer, &answer),
                         0);
        wait_for(&fixture, &answer);
        assert_int_equal(answer.result, cases[i].result);
        assert_string_equal(answer.run_id, cases[i].run_id);
        assert_int_equal(answer.reason[0] == '\0', answer.result == 0);
    }
    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        assert_int_equal(store_find_run(fixture.store, bad[i], on_store_answer, &answer), -EINVAL);
    }
    for (unsigned i = 0; i < 2; i++) {
        answer = (struct answer){0};
        assert_int_equal(store_delete_run(fixture.store, runs[0].run_id, on_store_answer, &answer),
                         0);
        wait_for(&fixture, &answer);
        assert_int_equal(answer.result, i == 0 ? 0 : -ENOENT);
    }
    assert_string_equal(postgres_ask(&server, database,
                                     "SELECT concat_ws(' ', (SELECT count(*) FROM loads.runs),"
                                     " (SELECT count(DISTINCT run_id) FROM loads.intervals),"
                                     " (SELECT count(DISTINCT run_id) FROM loads.interval_tests),"
                                     " (SELECT count(DISTINCT run_id) FROM loads.interval_timers),"
                                     " (SELECT count(DISTINCT run_id) FROM loads.timers))"),
                        "2 2 2 2 2");
    for (unsigned i = 0; i < ELEMENTSOF(runs); i++) {
        run_clear(&runs[i]);
    }
    fixture_close(&fixture);
}

/* ---- results ---- */

static void assert_same_histogram(const struct histogram *a, const struct histogram *b)
{
    static const uint64_t zeros[HISTOGRAM_PAGE_BUCKETS];

    assert_int_equal(a->count, b->count);
    assert_int_equal(a->sum_usec, b->sum_usec);
    assert_int_equal(a->min_usec, b->min_usec);
    assert_int_equal(a->max_usec, b->max_usec);
    for (unsigned page = 0; page < HISTOGRAM_PAGES; page++) {
        assert_memory_equal(a->pages[page] ? a->pages[page] : zeros,
                            b->pages[page] ? b->pages[page] : zeros, sizeof zeros);
    }
}

static void assert_same_totals(const struct totals *a, const struct totals *b)
{
    assert_memory_equal(a->errors, b->errors, sizeof a->errors);
    assert_memory_equal(a->counters, b->counters, sizeof a->counters);
    assert_memory_equal(a->outcomes, b->outcomes, sizeof a->outcomes);
    assert_int_equal(a->hits, b->hits);
    assert_int_equal(a->request_errors, b->request_errors);
    for (unsigned id = 0; id <= NAMES_MAX_SERIES; id++) {
        assert_int_equal(a->series[id].errors, b->series[id].errors);
        assert_int_equal(a->series[id].sent_bytes, b->series[id].sent_bytes);
        assert_int_equal(a->series[id].received_bytes, b->series[id].received_bytes);
        assert_same_histogram(&a->series[id].latency, &b->series[id].latency);
    }
    for (unsigned id = 0; id <= NAMES_MAX_TIMERS; id++) {
        assert_int_equal(a->timers[id].errors, b->timers[id].errors);
        assert_same_histogram(&a->timers[id].latency, &b->timers[id].latency);
    }
}

/* Reading a run back, and what it has to be. */
struct reading {
    bool done;
    int result;
    size_t count;
    const struct test_run *expected; /* NULL: nothing is compared */
    unsigned n_sources;
};

static void on_loaded(const struct store_answer *answer, const struct store_record *const *records,
                      size_t count, void *context)
{
    struct reading *reading = context;

    reading->done = true;
    reading->result = answer->result;
    reading->count = count;
    if (!reading->expected || count == 0) {
        return;
    }
    const struct test_run *run = reading->expected;
    const struct store_record *record = records[0];
    struct test_run back;
    run_make(&back, 0);
    assert_string_equal(record->run.run_id, run->run_id);
    assert_string_equal(record->run.name, run->row.name);
    assert_non_null(strstr(record->run.spec, "\"project_name\": \"p\""));
    assert_int_equal(record->run.submitted_usec, run->row.submitted_usec);
    assert_int_equal(record->run.started_usec, run->row.started_usec);
    assert_int_equal(record->run.start_usec, run->row.start_usec);
    assert_int_equal(record->run.finished_usec, 0);
    assert_null(record->run.outcome);
    assert_string_equal(record->run.state, "running");
    assert_int_equal(record->n_sources, SOURCES);
    for (unsigned i = 0; i < SOURCES; i++) {
        struct store_source source = test_source(i);
        assert_int_equal(record->sources[i].number, i);
        assert_string_equal(record->sources[i].agent_id, source.agent_id);
        assert_string_equal(record->sources[i].incarnation, source.incarnation);
        assert_int_equal(record->sources[i].last_seq, run->seq[i]);
        assert_int_equal(record->sources[i].pid, source.pid);
        assert_int_equal(record->sources[i].clock_offset_usec, -5000000);
        assert_int_equal(record->sources[i].cpu_usec, source.cpu_usec);
        assert_int_equal(record->sources[i].memory_peak_bytes, source.memory_peak_bytes);
        assert_null(record->sources[i].reason);
    }
    assert_int_equal(store_record_restore(record, back.names, back.totals), 0);
    assert_same_totals(back.totals, run->totals);
    for (unsigned kind = 0; kind < NAME_KINDS; kind++) {
        assert_int_equal(names_count(back.names, kind), names_count(run->names, kind));
        for (unsigned id = 0; id < names_count(run->names, kind); id++) {
            assert_string_equal(names_text(back.names, kind, id), names_text(run->names, kind, id));
        }
    }
    run_clear(&back);
}

static void assert_stored(struct fixture *fixture, const struct test_run *run)
{
    struct reading reading = {.expected = run};

    assert_int_equal(store_load_run(fixture->store, run->run_id, on_loaded, &reading), 0);
    run_until(fixture->loop, &reading.done);
    assert_int_equal(reading.result, 0);
    assert_int_equal(reading.count, 1);
}

/* The sums of the intervals are the totals, and every message of every source is there once. */
static void assert_intervals_add_up(const char *database, const struct test_run *run)
{
    char sql[1024], expected[256];
    uint64_t seqs = 0;

    for (unsigned i = 0; i < SOURCES; i++) {
        seqs += run->seq[i];
    }
    (void)snprintf(sql, sizeof sql,
                   "SELECT concat_ws(' ', sum(hits), sum(request_errors), count(DISTINCT (source, "
                   "seq)), (SELECT sum(successes) FROM loads.interval_tests WHERE run_id = '%s'),"
                   " (SELECT sum(n) FROM loads.intervals AS i, unnest(counts) AS n"
                   "  WHERE run_id = '%s')) FROM loads.intervals WHERE run_id = '%s'",
                   run->run_id, run->run_id, run->run_id);
    (void)snprintf(expected, sizeof expected, "%ju %ju %ju %ju %ju", (uintmax_t)run->totals->hits,
                   (uintmax_t)run->totals->request_errors, (uintmax_t)seqs,
                   (uintmax_t)totals_outcome(run->totals, OUTCOME_SUCCESS),
                   (uintmax_t)run->totals->hits);
    assert_string_equal(postgres_ask(&server, database, sql), expected);
}

static void test_results(void **state _unused_)
{
    const char *database = database_with_schema(&server);
    struct fixture fixture;
    struct test_run run, other;
    struct answer answers[20] = {0};

    open_up(&fixture, database);
    run_make(&run, 1);
    run_make(&other, 2);
    run_store(&fixture, &run);
    run_store(&fixture, &other);
    for (unsigned i = 0; i < ELEMENTSOF(answers); i++) {
        struct test_run *one = i % 4 == 3 ? &other : &run;
        assert_int_equal(run_put(&fixture, one, 1 + i, 1 + i, 100, &answers[i]), 0);
        assert_false(answers[i].done);
    }
    for (unsigned i = 0; i < ELEMENTSOF(answers); i++) {
        wait_for(&fixture, &answers[i]);
        assert_int_equal(answers[i].result, 0);
        assert_string_equal(answers[i].reason, "");
    }
    assert_stored(&fixture, &run);
    assert_stored(&fixture, &other);
    assert_intervals_add_up(database, &run);
    assert_intervals_add_up(database, &other);
    char expected[256];
    (void)snprintf(expected, sizeof expected,
                   "failure assertion '1' != \"2\" example.c:12 Suite.test a/b "
                   "2026-06-15 07:53:21.000001 %u",
                   run.second);
    assert_string_equal(
        postgres_ask(&server, database,
                     "SELECT concat_ws(' ', kind, class, message, place, test,"
                     " replace(traceback, e'\\n', '/'), first_seen AT TIME ZONE 'UTC',"
                     " extract(epoch FROM last_seen - first_seen)::int)"
                     " FROM loads.errors WHERE error_id = 1 ORDER BY run_id LIMIT 1"),
        expected);
    /* Percentiles in SQL are those of the totals. */
    (void)snprintf(expected, sizeof expected, "%ju",
                   (uintmax_t)histogram_percentile_usec(&run.totals->series[1].latency, 99000));
    assert_string_equal(postgres_ask(&server, database,
                                     "SELECT loads.percentile(buckets, counts, min_usec, max_usec,"
                                     " 99) FROM loads.totals WHERE series_id = 1 ORDER BY run_id"),
                        expected);
    run_clear(&run);
    run_clear(&other);
    fixture_close(&fixture);
}

/* What a broker finds when it starts. */
static void test_load_active(void **state _unused_)
{
    const char *database = database_with_schema(&server);
    struct fixture fixture;
    struct test_run run, over;
    struct answer answer = {0};
    struct reading reading = {0}, list = {0}, active = {0};

    open_up(&fixture, database);
    run_make(&over, 1);
    run_make(&run, 2);
    run_store(&fixture, &over);
    over.row.state = "aborted";
    assert_int_equal(store_run_update(fixture.store, &over.row, NULL, NULL), 0);
    run_store(&fixture, &run);
    assert_int_equal(run_put(&fixture, &run, 9, 20, 50, &answer), 0);
    wait_for(&fixture, &answer);
    fixture_close(&fixture);

    open_up(&fixture, database);
    reading.expected = &run;
    assert_int_equal(store_load_active(fixture.store, on_loaded, &reading), 0);
    assert_int_equal(store_list_runs(fixture.store, 100, false, on_loaded, &list), 0);
    assert_int_equal(store_list_runs(fixture.store, 100, true, on_loaded, &active), 0);
    run_until(fixture.loop, &active.done);
    assert_true(reading.done && list.done);
    assert_int_equal(reading.count, 1);
    assert_int_equal(list.count, 2);
    assert_int_equal(active.count, 1);
    assert_int_equal(store_list_runs(fixture.store, 0, false, on_loaded, &list), -EINVAL);

    /* It goes on with what it found. */
    answer = (struct answer){0};
    assert_int_equal(run_put(&fixture, &run, 3, 25, 50, &answer), 0);
    wait_for(&fixture, &answer);
    assert_int_equal(answer.result, 0);
    assert_stored(&fixture, &run);
    assert_intervals_add_up(database, &run);

    struct reading nowhere = {0};
    assert_int_equal(
        store_load_run(fixture.store, "00000000-0000-0000-0000-000000000000", on_loaded, &nowhere),
        0);
    run_until(fixture.loop, &nowhere.done);
    assert_int_equal(nowhere.result, -ENOENT);
    run_clear(&run);
    run_clear(&over);
    fixture_close(&fixture);
}

/* A record that somebody has changed by hand is an error of the call. */
static void test_damaged_record(void **state _unused_)
{
    static const char *const damages[] = {
        "UPDATE loads.totals SET hits = hits + 1",
        "UPDATE loads.totals SET buckets[1] = 20000",
        "UPDATE loads.totals SET buckets[1] = -1",
        "UPDATE loads.totals SET counts[1] = NULL",
        "INSERT INTO loads.tests (run_id, test_id, name) SELECT run_id, 5000, 'x' FROM loads.runs",
    };
    const char *database = database_with_schema(&server);
    struct fixture fixture;
    struct test_run run;
    struct answer answer = {0};

    open_up(&fixture, database);
    run_make(&run, 1);
    run_store(&fixture, &run);
    for (size_t i = 0; i < ELEMENTSOF(damages); i++) {
        struct reading reading = {0};
        answer = (struct answer){0};
        assert_int_equal(run_put(&fixture, &run, 1, 2, 10, &answer), 0);
        wait_for(&fixture, &answer); /* and its totals are right again */
        (void)postgres_ask(&server, database, damages[i]);
        assert_int_equal(store_load_run(fixture.store, run.run_id, on_loaded, &reading), 0);
        run_until(fixture.loop, &reading.done);
        assert_int_equal(reading.result, -EBADMSG);
        assert_int_equal(reading.count, 0);
    }
    run_clear(&run);
    fixture_close(&fixture);
}

/* ---- what can't be stored, and what is stored already ---- */

/* A batch of one message with a chosen number. */
static int put_message(struct fixture *fixture, struct test_run *run, unsigned source, uint64_t seq,
                       struct answer *answer)
{
    struct interval *interval = make_interval(run, 2, 10);
    const struct store_interval message = {source, seq, interval};
    const struct store_batch batch = {.run_id = run->run_id,
                                      .started_usec = run->row.started_usec,
                                      .names = run->names,
                                      .totals = run->totals,
                                      .intervals = &message,
                                      .n_intervals = 1};

    *answer = (struct answer){0};
    run->second++;
    assert_int_equal(totals_add(run->totals, interval), 0);
    int r = store_results(fixture->store, &batch, on_store_answer, answer);
    interval_free(interval);
    return r;
}

static void test_nothing_is_stored_twice(void **state _unused_)
{
    const char *database = database_with_schema(&server);
    struct fixture fixture;
    struct test_run run;
    struct answer answer;

    open_up(&fixture, database);
    run_make(&run, 1);
    run_store(&fixture, &run);
    for (unsigned seq = 1; seq <= 3; seq++) {
        assert_int_equal(put_message(&fixture, &run, 0, seq, &answer), 0);
        wait_for(&fixture, &answer);
    }
    for (unsigned seq = 1; seq <= 3; seq++) {
        assert_int_equal(put_message(&fixture, &run, 0, seq, &answer), 0);
        wait_for(&fixture, &answer);
        assert_int_equal(answer.result, 0);
    }
    assert_string_equal(
        postgres_ask(&server, database,
                     "SELECT concat_ws(' ', sum(hits), (SELECT last_seq FROM loads.sources"
                     " WHERE source = 0)) FROM loads.intervals"),
        "60 3");
    run_clear(&run);
    fixture_close(&fixture);
}

/* What is refused stands between batches that are not, and takes none of them with it. */
static void test_refused_batches(void **state _unused_)
{
    const char *database = database_with_schema(&server);
    struct fixture fixture;
    struct test_run run, unknown;
    struct answer answers[40] = {0}, gone = {0};

    open_up(&fixture, database);
    run_make(&run, 1);
    run_make(&unknown, 2);
    run_store(&fixture, &run);
    (void)postgres_ask(&server, database,
                       "ALTER TABLE loads.intervals ADD CHECK (second NOT IN (7, 23))");
    for (unsigned i = 0; i < ELEMENTSOF(answers); i++) {
        assert_int_equal(put_message(&fixture, &run, 0, i + 1, &answers[i]), 0);
        if (i == 20) {
            assert_int_equal(put_message(&fixture, &unknown, 0, 1, &gone), 0);
        }
    }
    for (unsigned i = 0; i < ELEMENTSOF(answers); i++) {
        wait_for(&fixture, &answers[i]);
        assert_int_equal(answers[i].result, i == 7 || i == 23 ? -EINVAL : 0);
        if (answers[i].result < 0) {
            assert_non_null(strstr(answers[i].reason, "violates check constraint"));
        }
    }
    assert_true(gone.done);
    assert_int_equal(gone.result, -ENOENT);
    assert_string_equal(gone.reason, "the run or its source is not in the database any more");
    assert_string_equal(postgres_ask(&server, database, "SELECT sum(hits) FROM loads.intervals"),
                        "760");
    assert_true(store_is_up(fixture.store));
    assert_int_equal(store_waiting(fixture.store), 0);

    /* Numbers that bigint doesn't hold. */
    struct answer answer;
    run.totals->errors[1] = INT64_MAX;
    assert_int_equal(put_message(&fixture, &run, 0, 100, &answer), -EINVAL);
    run.totals->errors[1] = 0;
    run.totals->series[1].sent_bytes = INT64_MAX;
    assert_int_equal(put_message(&fixture, &run, 0, 100, &answer), -EINVAL);
    run.totals->series[1].sent_bytes = 0;
    assert_int_equal(put_message(&fixture, &run, 0, UINT64_MAX, &answer), -EINVAL);
    assert_int_equal(put_message(&fixture, &run, UINT32_MAX, 100, &answer), -EINVAL);
    run_clear(&run);
    run_clear(&unknown);
    fixture_close(&fixture);
}

/* Somebody deletes a run that is on. */
static void test_run_is_taken_away(void **state _unused_)
{
    const char *database = database_with_schema(&server);
    struct fixture fixture;
    struct test_run run;
    struct answer answer;

    open_up(&fixture, database);
    run_make(&run, 1);
    run_store(&fixture, &run);
    assert_int_equal(put_message(&fixture, &run, 0, 1, &answer), 0);
    wait_for(&fixture, &answer);
    (void)postgres_ask(&server, database, "DELETE FROM loads.runs");
    assert_int_equal(put_message(&fixture, &run, 0, 2, &answer), 0);
    wait_for(&fixture, &answer);
    assert_int_equal(answer.result, -ENOENT);
    assert_string_equal(postgres_ask(&server, database, "SELECT count(*) FROM loads.intervals"),
                        "0");
    run_clear(&run);
    fixture_close(&fixture);
}

static void test_bounded(void **state _unused_)
{
    const char *database = database_with_schema(&server);
    struct fixture fixture;
    struct test_run run;
    size_t n = 0;
    int r = 0;

    fixture_open(&fixture, postgres_conninfo(&server, database)); /* not up yet */
    run_make(&run, 1);
    while (r == 0 && n <= STORE_MAX_CALLS) {
        r = store_log(fixture.store, run.run_id, 0, 0, "x", 1, NULL, NULL);
        n += r == 0;
    }
    assert_int_equal(r, -EAGAIN);
    assert_int_equal(n, STORE_MAX_CALLS);
    assert_int_equal(store_waiting(fixture.store), STORE_MAX_CALLS);
    struct answer answer = {0};
    assert_int_equal(run_put(&fixture, &run, 1, 1, 1, &answer), -EAGAIN);
    fixture_close(&fixture);

    fixture_open(&fixture, postgres_conninfo(&server, database));
    while (r = run_put(&fixture, &run, 30, 64, 400, NULL), r == 0) {
        n++;
    }
    assert_int_equal(r, -EAGAIN);
    run_clear(&run);
    fixture_close(&fixture);
}

/* ---- a server that goes and comes ---- */

/* Batches before, while and after the server is away, in whatever state its end meets them. */
static void test_server_restarts(void **state _unused_)
{
    const char *database = database_with_schema(&server);
    enum { ROUNDS = 9, BATCHES = 6 };
    struct answer answers[ROUNDS][BATCHES] = {0}, update = {0}, log[ROUNDS] = {0};
    struct fixture fixture;
    struct test_run run;

    open_up(&fixture, database);
    run_make(&run, 1);
    run_store(&fixture, &run);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < BATCHES; i++) {
            assert_int_equal(run_put(&fixture, &run, 6, 10, 30, &answers[round][i]), 0);
        }
        assert_int_equal(
            store_log(fixture.store, run.run_id, 0, 1, "line\n", 5, on_store_answer, &log[round]),
            0);
        for (unsigned turn = 0; turn < 3 * round; turn++) { /* the end comes ever later */
            ev_run(fixture.loop, EVRUN_ONCE);
        }
        fixture.down = false;
        postgres_stop(&server, round % 2 == 0 ? SIGQUIT : SIGINT);
        assert_int_equal(run_put(&fixture, &run, 3, 10, 30, NULL), 0);
        run_until(fixture.loop, &fixture.down);
        assert_false(store_is_up(fixture.store));
        assert_non_null(strstr(store_trouble(fixture.store), database));
        postgres_start(&server);
        if (round % 3 != 2) { /* else the next end comes soon */
            run_until(fixture.loop, &fixture.up);
        }
    }
    run.row.state = "running";
    run.row.cycle = 1;
    assert_int_equal(store_run_update(fixture.store, &run.row, on_store_answer, &update), 0);
    wait_for(&fixture, &update); /* after all results */
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < BATCHES; i++) {
            assert_true(answers[round][i].done);
            assert_int_equal(answers[round][i].result, 0);
        }
        wait_for(&fixture, &log[round]);
        assert_int_equal(log[round].result, 0);
    }
    assert_stored(&fixture, &run);
    assert_intervals_add_up(database, &run);
    assert_string_equal(postgres_ask(&server, database, "SELECT count(*) FROM loads.logs"), "9");
    run_clear(&run);
    fixture_close(&fixture);
}

/* A disk that is full and a server that only reads are waited out. */
static void test_temporary_refusals(void **state _unused_)
{
    const char *database = database_with_schema(&server);
    struct fixture fixture;
    struct test_run run;
    struct answer answer, event = {0};
    char sql[128];

    open_up(&fixture, database);
    run_make(&run, 1);
    run_store(&fixture, &run);
    (void)postgres_ask(&server, database,
                       "CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS "
                       "$$ BEGIN RAISE 'no space left' USING ERRCODE = '53100'; END $$;"
                       "CREATE TRIGGER no_space BEFORE INSERT ON loads.intervals"
                       " FOR EACH STATEMENT EXECUTE FUNCTION no_space()");
    assert_int_equal(put_message(&fixture, &run, 0, 1, &answer), 0);
    run_until(fixture.loop, &fixture.down);
    assert_non_null(strstr(fixture.reason, "no space left"));
    assert_false(answer.done);
    (void)postgres_ask(&server, database, "DROP TRIGGER no_space ON loads.intervals");
    wait_for(&fixture, &answer);
    assert_int_equal(answer.result, 0);

    fixture.down = false;
    (void)snprintf(sql, sizeof sql, "ALTER DATABASE %s SET default_transaction_read_only = on",
                   database);
    (void)postgres_ask(&server, "postgres", sql);
    (void)postgres_ask(&server, database,
                       "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "
                       "application_name LIKE 'loads-broker%'");
    assert_int_equal(put_message(&fixture, &run, 0, 2, &answer), 0);
    assert_int_equal(store_event(fixture.store, run.run_id, "state", 2, "it runs",
                                 "{\"state\": \"running\"}", on_store_answer, &event),
                     0);
    while (!strstr(fixture.reason, "read-only transaction")) {
        fixture.down = false;
        run_until(fixture.loop, &fixture.down);
    }
    (void)snprintf(sql, sizeof sql, "ALTER DATABASE %s RESET default_transaction_read_only",
                   database);
    (void)postgres_ask(&server, "postgres", sql);
    wait_for(&fixture, &answer);
    wait_for(&fixture, &event);
    assert_int_equal(answer.result, 0);
    assert_int_equal(event.result, 0);
    assert_intervals_add_up(database, (run.seq[0] = 2, &run));
    assert_string_equal(
        postgres_ask(&server, database,
                     "SELECT concat_ws(' ', kind, source, message, details) FROM loads.events"),
        "state 2 it runs {\"state\": \"running\"}");
    run_clear(&run);
    fixture_close(&fixture);
}

/* What strangers say of themselves may be anything. */
static void test_audit(void **state _unused_)
{
    const char *database = database_with_schema(&server);
    struct fixture fixture;
    const struct store_audit accepted = {.what = "CTRL_STOP_RUN",
                                         .who = "ada",
                                         .role = "run",
                                         .peer = "10.0.0.1",
                                         .run_id = "0d9b6a3e-63b4-4d3e-8a55-1b9f0c2d7e44",
                                         .at_usec = 1,
                                         .times = 1};
    const struct store_audit refused = {
        .what = "register", .agent_id = "\xff'", .reason = "no", .at_usec = 2, .times = 12};

    open_up(&fixture, database);
    assert_int_equal(store_audit(fixture.store, &accepted), 0);
    assert_int_equal(store_audit(fixture.store, &refused), 0);
    while (store_waiting(fixture.store) > 0) {
        ev_run(fixture.loop, EVRUN_ONCE);
    }
    assert_string_equal(postgres_ask(&server, database,
                                     "SELECT string_agg(concat_ws(' ', accepted, what, who, role, "
                                     "peer, run_id, agent_id, reason,"
                                     " times), '|' ORDER BY audit_id) FROM loads.audit"),
                        "t CTRL_STOP_RUN ada run 10.0.0.1 0d9b6a3e-63b4-4d3e-8a55-1b9f0c2d7e44 1|"
                        "f register \xef\xbf\xbd' no 12");
    fixture_close(&fixture);
}

static int set_up(void **state _unused_)
{
    assert_ptr_not_equal(signal(SIGPIPE, SIG_IGN), SIG_ERR);
    postgres_make(&server);
    (void)postgres_ask(&server, "postgres", "SELECT 1"); /* it is there */
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
        cmocka_unit_test(test_schemas),
        cmocka_unit_test(test_no_such_database),
        cmocka_unit_test(test_only_writer),
        cmocka_unit_test(test_lost_lock_is_taken_back),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_audit),
        cmocka_unit_test(test_find_and_delete),
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_load_active),
        cmocka_unit_test(test_damaged_record),
        cmocka_unit_test(test_nothing_is_stored_twice),
        cmocka_unit_test(test_refused_batches),
        cmocka_unit_test(test_run_is_taken_away),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_server_restarts),
        cmocka_unit_test(test_temporary_refusals),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
