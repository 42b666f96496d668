/* SPDX-License-Identifier: MPL-2.0 */
/* Two sockets, so that results never stand in the way of a heartbeat. Messages are decoded and
 * given to whom they concern by a table; who isn't registered is told so. */
#include "backend.h"

#include <errno.h>
#include <string.h>

#include "conduct.h"
#include "conduct_results.h"

/* A message as it came. */
struct arrival {
    struct broker *broker;
    struct caller caller;
    const void *identity;
    size_t identity_size;
    const struct agent_message *message;
    const void *payload;
    size_t payload_size;
};

/* ---- out ---- */

static void send_to(struct mq_socket *socket, const void *identity, size_t identity_size,
                    const struct agent_message *message, const void *payload, size_t size,
                    const char *agent_id)
{
    _cleanup_free_ char *text = NULL;
    int r = agent_message_encode(message, &text);

    if (r == 0) {
        r = mq_socket_send_text(socket, identity, identity_size, text, payload, size);
    }
    if (r < 0 && r != -EHOSTUNREACH) {
        broker_log(LOG_WARNING, message->run_id, agent_id, "cannot send '%s' to %s: %s",
                   agent_message_word(message->type), agent_id ? agent_id : "an agent",
                   strerror(-r));
    }
}

void backend_send(struct broker *broker, const struct agent *agent,
                  const struct agent_message *message, const void *payload, size_t size)
{
    send_to(broker->backend, agent->identity, agent->identity_size, message, payload, size,
            agent->agent_id);
}

void receiver_send(struct broker *broker, const struct run *run _unused_,
                   const struct member *member, const struct agent_message *message)
{
    if (member->receiver_identity_size > 0) {
        send_to(broker->receiver, member->receiver_identity, member->receiver_identity_size,
                message, NULL, 0, member->agent_id);
    }
}

static void refuse(const struct arrival *arrival, const char *reason)
{
    struct agent_message message = {.type = AGENT_REFUSED, .reason = reason};
    send_to(arrival->broker->backend, arrival->identity, arrival->identity_size, &message, NULL, 0,
            NULL);
}

/* ---- in ---- */

/* Its key is no agent's, or one of other hosts, or it has the id of another host's agent. */
static void refuse_stranger(const struct arrival *arrival)
{
    const struct caller *caller = &arrival->caller;
    const struct agent_message *message = arrival->message;
    char text[512];

    if (authority_is_agent(caller, message->hostname)) {
        (void)snprintf(text, sizeof text, "%s is no id of an agent on %s", message->agent_id,
                       message->hostname);
    } else if (caller->role == KEY_AGENT) {
        (void)snprintf(text, sizeof text, "the key '%s' is for agents on hosts '%s', not on %s",
                       caller->name, caller->hosts, message->hostname);
    } else {
        (void)snprintf(text, sizeof text, "the key '%s' has the role '%s', and agents need 'agent'",
                       caller->name, caller->role ? key_role_word(caller->role) : "");
    }
    audit_refused(arrival->broker->audit, caller, "register",
                  (struct audit_subject){.agent_id = message->agent_id}, "%s", text);
    refuse(arrival, text);
}

static void on_register(const struct arrival *arrival)
{
    struct broker *broker = arrival->broker;
    const struct agent_message *message = arrival->message;
    struct error error = {0};
    struct agent *agent;
    bool is_new;
    char previous_run[SPEC_RUN_ID_BYTES + 1];

    if (!authority_may_be(&arrival->caller, message->agent_id, message->hostname)) {
        refuse_stranger(arrival);
        return;
    }
    int r = registry_register(broker->registry, message, arrival->identity, arrival->identity_size,
                              clock_monotonic_usec(), &agent, &is_new, previous_run, &error);
    if (r < 0) {
        audit_refused(broker->audit, &arrival->caller, "register",
                      (struct audit_subject){.agent_id = message->agent_id}, "%s", error.text);
        refuse(arrival, error.text);
        return;
    }
    struct agent_message answer = {.type = AGENT_REGISTERED,
                                   .broker_pid = (uint64_t)getpid(),
                                   .heartbeat_usec = REGISTRY_HEARTBEAT_USEC,
                                   .echo_usec = message->now_usec,
                                   .now_usec = clock_monotonic_usec()};
    backend_send(broker, agent, &answer, NULL, 0);
    conduct_registered(broker, agent, message, is_new, previous_run);
}

static void on_heartbeat(const struct arrival *arrival, struct agent *agent)
{
    struct agent_message answer = {.type = AGENT_BEAT,
                                   .echo_usec = arrival->message->now_usec,
                                   .now_usec = clock_monotonic_usec()};
    backend_send(arrival->broker, agent, &answer, NULL, 0);
}

static void on_leaving(const struct arrival *arrival, struct agent *agent)
{
    conduct_leaving(arrival->broker, agent);
}

static void on_status(const struct arrival *arrival, struct agent *agent)
{
    frontend_agent_status(arrival->broker->frontend, agent->agent_id, arrival->message);
}

/* Messages about a run that the agent has a part in; others are told to forget it. */
typedef void of_run(struct broker *broker, struct run *run, struct member *member,
                    struct agent *agent, const struct agent_message *message);

static void find_run(const struct arrival *arrival, struct agent *agent, of_run *handle)
{
    struct broker *broker = arrival->broker;
    struct run *run = runs_find(broker->runs, arrival->message->run_id);
    struct member *member = run ? run_member(run, agent->agent_id, agent->incarnation) : NULL;

    if (!member || run_state_is_over(run->state)) {
        if (broker->loaded) {
            conduct_drop(broker, agent, arrival->message->run_id);
        }
        return;
    }
    handle(broker, run, member, agent, arrival->message);
}

static void on_archive_got(const struct arrival *arrival, struct agent *agent)
{
    find_run(arrival, agent, conduct_archive_got);
}

static void on_ready(const struct arrival *arrival, struct agent *agent)
{
    find_run(arrival, agent, conduct_ready);
}

static void on_failed(const struct arrival *arrival, struct agent *agent)
{
    find_run(arrival, agent, conduct_failed);
}

static void on_ended(const struct arrival *arrival, struct agent *agent)
{
    find_run(arrival, agent, conduct_ended);
}

typedef void from_agent(const struct arrival *arrival, struct agent *agent);

static from_agent *const handlers[AGENT_MESSAGE_TYPES] = {
    [AGENT_HEARTBEAT] = on_heartbeat,     [AGENT_LEAVING] = on_leaving,
    [AGENT_ARCHIVE_GOT] = on_archive_got, [AGENT_READY] = on_ready,
    [AGENT_FAILED] = on_failed,           [AGENT_ENDED] = on_ended,
    [AGENT_STATUS] = on_status,
};

static void handle_backend(const struct arrival *arrival)
{
    struct agent *agent = registry_find_identity(arrival->broker->registry, arrival->identity,
                                                 arrival->identity_size);

    if (arrival->message->type == AGENT_REGISTER) {
        on_register(arrival);
        return;
    }
    if (arrival->caller.role == KEY_NOBODY) {
        refuse(arrival, "its key is not known to the broker any more");
        return;
    }
    if (!agent || agent->lost) {
        refuse(arrival, "not registered");
        return;
    }
    agent->heard_usec = clock_monotonic_usec();
    if (handlers[arrival->message->type]) {
        handlers[arrival->message->type](arrival, agent);
    }
}

/* Decodes what came; false: it is nothing that we take. */
static bool take(struct broker *broker, const struct mq_message *message, struct arrival *ret,
                 struct agent_message **ret_message)
{
    struct error error = {0};
    size_t size;
    const void *bytes = mq_message_bytes(message, 1, &size);

    if (broker->ending) { /* the next one is told it again */
        return false;
    }
    *ret =
        (struct arrival){.broker = broker, .caller = authority_caller(broker->authority, message)};
    ret->identity = mq_message_bytes(message, 0, &ret->identity_size);
    ret->payload = mq_message_bytes(message, 2, &ret->payload_size);
    int r = bytes ? agent_message_decode(bytes, size, ret_message, &error)
                  : error_set(&error, -EBADMSG, "a message without contents");
    if (r < 0) {
        const struct agent *agent =
            registry_find_identity(broker->registry, ret->identity, ret->identity_size);
        broker_log(LOG_DEBUG, NULL, agent ? agent->agent_id : NULL, "from %s %s: %s",
                   agent ? agent->agent_id : "somebody at", mq_message_peer(message), error.text);
        return false;
    }
    ret->message = *ret_message;
    return true;
}

void backend_received(struct mq_socket *socket _unused_, const struct mq_message *message,
                      void *context)
{
    _cleanup_(agent_message_freep) struct agent_message *decoded = NULL;
    struct arrival arrival;

    if (take(context, message, &arrival, &decoded)) {
        handle_backend(&arrival);
    }
}

void receiver_received(struct mq_socket *socket _unused_, const struct mq_message *message,
                       void *context)
{
    _cleanup_(agent_message_freep) struct agent_message *decoded = NULL;
    struct arrival arrival;
    struct broker *broker = context;

    if (broker->ending) { /* the next one gets it again */
        return;
    }
    if (!take(broker, message, &arrival, &decoded)) {
        return;
    }
    struct run *run = decoded->run_id ? runs_find(broker->runs, decoded->run_id) : NULL;
    if (!run || decoded->source >= run->n_members || arrival.identity_size > RUN_MAX_IDENTITY) {
        return; /* an agent that has it is told to drop it, by the backend */
    }
    struct member *member = &run->members[decoded->source];
    if (!authority_is_agent(&arrival.caller, member->hostname)) {
        audit_refused(broker->audit, &arrival.caller, "results",
                      (struct audit_subject){.run_id = run->run_id, .agent_id = member->agent_id},
                      "the key is not that of the agent");
        return;
    }
    memcpy(member->receiver_identity, arrival.identity, arrival.identity_size);
    member->receiver_identity_size = arrival.identity_size;
    if (decoded->type == AGENT_RESULTS || decoded->type == AGENT_DETAIL) {
        conduct_results(broker, run, member, decoded, arrival.payload, arrival.payload_size);
    } else if (decoded->type == AGENT_LOG) {
        conduct_log(broker, run, member, decoded);
    }
}
