/* SPDX-License-Identifier: MPL-2.0 */
/* Two tables: what each key is, and which keys each type of message has. Both directions follow
 * from them. */
#include "wire/agent_message_fields.h"

#include <errno.h>
#include <string.h>

#include "base/utf8.h"
#include "wire/json.h"

#define UUID_BYTES 36

#define MAX_NAMES (NAMES_MAX_IDS + NAME_KINDS)

#define AT(member) offsetof(struct agent_message, member)
#define FIELD(name, kind, max)                                                                     \
    {                                                                                              \
#name, kind, AT(name), 0, max                                                              \
    }
#define LIST(name, kind, max)                                                                      \
    {                                                                                              \
#name, kind, AT(name), AT(n_##name), max                                                   \
    }

static const struct agent_field fields[] = {
    FIELD(run_id, KIND_UUID, 0),
    FIELD(source, KIND_NUMBER, INT64_MAX),
    FIELD(seq, KIND_NUMBER, INT64_MAX),
    FIELD(last_seq, KIND_NUMBER, INT64_MAX),
    FIELD(detail, KIND_FLAG, 0),
    FIELD(last_detail_seq, KIND_NUMBER, INT64_MAX),
    FIELD(detail_lost, KIND_NUMBER, INT64_MAX),
    FIELD(cycle, KIND_SMALL, INT32_MAX),
    FIELD(protocol, KIND_NUMBER, INT64_MAX),
    FIELD(pid, KIND_NUMBER, INT32_MAX),
    FIELD(broker_pid, KIND_NUMBER, INT32_MAX),
    FIELD(version, KIND_WORD, 64),
    FIELD(agent_id, KIND_WORD, AGENT_MAX_ID_BYTES),
    FIELD(incarnation, KIND_UUID, 0),
    FIELD(hostname, KIND_WORD, AGENT_MAX_ID_BYTES),
    LIST(control, KIND_CONTROL, AGENT_MAX_CONTROLS),
    FIELD(now_usec, KIND_NUMBER, INT64_MAX),
    FIELD(echo_usec, KIND_NUMBER, INT64_MAX),
    FIELD(heartbeat_usec, KIND_NUMBER, INT64_MAX),
    LIST(runs, KIND_RUNS, AGENT_MAX_RUNS),
    FIELD(agents, KIND_SMALL, INT32_MAX),
    FIELD(agent_index, KIND_SMALL, INT32_MAX),
    FIELD(spec, KIND_SPEC, SPEC_MAX_BYTES),
    FIELD(archive_bytes, KIND_NUMBER, INT64_MAX),
    FIELD(offset, KIND_NUMBER, INT64_MAX),
    FIELD(save_hits, KIND_FLAG, 0),
    FIELD(start_usec, KIND_NUMBER, INT64_MAX),
    FIELD(grace_usec, KIND_NUMBER, INT64_MAX),
    FIELD(result, KIND_SIGNED, 4095),
    FIELD(reason, KIND_TEXT, AGENT_MAX_TEXT_BYTES),
    FIELD(active_usec, KIND_NUMBER, INT64_MAX),
    FIELD(cpu_usec, KIND_NUMBER, INT64_MAX),
    FIELD(memory_peak_bytes, KIND_NUMBER, INT64_MAX),
    FIELD(interrupted, KIND_FLAG, 0),
    LIST(names, KIND_NAMES, MAX_NAMES),
    FIELD(overflows, KIND_OVERFLOWS, 0),
    FIELD(worker, KIND_SIGNED, INT32_MAX),
    FIELD(text, KIND_TEXT, AGENT_MAX_TEXT_BYTES),
    FIELD(request, KIND_NUMBER, INT64_MAX),
    LIST(workers, KIND_WORKERS, AGENT_MAX_WORKERS),
};

static const struct layout {
    const char *word;
    const char *required, *optional; /* names with blanks in between */
} layouts[AGENT_MESSAGE_TYPES] = {
    [AGENT_REGISTER] = {"register",
                        "protocol version agent_id incarnation hostname pid control now_usec runs",
                        ""},
    [AGENT_HEARTBEAT] = {"heartbeat", "now_usec", ""},
    [AGENT_LEAVING] = {"leaving", "", ""},
    [AGENT_ARCHIVE_GOT] = {"archive-got", "run_id offset", ""},
    [AGENT_READY] = {"ready", "run_id cycle", ""},
    [AGENT_FAILED] = {"failed", "run_id reason", ""},
    [AGENT_ENDED] = {"ended", "run_id result reason last_seq active_usec",
                     "interrupted last_detail_seq detail_lost cpu_usec memory_peak_bytes"},
    [AGENT_STATUS] = {"status", "request workers", ""},
    [AGENT_RESULTS] = {"results", "run_id source seq names", "overflows"},
    [AGENT_LOG] = {"log", "run_id source worker text", ""},
    [AGENT_DETAIL] = {"detail", "run_id source seq names", "overflows"},
    [AGENT_REGISTERED] = {"registered", "broker_pid heartbeat_usec echo_usec now_usec", ""},
    [AGENT_REFUSED] = {"refused", "reason", ""},
    [AGENT_BEAT] = {"beat", "echo_usec now_usec", ""},
    [AGENT_PREPARE] = {"prepare", "run_id source agents agent_index spec",
                       "archive_bytes save_hits"},
    [AGENT_ARCHIVE] = {"archive", "run_id offset", ""},
    [AGENT_START] = {"start", "run_id cycle start_usec", ""},
    [AGENT_STOP] = {"stop", "run_id grace_usec", ""},
    [AGENT_DROP] = {"drop", "run_id", ""},
    [AGENT_ASK_STATUS] = {"ask-status", "request", ""},
    [AGENT_QUIT] = {"quit", "", ""},
    [AGENT_ACK] = {"ack", "run_id source seq", "detail"},
    [AGENT_EXPECT] = {"expect", "run_id source seq", "detail"},
    [AGENT_REJECTED] = {"rejected", "run_id source seq reason", "detail"},
};

const char *agent_message_word(enum agent_message_type type)
{
    return layouts[type].word;
}

/* Calls `visit` for each field of a list of names until it returns other than 0. */
static int each_field(const char *names, bool required, void *context,
                      int (*visit)(const struct agent_field *field, bool required, void *context))
{
    int r = 0;

    while (*names && r == 0) {
        size_t length = strcspn(names, " "), i = 0;
        while (strncmp(fields[i].name, names, length) != 0 || fields[i].name[length]) {
            i++;
            assert(i < ELEMENTSOF(fields));
        }
        r = visit(&fields[i], required, context);
        names += length + strspn(names + length, " ");
    }
    return r;
}

int agent_message_each_field(enum agent_message_type type, void *context,
                             int (*visit)(const struct agent_field *field, bool required,
                                          void *context))
{
    int r = each_field(layouts[type].required, true, context, visit);
    return r != 0 ? r : each_field(layouts[type].optional, false, context, visit);
}

/* ---- what makes sense ------------------------------------------------------------------------ */

static bool is_uuid(const char *text)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    for (size_t i = 0; i < UUID_BYTES; i++) {
        bool hex = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
        if (form[i] == 'x' ? !hex : text[i] != '-') {
            return false;
        }
    }
    return text[UUID_BYTES] == '\0';
}

bool agent_field_is_text(const struct agent_field *field, const char *text)
{
    switch (field->kind) {
    case KIND_UUID:
        return is_uuid(text);
    case KIND_WORD:
        return run_spec_check_text(text, field->max, NULL) == 0;
    default:
        return strlen(text) <= field->max && utf8_valid(text, strlen(text));
    }
}

/* ---- writing --------------------------------------------------------------------------------- */

static json_t *encode_control(const struct agent_message *message)
{
    _cleanup_(json_decrefp) json_t *array = json_array();

    for (size_t i = 0; array && i < message->n_control; i++) {
        if (json_array_append_new(array, json_string(message->control[i])) < 0) {
            return NULL;
        }
    }
    return TAKE_PTR(array);
}

static json_t *encode_runs(const struct agent_message *message)
{
    _cleanup_(json_decrefp) json_t *array = json_array();

    for (size_t i = 0; array && i < message->n_runs; i++) {
        const struct agent_run *run = &message->runs[i];
        if (json_array_append_new(array,
                                  json_pack("{s:s, s:I, s:s, s:I, s:I}", "run_id", run->run_id,
                                            "source", (json_int_t)run->source, "state", run->state,
                                            "cycle", (json_int_t)run->cycle, "last_seq",
                                            (json_int_t)run->last_seq)) < 0) {
            return NULL;
        }
    }
    return TAKE_PTR(array);
}

static json_t *encode_workers(const struct agent_message *message)
{
    _cleanup_(json_decrefp) json_t *array = json_array();

    for (size_t i = 0; array && i < message->n_workers; i++) {
        const struct agent_worker *worker = &message->workers[i];
        if (json_array_append_new(array,
                                  json_pack("{s:I, s:I, s:s, s:s}", "pid", (json_int_t)worker->pid,
                                            "users", (json_int_t)worker->users, "state",
                                            worker->state, "run_id", worker->run_id)) < 0) {
            return NULL;
        }
    }
    return TAKE_PTR(array);
}

static json_t *encode_names(const struct agent_message *message)
{
    _cleanup_(json_decrefp) json_t *array = json_array();

    for (size_t i = 0; array && i < message->n_names; i++) {
        const struct agent_name *name = &message->names[i];
        if (json_array_append_new(array, json_pack("[I, I, s]", (json_int_t)name->kind,
                                                   (json_int_t)name->id, name->text)) < 0) {
            return NULL;
        }
    }
    return TAKE_PTR(array);
}

static json_t *encode_overflows(const struct agent_message *message)
{
    _cleanup_(json_decrefp) json_t *array = json_array();

    for (size_t i = 0; array && i < NAME_KINDS; i++) {
        if (json_array_append_new(array, json_integer((json_int_t)message->overflows[i])) < 0) {
            return NULL;
        }
    }
    return TAKE_PTR(array);
}

static json_t *encode_spec(const char *text)
{
    json_t *json = NULL;
    return text && wire_json_load(text, strlen(text), SPEC_MAX_BYTES, &json, NULL) == 0 ? json
                                                                                        : NULL;
}

static json_t *encode_value(const struct agent_message *message, const struct agent_field *field)
{
    const void *at = (const char *)message + field->offset;

    switch (field->kind) {
    case KIND_TEXT:
    case KIND_WORD:
    case KIND_UUID:
        return *(const char *const *)at ? json_string(*(const char *const *)at) : NULL;
    case KIND_NUMBER:
        return json_integer((json_int_t) * (const uint64_t *)at);
    case KIND_SMALL:
        return json_integer(*(const unsigned *)at);
    case KIND_SIGNED:
        return json_integer(*(const int *)at);
    case KIND_FLAG:
        return json_boolean(*(const bool *)at);
    case KIND_SPEC:
        return encode_spec(*(const char *const *)at);
    case KIND_CONTROL:
        return encode_control(message);
    case KIND_RUNS:
        return encode_runs(message);
    case KIND_WORKERS:
        return encode_workers(message);
    case KIND_NAMES:
        return encode_names(message);
    case KIND_OVERFLOWS:
        return encode_overflows(message);
    }
    return NULL;
}

struct encoding {
    const struct agent_message *message;
    json_t *object;
};

static bool is_within_limits(const struct agent_message *message, const struct agent_field *field)
{
    const char *at = (const char *)message + field->offset;
    const char *text;

    switch (field->kind) {
    case KIND_TEXT:
    case KIND_WORD:
    case KIND_UUID:
        text = *(const char *const *)at;
        return text && agent_field_is_text(field, text);
    case KIND_SPEC:
        text = *(const char *const *)at;
        return text && strlen(text) <= field->max;
    case KIND_CONTROL:
    case KIND_RUNS:
    case KIND_WORKERS:
    case KIND_NAMES:
        return *(const size_t *)((const char *)message + field->count_offset) <= field->max;
    default:
        return true;
    }
}

static int encode_field(const struct agent_field *field, bool required _unused_, void *context)
{
    struct encoding *encoding = context;

    if (!is_within_limits(encoding->message, field)) {
        return -EINVAL;
    }
    json_t *value = encode_value(encoding->message, field);
    return json_object_set_new(encoding->object, field->name, value) < 0 ? -ENOMEM : 0;
}

int agent_message_encode(const struct agent_message *message, char **ret)
{
    _cleanup_(json_decrefp) json_t *object = json_object();
    struct encoding encoding = {message, object};

    if (!object ||
        json_object_set_new(object, "type", json_string(agent_message_word(message->type))) < 0) {
        return -ENOMEM;
    }
    int r = agent_message_each_field(message->type, &encoding, encode_field);
    return r < 0 ? r : wire_json_dump(object, ret);
}
