/* SPDX-License-Identifier: MPL-2.0 */
/* The bytes of one answer, made as they are sent: a body of a terabyte takes no memory. */
#ifndef LOADS_TARGET_ANSWER_H
#define LOADS_TARGET_ANSWER_H

#include "plan.h"

/* What to do with the connection when the last byte is sent. */
enum answer_end {
    END_KEEP,
    END_CLOSE, /* in order */
    END_RESET,
    END_HANG, /* nothing, until the client goes */
};

/* All zero: none. */
struct answer {
    unsigned status;
    enum answer_end end;
    bool complete; /* all of it will be sent: it isn't cut short on purpose */

    struct text head, body; /* body: when it isn't a pattern */
    uint64_t body_size, body_offset;
    unsigned chunks, chunk; /* 0 chunks: one piece */
    bool started, ended;
    char framing[32];
    const char *literal; /* bytes that come next, */
    size_t literal_left;
    uint64_t piece_left; /* then so many of the body */
    uint64_t left;       /* after so many bytes it is cut */
};

void answer_clear(struct answer *answer);

/* Makes the answer that a plan asks for; takes the plan's body. -ENOMEM, -E2BIG. */
int answer_make(struct answer *answer, struct plan *plan, struct request *request) _must_check_;

/* Writes the next bytes to `buffer` and returns how many; 0: that was all. */
size_t answer_fill(struct answer *answer, char *buffer, size_t size);

#endif
