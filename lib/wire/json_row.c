/* SPDX-License-Identifier: MPL-2.0 */
/* jansson reads and writes by recursion, and who asks may have a small stack; so the depth is
 * looked at first. */
#include "wire/json_row.h"

#include <errno.h>
#include <string.h>

#include "wire/json.h"

/* As many digits as a double surely keeps: more would show 0.1 as 0.10000000000000001. */
#define REAL_DIGITS 15
#define DUMP_FLAGS  (JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(REAL_DIGITS))

static char *text_of(const json_t *json, void *(*allocate)(void *context, size_t size),
                     void *context)
{
    if (json_is_string(json)) {
        size_t size = json_string_length(json);
        char *text = allocate(context, size + 1);
        return text ? memcpy(text, json_string_value(json), size + 1) : NULL;
    }
    size_t size = json_dumpb(json, NULL, 0, DUMP_FLAGS); /* 0: no memory */
    char *text = size > 0 ? allocate(context, size + 1) : NULL;
    if (!text || json_dumpb(json, text, size, DUMP_FLAGS) != size) {
        return NULL;
    }
    text[size] = '\0';
    return text;
}

static char *copy_of(const char *name, void *(*allocate)(void *context, size_t size), void *context)
{
    size_t size = strlen(name) + 1;
    char *copy = allocate(context, size);
    return copy ? memcpy(copy, name, size) : NULL;
}

int json_row_read(const char *bytes, size_t size, void *(*allocate)(void *context, size_t size),
                  void *context, struct json_row *ret, struct error *error)
{
    _cleanup_(json_decrefp) json_t *object = NULL;
    struct json_row row = {.count = 0};
    json_error_t reason;
    const char *name;
    json_t *value;

    if (wire_json_depth(bytes, size) > JSON_ROW_MAX_DEPTH) {
        return error_set(error, -EBADMSG, "JSON that is nested deeper than %d", JSON_ROW_MAX_DEPTH);
    }
    int r = wire_json_load_row(bytes, size, &object, &reason);
    if (r == -EBADMSG) {
        return error_set(error, r, "not JSON: column %d: %s", reason.column, reason.text);
    }
    if (r == 0 && !json_is_object(object)) {
        return error_set(error, -EBADMSG, "not a JSON object");
    }
    if (r == 0) {
        row.names = allocate(context, json_object_size(object) * sizeof *row.names);
        row.values = allocate(context, json_object_size(object) * sizeof *row.values);
        r = row.names && row.values ? 0 : -ENOMEM;
    }
    json_object_foreach(object, name, value)
    {
        if (r == 0) {
            row.names[row.count] = copy_of(name, allocate, context);
            row.values[row.count] = text_of(value, allocate, context);
            r = row.names[row.count] && row.values[row.count] ? 0 : -ENOMEM;
            row.count++;
        }
    }
    if (r < 0) {
        return error_set_errno(error, r, "JSON");
    }
    *ret = row;
    return 0;
}
