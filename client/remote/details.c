/* SPDX-License-Identifier: MPL-2.0 */
/* Events come with texts where the struct has ids, so that each is looked up in the names that the
 * snapshot has. Cycles are numbered: what users and hits an event tells is the first such cycle. */
#include "remote/details.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "remote/fields.h"
#include "run/cycles.h"

#define PAGE_EVENTS 10000

/* ---- ids ---- */

static unsigned find_test(const struct snapshot *snapshot, const char *test)
{
    return names_find(snapshot->names, NAME_TEST, test, strlen(test));
}

static unsigned find_series(const struct snapshot *snapshot, const struct series_key *key)
{
    char text[2 * NAME_MAX_BYTES];
    int size = snprintf(text, sizeof text, "%s\x1f%s\x1f%s\x1f%u", key->test, key->name,
                        key->method, key->status);

    return size < 0 || (size_t)size >= sizeof text
               ? 0
               : names_find(snapshot->names, NAME_SERIES, text, (size_t)size);
}

/* By its parts; there are few different ones. */
static unsigned find_error(const struct snapshot *snapshot, const json_t *exc_info)
{
    const char *parts[3] = {"", "", ""};
    char buffer[NAME_MAX_BYTES + 1];

    for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
        const char *text = json_string_value(json_array_get(exc_info, i));
        parts[i] = text ? text : "";
    }
    for (unsigned id = 1; id < names_count(snapshot->names, NAME_ERROR); id++) {
        struct error_key key;
        error_key_parse(names_text(snapshot->names, NAME_ERROR, id), buffer, &key);
        const char *third = key.traceback[0] ? key.traceback : key.place;
        if (strcmp(key.message, parts[0]) == 0 && strcmp(key.class, parts[1]) == 0 &&
            strcmp(third, parts[2]) == 0) {
            return id;
        }
    }
    return 0;
}

/* ---- one event ---- */

static int read_status(const json_t *event, const struct snapshot *snapshot, struct detail *ret,
                       struct error *error)
{
    const json_t *status;
    json_int_t numbers[4];

    int r = field_array(event, "loads_status", &status, error);
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
        const json_t *number = json_array_get(status, i);
        numbers[i] = json_is_integer(number) ? json_integer_value(number) : -1;
        if (numbers[i] < 0 || numbers[i] > UINT32_MAX || (i >= 2 && numbers[i] < 1)) {
            return error_set(error, -EBADMSG, "loads_status: four numbers are expected");
        }
    }
    ret->iteration = (uint32_t)numbers[2] - 1;
    ret->user = (uint32_t)numbers[3] - 1;
    for (unsigned i = 0; i < cycles_count(snapshot->spec); i++) {
        struct cycle cycle = cycles_at(snapshot->spec, i);
        if (cycle.hits == numbers[0] && cycle.users == numbers[1]) {
            ret->cycle = i;
            break;
        }
    }
    return 0;
}

static int read_elapsed(const json_t *event, struct detail *ret, struct error *error)
{
    double sec = json_number_value(json_object_get(event, "elapsed")); /* 0: there is none */

    if (!(sec >= 0 && sec < 1e9)) {
        return error_set(error, -EBADMSG, "elapsed: seconds are expected");
    }
    ret->elapsed_usec = (uint64_t)llround(sec * 1e6);
    return 0;
}

static int read_request(const json_t *event, const struct snapshot *snapshot, const char *test,
                        struct detail *ret, struct error *error)
{
    const json_t *exc_info = json_object_get(event, "exc_info");
    struct series_key key = {.test = test, .name = "", .method = ""};
    const char *url = "";
    uint64_t status = 0;

    int r = field_text(event, "url", &url, error);
    if (r == 0) {
        key.name = url;
        r = field_text(event, "name", &key.name, error);
    }
    if (r == 0) {
        r = field_text(event, "method", &key.method, error);
    }
    if (r == 0) {
        r = field_number(event, "status", &status, error);
    }
    if (r == 0) {
        r = field_date(event, "started", &ret->started_usec, error);
    }
    if (r < 0) {
        return r;
    }
    key.status = (unsigned)MIN(status, (uint64_t)UINT32_MAX);
    if (exc_info) {
        ret->type = DETAIL_REQUEST_ERROR;
        ret->error_id = find_error(snapshot, exc_info);
    }
    ret->id = find_series(snapshot, &key);
    ret->text = url;
    ret->text_size = strlen(url);
    return 0;
}

static int read_counter(const json_t *event, const struct snapshot *snapshot, struct detail *ret,
                        struct error *error)
{
    const char *name = "";
    int r = field_text(event, "name", &name, error);

    ret->value = json_integer_value(json_object_get(event, "value"));
    ret->id = names_find(snapshot->names, NAME_COUNTER, name, strlen(name));
    return r;
}

static enum detail_type type_of(const char *data_type)
{
    static const struct {
        const char *data_type;
        enum detail_type type;
    } types[] = {
        {"startTest", DETAIL_START_TEST},
        /* In lines, an outcome is two: what came of it, and stopTest. */
        {"addSuccess", DETAIL_SUCCESS},
        {"addFailure", DETAIL_FAILURE},
        {"addError", DETAIL_ERROR},
        {"interrupted", DETAIL_INTERRUPTED},
        {"add_hit", DETAIL_HIT},
        {"incr_counter", DETAIL_COUNTER},
    };

    for (size_t i = 0; i < ELEMENTSOF(types); i++) {
        if (strcmp(types[i].data_type, data_type) == 0) {
            return types[i].type;
        }
    }
    return DETAIL_TYPES;
}

int details_read(const json_t *event, const struct snapshot *snapshot, struct detail *ret,
                 struct error *error)
{
    const char *data_type, *test = "";

    *ret = (struct detail){.type = DETAIL_TYPES};
    int r = field_required_text(event, "data_type", &data_type, error);
    if (r < 0) {
        return r;
    }
    ret->type = type_of(data_type);
    if (ret->type == DETAIL_TYPES) {
        return 0;
    }
    r = field_text(event, "test", &test, error);
    if (r == 0) {
        r = read_status(event, snapshot, ret, error);
    }
    if (r == 0) {
        r = read_elapsed(event, ret, error);
    }
    if (r == 0 && ret->type == DETAIL_HIT) {
        r = read_request(event, snapshot, test, ret, error);
    } else if (r == 0) {
        r = field_date(event, "time", &ret->started_usec, error);
    }
    if (r == 0 && ret->type == DETAIL_COUNTER) {
        r = read_counter(event, snapshot, ret, error);
    }
    if (r == 0 && (ret->type == DETAIL_FAILURE || ret->type == DETAIL_ERROR)) {
        ret->id = find_error(snapshot, json_object_get(event, "exc_info"));
    }
    ret->test = find_test(snapshot, test);
    return r < 0 ? r : 1;
}

/* ---- all of them ---- */

static int take_page(const json_t *page, const struct snapshot *snapshot, details_visit *visit,
                     void *context, struct error *error)
{
    json_t *event;
    size_t index;

    if (!json_is_array(page)) {
        return error_set(error, -EBADMSG, "the broker's answer to CTRL_GET_DATA is not a list");
    }
    json_array_foreach(page, index, event)
    {
        struct detail detail;
        const char *agent_id = json_string_value(json_object_get(event, "agent_id"));
        int r = details_read(event, snapshot, &detail, error);
        if (r < 0) {
            return error_prefix(error, r, "the broker's answer to CTRL_GET_DATA: entry %zu", index);
        }
        if (r > 0) {
            visit(&detail, agent_id ? agent_id : "", context);
        }
    }
    return 0;
}

int request_details(struct frontend *frontend, const struct snapshot *snapshot,
                    details_visit *visit, void *context, struct error *error)
{
    size_t got = PAGE_EVENTS;

    for (json_int_t start = 0; got == PAGE_EVENTS; start += PAGE_EVENTS) {
        _cleanup_(json_decrefp) json_t *page = NULL;
        _cleanup_(json_decrefp) json_t *request =
            json_pack("{ssss sI si}", "command", "CTRL_GET_DATA", "run_id", snapshot->spec->run_id,
                      "start", start, "size", PAGE_EVENTS);
        if (!request) {
            return error_set_errno(error, -ENOMEM, "cannot ask the broker");
        }
        int r = frontend_ask(frontend, request, NULL, &page, error);
        if (r == 0) {
            r = take_page(page, snapshot, visit, context, error);
        }
        if (r < 0) {
            return r;
        }
        got = json_array_size(page);
    }
    return 0;
}
