/* SPDX-License-Identifier: MPL-2.0 */
/* Which address of a host a user talks to. Users get a name's addresses in turn and stay with
 * theirs, so that their connections can be used again; after a failed connection the next one is
 * tried. */
#ifndef LOADS_WORKER_PEER_H
#define LOADS_WORKER_PEER_H

#include <stdint.h>

#include "user.h"

struct peer;

/* The address for a host at a port, as --resolve says, else looked up when none is known or the
 * answer is old: waits on the user's stack, until `deadline_usec` (CLOCK_MONOTONIC). 0: *ret is
 * valid until the next call for this user; *dns_usec grows by what the look-up took. -ECANCELED;
 * -ETIMEDOUT; -ENOENT with the resolver's words in `reason`; -ENOMEM. */
int peer_address(struct loads_user *user, const char *host, unsigned port, uint64_t deadline_usec,
                 const char **ret, uint64_t *dns_usec, char reason[static 128]) _must_check_;

/* No connection to the address that was given last: moves on to the host's next one. False: all
 * were tried since the lookup. */
bool peer_next(struct loads_user *user, const char *host, unsigned port);

/* The address works: the next failure tries all others again. */
void peer_good(struct loads_user *user, const char *host, unsigned port);

/* Frees a list. */
void peers_free(struct peer *peers);

#endif
