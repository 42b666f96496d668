/* SPDX-License-Identifier: MPL-2.0 */
/* Who PostgreSQL runs as: it refuses to be root. */
#ifndef LOADS_CLUSTER_ACCOUNT_H
#define LOADS_CLUSTER_ACCOUNT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct account {
    bool other; /* than who we are; if not, the rest is empty */
    const char *name;
    uid_t uid;
    gid_t gid;
};

/* Ourselves, or for root another user who is there. -ENOENT with a text: none is. */
int account_choose(struct account *ret, struct error *error) _must_check_;

/* Gives a directory to who PostgreSQL runs as (`owner`), or only lets it through. -errno with a
 * text. */
int account_let_in(const struct account *account, const char *directory, bool owner,
                   struct error *error) _must_check_;

/* Becomes that user: 0, or -errno. For a child between fork() and exec(). */
int account_become(const struct account *account) _must_check_;

#endif
