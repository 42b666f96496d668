/* SPDX-License-Identifier: MPL-2.0 */
/* Accounts for a worker that died: iterations and requests that were on become errors (or
 * interrupted, when it was killed for being late), so that users × hits still add up. */
#ifndef LOADS_RUN_CASUALTIES_H
#define LOADS_RUN_CASUALTIES_H

#include <stdbool.h>
#include <stdint.h>

#include "metrics/detail.h"
#include "metrics/interval.h"
#include "metrics/names.h"
#include "run/area.h"
#include "wire/spec.h"

/* How it died. */
struct casualty_text {
    char message[512];
    char place[256];
    char traceback[6000];
    int user; /* who ran at that moment, numbered over the cycle; -1: unknown */
};

struct casualties {
    const struct run_spec *spec;
    struct names *names;
    const uint64_t *words; /* of its users */
    unsigned n_users, first_user;
    unsigned hits; /* iterations per user; 0: no bound */
    uint32_t second;
    bool interrupted;
    unsigned cycle;
    const struct casualty_text *text;
};

/* Fills new_words (n_users) for a worker that goes on where this one stopped, the number of users
 * that have iterations left, and what is to be counted. */
int casualties_count(const struct casualties *casualties, uint64_t *new_words, unsigned *ret_left,
                     struct interval **ret) _must_check_;

/* What is known of a user from the detail that its worker gave out (realtime). */
struct casualty_times {
    uint64_t started_usec; /* its last iteration began */
    uint64_t last_usec; /* the last that it did in it was over; a request that is on is younger */
};

/* Gives out a record of detail for each iteration that was on, and before it one for its request
 * that was counted as an error, whose URL nobody knows any more. `times` (n_users) has when they
 * began; NULL: detail is off, nothing is given out. */
void casualties_tell(const struct casualties *casualties, const struct casualty_times *times,
                     void (*detail)(const struct detail *detail, void *context), void *context);

/* Sum of the iterations that are over. */
uint64_t casualties_iterations(const uint64_t *words, unsigned n);

#endif
