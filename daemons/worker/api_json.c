/* SPDX-License-Identifier: MPL-2.0 */
/* JSON of answers, by paths such as "items[0].name". A document is read once per answer and kept to
 * the end of the iteration. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/shown.h"
#include "call.h"
#include "session.h"
#include "user.h"
#include "wire/json.h"

#define QUOTED_BYTES 200           /* of a value in a message */
#define LEVEL_BYTES  ((size_t)512) /* of stack, with room for what called us */

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

/* Who asks, where in the test, of which answer. */
struct question {
    loads_user *user;
    const char *file;
    int line;
    const loads_response *response;
    const char *path;
};

static void fail(const struct question *q, const char *format, ...) _printf_(2, 3)
    __attribute__((noreturn));
static void fail(const struct question *q, const char *format, ...)
{
    char message[1024], shown[SHOWN_BYTES];
    va_list arguments;

    va_start(arguments, format);
    int n = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (n >= 0 && (size_t)n < sizeof message) {
        (void)snprintf(message + n, sizeof message - (size_t)n, " (answer of %s)",
                       shown_url(q->response->url, shown));
    }
    call_fail(q->user, ERROR_KIND_FAILURE, "json", q->file, q->line, message);
}

static void fail_unread(const struct question *q, const json_error_t *error)
    __attribute__((noreturn));
static void fail_unread(const struct question *q, const json_error_t *error)
{
    enum json_error_code code = json_error_code(error);
    const char *words = error->text;

    if (code == json_error_null_character) {
        words = "a string has a zero character (\\u0000) in it, which none in C can have";
    }
    fail(q, "the body is not %s: line %d, column %d: %s",
         code == json_error_invalid_utf8 ? "UTF-8, as JSON is" : "JSON", error->line, error->column,
         words);
}

/* A byte order mark is passed over. */
static int read_body(const loads_response *response, json_t **ret, json_error_t *error)
{
    static const char mark[] = "\xef\xbb\xbf";
    size_t size = strlen(mark), skipped = 0;

    if (response->body_size >= size && memcmp(response->body, mark, size) == 0) {
        skipped = size;
    }
    return wire_json_load_any(response->body + skipped, response->body_size - skipped, ret, error);
}

static json_t *document(const struct question *q)
{
    loads_user *user = q->user;
    json_error_t error;
    json_t *json = NULL;

    for (struct document *d = user->released; d; d = d->next) {
        if (d->response == q->response) {
            return d->json;
        }
    }
    size_t depth = wire_json_depth(q->response->body, q->response->body_size);
    if (depth * LEVEL_BYTES > user->stack.size) {
        fail(q,
             "the body is JSON of %zu levels, more than a stack of %zu KiB holds: see "
             "--stack-size",
             depth, user->stack.size / 1024);
    }
    if (q->response->body_size == 0) {
        fail(q, "the body is empty, which is not JSON");
    }
    struct document *d = arena_alloc(&user->arena, sizeof *d);
    int r = d ? read_body(q->response, &json, &error) : -ENOMEM;
    if (r == -ENOMEM) {
        call_fail(user, ERROR_KIND_ERROR, "memory", q->file, q->line, "out of memory");
    }
    if (r < 0) {
        fail_unread(q, &error);
    }
    *d = (struct document){user->released, q->response, json};
    user->released = d;
    user->release = release_documents;
    return json;
}

/* One step of a path: "name", ".name" or "[3]". Moves *path on. NULL: it isn't there. */
static const json_t *step(const json_t *json, const char **path)
{
    const char *p = *path;

    if (*p == '[') {
        char *end;
        unsigned long long index = strtoull(p + 1, &end, 10);
        *path = *end == ']' ? end + 1 : end;
        return p[1] >= '0' && p[1] <= '9' && *end == ']' ? json_array_get(json, (size_t)index)
                                                         : NULL;
    }
    p += *p == '.' ? 1 : 0;
    size_t size = strcspn(p, ".[");
    *path = p + size;
    return json_object_getn(json, p, size);
}

/* The value at the path; leaves the iteration when it isn't there. */
static const json_t *at(const struct question *q)
{
    const json_t *json = document(q);
    const char *rest = q->path;

    while (*rest) {
        json = step(json, &rest);
        if (!json) {
            fail(q, "the JSON has nothing at \"%s\"", q->path);
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

/* Leaves the iteration unless the value has the type that was asked for. */
static void want(const struct question *q, const json_t *json, bool has_type, const char *type)
{
    if (!has_type) {
        fail(q, "the JSON at \"%s\" is %s, expected %s", q->path, type_name(json), type);
    }
}

/* The question of an accessor; user NULL: the answer doesn't matter any more. */
#define QUESTION                                                                                   \
    {                                                                                              \
        call_user(), file, line, response, path                                                    \
    }

const char *loads_json_string_(const char *file, int line, const loads_response *response,
                               const char *path)
{
    struct question q = QUESTION;
    const json_t *json = q.user ? at(&q) : NULL;

    if (!json) {
        return "";
    }
    want(&q, json, json_is_string(json), "a string");
    return json_string_value(json);
}

intmax_t loads_json_int_(const char *file, int line, const loads_response *response,
                         const char *path)
{
    struct question q = QUESTION;
    const json_t *json = q.user ? at(&q) : NULL;

    if (!json) {
        return 0;
    }
    want(&q, json, json_is_integer(json), "a whole number");
    return json_integer_value(json);
}

double loads_json_double_(const char *file, int line, const loads_response *response,
                          const char *path)
{
    struct question q = QUESTION;
    const json_t *json = q.user ? at(&q) : NULL;

    if (!json) {
        return 0;
    }
    want(&q, json, json_is_number(json), "a number");
    return json_number_value(json);
}

bool loads_json_bool_(const char *file, int line, const loads_response *response, const char *path)
{
    struct question q = QUESTION;
    const json_t *json = q.user ? at(&q) : NULL;

    if (!json) {
        return false;
    }
    want(&q, json, json_is_boolean(json), "true or false");
    return json_is_true(json);
}

size_t loads_json_count_(const char *file, int line, const loads_response *response,
                         const char *path)
{
    struct question q = QUESTION;
    const json_t *json = q.user ? at(&q) : NULL;

    if (!json) {
        return 0;
    }
    want(&q, json, json_is_array(json), "an array");
    return json_array_size(json);
}

/* ---- the same as other JSON ------------------------------------------------------------------ */

/* A value for a message, cut. */
static const char *quote(const struct question *q, const json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    const char *quoted = text ? arena_printf(&q->user->arena, "%.*s%s", QUOTED_BYTES, text,
                                             strlen(text) > QUOTED_BYTES ? "…" : "")
                              : NULL;

    free(text);
    return quoted ? quoted : "…";
}

/* 1 and 1.0 are the same number, also inside. */
static bool is_same(const json_t *a, const json_t *b)
{
    const char *key;
    json_t *value;
    size_t i;

    if (json_is_number(a) && json_is_number(b)) {
        return json_is_integer(a) && json_is_integer(b)
                   ? json_integer_value(a) == json_integer_value(b)
                   : json_number_value(a) == json_number_value(b);
    }
    if (json_typeof(a) != json_typeof(b) || json_array_size(a) != json_array_size(b) ||
        json_object_size(a) != json_object_size(b)) {
        return false;
    }
    json_array_foreach(a, i, value)
    {
        if (!is_same(value, json_array_get(b, i))) {
            return false;
        }
    }
    json_object_foreach((json_t *)a, key, value)
    {
        const json_t *other = json_object_get(b, key);
        if (!other || !is_same(value, other)) {
            return false;
        }
    }
    return json_typeof(a) >= JSON_STRING ? json_equal(a, b) : true;
}

void loads_assert_json_(const char *file, int line, const loads_response *response,
                        const char *path, const char *expected)
{
    struct question q = QUESTION;
    const json_t *json = q.user ? at(&q) : NULL;
    json_error_t error;
    json_t *wanted = NULL;

    if (!json) {
        return;
    }
    size_t size = strlen(expected);
    int r = wire_json_depth(expected, size) * LEVEL_BYTES > q.user->stack.size
                ? -EINVAL
                : wire_json_load_any(expected, size, &wanted, &error);
    if (r < 0) {
        call_fail(q.user, ERROR_KIND_ERROR, "argument", file, line,
                  "loads_assert_json_eq(): what is expected isn't JSON: a text has quotes, as in "
                  "\"\\\"pencil\\\"\"");
    }
    bool same = is_same(json, wanted);
    const char *shown = same ? "" : quote(&q, wanted);
    json_decref(wanted);
    if (!same) {
        fail(&q, "the JSON at \"%s\" is %s, expected %s", path, quote(&q, json), shown);
    }
}
