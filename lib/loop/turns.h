/* SPDX-License-Identifier: MPL-2.0 */
/* Things that are to be done soon, so many of them per turn of a loop, so that what they bring
 * about is dealt with in between. */
#ifndef LOADS_LOOP_TURNS_H
#define LOADS_LOOP_TURNS_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

/* A place in the list, within what is to be done. All zero: in none. */
struct turn {
    struct turn *previous, *next;
};

struct turns {
    struct ev_loop *loop;
    ev_timer timer;
    struct turn list; /* its beginning and end */
    size_t most;      /* in one turn of the loop */
    void (*take)(struct turn *turn);
};

/* `take` does it; the turn is in no list then, and may be freed. It stays where it is in memory. */
void turns_init(struct turns *turns, struct ev_loop *loop, size_t most,
                void (*take)(struct turn *turn));

/* Comes behind all others, never from within this. */
void turns_add(struct turns *turns, struct turn *turn);

/* Harmless when it is in no list. */
void turns_remove(struct turn *turn);

/* All that was added has been taken or removed, or is forgotten. */
void turns_stop(struct turns *turns);

#endif
