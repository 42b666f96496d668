/* SPDX-License-Identifier: MPL-2.0 */
/* Taking objects apart that a broker sent. Each names the key of what is wrong: -EBADMSG with a
 * text, or -ENOMEM. What has no key, or null there, leaves the field alone unless it is required.
 */
#ifndef LOADS_REMOTE_FIELDS_H
#define LOADS_REMOTE_FIELDS_H

#include <stdint.h>

#include "base/strlist.h"
#include "wire/json.h"

#define FIELDS_MAX_ITEMS 10000 /* of a list */

/* An object's value of a kind, borrowed. */
int field_object(const json_t *object, const char *key, const json_t **ret, struct error *error)
    _must_check_;
int field_array(const json_t *object, const char *key, const json_t **ret, struct error *error)
    _must_check_;
int field_required_text(const json_t *object, const char *key, const char **ret,
                        struct error *error) _must_check_;
int field_text(const json_t *object, const char *key, const char **ret, struct error *error)
    _must_check_;

/* A copy, malloc'ed, the caller's. */
int field_copy(const json_t *object, const char *key, char **ret, struct error *error) _must_check_;

/* A list of texts, appended. */
int field_texts(const json_t *object, const char *key, struct strlist *ret, struct error *error)
    _must_check_;

/* A whole number, not negative. */
int field_number(const json_t *object, const char *key, uint64_t *ret, struct error *error)
    _must_check_;

/* A date, as microseconds since 1970. */
int field_date(const json_t *object, const char *key, uint64_t *ret_usec, struct error *error)
    _must_check_;

#endif
