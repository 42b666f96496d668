/* SPDX-License-Identifier: MPL-2.0 */
/* The bytes of one answer, made as they are sent: a body of a terabyte takes no memory. */
#ifndef LOADS_TARGET_ANSWER_H
#define LOADS_TARGET_ANSWER_H

#include "plan.h"
#include "script.h"

#define ANSWER_MAX_SEC 10 /* of a script: what goes on for ever ends here */

/* All zero: none. */
struct answer {
    unsigned status;
    enum answer_end end;
    bool complete;       /* all of it will be sent: it isn't cut short on purpose */
    uint64_t pause_msec; /* to wait before the next bytes: set by answer_fill() */
    uint64_t slow_msec;  /* to wait between any two */

    struct text head, body; /* body: when it isn't a pattern */
    uint64_t body_size, body_offset;
    unsigned chunks, chunk; /* 0 chunks: one piece */
    bool started, ended;
    struct part parts[SCRIPT_MAX_PARTS]; /* instead of all that */
    size_t n_parts, part;
    char framing[32];
    const char *literal; /* bytes that come next, */
    size_t literal_left;
    uint64_t piece_left; /* then so many of the body */
    uint64_t left;       /* after so many bytes it is cut */
};

void answer_clear(struct answer *answer);

/* Makes the answer that a plan asks for; takes the plan's body. -ENOMEM, -E2BIG. `plan` and
 * `request` may go before it. */
int answer_make(struct answer *answer, struct plan *plan, struct request *request) _must_check_;

/* Writes the next bytes to `buffer` and returns how many; 0: that was all. */
size_t answer_fill(struct answer *answer, char *buffer, size_t size);

#endif
