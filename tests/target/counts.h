/* SPDX-License-Identifier: MPL-2.0 */
/* What the target did, for tests to compare with what a client says. */
#ifndef LOADS_TARGET_COUNTS_H
#define LOADS_TARGET_COUNTS_H

#include "request.h"

#define COUNTS_MAX_PATHS      10000 /* more of them, and longer ones, count as "(other)" */
#define COUNTS_MAX_PATH_BYTES 1024
#define COUNTS_STATUSES       600

struct counts;
struct path_counts;

int counts_new(struct counts **ret) _must_check_;
struct counts *counts_free(struct counts *counts);
DEFINE_CLEANUP(struct counts, counts_free)

/* All back to zero, but for the connections that are open. */
void counts_reset(struct counts *counts);

void counts_accepted(struct counts *counts);
void counts_closed(struct counts *counts);

/* Takes a connection back that turned out to ask for the counts. */
void counts_forget_connection(struct counts *counts);

/* A request was read whole. The result is for counts_answer(), and lives as long as the counts. */
struct path_counts *counts_request(struct counts *counts, struct slice name);

/* What wasn't readable as a request, and gets an answer that says so. */
struct path_counts *counts_bad_request(struct counts *counts);

/* The last byte of an answer was taken by the kernel. */
void counts_answer(struct counts *counts, struct path_counts *path, unsigned status);

void counts_reset_sent(struct counts *counts); /* a connection was reset on purpose */
void counts_cut(struct counts *counts);        /* an answer ended early on purpose, in order */
void counts_abandoned(struct counts *counts);  /* a client left before its answer was complete */

/* JSON, malloc'ed, the caller's: {"connections": {"accepted", "open"}, "requests", "answers",
 * "resets", "cut", "abandoned", "bad_requests", "statuses": {status: answers}, "paths": {path:
 * {"requests", "answers", "statuses": {status: answers}}}}. NULL: no memory. */
char *counts_dump(const struct counts *counts);

#endif
