/* SPDX-License-Identifier: MPL-2.0 */
/* How long to wait before the next try: longer each time, and never the same as others. */
#ifndef LOADS_AGENT_PAUSE_H
#define LOADS_AGENT_PAUSE_H

#include <stdint.h>

#define PAUSE_MIN_USEC UINT64_C(100000)
#define PAUSE_MAX_USEC UINT64_C(5000000)

struct pause {
    uint64_t next_usec; /* at most */
};

void pause_reset(struct pause *pause);

/* Twice as long as the one before, PAUSE_MIN_USEC at first and PAUSE_MAX_USEC at most, less up to
 * half of it by chance. */
uint64_t pause_next_usec(struct pause *pause);

#endif
