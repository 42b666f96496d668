/* SPDX-License-Identifier: MPL-2.0 */
/* Which tests a run executes, and how often each: "shop.Cart.browse:8 shop.Cart.buy:2", names
 * (wire/fqn.h) with blanks between, and behind each a weight, or 1. They may be of several modules.
 */
#ifndef LOADS_WIRE_MIX_H
#define LOADS_WIRE_MIX_H

#include <stdint.h>

#include "base/error.h"
#include "wire/fqn.h"

#define MIX_MAX_TESTS  20
#define MIX_MAX_BYTES  4096
#define MIX_MAX_WEIGHT 1000000

struct mix {
    char text[MIX_MAX_BYTES + 1]; /* as it was given, with single blanks; of one test its name */
    struct mix_test {
        struct fqn fqn;
        unsigned weight; /* 1 to MIX_MAX_WEIGHT */
        unsigned module; /* modules are numbered in the order in which they are first named */
    } tests[MIX_MAX_TESTS];
    unsigned n;         /* 1 or more */
    unsigned n_modules; /* 1 or more */
    uint64_t weight;    /* of all together */
};

/* -EINVAL: a text says what is wrong and what is expected; *ret makes no sense then. */
int mix_parse(const char *text, struct mix *ret, struct error *error) _must_check_;

/* Its path, "path/to/module", by its number. */
const char *mix_module(const struct mix *mix, unsigned module);

/* What a test is called in results, by its number: "Suite.test"; or, if a test of another module is
 * called that, too, its whole name. */
const char *mix_name(const struct mix *mix, unsigned test);

#endif
