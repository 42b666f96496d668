/* SPDX-License-Identifier: MPL-2.0 */
/* PostgreSQL on the loop: a connection that makes itself again whenever it is lost, for ever, with
 * back-off, and a queue of queries on it. Nothing blocks: host names are resolved by the program's
 * resolver, libpq is used without blocking; reading its password file is the exception.
 *
 * Two kinds, since COPY is impossible in pipeline mode: a connection in pipeline mode sends each
 * query at once, as a transaction of its own; one without sends a query when the one before is
 * answered, so that they can make transactions and COPY. Answers come in the order of the queries.
 *
 * Not in the connection string: `service`, whose file libpq would read and whose host it would
 * resolve itself. */
#ifndef LOADS_LOOP_PQ_H
#define LOADS_LOOP_PQ_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define PQ_MAX_CONNINFO_BYTES 4096
#define PQ_MAX_HOSTS          8          /* in a connection string */
#define PQ_MAX_PARAMETERS     32         /* of a query */
#define PQ_MAX_QUEUED         10000      /* queries without an answer */
#define PQ_MAX_QUEUED_BYTES   (64 << 20) /* of their texts and parameters */

struct resolver;
struct pq;

/* Callbacks come on the loop, never from inside a call. In none of them may the pq be freed. */
struct pq_options {
    const char *conninfo; /* as libpq's: "host=db1 dbname=loads", "postgresql://db1/loads", "" */
    const char *database; /* another one than conninfo's; NULL: that one */
    bool as_default_user; /* not as conninfo's user: as who we are */
    const char *application_name; /* what the server shows; its first 63 bytes */
    bool pipeline;
    /* 0: 10 s for an attempt to connect, 60 s for the answer to a query once those before it are
     * answered; a query that takes longer loses the connection. */
    uint64_t connect_timeout_usec, query_timeout_usec;
    uint64_t retry_usec, max_retry_usec; /* the first back-off and the last; 0: 100 ms, 5 s */
    /* Connected; queries can be made. */
    void (*up)(struct pq *pq, void *context);
    /* An attempt failed, or the connection is lost (all queries have been answered). -errno, and a
     * text that names user, host and database. Called for each attempt. */
    void (*down)(struct pq *pq, const struct error *error, void *context);
    void *context;
};

/* Begins to connect on the next turn of the loop. Copies the strings; `resolver` is borrowed.
 * -EINVAL with a text for a bad connection string; passwords are in no text. */
int pq_new(struct pq **ret, struct ev_loop *loop, struct resolver *resolver,
           const struct pq_options *options, struct error *error) _must_check_;

/* Queries that wait are dropped without an answer. */
struct pq *pq_free(struct pq *pq);
DEFINE_CLEANUP(struct pq, pq_free)

/* The user and the database that a connection string stands for, libpq's defaults included. -EINVAL
 * as pq_new(), or one doesn't fit. */
int pq_conninfo_names(const char *text, char *user, size_t user_size, char *database,
                      size_t database_size, struct error *error) _must_check_;

/* What pq_where() would say of a connection string, cut to `size` bytes. -EINVAL as pq_new(). */
int pq_conninfo_where(const char *text, char *ret, size_t size, struct error *error) _must_check_;

bool pq_is_up(const struct pq *pq);

/* "database 'loads' as user 'anna' on host 'db1'": where it connects to. */
const char *pq_where(const struct pq *pq);

/* Gives the connection up and makes another after the back-off; down() gets this reason, queries
 * -ECONNRESET. On the next turn of the loop; only the first of several counts. */
void pq_reset(struct pq *pq, const char *reason);

/* ---- queries ---- */

/* The answer to a query: rows, or an error. Borrowed during done(). */
struct pq_result;

typedef void pq_done(const struct pq_result *result, void *context);

/* Asks. All is copied. Parameters are texts, NULL is SQL's; without any, `sql` may be several
 * statements (not with `pipeline`). 0: done() will be called (NULL: nobody is interested).
 * -ENOTCONN: it isn't up; -EAGAIN: too much waits; -ENOMEM. */
int pq_query(struct pq *pq, const char *sql, const char *const *parameters, size_t n, pq_done *done,
             void *context) _must_check_;

struct pq_bytes {
    const void *bytes;
    size_t size;
};

/* COPY … FROM STDIN (FORMAT binary): the pieces hold whole rows (wire/copy_rows.h), and
 * are borrowed until done(). Not with `pipeline`. As above; -E2BIG: too many pieces. */
#define PQ_MAX_PIECES 100000
int pq_copy(struct pq *pq, const char *sql, const struct pq_bytes *pieces, size_t n, pq_done *done,
            void *context) _must_check_;

/* 0 or -errno: -ECONNRESET when the connection was lost and nobody knows whether the query was
 * executed; else by the server's error: -EEXIST something unique is there already, -ENOENT a
 * foreign key has no row, -EINVAL bad data (other constraints too), -E2BIG, -EACCES a missing
 * privilege, -EPROTO a missing table or column, -EROFS the server only reads, -ENOSPC, -ENOMEM,
 * -EBUSY, -EAGAIN a deadlock or the like, -ETIMEDOUT cancelled, -ESHUTDOWN it is going down, -EIO.
 */
int pq_result_code(const struct pq_result *result);

/* What the server or libpq says; "" with 0. */
const char *pq_result_text(const struct pq_result *result);

/* The five letters of the SQLSTATE, or "". */
const char *pq_result_sqlstate(const struct pq_result *result);

size_t pq_result_rows(const struct pq_result *result);

/* How many rows an INSERT, UPDATE, DELETE or COPY has touched. */
uint64_t pq_result_affected(const struct pq_result *result);

/* A value as text; "" for NULL, which pq_result_is_null() tells apart. Row and column exist. */
const char *pq_result_value(const struct pq_result *result, size_t row, size_t column);
bool pq_result_is_null(const struct pq_result *result, size_t row, size_t column);

#endif
