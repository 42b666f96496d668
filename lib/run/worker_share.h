/* SPDX-License-Identifier: MPL-2.0 */
/* A worker's share of a run: what the supervisor says on the command line of every kind of worker.
 */
#ifndef LOADS_RUN_WORKER_SHARE_H
#define LOADS_RUN_WORKER_SHARE_H

#include "base/conf.h"

struct worker_share {
    char *run_dir;
    unsigned serial;     /* which of the run's workers it is */
    unsigned cycle;      /* which cycle it belongs to */
    unsigned first_user; /* the number of its first user */
    unsigned iterations; /* of each user; 0: as many as the time allows */
};

/* Rows for a program's table of options; the offsets are within a struct worker_share. */
extern const struct conf_rows worker_share_rows;

#endif
