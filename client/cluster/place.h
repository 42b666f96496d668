/* SPDX-License-Identifier: MPL-2.0 */
/* Where a cluster has its files: what is kept in `state`, sockets in `sockets`, whose name is
 * short.
 *
 *     state/lock          who uses it
 *     state/postgresql/   the database
 *     state/log/          what the programs say, one file each
 *     state/work/         files of runs, gone with the cluster
 *     sockets/            broker and agents
 *     sockets/pg/         PostgreSQL */
#ifndef LOADS_CLUSTER_PLACE_H
#define LOADS_CLUSTER_PLACE_H

#include <stdbool.h>

#include "account.h"

struct place {
    struct account account;
    bool temporary;
    char *state, *sockets;
    char *database, *log, *work, *pg; /* directories in them */
    int lock, state_claim, sockets_claim;
};

#define PLACE_NONE ((struct place){.lock = -1, .state_claim = -1, .sockets_claim = -1})

/* Makes the directories and takes the lock. -EBUSY: another cluster has it, whose process the text
 * names; other -errno with a text. To be released in either case. */
int place_take(struct place *place, bool temporary, struct error *error) _must_check_;

/* Removes what isn't kept. All is empty then. */
void place_release(struct place *place);

/* "log/NAME.log" in it: malloc'ed, the caller's; NULL without memory. */
char *place_log(const struct place *place, const char *name);

#endif
