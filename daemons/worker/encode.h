/* SPDX-License-Identifier: MPL-2.0 */
/* Content codings of bodies that are sent. */
#ifndef LOADS_WORKER_ENCODE_H
#define LOADS_WORKER_ENCODE_H

#include "base/error.h"
#include "worker/arena.h"

/* A body in a coding, "gzip" or "deflate", as bytes of the arena. -EINVAL with a text: another
 * coding; -ENOMEM. */
int encode_body(const char *coding, const void *bytes, size_t size, struct arena *arena,
                const char **ret, size_t *ret_size, struct error *error) _must_check_;

#endif
