/* SPDX-License-Identifier: MPL-2.0 */
/* "did you mean …?": the candidate nearest to a mistyped word. */
#ifndef LOADS_BASE_SUGGEST_H
#define LOADS_BASE_SUGGEST_H

#include "base/macros.h"

/* Start with {.word = …}, show it each candidate, read `nearest`. */
struct suggest {
    const char *word;
    const char *nearest; /* a candidate (borrowed), or NULL: none is near enough to be meant */
    unsigned distance;   /* of `nearest` */
};

/* How many letters must be put in, left out, changed or swapped with their neighbour. '-' and '_'
 * are the same letter. Words longer than 63 bytes are far from everything. */
unsigned suggest_distance(const char *a, const char *b);

/* Takes the candidate if it is near enough (one letter, and one more for each four of the word,
 * three at most) and nearer than those
 * before. */
void suggest_consider(struct suggest *suggest, const char *candidate);

#endif
