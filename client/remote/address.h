/* SPDX-License-Identifier: MPL-2.0 */
/* Which broker is meant, and what can be said of it before it is asked. */
#ifndef LOADS_REMOTE_ADDRESS_H
#define LOADS_REMOTE_ADDRESS_H

#include "base/error.h"

/* The address of the frontend: `option` (of --broker or LOADS_BROKER) if it isn't NULL, else that
 * of this machine. Malloc'ed, the caller's. -EINVAL: it is no address; -ENAMETOOLONG; -ENOMEM; each
 * with a text. */
int address_choose(const char *option, char **ret, struct error *error) _must_check_;

/* Whether a socket of this machine can be connected to, since libzmq would try for ever. 0 for all
 * other addresses. -ENOENT, -ECONNREFUSED: nobody is there; -EACCES: not for us; with a text that
 * says what to do. */
int address_probe(const char *address, struct error *error) _must_check_;

#endif
