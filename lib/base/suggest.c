/* SPDX-License-Identifier: MPL-2.0 */
/* The nearest known word, by the optimal string alignment distance: three rows of the usual table
 * are enough, since a swap of neighbours looks back two rows and no further. */
#include "base/suggest.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

#define MAX_WORD 63

static bool same(char a, char b)
{
    return a == b || ((a == '-' || a == '_') && (b == '-' || b == '_'));
}

unsigned suggest_distance(const char *a, const char *b)
{
    unsigned rows[3][MAX_WORD + 1];
    size_t a_length = strlen(a), b_length = strlen(b);

    if (a_length > MAX_WORD || b_length > MAX_WORD) {
        return UINT_MAX;
    }
    for (size_t j = 0; j <= b_length; j++) {
        rows[0][j] = (unsigned)j;
    }
    for (size_t i = 1; i <= a_length; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            unsigned best = above[j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1);
            best = MIN(best, above[j] + 1);
            best = MIN(best, row[j - 1] + 1);
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1])) {
                best = MIN(best, two_above[j - 2] + 1);
            }
            row[j] = best;
        }
    }
    return rows[a_length % 3][b_length];
}

void suggest_consider(struct suggest *suggest, const char *candidate)
{
    unsigned distance = suggest_distance(suggest->word, candidate);
    size_t limit = MIN(1 + strlen(suggest->word) / 4, (size_t)3);

    if (distance <= limit && (!suggest->nearest || distance < suggest->distance)) {
        suggest->nearest = candidate;
        suggest->distance = distance;
    }
}
