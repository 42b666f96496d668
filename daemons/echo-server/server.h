/* SPDX-License-Identifier: MPL-2.0 */
/* The echo server: sockets that listen, and libwebsockets for the connections that come from them.
 */
#ifndef LOADS_ECHO_SERVER_SERVER_H
#define LOADS_ECHO_SERVER_SERVER_H

#include <ev.h>

#include "base/error.h"
#include "base/macros.h"

#define SERVER_MAX_PORTS 64

struct server;

/* Serves on `loop`, which outlives it. -EIO: libwebsockets could not be set up. */
int server_new(struct server **ret, struct ev_loop *loop, struct error *error) _must_check_;
struct server *server_free(struct server *server);
DEFINE_CLEANUP(struct server, server_free)

/* Listens on one more port of an address or host name; port 0: any free one. -errno with a text
 * that names the port and the way out; -E2BIG: SERVER_MAX_PORTS is reached. */
int server_listen(struct server *server, const char *host, unsigned port, struct error *error)
    _must_check_;

/* Writes a line per port to stdout, and flushes it. -errno. */
int server_announce(const struct server *server) _must_check_;

#endif
