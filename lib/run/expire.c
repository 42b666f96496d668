/* SPDX-License-Identifier: MPL-2.0 */
/* What is old is the database's to say (sql/0006-expire.sql); here it is asked to delete it piece
 * by piece, until nothing is left. */
#include "run/expire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "loop/pq.h"
#include "run/database.h"
#include "run/schema.h"

#define AGE "make_interval(days => $1)"

/* So many lines of the audit, which are small, in one transaction. */
#define DELETE_RUN   "SELECT loads.expire_runs(" AGE ", 1)"
#define DELETE_LINES "SELECT loads.expire_audit(" AGE ", 10000)"
#define COUNT_RUNS   "SELECT count(*) FROM loads.expirable(" AGE ")"
#define COUNT_LINES  "SELECT count(*) FROM loads.audit WHERE at < now() - " AGE

int expire_parse_days(const char *text, void *field, struct error *error)
{
    return parse_unsigned(text, 1, EXPIRE_MAX_DAYS, field, error);
}

int expire_parse_retention(const char *text, void *field, struct error *error)
{
    if (strcmp(text, "none") == 0) {
        *(uint64_t *)field = 0;
        return 0;
    }
    int r = expire_parse_days(text, field, error);
    return r < 0 ? error_set(error, r, "'%.60s' is neither a number of days, 1 to %d, nor none",
                             text, EXPIRE_MAX_DAYS)
                 : 0;
}

/* Says where that is, too. */
static int check_version(const char *conninfo, struct error *error)
{
    char where[512];
    int version = 0, r = pq_conninfo_where(conninfo, where, sizeof where, error);

    if (r == 0) {
        r = schema_status(conninfo, &version, error);
    }
    if (r < 0 || version == schema_version()) {
        return r;
    }
    if (version == 0) {
        return error_set(error, -EPROTO, "%s: there are no tables of Loads: run 'loadsctl db init'",
                         where);
    }
    return error_set(
        error, -EPROTO, "%s: the schema has version %d, %s than the %d of this program: %s", where,
        version, version > schema_version() ? "newer" : "older", schema_version(),
        version > schema_version() ? "use a newer Loads" : "run 'loadsctl db migrate'");
}

static int ask_number(struct database_session *session, const char *sql, const char *days,
                      uint64_t *ret)
{
    int r = database_ask(session, sql, (const char *[]){days}, 1);

    if (r == 0) {
        *ret = strtoull(session->value, NULL, 10);
    }
    return r;
}

/* Asks until there is nothing more; `total` has what was done before a failure, too. */
static int delete_all(struct database_session *session, const char *sql, const char *days,
                      uint64_t *total)
{
    uint64_t done;
    int r;

    do {
        r = ask_number(session, sql, days, &done);
        *total += r == 0 ? done : 0;
    } while (r == 0 && done > 0);
    return r;
}

int expire(const char *conninfo, uint64_t days, bool count_only, struct expired *ret,
           struct error *error)
{
    struct database_session session;
    char text[24];
    int r;

    *ret = (struct expired){0};
    (void)snprintf(text, sizeof text, "%" PRIu64, days);
    r = check_version(conninfo, error);
    if (r == 0) {
        r = database_open(&session, &(struct database_target){.conninfo = conninfo}, error);
    }
    if (r < 0) {
        return r;
    }
    if (count_only) {
        r = ask_number(&session, COUNT_RUNS, text, &ret->runs);
        r = r < 0 ? r : ask_number(&session, COUNT_LINES, text, &ret->audit_lines);
    } else {
        r = delete_all(&session, DELETE_RUN, text, &ret->runs);
        r = r < 0 ? r : delete_all(&session, DELETE_LINES, text, &ret->audit_lines);
    }
    database_close(&session);
    return r == -EINVAL ? -EIO : r; /* of the server's own, not of the connection string */
}
