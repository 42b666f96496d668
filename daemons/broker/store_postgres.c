/* SPDX-License-Identifier: MPL-2.0 */
/* Runs in PostgreSQL: the connections, and whether the store is up.
 *
 * The writer's connection is set up step by step: its settings, whether the schema is the one that
 * this program knows, the lock that makes it the only writer, a table for totals on their way. What
 * doesn't hold is no reason to give up but one to look again, so a failing step ends the connection
 * and leaves the rest to the back-off. The lock lives as long as the connection; the others do
 * nothing while the writer's is away. */
#include "store_postgres.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "run/schema.h"

#define DIGEST_SEC     10.
#define MAX_RETRY_USEC (2 * USEC_PER_SEC)

/* ---- up and down ---- */

static void set_down(struct store_postgres *store, const char *reason)
{
    bool news = store->is_up || strcmp(store->trouble, reason) != 0;

    store->is_up = false;
    if (news) {
        (void)snprintf(store->trouble, sizeof store->trouble, "%s", reason);
        store->callbacks.down(store->trouble, store->callbacks.context);
    }
}

static void look_whether_up(struct store_postgres *store)
{
    if (!store->is_up && store->lanes[LANE_WRITER].ready && store->lanes[LANE_CONTROL].ready) {
        store->is_up = true;
        store->trouble[0] = '\0';
        store->callbacks.up(store->callbacks.context);
    }
    store_postgres_go(store);
}

void store_postgres_go(struct store_postgres *store)
{
    store_unit_start(store);
    for (unsigned i = 0; i < LANES; i++) {
        store_calls_send(&store->lanes[i]);
    }
}

static void on_down(struct pq *pq _unused_, const struct error *error, void *context)
{
    struct lane *lane = context;

    lane->ready = false;
    store_calls_lost(lane);
    if (lane->name == LANE_WRITER) {
        store_unit_lost(lane->store);
    }
    if (lane->name == LANE_CHORES) {
        log_debug("%s", error->text); /* the others say so, too, or it concerns this one alone */
    } else {
        set_down(lane->store, error->text);
    }
}

/* ---- setting connections up ---- */

/* Timeouts are the server's, and shorter than the client's: then only the statement ends. A COMMIT
 * that is told to be done must have been written. */
#define SETTINGS                                                                                   \
    "SELECT set_config('statement_timeout', $1, false), set_config('lock_timeout', '30s', false)," \
    " set_config('TimeZone', 'UTC', false), set_config('jit', 'off', false),"                      \
    " set_config('IntervalStyle', 'postgres', false),"                                             \
    " set_config('synchronous_commit', CASE current_setting('synchronous_commit')"                 \
    "            WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)"

#define HAS_SCHEMA "SELECT to_regclass('loads.schema_migrations') IS NOT NULL"
#define VERSION    "SELECT coalesce(max(version), 0) FROM loads.schema_migrations"

/* One of ours that the server takes for alive, since a connection can break without its noticing,
 * is ended. */
#define LOCK "SELECT pg_try_advisory_lock(" SCHEMA_LOCK_CLASS ", " SCHEMA_LOCK_WRITER ")"
#define HOLDER                                                                                     \
    "SELECT a.application_name, a.pid, coalesce(host(a.client_addr), ''),"                         \
    " CASE WHEN a.application_name = current_setting('application_name')"                          \
    "      THEN pg_terminate_backend(a.pid) END "                                                  \
    "FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid "                              \
    "WHERE l.locktype = 'advisory' AND l.granted AND l.classid = " SCHEMA_LOCK_CLASS               \
    " AND l.objid = " SCHEMA_LOCK_WRITER " AND l.objsubid = 2 AND l.database ="                    \
    " (SELECT oid FROM pg_database WHERE datname = current_database())"

#define TEMPORARY                                                                                  \
    "CREATE TEMPORARY TABLE new_totals (LIKE loads.totals INCLUDING STORAGE, number bigint) "      \
    "ON COMMIT DELETE ROWS"

/* Asks the next thing. */
static void ask(struct lane *lane, const char *sql, pq_done *done)
{
    int r = pq_query(lane->pq, sql, NULL, 0, done, lane);
    if (r < 0 && r != -ENOTCONN) {
        pq_reset(lane->pq, strerror(-r));
    }
}

/* Whether a step went well. */
static bool passed(struct lane *lane, const struct pq_result *result)
{
    if (pq_result_code(result) == 0) {
        return true;
    }
    pq_reset(lane->pq, pq_result_text(result)); /* nothing happens if it is lost already */
    return false;
}

static void set_ready(struct lane *lane)
{
    lane->ready = true;
    look_whether_up(lane->store);
}

static void on_temporary(const struct pq_result *result, void *context)
{
    if (passed(context, result)) {
        set_ready(context);
    }
}

static void on_holder(const struct pq_result *result, void *context)
{
    struct lane *lane = context;
    char text[512] = "somebody else writes there already"; /* and has just gone */

    if (!passed(lane, result)) {
        return;
    }
    if (pq_result_rows(result) > 0) {
        const char *address = pq_result_value(result, 0, 2);
        (void)snprintf(text, sizeof text, "%s%s%s (process %s of the server) writes there already",
                       pq_result_value(result, 0, 0), address[0] ? " from " : "", address,
                       pq_result_value(result, 0, 1));
    }
    pq_reset(lane->pq, text);
}

static void on_lock(const struct pq_result *result, void *context)
{
    struct lane *lane = context;

    if (passed(lane, result)) {
        bool locked = strcmp(pq_result_value(result, 0, 0), "t") == 0;
        ask(lane, locked ? TEMPORARY : HOLDER, locked ? on_temporary : on_holder);
    }
}

static void on_version(const struct pq_result *result, void *context)
{
    struct lane *lane = context;
    char text[256];

    if (!passed(lane, result)) {
        return;
    }
    long version = strtol(pq_result_value(result, 0, 0), NULL, 10), known = schema_version();
    if (version == known) {
        ask(lane, LOCK, on_lock);
        return;
    }
    if (version > known) {
        (void)snprintf(text, sizeof text,
                       "the schema has version %ld, and this loads-broker knows %ld: nothing is "
                       "written; a newer one is needed",
                       version, known);
    } else {
        (void)snprintf(text, sizeof text,
                       "the schema has version %ld, and this loads-broker needs %ld: loadsctl db "
                       "migrate",
                       version, known);
    }
    pq_reset(lane->pq, text);
}

static void on_schema(const struct pq_result *result, void *context)
{
    struct lane *lane = context;

    if (!passed(lane, result)) {
        return;
    }
    if (strcmp(pq_result_value(result, 0, 0), "t") == 0) {
        ask(lane, VERSION, on_version);
    } else {
        pq_reset(lane->pq, "there are no tables of loads yet: loadsctl db migrate");
    }
}

static void on_settings(const struct pq_result *result, void *context)
{
    struct lane *lane = context;

    if (!passed(lane, result)) {
        return;
    }
    if (lane->name == LANE_WRITER) {
        ask(lane, HAS_SCHEMA, on_schema);
    } else {
        set_ready(lane);
    }
}

static const struct {
    uint64_t timeout_usec; /* of the connection: a bit more than the server's */
    const char *statement_timeout;
} timeouts[LANES] = {
    [LANE_WRITER] = {60 * USEC_PER_SEC, "50s"},
    [LANE_CONTROL] = {60 * USEC_PER_SEC, "50s"},
    [LANE_CHORES] = {660 * USEC_PER_SEC, "600s"},
};

static void on_up(struct pq *pq, void *context)
{
    struct lane *lane = context;
    int r = pq_query(pq, SETTINGS, &timeouts[lane->name].statement_timeout, 1, on_settings, lane);

    if (r < 0 && r != -ENOTCONN) {
        pq_reset(pq, strerror(-r));
    }
}

/* ---- the store ---- */

static void on_digest(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_);

static struct store *store_postgres_free(struct store *base)
{
    struct store_postgres *store = store_postgres_of(base);

    ev_timer_stop(store->loop, &store->digest);
    for (unsigned i = 0; i < LANES; i++) {
        pq_free(store->lanes[i].pq);
        store_calls_clear(&store->lanes[i]);
    }
    while (store->first_batch) {
        struct batch *next = store->first_batch->next;
        store_batch_free(store->first_batch);
        store->first_batch = next;
    }
    store_unit_free(store->unit);
    if (store->known) {
        strmap_each(store->known, (void (*)(void *, void *))(void (*)(void))free, NULL);
        strmap_free(store->known);
    }
    free(store);
    return NULL;
}

static bool store_postgres_is_up(const struct store *base)
{
    return CONTAINER_OF(base, const struct store_postgres, store)->is_up;
}

static const char *store_postgres_trouble(const struct store *base)
{
    const struct store_postgres *store = CONTAINER_OF(base, const struct store_postgres, store);
    return store->is_up ? "" : store->trouble;
}

static size_t store_postgres_waiting(const struct store *base)
{
    return CONTAINER_OF(base, const struct store_postgres, store)->waiting;
}

int store_postgres_may_wait(const struct store_postgres *store, size_t bytes)
{
    bool full = store->waiting >= STORE_MAX_CALLS ||
                (store->waiting > 0 && store->bytes + bytes > STORE_MAX_BYTES);
    return full ? -EAGAIN : 0;
}

static struct known_run *get_known(struct store_postgres *store, const char *run_id)
{
    struct known_run *known = strmap_get(store->known, run_id, STORE_UUID_BYTES);

    if (known) {
        return known;
    }
    known = calloc(1, sizeof *known);
    if (!known) {
        return NULL;
    }
    memcpy(known->run_id, run_id, STORE_UUID_BYTES);
    if (strmap_put(store->known, run_id, STORE_UUID_BYTES, known) < 0) {
        free(known);
        return NULL;
    }
    return known;
}

static int store_postgres_results(struct store *base, const struct store_batch *from,
                                  store_done *done, void *context)
{
    struct store_postgres *store = store_postgres_of(base);
    _cleanup_(store_batch_freep) struct batch *batch = NULL;
    struct known_run *known;
    int r;

    if (!store_is_uuid(from->run_id)) {
        return -EINVAL;
    }
    r = store_postgres_may_wait(store, 0);
    if (r < 0) {
        return r;
    }
    known = get_known(store, from->run_id);
    if (!known) {
        return -ENOMEM;
    }
    r = store_batch_new(&batch, store->last_number + 1, known, from);
    if (r == 0) {
        r = store_postgres_may_wait(store, batch->bytes);
    }
    if (r < 0) {
        return r;
    }
    for (unsigned kind = 0; kind < NAME_KINDS; kind++) {
        known->names[kind] = names_count(from->names, kind);
    }
    known->changed = true;
    batch->done = done;
    batch->context = context;
    store->last_number++;
    store->waiting++;
    store->bytes += batch->bytes;
    *store->end_batch = batch;
    store->end_batch = &batch->next;
    batch = NULL; /* the queue's */
    store_unit_start(store);
    return 0;
}

static const struct store_kind store_postgres_kind = {
    .free = store_postgres_free,
    .is_up = store_postgres_is_up,
    .trouble = store_postgres_trouble,
    .keeps = true,
    .waiting = store_postgres_waiting,
    .run_add = store_postgres_run_add,
    .run_update = store_postgres_run_update,
    .source_put = store_postgres_source_put,
    .results = store_postgres_results,
    .log = store_postgres_log,
    .event = store_postgres_event,
    .audit = store_postgres_audit,
    .load_active = store_postgres_load_active,
    .load_run = store_postgres_load_run,
    .list_runs = store_postgres_list_runs,
    .find_run = store_postgres_find_run,
    .delete_run = store_postgres_delete_run,
    .load_logs = store_postgres_load_logs,
    .load_details = store_postgres_load_details,
    .load_timeline = store_postgres_load_timeline,
    .ask = store_postgres_ask,
};

/* ---- the views' cache ---- */

static void digest_changed(void *value, void *context)
{
    struct known_run *known = value;

    if (known->changed) {
        known->changed = false;
        store_postgres_digest(context, known->run_id);
    }
}

/* Not while the last ones are still being made. */
static void on_digest(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct store_postgres *store = CONTAINER_OF(timer, struct store_postgres, digest);

    if (!store->lanes[LANE_CHORES].first) {
        strmap_each(store->known, digest_changed, store);
    }
    store_postgres_go(store);
}

/* ---- making it ---- */

/* Who we are, for the broker that finds the lock taken; the end tells our own lost connections from
 * those of a process with the same number on a machine with the same name. */
static void name_application(char *name, size_t size)
{
    char host[64] = "";
    uint32_t token = 0;

    (void)gethostname(host, sizeof host - 1);              /* then it has no name */
    (void)!getrandom(&token, sizeof token, GRND_NONBLOCK); /* then it isn't told apart */
    (void)snprintf(name, size, "loads-broker %d on %.30s %08x", (int)getpid(), host, token);
}

static int open_lane(struct store_postgres *store, enum lane_name name,
                     const struct store_options *options, const char *application_name,
                     struct error *error)
{
    struct lane *lane = &store->lanes[name];
    const struct pq_options of_pq = {
        .conninfo = options->database,
        .application_name = application_name,
        .pipeline = name != LANE_WRITER,
        .query_timeout_usec = timeouts[name].timeout_usec,
        .max_retry_usec = options->max_retry_usec ? options->max_retry_usec : MAX_RETRY_USEC,
        .up = on_up,
        .down = on_down,
        .context = lane,
    };

    lane->store = store;
    lane->name = name;
    lane->end = &lane->first;
    return pq_new(&lane->pq, store->loop, options->resolver, &of_pq, error);
}

int store_postgres_new(struct store **ret, struct ev_loop *loop,
                       const struct store_options *options, struct error *error)
{
    struct store_postgres *store = calloc(1, sizeof *store);
    _cleanup_(store_freep) struct store *base = store ? &store->store : NULL;
    char name[64];
    int r;

    if (!store) {
        return error_set_errno(error, -ENOMEM, "database");
    }
    store->store.kind = &store_postgres_kind;
    store->loop = loop;
    store->callbacks = options->callbacks;
    store->end_batch = &store->first_batch;
    ev_timer_init(&store->digest, on_digest, DIGEST_SEC, DIGEST_SEC);
    (void)snprintf(store->trouble, sizeof store->trouble, "the database hasn't answered yet");
    r = strmap_new(&store->known);
    if (r == 0) {
        r = store_unit_new(&store->unit);
    }
    if (r < 0) {
        return error_set_errno(error, r, "database");
    }
    name_application(name, sizeof name);
    for (unsigned i = 0; i < LANES; i++) {
        r = open_lane(store, i, options, name, error);
        if (r < 0) {
            return error_prefix(error, r, "database");
        }
    }
    ev_timer_start(loop, &store->digest);
    *ret = TAKE_PTR(base);
    return 0;
}
