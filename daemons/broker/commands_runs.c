/* SPDX-License-Identifier: MPL-2.0 */
/* What can be asked of runs, but for CTRL_RUN. */
#include <errno.h>
#include <string.h>

#include "commands.h"
#include "inquiry.h"
#include "keys.h"
#include "publish.h"
#include "story.h"

#define DEFAULT_RUNS    20
#define DEFAULT_SECONDS 60
#define DEFAULT_DETAILS 100

/* ---- reports --------------------------------------------------------------------------------- */

static void snapshot_found(struct inquiry *inquiry, struct run *run)
{
    inquiry_report(inquiry, run, report_snapshot);
}

void command_snapshot(struct broker *broker, const struct request *request)
{
    inquiry_begin(broker, request, snapshot_found);
}

static void on_timeline(const struct store_answer *answer, const char *json, void *context)
{
    struct inquiry *inquiry = context;
    json_t *object = NULL;

    if (answer->result < 0) {
        inquiry_deny(inquiry, answer);
    } else if (wire_json_load_any(json, strlen(json), &object, NULL) < 0) {
        inquiry_answer(inquiry, NULL);
    } else {
        inquiry_answer(inquiry, object);
    }
}

static void timeline_found(struct inquiry *inquiry, struct run *run)
{
    struct store *store = inquiry->broker->store;
    struct error error = {0};
    uint64_t start, size;

    if (keys_number(inquiry->json, "start", INT32_MAX, 0, &start, &error) < 0 ||
        keys_number(inquiry->json, "size", STORE_MAX_SECONDS, DEFAULT_SECONDS, &size, &error) < 0) {
        inquiry_refuse(inquiry, "bad-request", "%s", error.text);
    } else if (!store_keeps(store)) {
        assert(run); /* where else would it be? */
        const struct timeline *kept = run->results ? results_timeline(run->results) : NULL;
        inquiry_answer(inquiry, report_timeline(kept, start, size));
    } else {
        int r = store_load_timeline(store, inquiry->run_id, start, size, on_timeline, inquiry);
        if (r < 0) {
            inquiry_fail(inquiry, r);
        }
    }
}

void command_timeline(struct broker *broker, const struct request *request)
{
    inquiry_begin(broker, request, timeline_found);
}

static void counts_found(struct inquiry *inquiry, struct run *run)
{
    inquiry_report(inquiry, run, report_counts);
}

void command_get_counts(struct broker *broker, const struct request *request)
{
    inquiry_begin(broker, request, counts_found);
}

static void urls_found(struct inquiry *inquiry, struct run *run)
{
    inquiry_report(inquiry, run, report_urls);
}

void command_get_urls(struct broker *broker, const struct request *request)
{
    inquiry_begin(broker, request, urls_found);
}

static void metadata_found(struct inquiry *inquiry, struct run *run)
{
    inquiry_report(inquiry, run, report_metadata);
}

void command_get_metadata(struct broker *broker, const struct request *request)
{
    inquiry_begin(broker, request, metadata_found);
}

/* ---- detail and logs ------------------------------------------------------------------------- */

static void on_details(const struct store_answer *answer, const char *json, void *context)
{
    struct inquiry *inquiry = context;
    json_t *list = NULL;

    if (answer->result == -EINVAL) {
        inquiry_refuse(inquiry, "no-detail", "no hits of run %s were kept: %s", inquiry->run_id,
                       "it was submitted without --save-hits");
    } else if (answer->result < 0) {
        inquiry_deny(inquiry, answer);
    } else if (wire_json_load_any(json, strlen(json), &list, NULL) < 0) {
        inquiry_answer(inquiry, NULL);
    } else {
        inquiry_answer(inquiry, list);
    }
}

static void data_found(struct inquiry *inquiry, struct run *run _unused_)
{
    const json_t *json = inquiry->json;
    struct error error = {0};
    uint64_t start, size;
    const char *type;
    bool grouped;

    if (!store_keeps(inquiry->broker->store)) {
        inquiry_refuse(inquiry, "database", "the broker has no database, where hits are kept");
        return;
    }
    if (keys_text_or_none(json, "data_type", &type, &error) < 0 ||
        keys_flag(json, "groupby", &grouped, &error) < 0 ||
        keys_number(json, "start", INT64_MAX, 0, &start, &error) < 0 ||
        keys_number(json, "size", STORE_MAX_DETAILS, DEFAULT_DETAILS, &size, &error) < 0) {
        inquiry_refuse(inquiry, "bad-request", "%s", error.text);
        return;
    }
    int r = store_load_details(inquiry->broker->store, inquiry->run_id, type, grouped, start, size,
                               on_details, inquiry);
    if (r < 0) {
        inquiry_fail(inquiry, r);
    }
}

void command_get_data(struct broker *broker, const struct request *request)
{
    inquiry_begin(broker, request, data_found);
}

static json_t *piece_of(const char *agent_id, int worker, const char *text)
{
    return json_pack("{ss si ss}", "agent_id", agent_id, "worker", worker, "text", text);
}

static void on_logs(const struct store_answer *answer, const struct store_log_piece *pieces,
                    size_t count, void *context)
{
    struct inquiry *inquiry = context;

    if (answer->result < 0) {
        inquiry_deny(inquiry, answer);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(list,
                                    piece_of(pieces[i].agent_id, pieces[i].worker, pieces[i].text));
    }
    inquiry_answer(inquiry, list);
}

static json_t *kept_logs(const struct run *run, const char *agent_id)
{
    json_t *list = json_array();

    for (const struct kept_log_piece *piece = run->log.first; piece; piece = piece->next) {
        const char *id = run->members[piece->source].agent_id;
        if (!agent_id || strcmp(agent_id, id) == 0) {
            (void)json_array_append_new(list, piece_of(id, piece->worker, piece->text));
        }
    }
    return list;
}

static void logs_found(struct inquiry *inquiry, struct run *run)
{
    struct store *store = inquiry->broker->store;
    struct error error = {0};
    const char *agent_id;

    if (keys_text_or_none(inquiry->json, "agent_id", &agent_id, &error) < 0) {
        inquiry_refuse(inquiry, "bad-request", "%s", error.text);
    } else if (!store_keeps(store)) {
        assert(run); /* where else would it be? */
        inquiry_answer(inquiry, kept_logs(run, agent_id));
    } else {
        int r = store_load_logs(store, inquiry->run_id, agent_id, on_logs, inquiry);
        if (r < 0) {
            inquiry_fail(inquiry, r);
        }
    }
}

void command_logs(struct broker *broker, const struct request *request)
{
    inquiry_begin(broker, request, logs_found);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static json_t *started_of(const struct run *run)
{
    char text[CLOCK_TEXT_BYTES];
    return run->started_usec > 0 ? json_string(clock_format_iso(run->started_usec, text))
                                 : json_null();
}

void command_list_runs(struct broker *broker, const struct request *request)
{
    if (!inquiry_may_look(broker, &request->asker)) {
        return;
    }
    json_t *object = json_object();
    for (struct run *run = runs_first(broker->runs); run; run = run->next) {
        json_t *agents = json_array();
        if (run->state == RUN_NEW || run_state_is_over(run->state)) {
            json_decref(agents);
            continue;
        }
        for (unsigned i = 0; i < run->n_members; i++) {
            (void)json_array_append_new(
                agents, json_pack("[s o]", run->members[i].agent_id, started_of(run)));
        }
        (void)json_object_set_new(object, run->run_id, agents);
    }
    frontend_answer(broker, &request->asker, object);
}

static json_t *short_report(const struct report *report)
{
    return report_run(report, false);
}

static json_t *runs_here(const struct broker *broker, uint64_t limit, bool active)
{
    json_t *list = json_array();

    for (struct run *run = runs_last(broker->runs); run && json_array_size(list) < limit;
         run = run->previous) {
        if (run->state != RUN_NEW && !(active && run_state_is_over(run->state))) {
            (void)json_array_append_new(list, inquiry_report_of(run, short_report));
        }
    }
    return list;
}

static void on_listed(const struct store_answer *answer, const struct store_record *const *records,
                      size_t count, void *context)
{
    struct inquiry *inquiry = context;

    if (answer->result < 0) {
        inquiry_deny(inquiry, answer);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct store_record *record = records[i];
        const struct run *run = runs_find(inquiry->broker->runs, record->run.run_id);
        const struct report report = {&record->run, record->sources, record->n_sources, NULL, 0};
        if (!run || run->state != RUN_NEW) {
            (void)json_array_append_new(list, run ? inquiry_report_of(run, short_report)
                                                  : short_report(&report));
        }
    }
    inquiry_answer(inquiry, list);
}

void command_runs(struct broker *broker, const struct request *request)
{
    struct store *store = broker->store;
    struct error error = {0};
    uint64_t limit;
    bool active;

    if (!inquiry_may_look(broker, &request->asker)) {
        return;
    }
    if (keys_flag(request->json, "active", &active, &error) < 0 ||
        keys_number(request->json, "limit", STORE_MAX_RUNS, DEFAULT_RUNS, &limit, &error) < 0) {
        frontend_refuse(broker, &request->asker, "bad-request", "%s", error.text);
        return;
    }
    if (limit == 0 || !store_keeps(store) || !store_is_up(store)) { /* then memory has to do */
        frontend_answer(broker, &request->asker, runs_here(broker, limit, active));
        return;
    }
    struct inquiry *inquiry = inquiry_new(broker, request);
    int r = inquiry ? store_list_runs(store, (unsigned)limit, active, on_listed, inquiry) : 0;
    if (r < 0) {
        inquiry_fail(inquiry, r);
    }
}

/* ---- what changes runs ----------------------------------------------------------------------- */

static void detach(struct inquiry *inquiry, struct run *run)
{
    if (run) {
        publish_detach(inquiry->broker, run);
        inquiry_changed(inquiry, false);
    }
    inquiry_answer(inquiry, json_pack("{ss}", "run_id", inquiry->run_id));
}

void command_detach_run(struct broker *broker, const struct request *request)
{
    inquiry_begin_change(broker, request, detach);
}

static void stop(struct inquiry *inquiry, struct run *run)
{
    struct error error = {0};
    uint64_t grace_usec;

    json_t *agents = json_array();
    if (keys_number(inquiry->json, "grace_usec", PARSE_MAX_DURATION_USEC,
                    run ? run->spec->grace_usec : 0, &grace_usec, &error) < 0) {
        json_decref(agents);
        inquiry_refuse(inquiry, "bad-request", "%s", error.text);
        return;
    }
    if (run && !run_state_is_over(run->state)) {
        for (unsigned i = 0; i < run->n_members; i++) {
            (void)json_array_append_new(agents, json_string(run->members[i].agent_id));
        }
        inquiry_changed(inquiry, true);
        story_stopped(run, &inquiry->caller);
        run_stop(run, grace_usec);
    }
    inquiry_answer(inquiry, agents);
}

void command_stop_run(struct broker *broker, const struct request *request)
{
    inquiry_begin_change(broker, request, stop);
}

static void on_deleted(const struct store_answer *answer, void *context)
{
    struct inquiry *inquiry = context;
    struct run *run = runs_find(inquiry->broker->runs, inquiry->run_id);

    if (answer->result == -EINVAL) {
        inquiry_refuse(inquiry, "baseline-run", "%s", answer->reason);
        return;
    }
    if (answer->result < 0) {
        inquiry_deny(inquiry, answer);
        return;
    }
    if (run && run->calls == 0) { /* else it goes with the oldest */
        runs_remove(inquiry->broker->runs, run);
    }
    inquiry_changed(inquiry, false);
    inquiry_answer(inquiry, json_pack("{ss}", "run_id", inquiry->run_id));
}

static void delete (struct inquiry *inquiry, struct run *run)
{
    if (run && (!run_state_is_over(run->state) || run->calls > 0)) {
        inquiry_refuse(inquiry, "active-run", "run %s is on: stop it before it is deleted",
                       run->run_id);
        return;
    }
    if (!store_keeps(inquiry->broker->store)) {
        on_deleted(&(struct store_answer){.result = 0}, inquiry);
        return;
    }
    int r = store_delete_run(inquiry->broker->store, inquiry->run_id, on_deleted, inquiry);
    if (r < 0) {
        inquiry_fail(inquiry, r);
    }
}

void command_delete_run(struct broker *broker, const struct request *request)
{
    inquiry_begin_change(broker, request, delete);
}
