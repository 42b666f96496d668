/* SPDX-License-Identifier: MPL-2.0 */
/* What can be asked, but for CTRL_RUN: a table, and a function for each row. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "backend.h"
#include "conduct.h"
#include "keep.h"
#include "publish.h"
#include "report.h"

#define DEFAULT_RUNS 20
#define MAX_RUNS     1000

/* ---- what requests have in them -------------------------------------------------------------- */

/* A value, or NULL when there is none or it is null. */
static const json_t *get(const struct request *request, const char *key)
{
    const json_t *value = json_object_get(request->json, key);
    return json_is_null(value) ? NULL : value;
}

/* A text, or NULL: the request was refused. */
static const char *get_text(struct broker *broker, const struct request *request, const char *key)
{
    const json_t *value = get(request, key);

    if (!value || !json_is_string(value)) {
        frontend_refuse(broker, &request->asker, "bad-request", "%s: %s", key,
                        value ? "a string is expected" : "is missing");
        return NULL;
    }
    return json_string_value(value);
}

/* A number from 0 to `max`, `missing` where there is none. False: the request was refused. */
static bool get_number(struct broker *broker, const struct request *request, const char *key,
                       uint64_t max, uint64_t missing, uint64_t *ret)
{
    const json_t *value = get(request, key);

    if (!value) {
        *ret = missing;
        return true;
    }
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        (uint64_t)json_integer_value(value) > max) {
        frontend_refuse(broker, &request->asker, "bad-request",
                        "%s: a whole number from 0 to %" PRIu64 " is expected", key, max);
        return false;
    }
    *ret = (uint64_t)json_integer_value(value);
    return true;
}

/* The run that is asked for, or NULL: the request was refused. */
static struct run *get_run(struct broker *broker, const struct request *request)
{
    const char *id = get_text(broker, request, "run_id");
    struct run *run = NULL;

    if (!id) {
        return NULL;
    }
    int r = *id ? runs_find_prefix(broker->runs, id, &run) : -ENOENT;
    if (r == -ENOTUNIQ) {
        frontend_refuse(broker, &request->asker, "ambiguous-run",
                        "several runs have ids that begin with %.60s", id);
    } else if (r < 0) {
        frontend_refuse(broker, &request->asker, "unknown-run", "there is no run %.60s", id);
    }
    return run;
}

static struct agent *get_agent(struct broker *broker, const struct request *request)
{
    const char *id = get_text(broker, request, "agent_id");
    struct agent *agent = id ? registry_find(broker->registry, id) : NULL;

    if (id && !agent) {
        frontend_refuse(broker, &request->asker, "unknown-agent", "there is no agent %.100s", id);
    }
    return agent;
}

/* ---- the broker and its agents --------------------------------------------------------------- */

static struct mq_socket *socket_of(const struct broker *broker, const char *name)
{
    return strcmp(name, "frontend") == 0   ? frontend_socket(broker->frontend)
           : strcmp(name, "backend") == 0  ? broker->backend
           : strcmp(name, "receiver") == 0 ? broker->receiver
                                           : broker->publisher;
}

/* libzmq's name for the other side of an ipc connection has the user in it. */
static bool came_by_ipc(const char *peer)
{
    return strncmp(peer, "localhost:", 10) == 0 || *peer == '\0';
}

static const char *choose_endpoint(const struct mq_socket *socket, const char *peer)
{
    const char *prefix = came_by_ipc(peer) ? "ipc://" : "tcp://", *endpoint;

    for (size_t i = 0; (endpoint = mq_socket_endpoint(socket, i)); i++) {
        if (strncmp(endpoint, prefix, 6) == 0) {
            return endpoint;
        }
    }
    return mq_socket_endpoint(socket, 0);
}

static json_t *all_endpoints_of(const struct mq_socket *socket)
{
    json_t *list = json_array();
    const char *endpoint;

    for (size_t i = 0; list && (endpoint = mq_socket_endpoint(socket, i)); i++) {
        (void)json_array_append_new(list, json_string(endpoint));
    }
    return list;
}

static json_t *agents_of(const struct broker *broker)
{
    size_t count;
    struct agent *const *agents = registry_agents(broker->registry, &count);
    json_t *object = json_object();

    for (size_t i = 0; object && i < count; i++) {
        (void)json_object_set_new(object, agents[i]->agent_id, report_agent(agents[i]));
    }
    return object;
}

static json_t *database_of(const struct broker *broker)
{
    const char *trouble = store_trouble(broker->store);

    return json_pack("{ss ss*}", "state",
                     !store_keeps(broker->store)  ? "none"
                     : store_is_up(broker->store) ? "up"
                                                  : "down",
                     "reason", *trouble ? trouble : NULL);
}

struct option_list {
    const struct broker_options *options;
    json_t *object;
};

static int add_option(const struct conf_option *option, void *context)
{
    struct option_list *list = context;
    _cleanup_free_ char *text = NULL;

    if ((option->where & CONF_FILE) && broker_option_text(list->options, option, &text) == 0) {
        (void)json_object_set_new(list->object, option->name, json_string(text));
    }
    return 0;
}

static void ping(struct broker *broker, const struct request *request)
{
    struct option_list options = {broker->options, json_object()};
    json_t *endpoints = json_object(), *all = json_object();

    for (size_t i = 0; i < BROKER_SOCKETS; i++) {
        const char *name = broker_socket_names[i];
        const struct mq_socket *socket = socket_of(broker, name);
        (void)json_object_set_new(endpoints, name,
                                  json_string(choose_endpoint(socket, request->peer)));
        (void)json_object_set_new(all, name, all_endpoints_of(socket));
    }
    (void)conf_each(&broker_table, add_option, &options); /* it visits all */
    frontend_answer(broker, &request->asker,
                    json_pack("{si ss si so so so so so}", "pid", (int)getpid(), "version",
                              LOADS_VERSION, "protocol", AGENT_PROTOCOL, "endpoints", endpoints,
                              "all_endpoints", all, "agents", agents_of(broker), "database",
                              database_of(broker), "options", options.object));
}

static void list(struct broker *broker, const struct request *request)
{
    frontend_answer(broker, &request->asker, agents_of(broker));
}

static void agent_status(struct broker *broker, const struct request *request)
{
    struct agent *agent = get_agent(broker, request);

    if (agent) {
        frontend_ask_status(broker, &request->asker, agent);
    }
}

static void agent_stop(struct broker *broker, const struct request *request)
{
    struct agent *agent = get_agent(broker, request);
    struct agent_message message = {.type = AGENT_QUIT};

    if (agent) {
        backend_send(broker, agent, &message, NULL, 0);
        frontend_answer(broker, &request->asker, json_pack("{ss}", "agent_id", agent->agent_id));
    }
}

/* ---- runs ------------------------------------------------------------------------------------ */

/* Calls `make` for a run. Members come and go with the run, so their rows are made when asked. */
static json_t *report(const struct run *run, json_t *(*make)(const struct report *report))
{
    struct store_run row = keep_row_of(run);
    _cleanup_free_ struct store_source *sources = calloc(MAX(run->n_members, 1u), sizeof *sources);

    if (!sources) {
        return NULL;
    }
    for (unsigned i = 0; i < run->n_members; i++) {
        sources[i] = keep_source_of(run, &run->members[i]);
    }
    if (!run_state_is_over(run->state)) {
        row.state = run_state_word(run->state);
        row.active_usec = run_active_usec(run, clock_monotonic_usec());
    }
    return make(&(struct report){&row, sources, run->n_members, run->results, run->number});
}

static json_t *short_report(const struct report *report)
{
    return report_run(report, false);
}

static void answer_report(struct broker *broker, const struct request *request,
                          json_t *(*make)(const struct report *report))
{
    const struct run *run = get_run(broker, request);

    if (run) {
        frontend_answer(broker, &request->asker, report(run, make));
    }
}

static void snapshot(struct broker *broker, const struct request *request)
{
    answer_report(broker, request, report_snapshot);
}

static void get_counts(struct broker *broker, const struct request *request)
{
    answer_report(broker, request, report_counts);
}

static void get_urls(struct broker *broker, const struct request *request)
{
    answer_report(broker, request, report_urls);
}

static void get_metadata(struct broker *broker, const struct request *request)
{
    answer_report(broker, request, report_metadata);
}

static void get_data(struct broker *broker, const struct request *request)
{
    if (get_run(broker, request)) {
        frontend_refuse(broker, &request->asker, "database",
                        "the broker has no database, where hits are kept");
    }
}

static json_t *started_of(const struct run *run)
{
    char text[CLOCK_TEXT_BYTES];
    return run->started_usec > 0 ? json_string(clock_format_iso(run->started_usec, text))
                                 : json_null();
}

static void list_runs(struct broker *broker, const struct request *request)
{
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

static void runs(struct broker *broker, const struct request *request)
{
    const json_t *active = get(request, "active");
    json_t *list;
    uint64_t limit;

    if (active && !json_is_boolean(active)) {
        frontend_refuse(broker, &request->asker, "bad-request",
                        "active: true or false is expected");
        return;
    }
    if (!get_number(broker, request, "limit", MAX_RUNS, DEFAULT_RUNS, &limit)) {
        return;
    }
    list = json_array();
    for (struct run *run = runs_last(broker->runs); run && json_array_size(list) < limit;
         run = run->previous) {
        if (run->state != RUN_NEW && !(json_is_true(active) && run_state_is_over(run->state))) {
            (void)json_array_append_new(list, report(run, short_report));
        }
    }
    frontend_answer(broker, &request->asker, list);
}

static void logs(struct broker *broker, const struct request *request)
{
    const struct run *run = get_run(broker, request);
    const json_t *agent_id = get(request, "agent_id");

    if (!run) {
        return;
    }
    if (agent_id && !json_is_string(agent_id)) {
        frontend_refuse(broker, &request->asker, "bad-request", "agent_id: a string is expected");
        return;
    }
    json_t *list = json_array();
    for (const struct kept_log_piece *piece = run->log.first; piece; piece = piece->next) {
        const char *id = run->members[piece->source].agent_id;
        if (!agent_id || strcmp(json_string_value(agent_id), id) == 0) {
            (void)json_array_append_new(list, json_pack("{ss si ss}", "agent_id", id, "worker",
                                                        piece->worker, "text", piece->text));
        }
    }
    frontend_answer(broker, &request->asker, list);
}

static void detach(struct broker *broker, const struct request *request)
{
    const struct run *run = get_run(broker, request);

    if (run) {
        publish_detach(broker, run);
        frontend_answer(broker, &request->asker, json_pack("{ss}", "run_id", run->run_id));
    }
}

static void stop_run(struct broker *broker, const struct request *request)
{
    struct run *run = get_run(broker, request);
    uint64_t grace_usec;

    if (!run || !get_number(broker, request, "grace_usec", PARSE_MAX_DURATION_USEC,
                            run->spec->grace_usec, &grace_usec)) {
        return;
    }
    json_t *agents = json_array();
    for (unsigned i = 0; !run_state_is_over(run->state) && i < run->n_members; i++) {
        (void)json_array_append_new(agents, json_string(run->members[i].agent_id));
    }
    broker_log(LOG_INFO, run->run_id, NULL, "run %s: a client asks for its end", run->run_id);
    run_stop(run, grace_usec);
    frontend_answer(broker, &request->asker, agents);
}

static void delete_run(struct broker *broker, const struct request *request)
{
    struct run *run = get_run(broker, request);

    if (!run) {
        return;
    }
    if (!run_state_is_over(run->state) || run->calls > 0) {
        frontend_refuse(broker, &request->asker, "active-run",
                        "run %s is on: stop it before it is deleted", run->run_id);
        return;
    }
    frontend_answer(broker, &request->asker, json_pack("{ss}", "run_id", run->run_id));
    runs_remove(broker->runs, run);
}

static const struct {
    const char *name;
    command *run;
} table[] = {
    {"PING", ping},
    {"LIST", list},
    {"CTRL_RUN", submit_run},
    {"CTRL_LIST_RUNS", list_runs},
    {"CTRL_RUNS", runs},
    {"CTRL_SNAPSHOT", snapshot},
    {"CTRL_STOP_RUN", stop_run},
    {"CTRL_GET_COUNTS", get_counts},
    {"CTRL_GET_URLS", get_urls},
    {"CTRL_GET_METADATA", get_metadata},
    {"CTRL_GET_DATA", get_data},
    {"CTRL_LOGS", logs},
    {"CTRL_DETACH_RUN", detach},
    {"CTRL_DELETE_RUN", delete_run},
    {"CTRL_AGENT_STATUS", agent_status},
    {"CTRL_AGENT_STOP", agent_stop},
};

command *command_find(const char *name)
{
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        if (strcmp(table[i].name, name) == 0) {
            return table[i].run;
        }
    }
    return NULL;
}
