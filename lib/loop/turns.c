/* SPDX-License-Identifier: MPL-2.0 */
/* A timer of no time fires once per turn of the loop, and doesn't let it sleep. */
#include "loop/turns.h"

#include "base/macros.h"

static bool is_empty(const struct turns *turns)
{
    return turns->list.next == &turns->list;
}

static void on_turn(struct ev_loop *loop, ev_timer *timer, int events _unused_)
{
    struct turns *turns = timer->data;

    for (size_t i = 0; i < turns->most && !is_empty(turns); i++) {
        struct turn *turn = turns->list.next;
        turns_remove(turn);
        turns->take(turn);
    }
    if (!is_empty(turns)) {
        ev_timer_start(loop, timer);
    }
}

void turns_init(struct turns *turns, struct ev_loop *loop, size_t most,
                void (*take)(struct turn *turn))
{
    *turns = (struct turns){.loop = loop, .most = most, .take = take};
    turns->list.previous = turns->list.next = &turns->list;
    ev_timer_init(&turns->timer, on_turn, 0., 0.);
    turns->timer.data = turns;
}

void turns_add(struct turns *turns, struct turn *turn)
{
    *turn = (struct turn){.previous = turns->list.previous, .next = &turns->list};
    turn->previous->next = turn;
    turns->list.previous = turn;
    ev_timer_start(turns->loop, &turns->timer);
}

void turns_remove(struct turn *turn)
{
    if (turn->next) {
        turn->previous->next = turn->next;
        turn->next->previous = turn->previous;
        *turn = (struct turn){.next = NULL};
    }
}

void turns_stop(struct turns *turns)
{
    ev_timer_stop(turns->loop, &turns->timer);
}
