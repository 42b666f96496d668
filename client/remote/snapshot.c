/* SPDX-License-Identifier: MPL-2.0 */
/* A snapshot from JSON. The ids of names are the broker's: texts are put into an empty table in the
 * order of their ids, and must get just these, or numbers would have wrong names. */
#include "remote/snapshot.h"

#include <errno.h>
#include <string.h>

#include "base/base64.h"
#include "remote/fields.h"

/* What is wrong inside of `key` is wrong with the message. */
static int spoil(int r, const char *key, struct error *error)
{
    return error_prefix(error, r == -ENOMEM ? r : -EBADMSG, "%s", key);
}

static int decode_spec(const json_t *run, struct snapshot *snapshot, struct error *error)
{
    const json_t *object;
    _cleanup_free_ char *text = NULL;

    int r = field_object(run, "spec", &object, error);
    if (r < 0) {
        return r;
    }
    r = wire_json_dump(object, &text);
    if (r < 0) {
        return error_set_errno(error, r, "spec");
    }
    r = run_spec_decode(text, strlen(text), &snapshot->spec, error);
    return r < 0 ? spoil(r, "spec", error) : 0;
}

static int decode_usage(const json_t *run, struct snapshot *snapshot, struct error *error)
{
    const json_t *list = NULL;
    const char *agent;
    json_t *item;
    size_t index;

    if (!json_object_get(run, "usage")) {
        return 0;
    }
    int r = field_array(run, "usage", &list, error);
    if (r < 0) {
        return r;
    }
    snapshot->usage = calloc(MAX(json_array_size(list), (size_t)1), sizeof *snapshot->usage);
    if (!snapshot->usage) {
        return error_set_errno(error, -ENOMEM, "usage");
    }
    json_array_foreach(list, index, item)
    {
        struct output_usage *usage = &snapshot->usage[index];
        r = field_required_text(item, "agent", &agent, error);
        if (r == 0) {
            r = field_number(item, "cpu_usec", &usage->cpu_usec, error);
        }
        if (r == 0) {
            r = field_number(item, "memory_peak_bytes", &usage->memory_peak_bytes, error);
        }
        if (r < 0) {
            return spoil(r, "usage", error);
        }
        if (strlist_add(&snapshot->usage_agents, agent) < 0) {
            return error_set_errno(error, -ENOMEM, "usage");
        }
        usage->agent = snapshot->usage_agents.items[index];
        snapshot->n_usage++;
    }
    return 0;
}

/* What the text itself says is read from there; a broker of before says no more than that. */
static int decode_threshold(const json_t *item, struct threshold_result *ret, struct error *error)
{
    const json_t *measured = json_object_get(item, "measured");
    const char *text, *value = NULL;
    uint64_t broken_sec = 0;

    int r = field_required_text(item, "threshold", &text, error);
    if (r == 0) {
        r = field_text(item, "value", &value, error);
    }
    if (r == 0) {
        r = field_number(item, "broken_sec", &broken_sec, error);
    }
    if (r < 0) {
        return r;
    }
    if (measured && !json_is_number(measured)) {
        return error_set(error, -EBADMSG, "measured: a number is expected");
    }
    if (!json_is_boolean(json_object_get(item, "holds"))) {
        return error_set(error, -EBADMSG, "holds: true or false is expected");
    }
    (void)snprintf(ret->text, sizeof ret->text, "%s", text);
    (void)snprintf(ret->shown, sizeof ret->shown, "%s", value ? value : "");
    ret->holds = json_is_true(json_object_get(item, "holds"));
    ret->has_value = measured;
    ret->value = json_number_value(measured);
    ret->has_broken_sec = json_object_get(item, "broken_sec");
    ret->broken_sec = (uint32_t)MIN(broken_sec, (uint64_t)UINT32_MAX);
    threshold_result_describe(ret);
    return 0;
}

static int decode_thresholds(const json_t *run, struct snapshot *snapshot, struct error *error)
{
    const json_t *list = json_object_get(run, "thresholds");
    json_t *item;
    size_t index;

    if (!list || json_is_null(list)) {
        return 0;
    }
    if (!json_is_array(list) || json_array_size(list) > THRESHOLDS_MAX) {
        return error_set(error, -EBADMSG, "thresholds: a list is expected");
    }
    snapshot->thresholds = calloc(json_array_size(list) + 1, sizeof *snapshot->thresholds);
    if (!snapshot->thresholds) {
        return error_set_errno(error, -ENOMEM, "thresholds");
    }
    json_array_foreach(list, index, item)
    {
        int r = decode_threshold(item, &snapshot->thresholds[snapshot->n_thresholds++], error);
        if (r < 0) {
            return spoil(r, "thresholds", error);
        }
    }
    return 0;
}

static int decode_run(const json_t *run, struct snapshot *snapshot, struct error *error)
{
    const char *state, *name;

    int r = field_required_text(run, "state", &state, error);
    if (r == 0) {
        r = field_copy(run, "state", &snapshot->state, error);
    }
    if (r == 0) {
        r = field_required_text(run, "name", &name, error);
    }
    if (r == 0) {
        r = field_copy(run, "name", &snapshot->name, error);
    }
    if (r == 0) {
        r = field_copy(run, "outcome", &snapshot->outcome, error);
    }
    if (r == 0) {
        r = field_copy(run, "trouble", &snapshot->trouble, error);
    }
    if (r == 0) {
        r = field_date(run, "submitted", &snapshot->submitted_usec, error);
    }
    if (r == 0) {
        r = field_date(run, "started", &snapshot->started_usec, error);
    }
    if (r == 0) {
        r = field_date(run, "finished", &snapshot->finished_usec, error);
    }
    if (r == 0) {
        r = field_texts(run, "agents", &snapshot->agents, error);
    }
    if (r == 0) {
        r = field_texts(run, "lost", &snapshot->lost, error);
    }
    snapshot->save_hits = json_is_true(json_object_get(run, "save_hits"));
    if (r == 0) {
        r = decode_usage(run, snapshot, error);
    }
    if (r == 0) {
        r = field_copy(run, "stopped_for", &snapshot->stopped_for, error);
    }
    if (r == 0) {
        r = decode_thresholds(run, snapshot, error);
    }
    return r == 0 ? decode_spec(run, snapshot, error) : r;
}

/* ---- names ---- */

/* [kind, id, text]. */
static int decode_name(struct names *names, const json_t *item)
{
    json_t *kind = json_array_get(item, 0), *id = json_array_get(item, 1);
    json_t *text = json_array_get(item, 2);

    if (!json_is_integer(kind) || json_integer_value(kind) < 0 ||
        json_integer_value(kind) >= NAME_KINDS || !json_is_integer(id) || !json_is_string(text)) {
        return -EBADMSG;
    }
    enum name_kind which = (enum name_kind)json_integer_value(kind);
    unsigned next = names_count(names, which);
    unsigned got = names_id(names, which, json_string_value(text), json_string_length(text));
    return got == next && got == json_integer_value(id) ? 0 : -EBADMSG;
}

static int decode_names(const json_t *json, struct snapshot *snapshot, struct error *error)
{
    const json_t *list, *overflows;
    json_t *item;
    size_t index;

    int r = field_array(json, "names", &list, error);
    if (r < 0) {
        return r;
    }
    json_array_foreach(list, index, item)
    {
        if (decode_name(snapshot->names, item) < 0) {
            return error_set(error, -EBADMSG, "names: entry %zu is not the next one", index);
        }
    }
    r = field_array(json, "overflows", &overflows, error);
    for (size_t kind = 0; r == 0 && kind < NAME_KINDS; kind++) {
        const json_t *count = json_array_get(overflows, kind);
        if (!json_is_integer(count) || json_integer_value(count) < 0) {
            return error_set(error, -EBADMSG, "overflows: whole numbers are expected");
        }
        names_add_overflows(snapshot->names, (enum name_kind)kind,
                            (uint64_t)json_integer_value(count));
    }
    return r;
}

/* ---- numbers ---- */

static int decode_totals(const json_t *json, struct snapshot *snapshot, struct error *error)
{
    _cleanup_(interval_freep) struct interval *interval = NULL;
    _cleanup_free_ uint8_t *bytes = NULL;
    const char *text;
    size_t size;

    int r = field_required_text(json, "totals", &text, error);
    if (r < 0) {
        return r;
    }
    r = base64_decode(text, strlen(text), &bytes, &size);
    if (r < 0) {
        return error_set(error, r, "totals: base64 is expected");
    }
    r = interval_decode(bytes, size, &interval, error);
    if (r < 0) {
        return spoil(r, "totals", error);
    }
    r = totals_add(snapshot->totals, interval);
    return r < 0 ? error_set_errno(error, r, "totals") : 0;
}

/* Every number must have a name. */
static int check_ids(const struct snapshot *snapshot, struct error *error)
{
    const struct totals *totals = snapshot->totals;
    bool unknown = false;

    for (unsigned id = names_count(snapshot->names, NAME_SERIES); id <= NAMES_MAX_SERIES; id++) {
        unknown = unknown || totals->series[id].latency.count > 0 || totals->series[id].errors > 0;
    }
    for (unsigned id = names_count(snapshot->names, NAME_TIMER); id <= NAMES_MAX_TIMERS; id++) {
        unknown = unknown || totals->timers[id].latency.count > 0 || totals->timers[id].errors > 0;
    }
    for (unsigned id = names_count(snapshot->names, NAME_ERROR); id <= NAMES_MAX_ERRORS; id++) {
        unknown = unknown || totals->errors[id] > 0;
    }
    for (unsigned id = names_count(snapshot->names, NAME_COUNTER); id <= NAMES_MAX_COUNTERS; id++) {
        unknown = unknown || totals->counters[id] != 0;
    }
    for (unsigned id = names_count(snapshot->names, NAME_TEST); id <= NAMES_MAX_TESTS; id++) {
        for (unsigned outcome = 0; outcome < OUTCOMES; outcome++) {
            unknown = unknown || totals->outcomes[id][outcome] > 0;
        }
    }
    return unknown ? error_set(error, -EBADMSG, "totals: there are numbers without a name") : 0;
}

static int make_empty(struct snapshot **ret)
{
    _cleanup_(snapshot_freep) struct snapshot *snapshot = calloc(1, sizeof *snapshot);

    if (!snapshot) {
        return -ENOMEM;
    }
    snapshot->names_memory = calloc(1, names_size_bytes());
    if (!snapshot->names_memory) {
        return -ENOMEM;
    }
    int r = names_new(&snapshot->names, snapshot->names_memory, names_size_bytes());
    if (r == 0) {
        r = totals_new(&snapshot->totals);
    }
    if (r == 0) {
        *ret = TAKE_PTR(snapshot);
    }
    return r;
}

int snapshot_decode(const json_t *json, struct snapshot **ret, struct error *error)
{
    _cleanup_(snapshot_freep) struct snapshot *snapshot = NULL;
    const json_t *run;

    int r = make_empty(&snapshot);
    if (r < 0) {
        return error_set_errno(error, r, "cannot take the numbers of the run");
    }
    assert(snapshot); /* it was made */
    r = field_object(json, "run", &run, error);
    if (r == 0) {
        r = decode_run(run, snapshot, error);
    }
    if (r == 0) {
        r = field_number(json, "number", &snapshot->number, error);
    }
    if (r == 0) {
        r = field_number(json, "active_usec", &snapshot->active_usec, error);
    }
    if (r == 0) {
        r = decode_names(json, snapshot, error);
    }
    if (r == 0) {
        r = decode_totals(json, snapshot, error);
    }
    if (r == 0) {
        r = check_ids(snapshot, error);
    }
    if (r == 0) {
        *ret = TAKE_PTR(snapshot);
    }
    return r;
}

struct snapshot *snapshot_free(struct snapshot *snapshot)
{
    if (snapshot) {
        run_spec_free(snapshot->spec);
        free(snapshot->name);
        free(snapshot->state);
        free(snapshot->outcome);
        free(snapshot->trouble);
        strlist_clear(&snapshot->agents);
        strlist_clear(&snapshot->lost);
        strlist_clear(&snapshot->usage_agents);
        free(snapshot->usage);
        free(snapshot->thresholds);
        free(snapshot->stopped_for);
        names_free(snapshot->names);
        free(snapshot->names_memory);
        totals_free(snapshot->totals);
        free(snapshot);
    }
    return NULL;
}

bool snapshot_is_over(const struct snapshot *snapshot)
{
    return strcmp(snapshot->state, "finished") == 0 || strcmp(snapshot->state, "failed") == 0 ||
           strcmp(snapshot->state, "aborted") == 0;
}
