/* SPDX-License-Identifier: MPL-2.0 */
/* Deletes from the database what is older than so many days: runs with their results, and lines of
 * loads.audit. What is on is left alone. Blocks, as what is in schema.h does. */
#ifndef LOADS_RUN_EXPIRE_H
#define LOADS_RUN_EXPIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define EXPIRE_MAX_DAYS 36500

struct expired {
    uint64_t runs;
    uint64_t audit_lines;
};

/* Days: 1 to EXPIRE_MAX_DAYS. `field` is a uint64_t. */
int expire_parse_days(const char *text, void *field, struct error *error) _must_check_;

/* The same, or "none", which is 0: of the option retention-days. */
int expire_parse_retention(const char *text, void *field, struct error *error) _must_check_;

/* Each run in a transaction of its own, the oldest first. `count_only`: deletes nothing, and says
 * what it would. -errno with a text, as schema_status(); -EPROTO: the schema is not that of this
 * build; -EBUSY: somebody else was in the way for too long. `ret` has what was done in any case. */
int expire(const char *conninfo, uint64_t days, bool count_only, struct expired *ret,
           struct error *error) _must_check_;

#endif
