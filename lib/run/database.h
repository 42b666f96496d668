/* SPDX-License-Identifier: MPL-2.0 */
/* A connection to PostgreSQL that is waited for: for programs that do nothing else meanwhile. */
#ifndef LOADS_RUN_DATABASE_H
#define LOADS_RUN_DATABASE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Who we connect as and where to: conninfo's, or otherwise. */
struct database_target {
    const char *conninfo;
    const char *database; /* NULL: conninfo's */
    bool as_default_user;
};

struct database_session {
    struct ev_loop *loop;
    struct resolver *resolver;
    struct pq *pq;
    bool over; /* what is waited for has come: */
    int result;
    struct error *error; /* gets the texts */
    char value[512];     /* of the first row and column, or "" */
    size_t rows;
};

/* -errno with a text that names user, host and database: -EINVAL it is no connection string,
 * -ECONNREFUSED no connection was made. On failure there is nothing to close. */
int database_open(struct database_session *session, const struct database_target *target,
                  struct error *error) _must_check_;
void database_close(struct database_session *session);

/* Asks and waits; session->value is the answer. -errno as of pq_result_code(), with a text. */
int database_ask(struct database_session *session, const char *sql, const char *const *parameters,
                 size_t n) _must_check_;

#endif
