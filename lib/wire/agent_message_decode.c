/* SPDX-License-Identifier: MPL-2.0 */
/* A decoded message keeps its JSON, into which its texts point; lists are arrays beside it. */
#include <errno.h>
#include <string.h>

#include "wire/agent_message_fields.h"
#include "wire/json.h"

struct decoded {
    struct agent_message message;
    json_t *json;
    char *spec;
    const char **control;
    struct agent_run *runs;
    struct agent_worker *workers;
    struct agent_name *names;
};

struct decoding {
    struct decoded *decoded;
    struct error *error;
};

/* ---- what makes sense ------------------------------------------------------------------------ */

static bool is_uuid(const char *text)
{
    return agent_field_is_text(&(struct agent_field){.kind = KIND_UUID}, text);
}

static bool is_among(const char *text, const char *const *words)
{
    while (*words && strcmp(*words, text) != 0) {
        words++;
    }
    return *words;
}

static bool is_run(const struct agent_run *run)
{
    static const char *const states[] = {"fetching", "preparing", "ready", "running",
                                         "stopping", "ended",     NULL};
    return is_uuid(run->run_id) && is_among(run->state, states);
}

static bool is_worker(const struct agent_worker *worker)
{
    static const char *const states[] = {"starting", "running", "stopping", NULL};
    return is_uuid(worker->run_id) && is_among(worker->state, states);
}

static bool is_name(const struct agent_name *name)
{
    return name->kind < NAME_KINDS && name->id <= names_max_id(name->kind) &&
           strlen(name->text) <= NAME_MAX_BYTES;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int wrong(const struct decoding *decoding, const struct agent_field *field,
                 const char *expected)
{
    return error_set(decoding->error, -EBADMSG, "%s: %s expected", field->name, expected);
}

static bool read_number(const json_t *json, uint64_t max, uint64_t *ret)
{
    json_int_t value = json_is_integer(json) ? json_integer_value(json) : -1;

    if (value < 0 || (uint64_t)value > max) {
        return false;
    }
    *ret = (uint64_t)value;
    return true;
}

static bool read_small(const json_t *json, unsigned max, unsigned *ret)
{
    uint64_t value;

    if (!read_number(json, max, &value)) {
        return false;
    }
    *ret = (unsigned)value;
    return true;
}

static bool read_run(const json_t *json, struct agent_run *ret)
{
    ret->run_id = json_string_value(json_object_get(json, "run_id"));
    ret->state = json_string_value(json_object_get(json, "state"));
    return read_number(json_object_get(json, "source"), INT64_MAX, &ret->source) &&
           read_small(json_object_get(json, "cycle"), INT32_MAX, &ret->cycle) &&
           read_number(json_object_get(json, "last_seq"), INT64_MAX, &ret->last_seq) &&
           ret->run_id && ret->state && is_run(ret);
}

static bool read_worker(const json_t *json, struct agent_worker *ret)
{
    ret->run_id = json_string_value(json_object_get(json, "run_id"));
    ret->state = json_string_value(json_object_get(json, "state"));
    return read_number(json_object_get(json, "pid"), INT32_MAX, &ret->pid) &&
           read_small(json_object_get(json, "users"), INT32_MAX, &ret->users) && ret->run_id &&
           ret->state && is_worker(ret);
}

static bool read_name(const json_t *json, struct agent_name *ret)
{
    unsigned kind;

    if (!json_is_array(json) || json_array_size(json) != 3 ||
        !read_small(json_array_get(json, 0), NAME_KINDS - 1, &kind) ||
        !read_small(json_array_get(json, 1), NAMES_MAX_SERIES + NAMES_MAX_COUNTERS, &ret->id)) {
        return false;
    }
    ret->kind = (enum name_kind)kind;
    ret->text = json_string_value(json_array_get(json, 2));
    return ret->text && is_name(ret);
}

/* Memory for the items of a list, which must be one. */
static int make_list(const struct decoding *decoding, const struct agent_field *field,
                     const json_t *json, size_t item_bytes, void **ret)
{
    if (!json_is_array(json) || json_array_size(json) > field->max) {
        return wrong(decoding, field, "a list of bounded length is");
    }
    *ret = calloc(MAX(json_array_size(json), (size_t)1), item_bytes);
    return *ret ? 0 : error_set_errno(decoding->error, -ENOMEM, "%s", field->name);
}

static int decode_control(const struct decoding *decoding, const struct agent_field *field,
                          const json_t *json)
{
    struct decoded *decoded = decoding->decoded;
    void *items;
    int r = make_list(decoding, field, json, sizeof *decoded->control, &items);

    if (r < 0) {
        return r;
    }
    decoded->control = items;
    for (size_t i = 0; i < json_array_size(json); i++) {
        decoded->control[i] = json_string_value(json_array_get(json, i));
        if (!decoded->control[i] ||
            run_spec_check_text(decoded->control[i], AGENT_MAX_ID_BYTES, NULL) < 0) {
            return wrong(decoding, field, "addresses are");
        }
    }
    decoded->message.control = decoded->control;
    decoded->message.n_control = json_array_size(json);
    return 0;
}

static int decode_runs(const struct decoding *decoding, const struct agent_field *field,
                       const json_t *json)
{
    struct decoded *decoded = decoding->decoded;
    void *items;
    int r = make_list(decoding, field, json, sizeof *decoded->runs, &items);

    if (r < 0) {
        return r;
    }
    decoded->message.runs = decoded->runs = items;
    decoded->message.n_runs = json_array_size(json);
    for (size_t i = 0; i < json_array_size(json); i++) {
        if (!read_run(json_array_get(json, i), &decoded->runs[i])) {
            return wrong(decoding, field, "run_id, source, state, cycle and last_seq of each are");
        }
    }
    return 0;
}

static int decode_workers(const struct decoding *decoding, const struct agent_field *field,
                          const json_t *json)
{
    struct decoded *decoded = decoding->decoded;
    void *items;
    int r = make_list(decoding, field, json, sizeof *decoded->workers, &items);

    if (r < 0) {
        return r;
    }
    decoded->message.workers = decoded->workers = items;
    decoded->message.n_workers = json_array_size(json);
    for (size_t i = 0; i < json_array_size(json); i++) {
        if (!read_worker(json_array_get(json, i), &decoded->workers[i])) {
            return wrong(decoding, field, "pid, users, state and run_id of each are");
        }
    }
    return 0;
}

static int decode_names(const struct decoding *decoding, const struct agent_field *field,
                        const json_t *json)
{
    struct decoded *decoded = decoding->decoded;
    void *items;
    int r = make_list(decoding, field, json, sizeof *decoded->names, &items);

    if (r < 0) {
        return r;
    }
    decoded->message.names = decoded->names = items;
    decoded->message.n_names = json_array_size(json);
    for (size_t i = 0; i < json_array_size(json); i++) {
        if (!read_name(json_array_get(json, i), &decoded->names[i])) {
            return wrong(decoding, field, "[kind, id, text] of each is");
        }
    }
    return 0;
}

static int decode_overflows(const struct decoding *decoding, const struct agent_field *field,
                            const json_t *json)
{
    if (!json_is_array(json) || json_array_size(json) != NAME_KINDS) {
        return wrong(decoding, field, "a list of 4 numbers is");
    }
    for (size_t i = 0; i < NAME_KINDS; i++) {
        if (!read_number(json_array_get(json, i), INT64_MAX,
                         &decoding->decoded->message.overflows[i])) {
            return wrong(decoding, field, "a list of 4 numbers is");
        }
    }
    return 0;
}

static int decode_spec(const struct decoding *decoding, const struct agent_field *field,
                       const json_t *json)
{
    struct decoded *decoded = decoding->decoded;

    if (!json_is_object(json)) {
        return wrong(decoding, field, "an object is");
    }
    int r = wire_json_dump(json, &decoded->spec);
    if (r < 0) {
        return error_set_errno(decoding->error, r, "%s", field->name);
    }
    if (strlen(decoded->spec) > field->max) {
        return wrong(decoding, field, "an object of at most 1 MiB is");
    }
    decoded->message.spec = decoded->spec;
    return 0;
}

static int decode_text(const struct decoding *decoding, const struct agent_field *field,
                       const json_t *json, const char **ret)
{
    const char *text = json_string_value(json);

    if (!text || !agent_field_is_text(field, text)) {
        return wrong(decoding, field,
                     field->kind == KIND_UUID ? "a UUID in small letters is"
                                              : "a string of bounded length is");
    }
    *ret = text;
    return 0;
}

static int decode_signed(const struct decoding *decoding, const struct agent_field *field,
                         const json_t *json, int *ret)
{
    json_int_t value = json_is_integer(json) ? json_integer_value(json) : INT64_MIN;

    if (value < -(json_int_t)field->max || value > (json_int_t)field->max) {
        return wrong(decoding, field, "a whole number in its bounds is");
    }
    *ret = (int)value;
    return 0;
}

static int decode_value(const struct decoding *decoding, const struct agent_field *field,
                        const json_t *json)
{
    void *at = (char *)&decoding->decoded->message + field->offset;

    switch (field->kind) {
    case KIND_TEXT:
    case KIND_WORD:
    case KIND_UUID:
        return decode_text(decoding, field, json, at);
    case KIND_NUMBER:
        return read_number(json, field->max, at)
                   ? 0
                   : wrong(decoding, field, "a whole number, not negative, is");
    case KIND_SMALL:
        return read_small(json, (unsigned)field->max, at)
                   ? 0
                   : wrong(decoding, field, "a whole number, not negative, is");
    case KIND_SIGNED:
        return decode_signed(decoding, field, json, at);
    case KIND_FLAG:
        *(bool *)at = json_is_true(json);
        return json_is_boolean(json) ? 0 : wrong(decoding, field, "true or false is");
    case KIND_SPEC:
        return decode_spec(decoding, field, json);
    case KIND_CONTROL:
        return decode_control(decoding, field, json);
    case KIND_RUNS:
        return decode_runs(decoding, field, json);
    case KIND_WORKERS:
        return decode_workers(decoding, field, json);
    case KIND_NAMES:
        return decode_names(decoding, field, json);
    case KIND_OVERFLOWS:
        return decode_overflows(decoding, field, json);
    }
    return 0;
}

static int decode_field(const struct agent_field *field, bool required, void *context)
{
    struct decoding *decoding = context;
    const json_t *json = json_object_get(decoding->decoded->json, field->name);

    if (json) {
        return decode_value(decoding, field, json);
    }
    return required ? error_set(decoding->error, -EBADMSG, "%s: is missing", field->name) : 0;
}

static int decode_type(const struct decoding *decoding, enum agent_message_type *ret)
{
    const char *word = json_string_value(json_object_get(decoding->decoded->json, "type"));
    enum agent_message_type type = 0;

    if (!word) {
        return error_set(decoding->error, -EBADMSG, "type: a string is expected");
    }
    while (type < AGENT_MESSAGE_TYPES && strcmp(agent_message_word(type), word) != 0) {
        type++;
    }
    if (type == AGENT_MESSAGE_TYPES) {
        return error_set(decoding->error, -EBADMSG, "type: there is no '%.40s'", word);
    }
    *ret = type;
    return 0;
}

int agent_message_decode(const void *bytes, size_t size, struct agent_message **ret,
                         struct error *error)
{
    struct decoded *decoded = calloc(1, sizeof *decoded);
    struct decoding decoding = {decoded, error};

    if (!decoded) {
        return error_set_errno(error, -ENOMEM, "message");
    }
    _cleanup_(agent_message_freep) struct agent_message *message = &decoded->message;
    int r = wire_json_load(bytes, size, AGENT_MAX_RESULTS_BYTES, &decoded->json, error);
    if (r == 0) {
        r = decode_type(&decoding, &message->type);
    }
    if (r == 0) {
        r = agent_message_each_field(message->type, &decoding, decode_field);
        r = r < 0 ? error_prefix(error, r, "%s", agent_message_word(message->type)) : 0;
    }
    if (r == 0) {
        *ret = TAKE_PTR(message);
    }
    return r;
}

struct agent_message *agent_message_free(struct agent_message *message)
{
    if (message) {
        struct decoded *decoded = CONTAINER_OF(message, struct decoded, message);
        json_decref(decoded->json);
        free(decoded->spec);
        free(decoded->control);
        free(decoded->runs);
        free(decoded->workers);
        free(decoded->names);
        free(decoded);
    }
    return NULL;
}
