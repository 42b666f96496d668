/* SPDX-License-Identifier: MPL-2.0 */
/* Credentials of a request: what a test gives with .auth, or in a URL. */
#ifndef LOADS_WORKER_AUTH_H
#define LOADS_WORKER_AUTH_H

#include <stdbool.h>

#include "loads/loads.h"

#include "base/error.h"
#include "loop/url.h"
#include "worker/arena.h"

struct auth {
    const char *line;            /* "Authorization: …"; NULL: none */
    const char *user, *password; /* to answer a digest challenge with; user NULL: none */
};

/* What `given` (its kind 0: nothing) or else a URL's user and password come to. -EINVAL with a text
 * that has no secret in it; -ENOMEM. The strings are the arena's, or those that were given. */
int auth_find(const loads_auth *given, const struct url *url, struct arena *arena, struct auth *ret,
              struct error *error) _must_check_;

#endif
