/* SPDX-License-Identifier: MPL-2.0 */
/* A thousand agents whose broker comes back must not all come at the same moment. */
#include "pause.h"

#include <sys/random.h>

#include "base/macros.h"

void pause_reset(struct pause *pause)
{
    pause->next_usec = PAUSE_MIN_USEC;
}

uint64_t pause_next_usec(struct pause *pause)
{
    uint64_t usec = pause->next_usec, chance = 0;

    (void)!getrandom(&chance, sizeof chance, GRND_NONBLOCK); /* no chance is as good */
    pause->next_usec = MIN(2 * usec, PAUSE_MAX_USEC);
    return usec - chance % (usec / 2 + 1);
}
