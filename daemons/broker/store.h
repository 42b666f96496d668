/* SPDX-License-Identifier: MPL-2.0 */
/* Where runs and their results are kept: in PostgreSQL, or, with `database = none`, nowhere.
 *
 * Nothing blocks. Calls are queued, what they borrow is copied, and each is answered once through a
 * callback, on the loop and never from inside the call. While the database is away calls wait; they
 * are made again as often as it takes, and an answer in doubt (the connection was lost while a
 * COMMIT was on) is looked up, so that what was answered with 0 is there once. What can never be
 * stored is answered with an error that says why, and holds up nothing.
 *
 * Order: what is said of one run is stored in the order of the calls; logs and events in the order
 * of each other. The store has no memory of runs: what is asked for is read from the database. */
#ifndef LOADS_BROKER_STORE_H
#define LOADS_BROKER_STORE_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "metrics/detail.h"
#include "metrics/interval.h"
#include "metrics/names.h"
#include "metrics/totals.h"

struct resolver;

#define STORE_UUID_BYTES  36 /* the text of a UUID, in small letters */
#define STORE_MAX_CALLS   10000
#define STORE_MAX_BYTES   (256 << 20) /* of calls that wait: beyond it they answer -EAGAIN */
#define STORE_MAX_RUNS    1000        /* of one store_list_runs() */
#define STORE_MAX_LOGS    10000       /* pieces of one store_load_logs() */
#define STORE_MAX_SECONDS 600         /* of one store_load_timeline() */
#define STORE_MAX_DETAILS 10000       /* records of one store_load_details() */

struct store;

/* How it is; on the loop, never from inside a call. The store may not be freed in any callback. */
struct store_callbacks {
    /* The database answers, has the right schema, and we are its only writer. Calls that waited are
     * under way. */
    void (*up)(void *context);
    /* It isn't so any more, or was not to begin with (user, host and database are named), or there
     * is another reason than before. It is tried again for ever. */
    void (*down)(const char *reason, void *context);
    void *context;
};

struct store_options {
    const char *database;      /* "none", or a connection string of libpq's */
    struct resolver *resolver; /* for the host's name; may be NULL with "none" */
    uint64_t max_retry_usec;   /* between attempts to connect; 0: 2 s */
    struct store_callbacks callbacks;
};

/* Returns before anything is known of the database. -EINVAL with a text: `database` is no such
 * string. -ENOMEM. */
int store_new(struct store **ret, struct ev_loop *loop, const struct store_options *options,
              struct error *error) _must_check_;

/* Calls that wait are dropped without an answer. */
struct store *store_free(struct store *store);
DEFINE_CLEANUP(struct store, store_free)

/* With "none" it is always up. */
bool store_is_up(const struct store *store);

/* Why it isn't up, without a full stop; "" when it is. Valid until the loop goes on. */
const char *store_trouble(const struct store *store);

/* Whether anything is kept at all: false with "none". */
bool store_keeps(const struct store *store);

/* How many calls wait for an answer; 0: all that was said is stored. */
size_t store_waiting(const struct store *store);

/* ---- answers ---- */

/* Borrowed during the call, as all that callbacks get. */
struct store_answer {
    /* 0. -ENOENT: no such run. -ENOTUNIQ, -EEXIST: see the call. -EINVAL, -E2BIG and others: this
     * can never be stored, or not be read back. */
    int result;
    const char *reason; /* a sentence's worth without a full stop, "" with 0 */
    const char *run_id; /* where the call says so, else "" */
};

typedef void store_done(const struct store_answer *answer, void *context);

/* All calls below: 0: done() will be called, or, if it is NULL, nobody is told. -EAGAIN: too much
 * waits already, -ENOMEM; then nothing was done. -EINVAL: an argument can't be stored (a text that
 * is no UTF-8 or has a NUL or is longer than its limit, a count beyond 2^63 - 1). */

/* ---- runs and sources ---- */

struct store_run {
    const char *run_id;     /* UUID */
    const char *request_id; /* what the client called its request; NULL: nothing */
    const char *name;       /* what is tested: module.Suite.test, or a URL */
    const char *spec;       /* run_spec_encode()'s; NULL from store_list_runs() */
    unsigned agents;        /* asked for */
    bool abort_on_loss;     /* --on-agent-loss abort */
    bool save_hits;
    const char *state;       /* queued, preparing, running, stopping, finished, failed, aborted */
    const char *outcome;     /* passed, failed, aborted, lost; NULL before the end */
    const char *trouble;     /* what a person should know; NULL: nothing */
    const char *thresholds;  /* JSON: what they came to; NULL: nothing (yet) */
    const char *stopped_for; /* a threshold; NULL */
    uint64_t submitted_usec; /* dates: microseconds since 1970; 0: not yet */
    uint64_t started_usec;   /* second 0 of the run */
    uint64_t finished_usec;
    uint64_t start_usec;  /* second 0 by the monotonic clock of the broker's machine; 0: none */
    unsigned cycle;       /* 0-based */
    uint64_t active_usec; /* how long its cycles took */
    uint64_t overflows[NAME_KINDS]; /* what had no room for its name */
};

/* A life of an agent in a run. */
struct store_source {
    unsigned number; /* unique in the run */
    const char *agent_id;
    unsigned agent_index;    /* which of the run's agents, 0-based */
    const char *incarnation; /* UUID of the process */
    const char *hostname;
    pid_t pid;
    const char *state;         /* preparing, ready, running, stopping, ended, failed, lost */
    uint64_t last_seq;         /* read back only: of the results that are stored */
    uint64_t last_detail_seq;  /* the same of detail */
    int64_t clock_offset_usec; /* the broker's monotonic clock minus the agent's */
    uint64_t active_usec;
    uint64_t cpu_usec, memory_peak_bytes; /* what its processes used; 0: not known */
    int result;                           /* once it ended: 0 or -errno */
    const char *reason;                   /* why it failed or was lost; NULL: it didn't */
    uint64_t registered_usec, lost_usec, ended_usec; /* dates; 0: not so */
};

/* Adds a run. -EEXIST with the older run's id in the answer: its request_id was used before.
 * Adding the same run again (same run_id) is 0. */
int store_run_add(struct store *store, const struct store_run *run, store_done *done, void *context)
    _must_check_;

/* Stores state, outcome, trouble, thresholds, stopped_for, the dates but `submitted`, start_usec,
 * cycle, active_usec and overflows of a run, after all results that were given before. -ENOENT. */
int store_run_update(struct store *store, const struct store_run *run, store_done *done,
                     void *context) _must_check_;

/* Adds a source, or stores what has changed; never touches last_seq. -ENOENT: no such run. */
int store_source_put(struct store *store, const char *run_id, const struct store_source *source,
                     store_done *done, void *context) _must_check_;

/* ---- results ---- */

/* The contents of one `results` message, with the run's ids. */
struct store_interval {
    unsigned source;
    uint64_t seq;
    const struct interval *interval;
};

/* The contents of one `detail` message, with the run's ids. */
struct store_details {
    unsigned source;
    uint64_t seq;
    const struct detail *records;
    size_t n_records;
};

/* What is stored in one transaction, together with sources.last_seq: intervals, the totals and
 * names of all that they touch, and names that are new. Several batches may share a transaction.
 * Since every batch writes the totals that it touches, it is cheapest to gather what comes for a
 * run while a batch of it is waiting. */
struct store_batch {
    const char *run_id;
    uint64_t started_usec;                  /* of the run: second 0 */
    const struct names *names;              /* of the run */
    const struct totals *totals;            /* of the run, these intervals included */
    const struct store_interval *intervals; /* ascending by seq for each source */
    size_t n_intervals;
    const struct store_details *details; /* the same; only for runs with save_hits */
    size_t n_details;
};

/* 0 when all of it is stored, now or (a message whose seq is not above last_seq) before. Otherwise
 * nothing of it is and never will be: -ENOENT, the run or a source is not in the database (any
 * more); else the database refuses it for the reason given. */
int store_results(struct store *store, const struct store_batch *batch, store_done *done,
                  void *context) _must_check_;

/* ---- what people read ---- */

/* A piece of what a worker of a source wrote; worker -1: its preparation. At most 64 KiB; bytes
 * that are no UTF-8 become U+FFFD, NULs a question mark. */
#define STORE_MAX_LOG_BYTES (64 << 10)
int store_log(struct store *store, const char *run_id, unsigned source, int worker,
              const char *text, size_t size, store_done *done, void *context) _must_check_;

/* Something that happened. `kind`: a word such as state, agent-lost, agent-back, rejected; `source`
 * -1: it is about none; `details`: a JSON object, or NULL. */
int store_event(struct store *store, const char *run_id, const char *kind, int source,
                const char *message, const char *details, store_done *done, void *context)
    _must_check_;

/* What somebody did or was refused. Texts are made clean; NULL: not known, or not about one. */
struct store_audit {
    const char *what, *who, *role, *peer, *run_id, *agent_id;
    const char *reason; /* NULL: it was accepted */
    uint64_t at_usec;   /* a date */
    uint64_t times;
};
int store_audit(struct store *store, const struct store_audit *audit) _must_check_;

/* ---- reading back ---- */

struct store_name {
    enum name_kind kind;
    unsigned id;
    char *text; /* as in struct names */
};

/* A run as it is in the database. Read back by store_list_runs() it has neither names nor totals.
 */
struct store_record {
    struct store_run run;
    struct store_source *sources; /* ascending by number */
    size_t n_sources;
    struct store_name *names; /* ascending by kind, then id; without the "(other)" of id 0 */
    size_t n_names;
    struct interval *totals; /* the whole run as one interval */
};

typedef void store_loaded(const struct store_answer *answer,
                          const struct store_record *const *records, size_t count, void *context);

/* The runs that are queued, preparing, running or stopping: what a broker finds when it starts. */
int store_load_active(struct store *store, store_loaded *loaded, void *context) _must_check_;

/* One run. -ENOENT. */
int store_load_run(struct store *store, const char *run_id, store_loaded *loaded, void *context)
    _must_check_;

/* The newest runs first, at most `limit` (1 … STORE_MAX_RUNS). */
int store_list_runs(struct store *store, unsigned limit, bool active_only, store_loaded *loaded,
                    void *context) _must_check_;

/* The run whose id begins so: in the answer. -ENOENT; -ENOTUNIQ: several do. */
int store_find_run(struct store *store, const char *prefix, store_done *done, void *context)
    _must_check_;

/* Takes a run and all of its results away. -ENOENT. */
int store_delete_run(struct store *store, const char *run_id, store_done *done, void *context)
    _must_check_;

struct store_log_piece {
    const char *agent_id;
    unsigned source;
    int worker;
    const char *text;
};

typedef void store_logs_loaded(const struct store_answer *answer,
                               const struct store_log_piece *pieces, size_t count, void *context);

/* What was logged, by agent and worker, the oldest first; of one agent unless `agent_id` is NULL.
 * The newest STORE_MAX_LOGS pieces. -ENOENT: no such run. */
int store_load_logs(struct store *store, const char *run_id, const char *agent_id,
                    store_logs_loaded *loaded, void *context) _must_check_;

typedef void store_json_loaded(const struct store_answer *answer, const char *json, void *context);

/* Stored detail of a run with save_hits, as a JSON array of objects in the words of external
 * runners (CTRL_GET_DATA in docs/protocol.md), in the order in which it happened: records number
 * `start` to `start` + `size` (at most STORE_MAX_DETAILS). `data_type` NULL: all; `grouped`: equal
 * ones once, with their count. -ENOENT: no such run; -EINVAL: it keeps no detail. */
int store_load_details(struct store *store, const char *run_id, const char *data_type, bool grouped,
                       uint64_t start, uint64_t size, store_json_loaded *loaded, void *context)
    _must_check_;

/* A run over time, as the object that CTRL_TIMELINE answers: its seconds `start` to `start` +
 * `size` (at most STORE_MAX_SECONDS). -ENOENT: no such run. */
int store_load_timeline(struct store *store, const char *run_id, uint64_t start, uint64_t size,
                        store_json_loaded *loaded, void *context) _must_check_;

/* What a statement answers with JSON. Where it can't be so, that is an object with `trouble`, a
 * text, and `code`, a word of docs/protocol.md. */
enum store_question {
    STORE_COMPARABLE,     /* two ids or baselines; {"a", "b"}: the runs' ids */
    STORE_COMPARISON,     /* two ids; what CTRL_COMPARE answers */
    STORE_BASELINES,      /* a list of all */
    STORE_BASELINE_SET,   /* name, run, who does it (may be NULL) */
    STORE_BASELINE_REMOVE /* name */
};
#define STORE_MAX_WORDS 3

int store_ask(struct store *store, enum store_question question,
              const char *const words[static STORE_MAX_WORDS], store_json_loaded *loaded,
              void *context) _must_check_;

/* Fills empty names and totals of a run with what was read back. -EBADMSG: names can't have the
 * numbers that they have there. -ENOMEM. */
int store_record_restore(const struct store_record *record, struct names *names,
                         struct totals *totals) _must_check_;

#endif
