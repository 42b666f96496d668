/* SPDX-License-Identifier: MPL-2.0 */
/* Answers told byte by byte: what no table of behaviours has a word for. */
#ifndef LOADS_TARGET_SCRIPT_H
#define LOADS_TARGET_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

#define SCRIPT_MAX_PARTS 4

/* What to do with the connection when the last byte is sent. */
enum answer_end {
    END_KEEP,
    END_CLOSE, /* in order */
    END_RESET,
    END_HANG, /* nothing, until the client goes */
};

struct part {
    const char *bytes;
    size_t size;
    uint32_t times;
    uint32_t pause_msec; /* behind each time */
};

struct script {
    const char *name, *help;
    struct part parts[SCRIPT_MAX_PARTS]; /* up to one of 0 times */
    enum answer_end end;
    unsigned status; /* of the answer, when a client can take it for one; 0: it can't */
};

/* The table, ended by one without a name. */
extern const struct script scripts[];

/* NULL: no such script. */
const struct script *script_find(const char *name);

#endif
