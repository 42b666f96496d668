/* SPDX-License-Identifier: MPL-2.0 */
/* The broker's sockets: passed in by systemd, or made here. */
#ifndef LOADS_BROKER_LISTEN_H
#define LOADS_BROKER_LISTEN_H

#include "broker.h"

/* -EPERM: an address beyond this machine, which allow-insecure doesn't allow; -EADDRINUSE, with the
 * pid of the broker that is there, if it answers; other -errno; each with a text. */
int listen_all(struct broker *broker, struct error *error) _must_check_;

#endif
