/* SPDX-License-Identifier: MPL-2.0 */
/* What can be asked of the broker and its agents; and the table of all commands. */
#include "commands.h"

#include <string.h>

#include "backend.h"
#include "keys.h"
#include "report.h"

/* The agent that is asked for, or NULL: the request was refused. */
static struct agent *get_agent(struct broker *broker, const struct request *request)
{
    struct error error = {0};
    struct agent *agent = NULL;
    const char *id;

    if (keys_text(request->json, "agent_id", &id, &error) < 0) {
        frontend_refuse(broker, &request->asker, "bad-request", "%s", error.text);
    } else if (!(agent = registry_find(broker->registry, id))) {
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
                                  json_string(choose_endpoint(socket, request->caller.peer)));
        (void)json_object_set_new(all, name, all_endpoints_of(socket));
    }
    (void)conf_each(&broker_table, add_option, &options); /* it visits all */
    frontend_answer(broker, &request->asker,
                    json_pack("{si ss si ss* so so so so so}", "pid", (int)getpid(), "version",
                              LOADS_VERSION, "protocol", AGENT_PROTOCOL, "public_key",
                              broker->key ? broker->key->pair.public_key.text : NULL, "endpoints",
                              endpoints, "all_endpoints", all, "agents", agents_of(broker),
                              "database", database_of(broker), "options", options.object));
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
        audit_accepted(broker->audit, &request->caller, "CTRL_AGENT_STOP",
                       (struct audit_subject){.agent_id = agent->agent_id});
        frontend_answer(broker, &request->asker, json_pack("{ss}", "agent_id", agent->agent_id));
    }
}

static const struct command table[] = {
    {"PING", ping, KEY_AGENT},
    {"LIST", list, KEY_OBSERVE},
    {"CTRL_RUN", submit_run, KEY_RUN},
    {"CTRL_LIST_RUNS", command_list_runs, KEY_OBSERVE},
    {"CTRL_RUNS", command_runs, KEY_OBSERVE},
    {"CTRL_SNAPSHOT", command_snapshot, KEY_OBSERVE},
    {"CTRL_TIMELINE", command_timeline, KEY_OBSERVE},
    {"CTRL_STOP_RUN", command_stop_run, KEY_RUN},
    {"CTRL_GET_COUNTS", command_get_counts, KEY_OBSERVE},
    {"CTRL_GET_URLS", command_get_urls, KEY_OBSERVE},
    {"CTRL_GET_METADATA", command_get_metadata, KEY_OBSERVE},
    {"CTRL_GET_DATA", command_get_data, KEY_OBSERVE},
    {"CTRL_LOGS", command_logs, KEY_OBSERVE},
    {"CTRL_DETACH_RUN", command_detach_run, KEY_RUN},
    {"CTRL_DELETE_RUN", command_delete_run, KEY_RUN},
    {"CTRL_COMPARE", command_compare, KEY_OBSERVE},
    {"CTRL_BASELINES", command_baselines, KEY_OBSERVE},
    {"CTRL_BASELINE_SET", command_baseline_set, KEY_RUN},
    {"CTRL_BASELINE_REMOVE", command_baseline_remove, KEY_RUN},
    {"CTRL_AGENT_STATUS", agent_status, KEY_OBSERVE},
    {"CTRL_AGENT_STOP", agent_stop, KEY_ADMIN},
};

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        if (strcmp(table[i].name, name) == 0) {
            return &table[i];
        }
    }
    return NULL;
}
