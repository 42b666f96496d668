/* SPDX-License-Identifier: MPL-2.0 */
/* Who a client or an agent is for brokers on other machines, and which of these it believes. */
#ifndef LOADS_RUN_IDENTITY_H
#define LOADS_RUN_IDENTITY_H

#include "base/error.h"
#include "loop/mq.h"

/* The files "key" and "known_brokers", in $CREDENTIALS_DIRECTORY (for a service), in
 * $XDG_CONFIG_HOME/loads or ~/.config/loads, or in /etc/loads: the first that there is. The latter
 * has lines "ADDRESS PUBLICKEY". */
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

/* Only whether the address is known, and by which key. */
int identity_known(const char *address, struct mq_key *ret, struct error *error) _must_check_;

/* Before something connects to a broker: of a tcp address that is known, its key is demanded and
 * ours shown. As above. */
int identity_assume(struct mq *mq, const char *address, struct error *error) _must_check_;

/* Adds a broker to the user's own file, or says that another key is there: -EEXIST; -EINVAL: no
 * address, or no key; with a text. 0: it was there; 1: it is there now. */
int identity_trust(const char *address, const char *key, struct error *error) _must_check_;

#endif
