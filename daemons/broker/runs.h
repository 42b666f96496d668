/* SPDX-License-Identifier: MPL-2.0 */
/* The runs that the broker has in memory: all that are on, and the last that are over. */
#ifndef LOADS_BROKER_RUNS_H
#define LOADS_BROKER_RUNS_H

#include "run.h"

#define RUNS_MAX_ACTIVE 1000
#define RUNS_MAX_OVER   100 /* without a database: nobody else has them */
#define RUNS_KEEP_OVER  10  /* with one */

struct runs;
int runs_new(struct runs **ret, unsigned keep_over) _must_check_;
struct runs *runs_free(struct runs *runs);
DEFINE_CLEANUP(struct runs, runs_free)

/* Takes a run over, as the newest. -E2BIG with a text: too many are on. */
int runs_add(struct runs *runs, struct run **run, struct error *error) _must_check_;

/* Takes it out and frees it. */
void runs_remove(struct runs *runs, struct run *run);

/* Frees the oldest of those that are over, as long as there are too many. */
void runs_trim(struct runs *runs);

/* The oldest; run->next is the one after it. */
struct run *runs_first(const struct runs *runs);
struct run *runs_last(const struct runs *runs);

/* By the whole id; NULL: there is none. One that is RUN_NEW isn't found by what clients ask with.
 */
struct run *runs_find(const struct runs *runs, const char *run_id);
struct run *runs_find_request(const struct runs *runs, const char *request_id);

/* By the beginning of its id. 0; -ENOENT; -ENOTUNIQ. */
int runs_find_prefix(const struct runs *runs, const char *prefix, struct run **ret) _must_check_;

#endif
