/* SPDX-License-Identifier: MPL-2.0 */
/* One client's connection: reads requests one after the other, and answers each as it asks for. */
#ifndef LOADS_TARGET_CONNECTION_H
#define LOADS_TARGET_CONNECTION_H

#include "server.h"

/* Takes *fd over. It frees itself when it ends. -ENOMEM. */
int connection_start(struct server *server, int *fd) _must_check_;

/* For the end of the program. */
struct connection *connection_free(struct connection *connection);

/* Ends the pause of a script, if it is in one. It may free itself. */
void connection_hurry(struct connection *connection);

/* Answers a request that is held. The same. */
void connection_release(struct connection *connection);

/* The server's list of all connections. */
struct connection_links {
    struct connection *next, *previous;
};
struct connection_links *connection_links(struct connection *connection);

#endif
