/* SPDX-License-Identifier: MPL-2.0 */
/* A unit: one transaction with the batches that wait, step by step.
 *
 * Its first statement locks the sources and reads their last_seq, which moves in the same
 * transaction as the rows. So nothing has to be known of what became of the unit before: what a
 * COMMIT in doubt has stored is found here and left out, and a run or a source that somebody took
 * away is found, too. Batches stay in the queue until the COMMIT is answered.
 *
 * When the database refuses the data, the transaction is rolled back and its batches are tried one
 * by one; the one that is refused alone is answered with the reason. Every other failure ends the
 * connection, and the unit is made again. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store_postgres.h"

#define MAX_BATCHES 100
#define MAX_BYTES   ((size_t)32 << 20)

struct unit {
    bool is_on;
    size_t n_batches; /* the first ones of the queue */
    size_t step;
    struct batch *batch; /* for steps that are done batch by batch */
    struct pq_bytes *pieces;
    size_t n_pieces, max_pieces;
    /* Why it is being rolled back. */
    int code;
    char reason[1024];
};

int store_unit_new(struct unit **ret)
{
    *ret = calloc(1, sizeof **ret);
    return *ret ? 0 : -ENOMEM;
}

struct unit *store_unit_free(struct unit *unit)
{
    if (unit) {
        free(unit->pieces);
        free(unit);
    }
    return NULL;
}

/* The first batch that isn't in the unit, or NULL. */
static struct batch *batch_after(const struct store_postgres *store)
{
    struct batch *batch = store->first_batch;

    for (size_t i = 0; i < store->unit->n_batches; i++) {
        batch = batch->next;
    }
    return batch;
}

/* `batch` itself if it is one of the unit's that is not to be left out, else the next such, or
 * NULL. */
static struct batch *from_here(const struct store_postgres *store, struct batch *batch)
{
    const struct batch *after = batch_after(store);

    while (batch != after && batch->result < 0) {
        batch = batch->next;
    }
    return batch == after ? NULL : batch;
}

static struct batch *first_of(const struct store_postgres *store)
{
    return from_here(store, store->first_batch);
}

static struct batch *next_of(const struct store_postgres *store, const struct batch *batch)
{
    return from_here(store, batch->next);
}

/* ---- the end ---- */

/* Takes the unit's batches out of the queue, and then tells who made them. */
static void answer_batches(struct store_postgres *store)
{
    struct batch *batch = store->first_batch, *after = batch_after(store);

    store->first_batch = after;
    if (!after) {
        store->end_batch = &store->first_batch;
    }
    store->unit->n_batches = 0;
    store->unit->is_on = false;
    while (batch != after) {
        struct batch *next = batch->next;
        const struct store_answer answer = {
            .result = batch->result, .reason = batch->reason, .run_id = ""};
        struct known_run *known = strmap_get(store->known, batch->run_id, STORE_UUID_BYTES);
        if (batch->result < 0 && known) {
            memset(known->names, 0, sizeof known->names); /* the next batch has them all again */
        }
        store->waiting--;
        store->bytes -= batch->bytes;
        if (batch->done) {
            batch->done(&answer, batch->context);
        }
        store_batch_free(batch);
        batch = next;
    }
    store_postgres_go(store);
}

static void on_rolled_back(const struct pq_result *result, void *context)
{
    struct store_postgres *store = context;
    struct unit *unit = store->unit;

    if (pq_result_code(result) < 0) {
        pq_reset(store->lanes[LANE_WRITER].pq, pq_result_text(result));
        return;
    }
    if (unit->n_batches == 1) {
        store_batch_reject(store->first_batch, unit->code, unit->reason);
        answer_batches(store);
        return;
    }
    for (struct batch *batch = first_of(store); batch; batch = next_of(store, batch)) {
        batch->alone = true;
    }
    unit->is_on = false;
    unit->n_batches = 0;
    store_unit_start(store);
}

static void fail(struct store_postgres *store, int code, const char *reason)
{
    struct unit *unit = store->unit;
    struct pq *pq = store->lanes[LANE_WRITER].pq;

    if (code == -ECONNRESET) {
        return; /* store_unit_lost() comes */
    }
    if (store_is_temporary(code)) {
        pq_reset(pq, reason);
        return;
    }
    unit->code = code;
    (void)snprintf(unit->reason, sizeof unit->reason, "%s", reason);
    int r = pq_query(pq, "ROLLBACK", NULL, 0, on_rolled_back, store);
    if (r < 0) {
        pq_reset(pq, strerror(-r));
    }
}

void store_unit_lost(struct store_postgres *store)
{
    store->unit->is_on = false;
    store->unit->n_batches = 0;
    for (struct batch *batch = store->first_batch; batch; batch = batch->next) {
        batch->result = 0; /* what was missing may be there when it is looked at again */
        for (size_t i = 0; i < batch->n_messages; i++) {
            batch->messages[i].is_stored = false;
        }
    }
}

/* ---- statements ---- */

static void run_step(struct store_postgres *store);

static void on_step(const struct pq_result *result, void *context)
{
    struct store_postgres *store = context;

    if (pq_result_code(result) < 0) {
        fail(store, pq_result_code(result), pq_result_text(result));
        return;
    }
    store->unit->step++;
    store->unit->batch = store->first_batch;
    run_step(store);
}

static int query(struct store_postgres *store, const char *sql, const char *const *parameters,
                 size_t n, pq_done *done)
{
    return pq_query(store->lanes[LANE_WRITER].pq, sql, parameters, n, done, store);
}

/* Steps return 0 when they have asked something, 1 when there is nothing to do, or -errno. */

static int begin(struct store_postgres *store)
{
    return query(store, "BEGIN ISOLATION LEVEL READ COMMITTED", NULL, 0, on_step);
}

/* ---- sources ---- */

static void on_locked(const struct pq_result *result, void *context)
{
    struct store_postgres *store = context;

    if (pq_result_code(result) == 0) {
        for (struct batch *batch = first_of(store); batch; batch = next_of(store, batch)) {
            store_batch_judge(batch, result);
        }
    }
    on_step(result, store);
}

static void free_lists(char *lists[static MESSAGE_LISTS])
{
    for (unsigned i = 0; i < MESSAGE_LISTS; i++) {
        free(lists[i]);
    }
}

static int lock_sources(struct store_postgres *store)
{
    static const char sql[] =
        "SELECT s.run_id, s.source, s.last_seq, s.last_detail_seq FROM loads.sources AS s "
        "JOIN (SELECT DISTINCT * FROM unnest($1::uuid[], $2::int[]) AS w (run_id, source)) AS w"
        " ON w.run_id = s.run_id AND w.source = s.source "
        "ORDER BY s.run_id, s.source FOR NO KEY UPDATE OF s";
    char *lists[MESSAGE_LISTS] = {NULL};
    int r = store_list_messages(store->first_batch, batch_after(store), lists);

    if (r == 0) {
        r = query(store, sql, (const char *const *)lists, 2, on_locked);
    }
    free_lists(lists);
    return r;
}

static int move_sources(struct store_postgres *store)
{
    static const char sql[] =
        "UPDATE loads.sources AS s SET last_seq = greatest(s.last_seq, v.seq),"
        " last_detail_seq = greatest(s.last_detail_seq, v.detail_seq) "
        "FROM (SELECT run_id, source, max(seq) AS seq, max(detail_seq) AS detail_seq"
        "  FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::bigint[])"
        "   AS w (run_id, source, seq, detail_seq) GROUP BY run_id, source) AS v "
        "WHERE s.run_id = v.run_id AND s.source = v.source";
    char *lists[MESSAGE_LISTS] = {NULL};
    int r = store_list_messages(store->first_batch, batch_after(store), lists);

    if (r == 0) {
        r = query(store, sql, (const char *const *)lists, MESSAGE_LISTS, on_step);
    }
    free_lists(lists);
    return r;
}

/* ---- what is done batch by batch ---- */

/* The next batch of the unit for a step, from unit->batch on; NULL: there is none. */
static struct batch *next_batch(struct store_postgres *store)
{
    struct unit *unit = store->unit;

    unit->batch = unit->batch ? from_here(store, unit->batch) : NULL;
    return unit->batch;
}

static void on_batch_step(const struct pq_result *result, void *context)
{
    struct store_postgres *store = context;

    if (pq_result_code(result) < 0) {
        fail(store, pq_result_code(result), pq_result_text(result));
        return;
    }
    store->unit->batch = store->unit->batch->next;
    run_step(store);
}

static int add_names(struct store_postgres *store)
{
    static const char sql[] =
        "WITH series AS ("
        " INSERT INTO loads.series (run_id, series_id, test, name, method, status)"
        " SELECT $1::uuid, x.* FROM json_to_recordset($2::json -> 'series')"
        "  AS x (id int, test text, name text, method text, status int)"
        " ON CONFLICT DO NOTHING"
        "), tests AS ("
        " INSERT INTO loads.tests AS t"
        "  (run_id, test_id, name, successes, failures, errors, interrupted)"
        " SELECT $1::uuid, x.* FROM json_to_recordset($2::json -> 'tests')"
        "  AS x (id int, name text, successes bigint, failures bigint, errors bigint,"
        "        interrupted bigint)"
        " ON CONFLICT (run_id, test_id) DO UPDATE SET"
        "  successes = excluded.successes, failures = excluded.failures,"
        "  errors = excluded.errors, interrupted = excluded.interrupted"
        "), errors AS ("
        " INSERT INTO loads.errors AS e (run_id, error_id, kind, class, message, place, test,"
        "  traceback, count, first_seen, last_seen)"
        " SELECT $1::uuid, x.id, x.kind, x.class, x.message, x.place, x.test, x.traceback, x.count,"
        "  s.start + x.first * interval '1 second', s.start + x.last * interval '1 second'"
        " FROM json_to_recordset($2::json -> 'errors')"
        "  AS x (id int, kind text, class text, message text, place text, test text,"
        "        traceback text, count bigint, first bigint, last bigint),"
        "  (VALUES ('epoch'::timestamptz + $3::bigint * interval '1 microsecond')) AS s (start)"
        " ON CONFLICT (run_id, error_id) DO UPDATE SET count = excluded.count,"
        "  first_seen = least(e.first_seen, excluded.first_seen),"
        "  last_seen = greatest(e.last_seen, excluded.last_seen)"
        "), timers AS ("
        " INSERT INTO loads.timers AS t (run_id, timer_id, kind, test, name, times, errors,"
        "  sum_usec, min_usec, max_usec, buckets, counts)"
        " SELECT $1::uuid, x.* FROM json_to_recordset($2::json -> 'timers')"
        "  AS x (id int, kind text, test text, name text, times bigint, errors bigint,"
        "        sum_usec bigint, min_usec bigint, max_usec bigint, buckets int2[], counts int8[])"
        " ON CONFLICT (run_id, timer_id) DO UPDATE SET times = excluded.times,"
        "  errors = excluded.errors, sum_usec = excluded.sum_usec, min_usec = excluded.min_usec,"
        "  max_usec = excluded.max_usec, buckets = excluded.buckets, counts = excluded.counts"
        ") "
        "INSERT INTO loads.counters AS c (run_id, counter_id, name, count) "
        "SELECT $1::uuid, x.* FROM json_to_recordset($2::json -> 'counters')"
        " AS x (id int, name text, count bigint) "
        "ON CONFLICT (run_id, counter_id) DO UPDATE SET count = excluded.count";
    const struct batch *batch = next_batch(store);
    char started[24];

    if (!batch) {
        return 1;
    }
    (void)snprintf(started, sizeof started, "%" PRId64, (int64_t)batch->started_usec);
    return query(store, sql, (const char *[]){batch->run_id, batch->names, started}, 3,
                 on_batch_step);
}

/* Tables for every hit of a run. */
static int make_partitions(struct store_postgres *store)
{
    const struct batch *batch = next_batch(store);

    while (batch && !batch->has_details) {
        store->unit->batch = store->unit->batch->next;
        batch = next_batch(store);
    }
    return batch ? query(store, "SELECT loads.keep_hits($1)", (const char *[]){batch->run_id}, 1,
                         on_batch_step)
                 : 1;
}

/* ---- COPY ---- */

/* Rows that stand behind the last piece lengthen it. */
static int add_piece(struct unit *unit, const uint8_t *bytes, size_t size)
{
    struct pq_bytes *last = unit->n_pieces > 0 ? &unit->pieces[unit->n_pieces - 1] : NULL;

    if (size == 0) {
        return 0;
    }
    if (last && (const uint8_t *)last->bytes + last->size == bytes) {
        last->size += size;
        return 0;
    }
    if (unit->n_pieces == unit->max_pieces) {
        size_t max = MAX(2 * unit->max_pieces, (size_t)16);
        struct pq_bytes *pieces = realloc(unit->pieces, max * sizeof *pieces);
        if (!pieces) {
            return -ENOMEM;
        }
        unit->pieces = pieces;
        unit->max_pieces = max;
    }
    unit->pieces[unit->n_pieces++] = (struct pq_bytes){bytes, size};
    return 0;
}

/* Rows of messages that are stored already are left out. */
static int add_pieces(struct unit *unit, const struct batch *batch, enum batch_table table)
{
    const struct copy_rows *rows = &batch->rows[table];
    bool details = table == TABLE_HITS || table == TABLE_TEST_EVENTS;
    unsigned part = details ? table - TABLE_HITS : table - TABLE_INTERVALS;

    if (table == TABLE_TOTALS) {
        return add_piece(unit, rows->bytes, rows->size);
    }
    for (size_t i = 0; i < batch->n_messages; i++) {
        const struct batch_message *message = &batch->messages[i];
        int r = message->details == details && !message->is_stored
                    ? add_piece(unit, rows->bytes + message->at[part], message->size[part])
                    : 0;
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int copy(struct store_postgres *store, enum batch_table table, const char *sql)
{
    struct unit *unit = store->unit;

    unit->n_pieces = 0;
    for (struct batch *batch = first_of(store); batch; batch = next_of(store, batch)) {
        int r = batch->rows[table].size > 0 ? add_pieces(unit, batch, table) : 0;
        if (r < 0) {
            return r;
        }
    }
    return unit->n_pieces == 0 ? 1
                               : pq_copy(store->lanes[LANE_WRITER].pq, sql, unit->pieces,
                                         unit->n_pieces, on_step, store);
}

#define SERIES_COLUMNS                                                                             \
    "hits, request_errors, sum_usec, min_usec, max_usec, sent_bytes, received_bytes, buckets, "    \
    "counts"

static int copy_intervals(struct store_postgres *store)
{
    return copy(store, TABLE_INTERVALS,
                "COPY loads.intervals (run_id, second, seconds, source, series_id, "
                "seq, " SERIES_COLUMNS ") FROM STDIN (FORMAT binary)");
}

static int copy_interval_tests(struct store_postgres *store)
{
    return copy(store, TABLE_INTERVAL_TESTS,
                "COPY loads.interval_tests (run_id, second, seconds, source, test_id, seq, "
                "successes, failures, errors, interrupted) FROM STDIN (FORMAT binary)");
}

static int copy_interval_timers(struct store_postgres *store)
{
    return copy(
        store, TABLE_INTERVAL_TIMERS,
        "COPY loads.interval_timers (run_id, second, seconds, source, timer_id, seq, times, "
        "errors, sum_usec, min_usec, max_usec, buckets, counts) FROM STDIN (FORMAT binary)");
}

static int copy_totals(struct store_postgres *store)
{
    return copy(store, TABLE_TOTALS,
                "COPY pg_temp.new_totals (number, run_id, series_id, " SERIES_COLUMNS
                ") FROM STDIN (FORMAT binary)");
}

static int copy_hits(struct store_postgres *store)
{
    return copy(store, TABLE_HITS,
                "COPY loads.hits (run_id, source, seq, started, elapsed_usec, series_id, error_id, "
                "test_id, user_number, iteration, cycle, url) FROM STDIN (FORMAT binary)");
}

static int copy_test_events(struct store_postgres *store)
{
    return copy(store, TABLE_TEST_EVENTS,
                "COPY loads.test_events (run_id, source, seq, at, data_type, test_id, error_id, "
                "counter_id, value, elapsed_usec, user_number, iteration, cycle) "
                "FROM STDIN (FORMAT binary)");
}

/* Of several batches of a run the last one's count. */
static int write_totals(struct store_postgres *store)
{
    static const char sql[] =
        "INSERT INTO loads.totals (run_id, series_id, " SERIES_COLUMNS ") "
        "SELECT DISTINCT ON (run_id, series_id) run_id, series_id, " SERIES_COLUMNS
        " FROM pg_temp.new_totals ORDER BY run_id, series_id, number DESC "
        "ON CONFLICT (run_id, series_id) DO UPDATE SET hits = excluded.hits,"
        " request_errors = excluded.request_errors, sum_usec = excluded.sum_usec,"
        " min_usec = excluded.min_usec, max_usec = excluded.max_usec,"
        " sent_bytes = excluded.sent_bytes, received_bytes = excluded.received_bytes,"
        " buckets = excluded.buckets, counts = excluded.counts";
    return query(store, sql, NULL, 0, on_step);
}

static void on_committed(const struct pq_result *result, void *context)
{
    if (pq_result_code(result) < 0) {
        fail(context, pq_result_code(result), pq_result_text(result));
        return;
    }
    answer_batches(context);
}

static int commit(struct store_postgres *store)
{
    return query(store, "COMMIT", NULL, 0, on_committed);
}

/* ---- the table ---- */

static int (*const steps[])(struct store_postgres *store) = {
    begin,
    lock_sources,
    add_names,
    make_partitions,
    copy_intervals,
    copy_interval_tests,
    copy_interval_timers,
    copy_totals,
    write_totals,
    copy_hits,
    copy_test_events,
    move_sources,
    commit,
};

/* Does the step, and those behind it that have nothing to do. */
static void run_step(struct store_postgres *store)
{
    struct unit *unit = store->unit;
    int r = steps[unit->step](store);

    while (r > 0) {
        unit->step++;
        unit->batch = store->first_batch;
        r = steps[unit->step](store);
    }
    if (r < 0 && r != -ENOTCONN) {
        pq_reset(store->lanes[LANE_WRITER].pq, strerror(-r));
    }
}

/* The batches at the head of the queue that may go together. */
static size_t choose(const struct store_postgres *store)
{
    size_t n = 0, bytes = 0;

    for (const struct batch *batch = store->first_batch; batch && n < MAX_BATCHES;
         batch = batch->next) {
        bytes += batch->bytes;
        if ((n > 0 && (batch->alone || bytes > MAX_BYTES)) ||
            store_calls_hold_results(store, batch->number)) {
            break;
        }
        n++;
        if (batch->alone) {
            break;
        }
    }
    return n;
}

void store_unit_start(struct store_postgres *store)
{
    struct unit *unit = store->unit;

    if (unit->is_on || !store->is_up || !pq_is_up(store->lanes[LANE_WRITER].pq)) {
        return;
    }
    unit->n_batches = choose(store);
    if (unit->n_batches == 0) {
        return;
    }
    unit->is_on = true;
    unit->step = 0;
    unit->batch = store->first_batch;
    run_step(store);
}
