/* SPDX-License-Identifier: MPL-2.0 */
/* How the users of a worker get to hosts: by a proxy, to other addresses, from which ones. */
#ifndef LOADS_WORKER_WAYS_H
#define LOADS_WORKER_WAYS_H

#include "user.h"

struct proxy;

/* Reads what the specification says of it. -EINVAL, or another -errno, with a text: a proxy that is
 * none, a source address that isn't this machine's. */
int ways_open(struct worker *worker, struct error *error) _must_check_;
void ways_close(struct worker *worker);

/* The proxy for a host; NULL: none. */
const struct proxy *ways_proxy(const struct worker *worker, const char *host);

/* Where a host is at that port, if it was told; NULL: it wasn't. */
const struct spec_resolve *ways_rule(const struct worker *worker, const char *host, unsigned port);

/* What WebSockets are told about TLS. */
struct ws_client_options ways_ws_options(const struct worker *worker);

/* The address that a user connects from; NULL: any. */
const char *ways_source(const struct loads_user *user);

#endif
