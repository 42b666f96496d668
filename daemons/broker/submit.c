/* SPDX-License-Identifier: MPL-2.0 */
/* CTRL_RUN. Agents are reserved at once, so that nobody else gets them; they hear of the run, and
 * the client of its id, when its row is stored. A request that comes again, before or after that,
 * is the same run. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arguments.h"
#include "base/base64.h"
#include "conduct.h"
#include "inquiry.h"
#include "keep.h"
#include "observers.h"
#include "scheduler.h"
#include "story.h"
#include "wake_wait.h"

#define MAX_AGENTS  10000
#define UUID_LENGTH 36

/* What a request asks for. */
struct wish {
    struct run_spec *spec;
    const char *request_id; /* NULL: none */
    unsigned n_agents;
    const char **ids; /* of agents; NULL: any will do */
    bool queue, abort_on_loss, save_hits;
    void *archive;
    size_t archive_size;
    const char *code; /* why it is refused, if it isn't "usage" */
};

static void wish_clear(struct wish *wish)
{
    run_spec_free(wish->spec);
    free(wish->ids);
    free(wish->archive);
}

/* ---- reading --------------------------------------------------------------------------------- */

static const json_t *get(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    return json_is_null(value) ? NULL : value;
}

static int bad(struct wish *wish, struct error *error, const char *key, const char *what)
{
    wish->code = "bad-request";
    return error_set(error, -EINVAL, "%s: %s", key, what);
}

static int read_flag(struct wish *wish, const json_t *json, const char *key, bool *ret,
                     struct error *error)
{
    const json_t *value = get(json, key);

    *ret = json_is_true(value);
    return !value || json_is_boolean(value) ? 0
                                            : bad(wish, error, key, "true or false is expected");
}

static int read_ids(struct wish *wish, const json_t *list, struct error *error)
{
    size_t n = json_array_size(list);

    if (n == 0 || n > MAX_AGENTS) {
        return error_set(error, -EINVAL, "agents: a list of 1 to %d ids is expected", MAX_AGENTS);
    }
    wish->ids = calloc(n, sizeof *wish->ids);
    if (!wish->ids) {
        return error_set_errno(error, -ENOMEM, "agents");
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_array_get(list, i);
        if (!json_is_string(id)) {
            return bad(wish, error, "agents", "a number or a list of strings is expected");
        }
        wish->ids[i] = json_string_value(id);
    }
    wish->n_agents = (unsigned)n;
    return 0;
}

static int read_agents(struct wish *wish, const json_t *json, struct error *error)
{
    const json_t *agents = get(json, "agents");

    if (!agents) {
        return bad(wish, error, "agents", "is missing");
    }
    if (json_is_array(agents)) {
        return read_ids(wish, agents, error);
    }
    if (!json_is_integer(agents)) {
        return bad(wish, error, "agents", "a number or a list of strings is expected");
    }
    if (json_integer_value(agents) < 1 || json_integer_value(agents) > MAX_AGENTS) {
        return error_set(error, -EINVAL, "agents: %lld is not from 1 to %d",
                         (long long)json_integer_value(agents), MAX_AGENTS);
    }
    wish->n_agents = (unsigned)json_integer_value(agents);
    return 0;
}

static int read_policy(struct wish *wish, const json_t *json, struct error *error)
{
    const json_t *policy = get(json, "on_agent_loss");
    const char *word = policy ? json_string_value(policy) : "continue";

    if (!word || (strcmp(word, "continue") != 0 && strcmp(word, "abort") != 0)) {
        return error_set(error, -EINVAL, "on_agent_loss: continue or abort is expected");
    }
    wish->abort_on_loss = strcmp(word, "abort") == 0;
    return 0;
}

static int read_request_id(struct wish *wish, const json_t *json, struct error *error)
{
    const json_t *id = get(json, "request_id");

    if (!id) {
        return 0;
    }
    wish->request_id = json_string_value(id);
    return wish->request_id && strlen(wish->request_id) == UUID_LENGTH
               ? 0
               : bad(wish, error, "request_id", "a UUID is expected");
}

static int read_archive(struct wish *wish, const struct request *request, size_t max_bytes,
                        struct error *error)
{
    const json_t *filedata = get(request->json, "filedata");
    uint8_t *bytes = NULL;
    int r = 0;

    if (request->payload && filedata) {
        return bad(wish, error, "filedata", "the archive is there twice");
    }
    if (request->payload) {
        bytes = malloc(MAX(request->payload_size, (size_t)1));
        wish->archive_size = request->payload_size;
        r = bytes ? 0 : -ENOMEM;
        if (r == 0) {
            memcpy(bytes, request->payload, request->payload_size);
        }
    } else if (filedata) {
        const char *text = json_string_value(filedata);
        r = text ? base64_decode(text, json_string_length(filedata), &bytes, &wish->archive_size)
                 : -EBADMSG;
    }
    wish->archive = bytes;
    if (r < 0) {
        return r == -ENOMEM ? error_set_errno(error, r, "the archive")
                            : bad(wish, error, "filedata", "base64 is expected");
    }
    if (wish->archive_size > max_bytes) {
        wish->code = "too-large";
        return error_set(error, -E2BIG, "the archive has %zu bytes, %zu are possible (max-upload)",
                         wish->archive_size, max_bytes);
    }
    return 0;
}

/* Whose run it is, is what the key says. */
static int sign(struct run_spec *spec, const char *name, struct error *error)
{
    free(spec->user_id);
    spec->user_id = strdup(name);
    return spec->user_id ? 0 : error_set_errno(error, -ENOMEM, "user_id");
}

static int read_wish(const struct broker *broker, const struct request *request, struct wish *wish,
                     struct error *error)
{
    const json_t *args = get(request->json, "args");

    int r = read_agents(wish, request->json, error);
    if (r == 0) {
        r = read_request_id(wish, request->json, error);
    }
    if (r == 0) {
        r = read_flag(wish, request->json, "queue", &wish->queue, error);
    }
    if (r == 0) {
        r = read_flag(wish, request->json, "save_hits", &wish->save_hits, error);
    }
    if (r == 0) {
        r = read_policy(wish, request->json, error);
    }
    if (r == 0 && !json_is_object(args)) {
        r = bad(wish, error, "args", args ? "an object is expected" : "is missing");
    }
    if (r == 0) {
        r = arguments_read(args, &wish->spec, error);
    }
    if (r == 0) {
        r = observers_check(broker->options, wish->spec, error);
    }
    if (r == 0 && request->caller.role < KEY_ADMIN) {
        r = sign(wish->spec, request->caller.name, error);
    }
    if (r == 0) {
        r = read_archive(wish, request, (size_t)broker->options->max_upload_bytes, error);
    }
    if (r == 0 && wish->save_hits && !store_keeps(broker->store)) {
        wish->code = "database";
        r = error_set(error, -EINVAL, "the broker has no database, where hits are kept");
    }
    return r;
}

/* ---- agents ---------------------------------------------------------------------------------- */

/* The agents for it. 0: *ret has them, or is NULL and the run waits. */
static int choose(const struct broker *broker, struct wish *wish, struct agent ***ret,
                  struct error *error)
{
    size_t count;
    struct agent *const *agents = registry_agents(broker->registry, &count);
    int r;

    if (wish->ids) {
        r = scheduler_take(broker->registry, wish->ids, wish->n_agents, ret, error);
    } else {
        r = scheduler_choose(agents, count, wish->n_agents, ret, error);
        if (r == -EAGAIN && wish->queue) {
            *ret = NULL;
            return 0;
        }
    }
    if (r < 0) {
        wish->code = r == -EAGAIN ? "no-agents" : r == -ENOENT ? "unknown-agent" : wish->code;
    }
    return r;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static json_t *describe(const struct report *report)
{
    json_t *agents = json_array();

    for (size_t i = 0; agents && i < report->n_sources; i++) {
        (void)json_array_append_new(agents, json_string(report->sources[i].agent_id));
    }
    return json_pack("{ss ss so}", "run_id", report->row->run_id, "state", report->row->state,
                     "agents", agents);
}

static void on_added(const struct store_answer *answer, void *context)
{
    struct inquiry *inquiry = context;
    struct broker *broker = inquiry->broker;
    struct run *run = runs_find(broker->runs, inquiry->run_id);

    assert(run); /* nobody removes one whose row is being stored */
    run->calls--;
    if (answer->result == 0) {
        inquiry_changed(inquiry, true);
        story_submitted(run, &inquiry->caller);
        run_happen(run, run->n_members > 0 ? RUN_STORED : RUN_WAITS);
        inquiry_report(inquiry, run, describe);
        conduct_queue(broker);
        return;
    }
    conduct_release(broker, run);
    runs_remove(broker->runs, run);
    if (answer->result == -EEXIST) { /* before the broker was restarted */
        (void)snprintf(inquiry->run_id, sizeof inquiry->run_id, "%s", answer->run_id);
        inquiry_report(inquiry, runs_find(broker->runs, inquiry->run_id), describe);
    } else {
        inquiry_refuse(inquiry, "database", "the run can't be stored: %s", answer->reason);
    }
}

/* Stores its row, and answers then. */
static void store_run(struct broker *broker, struct run *run, const struct request *request)
{
    struct inquiry *inquiry = inquiry_new(broker, request);
    struct store_run row = keep_row_of(run);

    if (!inquiry) {
        conduct_release(broker, run);
        runs_remove(broker->runs, run);
        return;
    }
    memcpy(inquiry->run_id, run->run_id, sizeof inquiry->run_id);
    int r = store_run_add(broker->store, &row, on_added, inquiry);
    if (r < 0) {
        conduct_release(broker, run);
        runs_remove(broker->runs, run);
        inquiry_fail(inquiry, r);
        return;
    }
    run->calls++;
}

static int add_run(struct broker *broker, struct wish *wish, struct agent *const *agents,
                   const struct request *request, struct error *error)
{
    struct run_options options = {.spec = &wish->spec,
                                  .request_id = wish->request_id,
                                  .n_agents = wish->n_agents,
                                  .abort_on_loss = wish->abort_on_loss,
                                  .save_hits = wish->save_hits,
                                  .hooks = {conduct_changed, broker}};
    _cleanup_(run_freep) struct run *run = NULL;

    int r = run_new(&run, &options, RUN_NEW, error);
    if (r < 0) {
        return r;
    }
    run->submitted_usec = clock_realtime_usec();
    run->archive = TAKE_PTR(wish->archive);
    run->archive_size = wish->archive_size;
    struct run *added = run;
    r = runs_add(broker->runs, &run, error);
    if (r < 0) {
        return r;
    }
    r = agents ? conduct_reserve(broker, added, agents, wish->n_agents) : 0;
    if (r < 0) {
        runs_remove(broker->runs, added);
        return error_set_errno(error, r, "no agent can be given the run");
    }
    store_run(broker, added, request);
    return 0;
}

/* A request that was made before. */
static bool is_repeated(struct broker *broker, const struct request *request)
{
    const char *id = json_string_value(json_object_get(request->json, "request_id"));
    const struct run *run = id ? runs_find_request(broker->runs, id) : NULL;

    if (run &&
        run->state != RUN_NEW) { /* else the first one is answered soon, and this one asks again */
        frontend_answer(broker, &request->asker, inquiry_report_of(run, describe));
    }
    return run != NULL;
}

void submit_run(struct broker *broker, const struct request *request)
{
    _cleanup_(wish_clear) struct wish wish = {.code = "usage"};
    _cleanup_free_ struct agent **agents = NULL;
    struct error error = {0};

    if (!inquiry_may_look(broker, &request->asker) || is_repeated(broker, request)) {
        return;
    }
    if (broker->ending) {
        frontend_refuse(broker, &request->asker, "stopping", "the broker is about to end");
        return;
    }
    if (!store_is_up(broker->store)) {
        frontend_refuse(broker, &request->asker, "database", "no run can be stored: %s",
                        store_trouble(broker->store));
        return;
    }
    int r = read_wish(broker, request, &wish, &error);
    if (r == 0) {
        r = choose(broker, &wish, &agents, &error);
        if (r == -EAGAIN && !wish.ids && wake_wait(broker, request, wish.n_agents, &error)) {
            return; /* it comes again */
        }
    }
    if (r == 0) {
        r = add_run(broker, &wish, agents, request, &error);
    }
    if (r < 0) {
        frontend_refuse(broker, &request->asker, r == -ENOMEM ? "internal" : wish.code, "%s",
                        error.text);
    }
}
