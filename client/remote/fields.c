/* SPDX-License-Identifier: MPL-2.0 */
/* The types of JSON as ours. */
#include "remote/fields.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

static int wrong(const char *key, const char *expected, struct error *error)
{
    return error_set(error, -EBADMSG, "%s: %s is expected", key, expected);
}

/* NULL for what isn't there. */
static const json_t *get(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

int field_object(const json_t *object, const char *key, const json_t **ret, struct error *error)
{
    const json_t *value = get(object, key);

    if (!json_is_object(value)) {
        return wrong(key, "an object", error);
    }
    *ret = value;
    return 0;
}

int field_array(const json_t *object, const char *key, const json_t **ret, struct error *error)
{
    const json_t *value = get(object, key);

    if (!json_is_array(value)) {
        return wrong(key, "a list", error);
    }
    *ret = value;
    return 0;
}

int field_text(const json_t *object, const char *key, const char **ret, struct error *error)
{
    const json_t *value = get(object, key);

    if (value && !json_is_string(value)) {
        return wrong(key, "a text", error);
    }
    *ret = value ? json_string_value(value) : *ret;
    return 0;
}

int field_required_text(const json_t *object, const char *key, const char **ret,
                        struct error *error)
{
    return get(object, key) ? field_text(object, key, ret, error) : wrong(key, "a text", error);
}

int field_copy(const json_t *object, const char *key, char **ret, struct error *error)
{
    const char *text = NULL;
    int r = field_text(object, key, &text, error);

    if (r < 0 || !text) {
        return r;
    }
    char *copy = strdup(text);
    if (!copy) {
        return error_set_errno(error, -ENOMEM, "%s", key);
    }
    free(*ret);
    *ret = copy;
    return 0;
}

int field_texts(const json_t *object, const char *key, struct strlist *ret, struct error *error)
{
    const json_t *list = get(object, key);
    size_t index;
    json_t *item;

    if (!list) {
        return 0;
    }
    if (!json_is_array(list) || json_array_size(list) > FIELDS_MAX_ITEMS) {
        return wrong(key, "a list of texts", error);
    }
    json_array_foreach(list, index, item)
    {
        const char *text = json_string_value(item);
        if (!text) {
            return wrong(key, "a list of texts", error);
        }
        int r = strlist_add(ret, text);
        if (r < 0) {
            return error_set_errno(error, r, "%s", key);
        }
    }
    return 0;
}

int field_number(const json_t *object, const char *key, uint64_t *ret, struct error *error)
{
    const json_t *value = get(object, key);

    if (value && (!json_is_integer(value) || json_integer_value(value) < 0)) {
        return wrong(key, "a whole number, not negative,", error);
    }
    *ret = value ? (uint64_t)json_integer_value(value) : *ret;
    return 0;
}

int field_date(const json_t *object, const char *key, uint64_t *ret_usec, struct error *error)
{
    const char *text = NULL;
    int r = field_text(object, key, &text, error);

    if (r < 0 || !text) {
        return r;
    }
    return clock_parse_iso(text, ret_usec) < 0 ? wrong(key, "a date in ISO 8601, UTC,", error) : 0;
}
