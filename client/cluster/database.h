/* SPDX-License-Identifier: MPL-2.0 */
/* The cluster's own PostgreSQL, on a socket. */
#ifndef LOADS_CLUSTER_DATABASE_H
#define LOADS_CLUSTER_DATABASE_H

#include "events.h"
#include "place.h"

/* Tells all of libpq, ours, the broker's and the command's, where it is: by the environment. -errno
 * with a text. */
int database_set_environment(const struct place *place, struct error *error) _must_check_;

/* Starts it, makes it before if there is none yet, waits until it answers and brings its schema up
 * to date. -EINTR: asked to end; -ECHILD: it, or initdb, is gone: `process` says which and how;
 * other -errno with a text. */
int database_start(struct process *process, const struct place *place, struct events *events,
                   struct error *error) _must_check_;

#endif
