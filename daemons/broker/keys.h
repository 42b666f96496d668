/* SPDX-License-Identifier: MPL-2.0 */
/* The keys of a request. A key whose value is null counts as missing. Each function: 0, or -EINVAL
 * with a text that names the key. */
#ifndef LOADS_BROKER_KEYS_H
#define LOADS_BROKER_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "wire/json.h"

/* A value, or NULL when there is none. */
const json_t *keys_get(const json_t *request, const char *key);

/* A text that must be there; borrowed. */
int keys_text(const json_t *request, const char *key, const char **ret, struct error *error)
    _must_check_;

/* A text, or NULL. */
int keys_text_or_none(const json_t *request, const char *key, const char **ret, struct error *error)
    _must_check_;

/* True or false; false where there is none. */
int keys_flag(const json_t *request, const char *key, bool *ret, struct error *error) _must_check_;

/* A number from 0 to `max`; `missing` where there is none. */
int keys_number(const json_t *request, const char *key, uint64_t max, uint64_t missing,
                uint64_t *ret, struct error *error) _must_check_;

#endif
