/* SPDX-License-Identifier: MPL-2.0 */
/* What CTRL_COMPARE answered: limits held against it, and a table for people. */
#ifndef LOADS_LOADSCTL_COMPARISON_H
#define LOADS_LOADSCTL_COMPARISON_H

#include <stdio.h>

#include "metrics/threshold.h"
#include "wire/json.h"

/* A --fail-if. */
struct comparison_limit {
    struct threshold limit;
    bool is_named;          /* there are rows that it is about */
    size_t rows;            /* of these, that can be told by */
    bool holds;             /* there are some, and none is beyond it and more than chance */
    bool by_chance;         /* it holds since what is beyond it may be chance */
    const json_t *furthest; /* the row that it is missed by, or is nearest; NULL; borrowed */
};

/* Whether the answer has what is read here. */
bool comparison_is_whole(const json_t *document);

void comparison_judge(const json_t *document, struct comparison_limit *limit);

/* What a row is about, for people: "GET /login", "Shop.buy", "the whole run". */
void comparison_put_name(FILE *file, const json_t *row);

void comparison_put(FILE *file, const json_t *document);
void comparison_put_limits(FILE *file, const struct comparison_limit *limits, size_t count);

#endif
