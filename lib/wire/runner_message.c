/* SPDX-License-Identifier: MPL-2.0 */
/* Messages of runners that others wrote, in whatever language: so what isn't needed may be missing
 * (agent_id, dates, loads_status) or null, keys that nobody knows are passed over, and what is
 * there must be of its type. A batch has the messages of each data type in a list, which is taken
 * from the parsed text one by one: who counts them may have to wait in between. */
#include "wire/runner_message.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "wire/json.h"

#define BATCH "batch"

enum field {
    FIELD_TEST = 1,
    FIELD_EXCEPTION = 2,
    FIELD_REQUEST = 4,
    FIELD_SIZE = 8,
    FIELD_NAME = 16,
};

static const struct kind {
    const char *data_type;
    enum runner_type type;
    unsigned fields;
} kinds[] = {
    {"add_hit", RUNNER_HIT, FIELD_REQUEST | FIELD_TEST},
    {"startTest", RUNNER_START_TEST, FIELD_TEST},
    {"stopTest", RUNNER_STOP_TEST, FIELD_TEST},
    {"addSuccess", RUNNER_SUCCESS, FIELD_TEST},
    {"addFailure", RUNNER_FAILURE, FIELD_TEST | FIELD_EXCEPTION},
    {"addError", RUNNER_ERROR, FIELD_TEST | FIELD_EXCEPTION},
    {"incr_counter", RUNNER_COUNTER, FIELD_TEST | FIELD_NAME},
    {"socket_open", RUNNER_SOCKET_OPEN, 0},
    {"socket_close", RUNNER_SOCKET_CLOSE, 0},
    {"socket_message", RUNNER_SOCKET_MESSAGE, FIELD_SIZE},
    {"startTestRun", RUNNER_IGNORED, 0},
    {"stopTestRun", RUNNER_IGNORED, 0},
};

struct runner_messages {
    json_t *object;
    const char *run_id;
    bool is_batch, taken;
    void *type_at; /* of a batch's counts: an iterator, NULL at the end */
    size_t index;  /* in its list */
};

/* ---- values ---------------------------------------------------------------------------------- */

/* The value of a key; NULL when it is missing or null. */
static const json_t *value_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

/* A text, or "" where it may be missing. */
static int take_text(const json_t *object, const char *key, bool required, const char **ret,
                     struct error *error)
{
    const json_t *value = value_of(object, key);

    if (!value && !required) {
        return 0;
    }
    if (!json_is_string(value)) {
        return error_set(error, -EBADMSG, value ? "%s is not a string" : "%s is missing", key);
    }
    *ret = json_string_value(value);
    return 0;
}

static int take_test(const json_t *object, struct runner_message *ret, struct error *error)
{
    int r = take_text(object, "test_name", false, &ret->test, error);
    return r < 0 ? r : take_text(object, "test", false, &ret->test, error);
}

/* [hits, users, current_hit, current_user] */
static int take_status(const json_t *object, struct runner_message *ret, struct error *error)
{
    const json_t *status = value_of(object, "loads_status");

    if (!status) {
        return 0;
    }
    if (!json_is_array(status)) {
        return error_set(error, -EBADMSG, "loads_status is not a list");
    }
    const json_t *user = json_array_get(status, 3);
    json_int_t number = json_integer_value(user); /* 0 for what is no whole number */
    ret->current_user = number > 0 && number <= UINT32_MAX ? (unsigned)number : 0;
    return 0;
}

/* [exception, class, traceback] */
static int take_exception(const json_t *object, struct runner_message *ret, struct error *error)
{
    const char **const texts[] = {&ret->exception, &ret->class, &ret->traceback};
    const json_t *list = value_of(object, "exc_info");

    if (!list) {
        list = value_of(object, "exc");
    }
    if (!list) {
        return 0;
    }
    if (!json_is_array(list)) {
        return error_set(error, -EBADMSG, "exc_info is not a list");
    }
    for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
        const json_t *item = json_array_get(list, i);
        if (json_is_string(item)) {
            *texts[i] = json_string_value(item);
        } else if (item && !json_is_null(item)) {
            return error_set(error, -EBADMSG, "exc_info has something else than strings");
        }
    }
    return 0;
}

/* Digits of a fixed number; -1: there are others. */
static int take_digits(const char **at, int count)
{
    int value = 0;

    for (int i = 0; i < count; i++, (*at)++) {
        if (**at < '0' || **at > '9') {
            return -1;
        }
        value = value * 10 + (**at - '0');
    }
    return value;
}

/* "Z", "+01:00", "+0100", "+01" or nothing, which is UTC. False: something else. */
static bool take_zone(const char *at, int64_t *ret_seconds)
{
    int sign = *at == '-' ? -1 : 1;

    *ret_seconds = 0;
    if (*at == '\0' || strcmp(at, "Z") == 0) {
        return true;
    }
    if (*at != '+' && *at != '-') {
        return false;
    }
    at++;
    int hours = take_digits(&at, 2), minutes = 0;
    if (*at != '\0' && hours >= 0) {
        at += *at == ':' ? 1 : 0;
        minutes = take_digits(&at, 2);
    }
    if (hours < 0 || minutes < 0 || *at != '\0') {
        return false;
    }
    *ret_seconds = sign * (hours * INT64_C(3600) + minutes * INT64_C(60));
    return true;
}

/* YYYY-MM-DDTHH:MM:SS, with or without a fraction. */
static bool parse_date(const char *at, uint64_t *ret_usec)
{
    static const char separators[] = "--T::";
    int parts[6];
    int64_t zone, fraction = 0;

    for (int i = 0; i < 6; i++) {
        parts[i] = take_digits(&at, i == 0 ? 4 : 2);
        if (parts[i] < 0 ||
            (i < 5 && *at != separators[i] && !(separators[i] == 'T' && *at == ' '))) {
            return false;
        }
        at += i < 5 ? 1 : 0;
    }
    if (*at == '.') {
        int64_t unit = 100000;
        for (at++; *at >= '0' && *at <= '9'; at++, unit /= 10) {
            fraction += (*at - '0') * unit;
        }
    }
    struct tm date = {.tm_year = parts[0] - 1900,
                      .tm_mon = parts[1] - 1,
                      .tm_mday = parts[2],
                      .tm_hour = parts[3],
                      .tm_min = parts[4],
                      .tm_sec = parts[5]};
    if (parts[1] < 1 || parts[1] > 12 || parts[2] < 1 || parts[2] > 31 || parts[3] > 23 ||
        parts[4] > 59 || parts[5] > 60 || !take_zone(at, &zone)) {
        return false;
    }
    int64_t seconds = (int64_t)timegm(&date) - zone;
    *ret_usec = seconds > 0 ? (uint64_t)(seconds * 1000000 + fraction) : 0;
    return true;
}

static int take_elapsed(const json_t *object, struct runner_message *ret, struct error *error)
{
    const json_t *elapsed = value_of(object, "elapsed");
    double seconds = json_number_value(elapsed);

    if (!json_is_number(elapsed)) {
        return error_set(error, -EBADMSG,
                         elapsed ? "elapsed is not a number" : "elapsed is missing");
    }
    if (seconds < 0) {
        return error_set(error, -EBADMSG, "elapsed is negative");
    }
    ret->elapsed_usec = (uint64_t)llround(fmin(seconds, RUNNER_MAX_ELAPSED_SEC) * 1e6);
    return 0;
}

static int take_request(const json_t *object, struct runner_message *ret, struct error *error)
{
    const json_t *status = value_of(object, "status");
    const char *started = "";
    int r = take_text(object, "url", true, &ret->url, error);

    if (r == 0) {
        r = take_text(object, "method", true, &ret->method, error);
    }
    if (r == 0) {
        r = take_text(object, "started", false, &started, error);
    }
    if (r == 0) {
        r = take_elapsed(object, ret, error);
    }
    if (r < 0) {
        return r;
    }
    if (!json_is_integer(status) || json_integer_value(status) < 100 ||
        json_integer_value(status) > 999) {
        return error_set(error, -EBADMSG, "status is not a number from 100 to 999");
    }
    ret->status = (unsigned)json_integer_value(status);
    if (started[0] && !parse_date(started, &ret->started_usec)) {
        return error_set(error, -EBADMSG, "started is not a date such as 2026-11-26T17:30:00");
    }
    return 0;
}

static int take_size(const json_t *object, struct runner_message *ret, struct error *error)
{
    const json_t *size = value_of(object, "size");

    if (!json_is_integer(size) || json_integer_value(size) < 0) {
        return error_set(error, -EBADMSG, "size is not a number of bytes");
    }
    ret->size_bytes = (uint64_t)json_integer_value(size);
    return 0;
}

static int take_name(const json_t *object, struct runner_message *ret, struct error *error)
{
    int r = take_text(object, "name", true, &ret->name, error);

    if (r == 0 && !ret->name[0]) {
        r = error_set(error, -EBADMSG, "name is empty");
    }
    return r;
}

/* ---- messages -------------------------------------------------------------------------------- */

static int take_fields(const json_t *object, unsigned fields, struct runner_message *ret,
                       struct error *error)
{
    static const struct {
        enum field field;
        int (*take)(const json_t *object, struct runner_message *ret, struct error *error);
    } takers[] = {
        {FIELD_TEST, take_test},       {FIELD_TEST, take_status}, {FIELD_EXCEPTION, take_exception},
        {FIELD_REQUEST, take_request}, {FIELD_SIZE, take_size},   {FIELD_NAME, take_name},
    };

    for (size_t i = 0; i < ELEMENTSOF(takers); i++) {
        int r = fields & takers[i].field ? takers[i].take(object, ret, error) : 0;
        if (r < 0) {
            return error_prefix(error, r, "%s", ret->data_type);
        }
    }
    return 0;
}

static int take_message(const json_t *object, const char *data_type, struct runner_message *ret,
                        struct error *error)
{
    *ret = (struct runner_message){
        .type = RUNNER_OTHER,
        .data_type = data_type,
        .test = "",
        .exception = "",
        .class = "",
        .traceback = "",
        .url = "",
        .method = "",
        .name = "",
    };
    for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
        if (strcmp(kinds[i].data_type, data_type) == 0) {
            ret->type = kinds[i].type;
            int r = take_fields(object, kinds[i].fields, ret, error);
            return r < 0 ? r : 1;
        }
    }
    size_t size = strlen(data_type);
    if (size == 0 || size > RUNNER_MAX_TYPE_BYTES || strcmp(data_type, BATCH) == 0) {
        return error_set(error, -EBADMSG,
                         size == 0                      ? "data_type is empty"
                         : size > RUNNER_MAX_TYPE_BYTES ? "data_type is too long"
                                                        : "a batch in a batch");
    }
    return 1;
}

static int check_run(const json_t *object, const char *run_id, struct error *error)
{
    const char *text = "";
    int r = take_text(object, "run_id", false, &text, error);

    if (r == 0 && text[0] && strcmp(text, run_id) != 0) {
        r = error_set(error, -EBADMSG, "run_id is another run's");
    }
    return r;
}

int runner_messages_new(struct runner_messages **ret, const char *bytes, size_t size,
                        const char *run_id, struct error *error)
{
    _cleanup_(runner_messages_freep) struct runner_messages *messages = calloc(1, sizeof *messages);
    const char *data_type = "";

    if (!messages) {
        return error_set_errno(error, -ENOMEM, "JSON");
    }
    messages->run_id = run_id;
    int r = wire_json_load(bytes, size, RUNNER_MAX_BYTES, &messages->object, error);
    if (r == 0) {
        r = take_text(messages->object, "data_type", true, &data_type, error);
    }
    if (r == 0) {
        r = check_run(messages->object, run_id, error);
    }
    if (r < 0) {
        return r;
    }
    messages->is_batch = strcmp(data_type, BATCH) == 0;
    if (messages->is_batch) {
        json_t *counts = json_object_get(messages->object, "counts");
        if (!json_is_object(counts)) {
            return error_set(error, -EBADMSG, "batch: counts is not an object");
        }
        messages->type_at = json_object_iter(counts);
    }
    *ret = TAKE_PTR(messages);
    return 0;
}

struct runner_messages *runner_messages_free(struct runner_messages *messages)
{
    if (messages) {
        json_decref(messages->object);
        free(messages);
    }
    return NULL;
}

static void next_type(struct runner_messages *messages)
{
    json_t *counts = json_object_get(messages->object, "counts");

    messages->type_at = json_object_iter_next(counts, messages->type_at);
    messages->index = 0;
}

static int next_of_batch(struct runner_messages *messages, struct runner_message *ret,
                         struct error *error)
{
    while (messages->type_at) {
        const char *data_type = json_object_iter_key(messages->type_at);
        const json_t *list = json_object_iter_value(messages->type_at);

        if (!json_is_array(list)) {
            next_type(messages);
            return error_set(error, -EBADMSG, "batch: the messages of a data type are no list");
        }
        if (messages->index == json_array_size(list)) {
            next_type(messages);
            continue;
        }
        const json_t *object = json_array_get(list, messages->index++);
        if (!json_is_object(object)) {
            return error_set(error, -EBADMSG, "batch: a message is not an object");
        }
        int r = check_run(object, messages->run_id, error);
        return r < 0 ? r : take_message(object, data_type, ret, error);
    }
    return 0;
}

int runner_messages_next(struct runner_messages *messages, struct runner_message *ret,
                         struct error *error)
{
    if (messages->is_batch) {
        return next_of_batch(messages, ret, error);
    }
    if (messages->taken) {
        return 0;
    }
    messages->taken = true;
    return take_message(messages->object,
                        json_string_value(json_object_get(messages->object, "data_type")), ret,
                        error);
}
