/* SPDX-License-Identifier: MPL-2.0 */
/* The one place where it is decided who executes what: what runs tests in another language is told
 * the outcome. */
#include "run/chance.h"

#include "base/prng.h"

uint64_t chance_key(const struct chance *chance, enum choice_purpose purpose, uint64_t which)
{
    const uint64_t parts[] = {chance->seed, chance->cycle, chance->user, purpose, which};

    return prng_key(parts, ELEMENTSOF(parts));
}

unsigned chance_test(const struct chance *chance, const struct mix *mix, uint64_t iteration)
{
    struct prng prng;
    unsigned test = 0;

    if (mix->n == 1) {
        return 0;
    }
    prng_seed(&prng, chance_key(chance, CHOICE_TEST, iteration));
    uint64_t at = prng_below(&prng, mix->weight);
    while (at >= mix->tests[test].weight) {
        at -= mix->tests[test].weight;
        test++;
    }
    return test;
}
