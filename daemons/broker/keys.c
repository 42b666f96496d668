/* SPDX-License-Identifier: MPL-2.0 */
/* Requests come from anybody: whatever is in them is looked at here before it is used. */
#include "keys.h"

#include <errno.h>
#include <inttypes.h>

const json_t *keys_get(const json_t *request, const char *key)
{
    const json_t *value = json_object_get(request, key);
    return json_is_null(value) ? NULL : value;
}

int keys_text_or_none(const json_t *request, const char *key, const char **ret, struct error *error)
{
    const json_t *value = keys_get(request, key);

    *ret = json_string_value(value);
    return !value || *ret ? 0 : error_set(error, -EINVAL, "%s: a string is expected", key);
}

int keys_text(const json_t *request, const char *key, const char **ret, struct error *error)
{
    int r = keys_text_or_none(request, key, ret, error);
    return r < 0 || *ret ? r : error_set(error, -EINVAL, "%s: is missing", key);
}

int keys_flag(const json_t *request, const char *key, bool *ret, struct error *error)
{
    const json_t *value = keys_get(request, key);

    *ret = json_is_true(value);
    return !value || json_is_boolean(value)
               ? 0
               : error_set(error, -EINVAL, "%s: true or false is expected", key);
}

int keys_number(const json_t *request, const char *key, uint64_t max, uint64_t missing,
                uint64_t *ret, struct error *error)
{
    const json_t *value = keys_get(request, key);
    json_int_t number = json_integer_value(value);

    if (value && (!json_is_integer(value) || number < 0 || (uint64_t)number > max)) {
        return error_set(error, -EINVAL, "%s: a whole number from 0 to %" PRIu64 " is expected",
                         key, max);
    }
    *ret = value ? (uint64_t)number : missing;
    return 0;
}
