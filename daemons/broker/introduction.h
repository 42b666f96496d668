/* SPDX-License-Identifier: MPL-2.0 */
/* Where a broker says its public key to who doesn't know it yet. A connection with keys takes the
 * key to be known, so this has a socket of its own, which has no keys and says nothing else. */
#ifndef LOADS_BROKER_INTRODUCTION_H
#define LOADS_BROKER_INTRODUCTION_H

#include "base/daemon.h"
#include "broker.h"

struct introduction;

/* Listens on the option's addresses and what was passed in by that name. Borrows the broker, which
 * has a key. -errno with a text. */
int introduction_new(struct introduction **ret, struct broker *broker,
                     struct daemon_sockets *passed, struct error *error) _must_check_;
struct introduction *introduction_free(struct introduction *introduction);
DEFINE_CLEANUP(struct introduction, introduction_free)

#endif
