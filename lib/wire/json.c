/* SPDX-License-Identifier: MPL-2.0 */
/* jansson's errors as ours: there was no memory, or the bytes were bad. Its parser can't be asked
 * which. Without memory it reports tokens that are fine as invalid, and may even go on with a
 * string that lacks its end; its writer leaves keys out. So both get an allocator that remembers
 * having failed. */
#include "wire/json.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool out_of_memory; /* since parser or writer was started */

static void *allocate(size_t size)
{
    void *memory = malloc(size);
    if (!memory) {
        out_of_memory = true;
    }
    return memory;
}

/* jansson's words quote what they found, which may be a secret; line and column are there, too. */
static void forget_quote(json_error_t *reason)
{
    char *quote = reason ? strstr(reason->text, " near '") : NULL;
    if (quote) {
        *quote = '\0';
    }
}

static int load(const char *bytes, size_t size, size_t flags, json_t **ret, json_error_t *reason)
{
    json_set_alloc_funcs(allocate, free);
    out_of_memory = false;
    _cleanup_(json_decrefp) json_t *json = json_loadb(bytes, size, flags, reason);
    if (out_of_memory) {
        return -ENOMEM;
    }
    if (!json) {
        forget_quote(reason);
        return -EBADMSG;
    }
    *ret = TAKE_PTR(json);
    return 0;
}

int wire_json_load_any(const char *bytes, size_t size, json_t **ret, json_error_t *reason)
{
    return load(bytes, size, JSON_DECODE_ANY, ret, reason);
}

int wire_json_load_row(const char *bytes, size_t size, json_t **ret, json_error_t *reason)
{
    return load(bytes, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, ret, reason);
}

int wire_json_load(const char *bytes, size_t size, size_t max_bytes, json_t **ret,
                   struct error *error)
{
    _cleanup_(json_decrefp) json_t *json = NULL;
    json_error_t reason;

    if (size > max_bytes) {
        return error_set(error, -E2BIG, "%zu bytes of JSON, of %zu at most", size, max_bytes);
    }
    int r = load(bytes, size, JSON_REJECT_DUPLICATES, &json, &reason);
    if (r == -ENOMEM) {
        return error_set_errno(error, r, "JSON");
    }
    if (r < 0) {
        return error_set(error, -EBADMSG, "not JSON: line %d, column %d: %s", reason.line,
                         reason.column, reason.text);
    }
    if (!json_is_object(json)) {
        return error_set(error, -EBADMSG, "not a JSON object");
    }
    *ret = TAKE_PTR(json);
    return 0;
}

int wire_json_dump(const json_t *json, char **ret)
{
    json_set_alloc_funcs(allocate, free);
    out_of_memory = false;
    char *text = json_dumps(json, JSON_COMPACT);
    if (out_of_memory || !text) { /* keys may be missing in it */
        free(text);
        return -ENOMEM;
    }
    *ret = text;
    return 0;
}

size_t wire_json_depth(const char *bytes, size_t size)
{
    size_t now = 0, most = 0;
    bool quoted = false;

    for (size_t i = 0; i < size; i++) {
        char c = bytes[i];
        if (quoted) {
            i += c == '\\' ? 1 : 0;
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            now++;
            most = MAX(most, now);
        } else if ((c == '}' || c == ']') && now > 0) {
            now--;
        }
    }
    return most;
}
