/* SPDX-License-Identifier: MPL-2.0 */
/* Values as people write them: numbers, durations, sizes, lists. Each function returns 0, or
 * -EINVAL with a text that says what was given and what is expected ("'10:x' is not a list of
 * numbers such as 10:20:30"); the caller puts the option's name in front. `ret` is untouched on
 * failure. */
#ifndef LOADS_BASE_PARSE_H
#define LOADS_BASE_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* "true", "yes", "1", "on" and their opposites, in any case. */
int parse_bool(const char *text, bool *ret, struct error *error) _must_check_;

/* A decimal number without sign or blanks, min ≤ it ≤ max. */
int parse_unsigned(const char *text, uint64_t min, uint64_t max, uint64_t *ret, struct error *error)
    _must_check_;

#define PARSE_MAX_DURATION_USEC (UINT64_C(366) * 24 * 3600 * 1000000)

/* "90" and "1.5" are seconds; else numbers with h, m, s, ms or us, larger units first, each once:
 * "1m30s", "2h", "500ms". At most 366 days, zero included. What is below a microsecond is cut. */
int parse_duration(const char *text, uint64_t *ret_usec, struct error *error) _must_check_;

/* Bytes, or with K, M, G (powers of 1024): "256K". At most 2^60. */
int parse_size(const char *text, uint64_t *ret_bytes, struct error *error) _must_check_;

#define PARSE_MAX_NUMBERS 100
#define PARSE_MAX_NUMBER  UINT32_C(1000000000)

/* The steps of "10:20:30". */
struct number_list {
    uint32_t values[PARSE_MAX_NUMBERS];
    unsigned count;
};

/* 1 to PARSE_MAX_NUMBERS numbers of 1 to PARSE_MAX_NUMBER each. */
int parse_numbers(const char *text, struct number_list *ret, struct error *error) _must_check_;

#define PARSE_MAX_KEY_BYTES 64

/* "key=value": the length of the key, which is made of letters, digits, '_', '-' and '.', and is
 * not empty. The value may be anything, also empty. */
int parse_key_value(const char *text, size_t *ret_key_length, struct error *error) _must_check_;

#endif
