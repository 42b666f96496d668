/* SPDX-License-Identifier: MPL-2.0 */
/* Which of several tests a user executes next (run/chance.h), for a process that has such users:
 * it is told many at a time, as a letter each, 'a' for the first test. */
#ifndef LOADS_EXTERNAL_CHOICES_H
#define LOADS_EXTERNAL_CHOICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "run/area.h"
#include "run/chance.h"

struct choices {
    const struct mix *mix; /* NULL: there is but one test */
    struct chance first;   /* of the first user */
    unsigned first_number; /* what a runner calls that */
    unsigned n_users;
    uint32_t *begun; /* iterations that each user had before, in a worker that died */
};

/* Notes where users stand: those of the area, which none of them has begun to change. The mix is
 * borrowed. -ENOMEM. */
int choices_init(struct choices *choices, const struct mix *mix, const struct chance *first,
                 unsigned first_number, const struct area *area) _must_check_;
void choices_clear(struct choices *choices);

/* Writes what that user executes from that execution on (its first one in this process is 1), as
 * many as there is room for, and a NUL. False: there is no such user, or nothing to choose. */
bool choices_write(const struct choices *choices, unsigned number, unsigned execution, char *ret,
                   size_t size);

#endif
