/* SPDX-License-Identifier: MPL-2.0 */
/* The broker in one line, for `systemctl status`. */
#ifndef LOADS_BROKER_STATUS_H
#define LOADS_BROKER_STATUS_H

#include "base/daemon.h"
#include "base/rate.h"

struct broker;

struct status {
    struct daemon_status line;
    struct rate rate;
    uint64_t hits; /* of all runs, since the broker was started */
};

/* To be called some times a second. */
void status_tick(struct broker *broker);

#endif
