/* SPDX-License-Identifier: MPL-2.0 */
/* The socket that listens, the connections that came from it, and the access log. */
#ifndef LOADS_TARGET_SERVER_H
#define LOADS_TARGET_SERVER_H

#include <ev.h>

#include "base/error.h"
#include "counts.h"

#define SERVER_BUFFER_BYTES 65536

struct server;
struct connection;

/* `access_log` may be NULL. -errno with a text. */
int server_new(struct server **ret, struct ev_loop *loop, const char *host, unsigned port,
               const char *access_log, struct error *error) _must_check_;
struct server *server_free(struct server *server);
DEFINE_CLEANUP(struct server, server_free)

unsigned server_port(const struct server *server);

/* ---- for connections ---- */

struct ev_loop *server_loop(struct server *server);
struct counts *server_counts(struct server *server);

/* A buffer of SERVER_BUFFER_BYTES to use until the callback returns. */
char *server_buffer(struct server *server);

/* Writes "METHOD PATH STATUS BYTES ELAPSED_USEC". */
void server_log_answer(struct server *server, struct slice method, struct slice path,
                       unsigned status, uint64_t size_bytes, uint64_t elapsed_usec);

void server_add_connection(struct server *server, struct connection *connection);
void server_remove_connection(struct server *server, struct connection *connection);
void server_hurry_connections(struct server *server);

/* Answers what is held, and from then on nothing is. */
void server_release(struct server *server);
bool server_is_released(const struct server *server);

#endif
