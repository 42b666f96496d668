/* SPDX-License-Identifier: MPL-2.0 */
/* JSON of answers, by paths such as "items[0].name". A document is read once per answer and kept to
 * the end of the iteration. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "call.h"
#include "session.h"
#include "user.h"
#include "wire/json.h"

#define MAX_DEPTH 64

/* The documents of an iteration. */
struct document {
    struct document *next;
    const loads_response *response;
    json_t *json;
};

static void release_documents(loads_user *user)
{
    for (struct document *d = user->released; d; d = d->next) { /* they lie in the arena */
        json_decref(d->json);
    }
    user->released = NULL;
    user->release = NULL;
}

static void fail(loads_user *user, const loads_response *response, const char *format, ...)
    _printf_(3, 4) __attribute__((noreturn));
static void fail(loads_user *user, const loads_response *response, const char *format, ...)
{
    char message[1024];
    va_list arguments;

    va_start(arguments, format);
    int n = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (n >= 0 && (size_t)n < sizeof message) {
        (void)snprintf(message + n, sizeof message - (size_t)n, " (answer of %s)", response->url);
    }
    call_fail(user, ERROR_KIND_FAILURE, "json", "", 0, message);
}

static json_t *document(loads_user *user, const loads_response *response)
{
    json_error_t error;

    for (struct document *d = user->released; d; d = d->next) {
        if (d->response == response) {
            return d->json;
        }
    }
    struct document *d = arena_alloc(&user->arena, sizeof *d);
    json_t *json = NULL;
    int r = d ? wire_json_load_any(response->body, response->body_size, &json, &error) : -ENOMEM;
    if (r == -ENOMEM) {
        call_fail(user, ERROR_KIND_ERROR, "memory", "", 0, "out of memory");
    }
    if (r < 0) {
        fail(user, response, "the body is not JSON: line %d, column %d: %s", error.line,
             error.column, error.text);
    }
    *d = (struct document){user->released, response, json};
    user->released = d;
    user->release = release_documents;
    return json;
}

/* One step of a path: "name", ".name" or "[3]". Moves *path on. NULL: it isn't there. */
static const json_t *step(const json_t *json, const char **path)
{
    const char *p = *path;

    if (*p == '[') {
        size_t index = 0;
        for (p++; *p >= '0' && *p <= '9' && index < SIZE_MAX / 10 - 1; p++) {
            index = index * 10 + (size_t)(*p - '0');
        }
        *path = *p == ']' ? p + 1 : p;
        return *p == ']' ? json_array_get(json, index) : NULL;
    }
    p += *p == '.' ? 1 : 0;
    size_t size = strcspn(p, ".[");
    char *key = strndup(p, size);
    const json_t *value = key ? json_object_get(json, key) : NULL;
    free(key);
    *path = p + size;
    return value;
}

/* The value at a path; leaves the iteration when it isn't there. */
static const json_t *at(loads_user *user, const loads_response *response, const char *path)
{
    const json_t *json = document(user, response);
    const char *rest = path;

    for (int depth = 0; *rest; depth++) {
        json = depth < MAX_DEPTH ? step(json, &rest) : NULL;
        if (!json) {
            fail(user, response, "the JSON has nothing at \"%s\"", path);
        }
    }
    return json;
}

static const char *type_name(const json_t *json)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",  [JSON_STRING] = "a string",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a fraction", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };
    return names[json_typeof(json)];
}

static void wrong_type(loads_user *user, const loads_response *response, const char *path,
                       const json_t *json, const char *wanted) __attribute__((noreturn));
static void wrong_type(loads_user *user, const loads_response *response, const char *path,
                       const json_t *json, const char *wanted)
{
    fail(user, response, "the JSON at \"%s\" is %s, expected %s", path, type_name(json), wanted);
}

const char *loads_json_string(const loads_response *response, const char *path)
{
    loads_user *user = call_user();
    const json_t *json = user ? at(user, response, path) : NULL;

    if (json && !json_is_string(json)) {
        wrong_type(user, response, path, json, "a string");
    }
    return json ? json_string_value(json) : "";
}

intmax_t loads_json_int(const loads_response *response, const char *path)
{
    loads_user *user = call_user();
    const json_t *json = user ? at(user, response, path) : NULL;

    if (json && !json_is_integer(json)) {
        wrong_type(user, response, path, json, "a whole number");
    }
    return json ? json_integer_value(json) : 0;
}

double loads_json_double(const loads_response *response, const char *path)
{
    loads_user *user = call_user();
    const json_t *json = user ? at(user, response, path) : NULL;

    if (json && !json_is_number(json)) {
        wrong_type(user, response, path, json, "a number");
    }
    return json ? json_number_value(json) : 0;
}

bool loads_json_bool(const loads_response *response, const char *path)
{
    loads_user *user = call_user();
    const json_t *json = user ? at(user, response, path) : NULL;

    if (json && !json_is_boolean(json)) {
        wrong_type(user, response, path, json, "true or false");
    }
    return json && json_is_true(json);
}

size_t loads_json_count(const loads_response *response, const char *path)
{
    loads_user *user = call_user();
    const json_t *json = user ? at(user, response, path) : NULL;

    if (json && !json_is_array(json)) {
        wrong_type(user, response, path, json, "an array");
    }
    return json ? json_array_size(json) : 0;
}
