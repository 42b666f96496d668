/* SPDX-License-Identifier: MPL-2.0 */
/* Times that differ from one to the next: how long a user thinks, how far apart its iterations
 * begin. */
#ifndef LOADS_BASE_DISTRIBUTION_H
#define LOADS_BASE_DISTRIBUTION_H

#include <stdint.h>

#include "base/error.h"
#include "base/prng.h"

#define DISTRIBUTION_MAX_SEC         (366.0 * 24 * 3600)
#define DISTRIBUTION_EXPONENTIAL_MAX 10 /* times the mean: what is longer is cut */

enum distribution_kind {
    DISTRIBUTION_CONSTANT,    /* always `first_sec` */
    DISTRIBUTION_UNIFORM,     /* from `first_sec` to `second_sec` */
    DISTRIBUTION_EXPONENTIAL, /* `first_sec` on average */
};

struct distribution {
    enum distribution_kind kind;
    double first_sec, second_sec;
};

/* Whether its numbers are times: from 0 to 366 days, the second one not before the first. -EINVAL
 * with a text. */
int distribution_check(const struct distribution *distribution, struct error *error) _must_check_;

/* "10", "uniform:5:15", "exponential:10": times as of parse_duration(). -EINVAL with a text. */
int distribution_parse(const char *text, struct distribution *ret, struct error *error)
    _must_check_;

/* The next time, in microseconds. */
uint64_t distribution_draw_usec(const struct distribution *distribution, struct prng *prng);

#endif
