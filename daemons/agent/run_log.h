/* SPDX-License-Identifier: MPL-2.0 */
/* What a run's preparation and workers print, until it is sent: text in pieces, so much of each
 * worker and no more. */
#ifndef LOADS_AGENT_RUN_LOG_H
#define LOADS_AGENT_RUN_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

#define RUN_LOG_PREPARING    (-1)              /* who prints before there are workers */
#define RUN_LOG_WORKER_BYTES ((size_t)1 << 20) /* of one worker's text, over the whole run */
#define RUN_LOG_KEPT_BYTES   ((size_t)4 << 20) /* that wait to be sent */
#define RUN_LOG_PIECE_BYTES  ((size_t)32 << 10)
#define RUN_LOG_MAX_WORKERS  100000

struct run_log;

int run_log_new(struct run_log **ret) _must_check_;
struct run_log *run_log_free(struct run_log *log);
DEFINE_CLEANUP(struct run_log, run_log_free)

/* Adds what a worker, or RUN_LOG_PREPARING, has written. Bytes that are no text become U+FFFD,
 * control characters but '\n' and '\t' '?'. What exceeds a limit is left out, and the text says so
 * once. Without memory it is left out, too. */
void run_log_add(struct run_log *log, int worker, const char *text, size_t size);

/* The oldest piece: UTF-8 with a NUL, valid until the log changes. False: there is none. */
struct run_log_piece {
    int worker;
    const char *text;
};

bool run_log_next(const struct run_log *log, struct run_log_piece *ret);
void run_log_advance(struct run_log *log);

#endif
