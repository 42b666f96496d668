/* SPDX-License-Identifier: MPL-2.0 */
/* What the parts of the PostgreSQL store share. store_postgres.c: connections and whether it is up;
 * store_calls.c: queues of single statements; store_runs.c, store_load.c, store_read.c and
 * store_ask.c: what those are; store_batch.c: results as rows; store_unit.c, store_sources.c:
 * transactions of batches. */
#ifndef LOADS_BROKER_STORE_POSTGRES_H
#define LOADS_BROKER_STORE_POSTGRES_H

#include "base/strmap.h"
#include "loop/pq.h"
#include "store_kind.h"
#include "wire/copy_rows.h"

struct store_postgres;

/* ---- connections ---- */

enum lane_name {
    LANE_WRITER,  /* transactions with COPY; holds the lock that makes us the only writer */
    LANE_CONTROL, /* in pipeline mode: rows of runs, what people ask for */
    LANE_CHORES,  /* in pipeline mode: what may take long */
    LANES
};

struct lane {
    struct store_postgres *store;
    enum lane_name name;
    struct pq *pq;
    bool ready;                /* connected and set up */
    struct call *first, **end; /* calls in their order; */
    struct call *unsent;       /* those before are being answered */
    unsigned in_flight;
};

struct store_postgres {
    struct store store; /* first */
    struct ev_loop *loop;
    struct store_callbacks callbacks;
    struct lane lanes[LANES];
    bool is_up;
    char trouble[ERROR_TEXT_BYTES];

    uint64_t last_number; /* of a call or a batch */
    size_t waiting;       /* calls and batches that somebody made */
    size_t bytes;         /* of all that waits */

    struct batch *first_batch, **end_batch; /* in their order */
    struct unit *unit;
    struct strmap *known; /* struct known_run by run id */
    ev_timer digest;
};

/* Sends all that can be sent. */
void store_postgres_go(struct store_postgres *store);

/* Whether one more call of so many bytes may wait: 0, -EAGAIN. */
int store_postgres_may_wait(const struct store_postgres *store, size_t bytes);

/* Whether an error of the server will be over some time, with the same statement. */
bool store_is_temporary(int code);

/* ---- calls: single statements, sent again until they are answered ---- */

#define CALL_MAX_PARAMETERS 20

struct call {
    struct call *next;
    uint64_t number;
    enum lane_name lane_name;
    struct lane *lane; /* once it is in its queue */
    const char *sql;   /* a literal, or in `made_sql` */
    char *made_sql;
    char *parameters[CALL_MAX_PARAMETERS]; /* the call's; NULL: SQL's */
    size_t n_parameters;
    size_t bytes;
    int failed; /* a parameter can't be stored, or there was no memory for it */
    unsigned attempts;

    char run_id[STORE_UUID_BYTES + 1]; /* of the run that it is about, or "" */
    int source;                        /* the only source of the run that it is about, or -1 */
    bool writes;                       /* waits for older calls about the same to be answered */
    bool before_results;               /* batches that were made later wait for it */
    bool after_results;                /* it waits for batches that were made earlier */
    bool tells_repetition; /* the last parameter says whether it may have been executed before */
    bool is_ours;          /* nobody made it but the store */

    /* The answer is there, or the call was given up; tells who made it. */
    void (*answered)(struct store_postgres *store, const struct call *call,
                     const struct pq_result *result, const struct store_answer *failure);
    union {
        store_done *done;
        store_loaded *loaded;
        store_logs_loaded *logs_loaded;
        store_json_loaded *json_loaded;
    };
    void *context;
};

/* A call of a statement that is a literal. Parameters are appended then; the failure of one is
 * latched and comes from store_call(). */
int store_call_new(struct call **ret, enum lane_name lane, const char *sql, const char *run_id)
    _must_check_;
struct call *store_call_free(struct call *call);
DEFINE_CLEANUP(struct call, store_call_free)

void store_call_text(struct call *call, const char *text); /* NULL: SQL's */
void store_call_number(struct call *call, int64_t number);
void store_call_count(struct call *call, uint64_t count); /* at most INT64_MAX */
void store_call_bool(struct call *call, bool value);
void store_call_date(struct call *call, uint64_t realtime_usec); /* 0: NULL */

/* Puts a call into its queue, and sends it on the next turn at the earliest. Takes it in any case.
 */
int store_call(struct store_postgres *store, struct call **call) _must_check_;

/* store.h's `done` as an answer; 0 rows are -ENOENT when it wants a row. */
void store_answer_done(struct store_postgres *store, const struct call *call,
                       const struct pq_result *result, const struct store_answer *failure);

void store_calls_send(struct lane *lane);
void store_calls_lost(struct lane *lane); /* the connection is: all are unsent again */
void store_calls_clear(struct lane *lane);

/* Whether a call that batches wait for, older than `number`, has no answer. */
bool store_calls_hold_results(const struct store_postgres *store, uint64_t number);

/* Whether a UUID is in its usual form. */
bool store_is_uuid(const char *text);

/* Texts as PostgreSQL takes them: bytes that are no UTF-8 become U+FFFD, NULs '?'. malloc'ed, or
 * NULL: no memory. */
char *store_clean_text(const char *text, size_t size, size_t *ret_size);

/* ---- batches ---- */

enum batch_table {
    TABLE_INTERVALS,
    TABLE_INTERVAL_TESTS,
    TABLE_INTERVAL_TIMERS,
    TABLE_HITS,
    TABLE_TEST_EVENTS,
    TABLE_TOTALS,
    BATCH_TABLES
};

#define MESSAGE_TABLES 3 /* at most, that rows of one message are in */

/* A message of a source, and where its rows are: in intervals, interval_tests and interval_timers,
 * or in hits and test_events. */
struct batch_message {
    unsigned source;
    uint64_t seq;
    bool details;
    bool is_stored; /* it was before this batch */
    size_t at[MESSAGE_TABLES], size[MESSAGE_TABLES];
};

struct batch {
    struct batch *next;
    uint64_t number;
    char run_id[STORE_UUID_BYTES + 1];
    uint64_t started_usec; /* of the run: second 0 */
    struct copy_rows rows[BATCH_TABLES];
    char *names; /* JSON: names of all kinds with the totals of those that have no histogram */
    struct batch_message *messages;
    size_t n_messages;
    bool has_details;
    size_t bytes;
    bool alone; /* it shares no transaction: one with it was refused */
    int result; /* it can't be stored, and why: */
    char reason[1024];
    store_done *done;
    void *context;
};

/* How many names of a run are on their way to the database or there. */
struct known_run {
    char run_id[STORE_UUID_BYTES + 1];
    unsigned names[NAME_KINDS];
    bool changed; /* since the last digest */
};

/* -EINVAL: it can't be stored; -E2BIG; -ENOMEM. */
int store_batch_new(struct batch **ret, uint64_t number, const struct known_run *known,
                    const struct store_batch *from) _must_check_;
struct batch *store_batch_free(struct batch *batch);
DEFINE_CLEANUP(struct batch, store_batch_free)

/* It is left out of its unit and answered so. */
void store_batch_reject(struct batch *batch, int code, const char *reason);

/* The messages of batches that are not rejected, as arrays: run ids, sources, seqs of results, seqs
 * of detail. The texts are the caller's in any case. */
#define MESSAGE_LISTS 4
int store_list_messages(const struct batch *first, const struct batch *after,
                        char *lists[static MESSAGE_LISTS]) _must_check_;

/* Marks what is stored already, from the rows (run_id, source, last_seq, last_detail_seq) of the
 * sources, in order; rejects a batch whose sources are not all there. */
void store_batch_judge(struct batch *batch, const struct pq_result *result);

/* ---- units ---- */

int store_unit_new(struct unit **ret) _must_check_;
struct unit *store_unit_free(struct unit *unit);

/* Begins a transaction with the batches that wait, unless one is on. */
void store_unit_start(struct store_postgres *store);

/* The connection is lost, and the transaction with it. */
void store_unit_lost(struct store_postgres *store);

/* store_kind's functions */
int store_postgres_run_add(struct store *base, const struct store_run *run, store_done *done,
                           void *context);
int store_postgres_run_update(struct store *base, const struct store_run *run, store_done *done,
                              void *context);
int store_postgres_source_put(struct store *base, const char *run_id,
                              const struct store_source *source, store_done *done, void *context);
int store_postgres_log(struct store *base, const char *run_id, unsigned source, int worker,
                       const char *text, size_t size, store_done *done, void *context);
int store_postgres_event(struct store *base, const char *run_id, const char *kind, int source,
                         const char *message, const char *details, store_done *done, void *context);
int store_postgres_audit(struct store *base, const struct store_audit *audit);
int store_postgres_find_run(struct store *base, const char *prefix, store_done *done,
                            void *context);
int store_postgres_delete_run(struct store *base, const char *run_id, store_done *done,
                              void *context);
int store_postgres_load_active(struct store *base, store_loaded *loaded, void *context);
int store_postgres_load_run(struct store *base, const char *run_id, store_loaded *loaded,
                            void *context);
int store_postgres_list_runs(struct store *base, unsigned limit, bool active_only,
                             store_loaded *loaded, void *context);
int store_postgres_load_logs(struct store *base, const char *run_id, const char *agent_id,
                             store_logs_loaded *loaded, void *context);
int store_postgres_load_details(struct store *base, const char *run_id, const char *data_type,
                                bool grouped, uint64_t start, uint64_t size,
                                store_json_loaded *loaded, void *context);
int store_postgres_load_timeline(struct store *base, const char *run_id, uint64_t start,
                                 uint64_t size, store_json_loaded *loaded, void *context);

int store_postgres_ask(struct store *base, enum store_question question, const char *const *words,
                       store_json_loaded *loaded, void *context);

/* Has the views' cache of a run brought up to date, some time. */
void store_postgres_digest(struct store_postgres *store, const char *run_id);

static inline struct store_postgres *store_postgres_of(struct store *store)
{
    return CONTAINER_OF(store, struct store_postgres, store);
}

#endif
