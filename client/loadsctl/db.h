/* SPDX-License-Identifier: MPL-2.0 */
/* The database where results are: whether it has the tables that this program knows, and how it
 * gets them. Asks PostgreSQL itself, not the broker: that one can't start without them. */
#ifndef LOADS_LOADSCTL_DB_H
#define LOADS_LOADSCTL_DB_H

#include "options.h"

/* What goes wrong is said on standard error. */
enum exit_code verb_db(const struct ctl_options *options);

/* Its action that deletes what is old. */
enum exit_code db_expire(const struct ctl_options *options);

/* The connection string that option or environment say; NULL: neither. */
const char *db_conninfo(const struct ctl_options *options);

/* Says what went wrong with the database: which exit code that is. */
enum exit_code db_fail(int code, const struct error *error);

#endif
