/* SPDX-License-Identifier: MPL-2.0 */
/* A PULL socket of ZeroMQ's that loses nothing: on an ipc address, for PUSH sockets of any library.
 * libzmq 4.3's own drops what lies in a connection whose other end is closed while its messages
 * wait for room; here they are read to the end, however long somebody held them. */
#ifndef LOADS_LOOP_PULL_H
#define LOADS_LOOP_PULL_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "loop/zmtp.h"

struct pull;

struct pull_options {
    size_t max_message_bytes; /* a longer one comes without its bytes */
    /* A message came: borrowed during the call, in which the socket is not to be freed. Never
     * called from inside another function of this file. */
    void (*received)(struct pull *pull, const struct zmtp_message *message, void *context);
    /* Somebody was refused who sends no such messages. */
    void (*refused)(struct pull *pull, const char *reason, void *context);
    void *context;
};

/* Listens on "ipc://PATH", which must not be there; it is for its owner alone. -errno with a text:
 * -ENAMETOOLONG, -EADDRINUSE, … */
int pull_new(struct pull **ret, struct ev_loop *loop, const char *address,
             const struct pull_options *options, struct error *error) _must_check_;

/* Closes all connections and removes the path. */
struct pull *pull_free(struct pull *pull);
DEFINE_CLEANUP(struct pull, pull_free)

const char *pull_address(const struct pull *pull);

/* While it is held, no message comes, and who sends much has to wait. At first it isn't. May be
 * called in received(). */
void pull_hold(struct pull *pull, bool hold);

/* Whether all is taken that has come until now; how many connections there are then; and when
 * something last came by one (CLOCK_MONOTONIC; 0: never). */
bool pull_is_dry(struct pull *pull);
unsigned pull_connections(const struct pull *pull);
uint64_t pull_heard_usec(const struct pull *pull);

#endif
