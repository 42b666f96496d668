/* SPDX-License-Identifier: MPL-2.0 */
/* Reads paths and queries by the table of behaviours. Values are decoded after they were told
 * apart, so that %2F and %26 can be part of one. */
#include "plan.h"

#include <errno.h>
#include <string.h>

#define MAX_NUMBER_DIGITS 15

void plan_clear(struct plan *plan)
{
    text_clear(&plan->body);
    text_clear(&plan->headers);
    text_clear(&plan->before);
    text_clear(&plan->location);
    *plan = (struct plan){0};
}

static int refuse(struct plan *plan, unsigned status, const char *reason, struct slice about)
{
    plan_clear(plan);
    plan->status = status;
    plan->has_body = true;
    plan->refused = true;
    return text_add(&plan->body, "%s: %.*s\n", reason, (int)MIN(about.size, 200), about.bytes);
}

int plan_refuse(struct plan *plan, unsigned status, const char *reason)
{
    plan_clear(plan);
    plan->status = status;
    plan->has_body = true;
    plan->close = true;
    return text_add(&plan->body, "%s\n", reason);
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *digit = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c) : NULL;

    return digit ? (int)(digit - digits) : -1;
}

/* Decodes in place; false: a bad escape, or a NUL. */
static bool decode(struct value *value, bool plus_is_space)
{
    size_t to = 0;

    for (size_t from = 0; from < value->size; from++) {
        char c = value->text[from];
        if (c == '%') {
            int high = from + 2 < value->size ? hex_digit(value->text[from + 1]) : -1;
            int low = high >= 0 ? hex_digit(value->text[from + 2]) : -1;
            if (low < 0 || (high == 0 && low == 0)) {
                return false;
            }
            c = (char)(high * 16 + low);
            from += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        value->text[to++] = c;
    }
    value->size = to;
    value->text[to] = '\0';
    return true;
}

static bool read_number(const char *text, uint64_t *ret)
{
    uint64_t number = 0;
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > MAX_NUMBER_DIGITS || text[digits] != '\0') {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        number = number * 10 + (uint64_t)(text[i] - '0');
    }
    *ret = number;
    return true;
}

/* Copies and decodes a value, for the caller to free. */
static int take_value(struct value *value, const struct request *request, struct slice raw,
                      bool from_query)
{
    if (!raw.bytes) {
        return -EINVAL;
    }
    value->text = strndup(raw.bytes, raw.size);
    if (!value->text) {
        return -ENOMEM;
    }
    value->size = raw.size;
    value->target_offset = (size_t)(raw.bytes - request->target.bytes);
    value->target_size = raw.size;
    return decode(value, from_query) ? 0 : -EINVAL;
}

/* Applies one behaviour. `raw` is its value as it stands in the target; bytes NULL: none. */
static int apply(struct plan *plan, const struct request *request,
                 const struct behaviour *behaviour, struct slice raw, bool from_query)
{
    struct value value = {0};
    uint64_t number = 0;
    int result = behaviour->value ? take_value(&value, request, raw, from_query) : 0;

    if (result == 0 && value.text && behaviour->max > 0 &&
        (!read_number(value.text, &number) || number < behaviour->min || number > behaviour->max)) {
        result = -EINVAL;
    }
    if (result == 0) {
        result = behaviour->apply(plan, request, &value, number);
    }
    free(value.text);
    return result;
}

/* How many segments of a path a behaviour's value takes. */
static unsigned value_segments(const struct behaviour *behaviour)
{
    return !behaviour->value ? 0 : strchr(behaviour->value, '/') ? 2 : 1;
}

static const struct behaviour *find_in_path(struct slice rest)
{
    for (const struct behaviour *b = behaviours; b->name; b++) {
        size_t size = strlen(b->name);
        if (rest.size >= size && memcmp(rest.bytes, b->name, size) == 0 &&
            (rest.size == size || rest.bytes[size] == '/')) {
            return b;
        }
    }
    return NULL;
}

static void skip(struct slice *slice, size_t size)
{
    slice->bytes += size;
    slice->size -= size;
}

/* Takes '/' and a segment off the front. */
static bool take_segment(struct slice *rest, struct slice *ret)
{
    if (rest->size < 2) {
        return false;
    }
    const char *end = memchr(rest->bytes + 1, '/', rest->size - 1);
    size_t size = end ? (size_t)(end - rest->bytes) : rest->size;
    *ret = (struct slice){rest->bytes + 1, size - 1};
    skip(rest, size);
    return true;
}

static int read_path(struct plan *plan, const struct request *request)
{
    struct slice rest = request->path;

    if (rest.size == 1) {
        return 0;
    }
    while (rest.size > 0) {
        skip(&rest, 1);
        const struct behaviour *behaviour = find_in_path(rest);
        if (!behaviour) {
            return refuse(plan, 404, "No such behaviour", rest);
        }
        if (strcmp(behaviour->name, "any") == 0) {
            return 0;
        }
        struct slice part = rest, value = {0}, segment;
        skip(&rest, strlen(behaviour->name));
        for (unsigned i = value_segments(behaviour); i > 0; i--) {
            if (!take_segment(&rest, &segment)) {
                return refuse(plan, 400, "A value is missing", part);
            }
            value.bytes = value.bytes ? value.bytes : segment.bytes;
            value.size = (size_t)(segment.bytes + segment.size - value.bytes);
        }
        int result = apply(plan, request, behaviour, value, false);
        if (result == -EINVAL) {
            return refuse(plan, 400, "A bad value", part);
        }
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

static const struct behaviour *find(struct slice name)
{
    for (const struct behaviour *b = behaviours; b->name; b++) {
        if (slice_is(name, b->name)) {
            return b;
        }
    }
    return NULL;
}

static int read_query(struct plan *plan, const struct request *request)
{
    struct slice rest = request->query;

    while (rest.size > 0) {
        const char *end = memchr(rest.bytes, '&', rest.size);
        struct slice part = {rest.bytes, end ? (size_t)(end - rest.bytes) : rest.size};
        skip(&rest, part.size + (end ? 1 : 0));
        if (part.size == 0 || *part.bytes == '_') {
            continue;
        }
        const char *equals = memchr(part.bytes, '=', part.size);
        struct slice name = {part.bytes, equals ? (size_t)(equals - part.bytes) : part.size};
        struct slice value = {equals ? equals + 1 : NULL, equals ? part.size - name.size - 1 : 0};
        const struct behaviour *behaviour = find(name);
        if (!behaviour) {
            return refuse(plan, 404, "No such behaviour", part);
        }
        int result = apply(plan, request, behaviour, value, true);
        if (result == -EINVAL) {
            return refuse(plan, 400, "A bad value", part);
        }
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

int plan_make(struct plan *plan, const struct request *request)
{
    if (slice_is(request->path, "/-/counts")) {
        plan->admin = ADMIN_COUNTS;
        return 0;
    }
    if (slice_is(request->path, "/-/reset-counts")) {
        plan->admin = ADMIN_RESET_COUNTS;
        return 0;
    }
    if (slice_is(request->path, "/-/release")) {
        plan->admin = ADMIN_RELEASE;
        return 0;
    }
    int result = read_path(plan, request);
    if (result == 0 && !plan->refused) {
        result = read_query(plan, request);
    }
    if (result < 0 || plan->refused) {
        return result;
    }
    if (plan->needs_location && plan->location.size == 0) {
        return refuse(plan, 400, "redirect-to needs url=URL", request->target);
    }
    if (plan->coding != CODING_IDENTITY && plan->source == SOURCE_PATTERN &&
        plan->size > PLAN_MAX_CODED_BYTES) {
        return refuse(plan, 400, "Too large to compress", request->target);
    }
    return 0;
}
