/* SPDX-License-Identifier: MPL-2.0 */
/* The database's schema: which one this build knows, and how a database gets it. Its versions are
 * the numbered files of sql/, beside the folder of the running program (a build) or where they are
 * installed; each is applied once, in a transaction.
 *
 * All but schema_version() block: they are for programs that do nothing else meanwhile. `conninfo`
 * is a connection string as for the broker's `database`. */
#ifndef LOADS_RUN_SCHEMA_H
#define LOADS_RUN_SCHEMA_H

#include "base/error.h"

/* Advisory locks: who has the first is the one that writes results; who has the second changes the
 * schema. As in pg_locks: classid, objid. */
#define SCHEMA_LOCK_CLASS   "1282367844" /* "Load" */
#define SCHEMA_LOCK_WRITER  "1"
#define SCHEMA_LOCK_MIGRATE "2"

/* The version that this build writes and reads. */
int schema_version(void);

/* The version that a database has; 0: none. -errno with a text that names user, host, database,
 * here and below: -EINVAL it is no connection string, -ECONNREFUSED no connection was made,
 * -ECONNRESET it was lost. */
int schema_status(const char *conninfo, int *ret_version, struct error *error) _must_check_;

/* Called for each thing that was done: "applied 0002-histograms.sql". */
typedef void schema_told(const char *text, void *context);

/* Brings a database up to date. 0: it is now. -EBUSY: a broker writes there; -EPROTO: its schema is
 * newer than this build; other -errno, each with a text. What was applied before a failure stays.
 */
int schema_migrate(const char *conninfo, schema_told *told, void *context, struct error *error)
    _must_check_;

/* Makes the role and the database, unless they are there, as the user that we are (or as
 * conninfo's), and brings the database up to date. */
int schema_init(const char *conninfo, schema_told *told, void *context, struct error *error)
    _must_check_;

#endif
