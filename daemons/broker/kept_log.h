/* SPDX-License-Identifier: MPL-2.0 */
/* What the workers of a run wrote, in memory, for brokers without a database. */
#ifndef LOADS_BROKER_KEPT_LOG_H
#define LOADS_BROKER_KEPT_LOG_H

#include "base/macros.h"

#define KEPT_LOG_MAX_BYTES ((size_t)1 << 20) /* of a run; what exceeds it is dropped */

struct kept_log_piece {
    struct kept_log_piece *next;
    unsigned source;
    int worker;
    char text[];
};

/* All zero: empty. */
struct kept_log {
    struct kept_log_piece *first, *last;
    size_t bytes;
};

/* Without memory the text is dropped, too. */
void kept_log_add(struct kept_log *log, unsigned source, int worker, const char *text);
void kept_log_clear(struct kept_log *log);

#endif
