/* SPDX-License-Identifier: MPL-2.0 */
/* WebSockets of a user: opened, used and closed within one iteration. */
#ifndef LOADS_WORKER_WEBSOCKET_H
#define LOADS_WORKER_WEBSOCKET_H

#include "loads/loads.h"

/* What a socket may have received that nobody has asked for yet, before its server has to wait; and
 * what may wait to be sent before its user does. */
#define WEBSOCKET_QUEUE_BYTES ((size_t)1 << 20)

/* Closes what the test left open, on the user's own stack, and frees all of it. A user that was
 * cancelled doesn't wait for servers. */
void websockets_end(loads_user *user);

#endif
