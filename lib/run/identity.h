/* SPDX-License-Identifier: MPL-2.0 */
/* Who a client or an agent is for brokers on other machines, and which of these it believes. */
#ifndef LOADS_RUN_IDENTITY_H
#define LOADS_RUN_IDENTITY_H

#include "base/error.h"
#include "loop/mq.h"

/* The files "key" and "known_brokers" are in $CREDENTIALS_DIRECTORY (for a service), in
 * $XDG_CONFIG_HOME/loads or ~/.config/loads, and in /etc/loads, for all users of the machine. Of
 * "key" the first that there is counts; of "known_brokers", which has lines "ADDRESS PUBLICKEY",
 * the first that knows the address. */
#define IDENTITY_KEY     "key"
#define IDENTITY_BROKERS "known_brokers"

/* Where the user's own file of that name is or would be: malloc'ed, the caller's. */
int identity_own_path(const char *name, char **ret) _must_check_;

/* What is needed of a broker: its public key, and ours to show. 1: so it is; 0: nothing is known of
 * the address (ipc, or no line). -errno with a text: a file that makes no sense, or the address is
 * known and we have no key. Ours is secret: explicit_bzero() it. */
struct identity {
    struct mq_key_pair pair;
    struct mq_key broker;
};
int identity_find(const char *address, struct identity *ret, struct error *error) _must_check_;

/* Whether the address is known by that key: 1; 0: nothing is known of it; -EEXIST: another key is,
 * with a text that says where. */
int identity_check(const char *address, const char *key, struct error *error) _must_check_;

/* Before something connects to a broker: of a tcp address that is known, its key is demanded and
 * ours shown. As above. */
int identity_assume(struct mq *mq, const char *address, struct error *error) _must_check_;

/* Adds a broker to a file, or (NULL) to the user's own, unless all users know it by that key.
 * -EEXIST: another key is there; -EINVAL: no address, or no key; with a text. 0: it was known; 1:
 * it is now. */
int identity_trust(const char *file, const char *address, const char *key, struct error *error)
    _must_check_;

#endif
