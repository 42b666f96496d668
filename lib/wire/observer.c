/* SPDX-License-Identifier: MPL-2.0 */
/* Who submits a run chooses among what the administrator has installed: a name is no path, by its
 * letters alone. */
#include "wire/observer.h"

#include <errno.h>
#include <string.h>

#include "wire/spec.h"

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

static bool is_name(const char *text, size_t size)
{
    for (size_t at = 0; at <= size; at++) {
        size_t length = MIN(strspn(text + at, letters), size - at);
        if (length == 0 || text[at] == '-') {
            return false;
        }
        at += length;
        if (at < size && text[at] != '.') {
            return false;
        }
    }
    return size > 0;
}

int observer_check_name(const char *text, struct error *error)
{
    size_t size = strlen(text);

    if (size > OBSERVER_MAX_NAME_BYTES || !is_name(text, size)) {
        return error_set(
            error, -EINVAL,
            "'%.60s' is no name of an observer: letters, digits, '_', '-' and, between "
            "them, dots are expected",
            text);
    }
    return 0;
}

bool observer_is_callable(const char *name)
{
    return strchr(name, '.');
}

/* The dot before the key; NULL: there is none. */
static const char *find_key(const char *option)
{
    return memrchr(option, '.', strcspn(option, "="));
}

int observer_check_option(const char *text, struct error *error)
{
    size_t size = strcspn(text, "=");
    const char *dot = find_key(text);
    size_t name_size = dot ? (size_t)(dot - text) : 0, key_size = dot ? size - name_size - 1 : 0;

    if (!dot || text[size] != '=' || name_size > OBSERVER_MAX_NAME_BYTES ||
        !is_name(text, name_size) || key_size == 0 || key_size > OBSERVER_MAX_KEY_BYTES ||
        strspn(dot + 1, letters) != key_size) {
        return error_set(error, -EINVAL, "'%.60s' is not OBSERVER.OPTION=VALUE", text);
    }
    return text[size + 1]
               ? run_spec_check_text(text + size + 1, OBSERVER_MAX_OPTION_BYTES - size - 1, error)
               : 0;
}

bool observer_option_is_of(const char *option, const char *name)
{
    const char *dot = find_key(option);

    return dot && (size_t)(dot - option) == strlen(name) &&
           memcmp(option, name, (size_t)(dot - option)) == 0;
}

const char *observer_option_split(const char *option, char key[static OBSERVER_MAX_KEY_BYTES + 1])
{
    const char *from = find_key(option) + 1, *end = strchr(from, '=');
    size_t length = MIN((size_t)(end - from), (size_t)OBSERVER_MAX_KEY_BYTES);

    for (size_t i = 0; i < length; i++) {
        key[i] = from[i] == '-' ? '_' : from[i];
    }
    key[length] = '\0';
    return end + 1;
}
