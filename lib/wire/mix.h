/* SPDX-License-Identifier: MPL-2.0 */
/* Which tests of a module a run executes, and how often each: "shop.Cart.browse:8 shop.Cart.buy:2",
 * names (wire/fqn.h) with blanks between, and behind each a weight, or 1. */
#ifndef LOADS_WIRE_MIX_H
#define LOADS_WIRE_MIX_H

#include "base/error.h"
#include "wire/fqn.h"

#define MIX_MAX_TESTS  20
#define MIX_MAX_BYTES  4096
#define MIX_MAX_WEIGHT 1000000

struct mix {
    char text[MIX_MAX_BYTES + 1]; /* as it was given, with single blanks; of one test its name */
    struct fqn first;             /* whose module is that of all */
    struct mix_test {
        char suite[FQN_MAX_BYTES + 1];
        char name[FQN_MAX_BYTES + 1];
        unsigned weight; /* 1 to MIX_MAX_WEIGHT */
    } tests[MIX_MAX_TESTS];
    unsigned n; /* 1 or more */
};

/* -EINVAL: a text says what is wrong and what is expected; *ret makes no sense then. */
int mix_parse(const char *text, struct mix *ret, struct error *error) _must_check_;

#endif
