/* SPDX-License-Identifier: MPL-2.0 */
/* The name of a test, `path.to.module.Suite.test`, and what else may stand in its place: a URL.
 *
 *   fqn    = module "." suite "." test
 *   module = part *("." part)         part:        letters, digits, '_', '-', not '-' first
 *   suite, test                       identifiers: letters, digits, '_', no digit first
 */
#ifndef LOADS_WIRE_FQN_H
#define LOADS_WIRE_FQN_H

#include <stdbool.h>

#include "base/error.h"

#define FQN_MAX_BYTES 250 /* a part with ".so" behind it must be a file's name */

struct fqn {
    char text[FQN_MAX_BYTES + 1];   /* as it was given */
    char module[FQN_MAX_BYTES + 1]; /* "path/to/module" */
    char suite[FQN_MAX_BYTES + 1];
    char test[FQN_MAX_BYTES + 1];
};

/* -EINVAL: a text says what is wrong and what is expected; *ret is untouched. */
int fqn_parse(const char *text, struct fqn *ret, struct error *error) _must_check_;

/* The name of a module alone: "path.to.module" to "path/to/module". */
int fqn_parse_module(const char *text, char ret[static FQN_MAX_BYTES + 1], struct error *error)
    _must_check_;

/* Whether it begins with http:// or https:// and has more than that. */
bool fqn_is_url(const char *text);

#endif
