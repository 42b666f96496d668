/* SPDX-License-Identifier: MPL-2.0 */
/* The generator is xoshiro256** of David Blackman and Sebastiano Vigna (2018), whose state is
 * filled by splitmix64 of the latter, as they advise.
 *
 * A permutation is a Feistel network of a few rounds over the smallest even number of bits that has
 * room for all numbers; what lands outside of them goes through it again until it is inside, which
 * ends, since a permutation leads back to where it began (cycle walking: John Black and Phillip
 * Rogaway, "Ciphers with Arbitrary Finite Domains", 2002). At most three of four land outside. */
#include "base/prng.h"

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15) /* 2^64 by the golden ratio: splitmix64's step */
#define ROUNDS 6

static uint64_t mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

uint64_t prng_key(const uint64_t *parts, size_t count)
{
    uint64_t key = 0;

    for (size_t i = 0; i < count; i++) {
        key = mix(key + GOLDEN) ^ mix(parts[i] + (i + 1) * GOLDEN);
        key = mix(key);
    }
    return key;
}

void prng_seed(struct prng *prng, uint64_t key)
{
    for (size_t i = 0; i < ELEMENTSOF(prng->state); i++) { /* never all zero: it is a bijection */
        prng->state[i] = mix(key += GOLDEN);
    }
}

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

uint64_t prng_next(struct prng *prng)
{
    uint64_t *s = prng->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9, shifted = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate(s[3], 45);
    return result;
}

/* The first 2^64 % limit numbers are left out, so that each remainder has as many of the others. */
uint64_t prng_below(struct prng *prng, uint64_t limit)
{
    uint64_t leave_out = (UINT64_MAX - limit + 1) % limit, value;

    do {
        value = prng_next(prng);
    } while (value < leave_out);
    return value % limit;
}

int64_t prng_between(struct prng *prng, int64_t low, int64_t high)
{
    uint64_t count = (uint64_t)high - (uint64_t)low + 1; /* 0: all 2^64 */
    uint64_t offset = count == 0 ? prng_next(prng) : prng_below(prng, count);

    return (int64_t)((uint64_t)low + offset);
}

double prng_double(struct prng *prng)
{
    return (double)(prng_next(prng) >> 11) * 0x1p-53; /* as many bits as a double has */
}

uint64_t prng_permute(uint64_t key, uint64_t count, uint64_t index)
{
    unsigned half = 1;

    while (half < 32 && count > UINT64_C(1) << 2 * half) {
        half++;
    }
    uint64_t mask = (UINT64_C(1) << half) - 1;
    do {
        uint64_t left = index >> half, right = index & mask;
        for (uint64_t round = 1; round <= ROUNDS; round++) {
            uint64_t next = left ^ (mix(key + round * GOLDEN + mix(right)) & mask);
            left = right;
            right = next;
        }
        index = left << half | right;
    } while (index >= count);
    return index;
}
