/* SPDX-License-Identifier: MPL-2.0 */
/* The opening of a WebSocket as a request like any other: checked before, counted and recorded
 * behind. */
#ifndef LOADS_WORKER_WEBSOCKET_OPENING_H
#define LOADS_WORKER_WEBSOCKET_OPENING_H

#include "loads/loads.h"
#include "loop/url.h"

struct opening {
    loads_user *user;
    const loads_ws_options *options;
    const struct url *url; /* held from opening_begin() to opening_end() */
    uint64_t started_usec, until_usec;
    unsigned error_id; /* of what opening_fail() has recorded */
};

/* Checks the options, and makes the worker's client. -EIO: recorded; -ENOMEM. */
int opening_begin(struct opening *opening) _must_check_;

/* The handshake is the request that is on from now on. */
void opening_start(struct opening *opening, uint64_t until_usec);

/* Shows the request that is sent, if it is to be. */
void opening_show(const struct opening *opening, const char *address);

/* Records an error of the request. -EIO. */
int opening_fail(struct opening *opening, const char *class, const char *text);

/* What its latency is found under; borrowed from options or URL. */
const char *opening_name(const struct opening *opening);

/* It is open: a hit. */
void opening_succeed(const struct opening *opening);

void opening_end(struct opening *opening);

#endif
