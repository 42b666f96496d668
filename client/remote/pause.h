/* SPDX-License-Identifier: MPL-2.0 */
/* Letting the loop run for a while, between two looks at something that tells nobody when it
 * changes. */
#ifndef LOADS_REMOTE_PAUSE_H
#define LOADS_REMOTE_PAUSE_H

#include <ev.h>
#include <stdbool.h>

#include "base/macros.h"

static inline void pause_on_time(struct ev_loop *loop _unused_, ev_timer *timer,
                                 int events _unused_)
{
    *(bool *)timer->data = true;
}

static inline _unused_ void pause_loop(struct ev_loop *loop, double seconds)
{
    bool over = false;
    ev_timer timer;

    ev_timer_init(&timer, pause_on_time, seconds, 0.0);
    timer.data = &over;
    ev_now_update(loop);
    ev_timer_start(loop, &timer);
    while (!over) {
        ev_run(loop, EVRUN_ONCE);
    }
}

#endif
