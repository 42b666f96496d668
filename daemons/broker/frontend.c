/* SPDX-License-Identifier: MPL-2.0 */
/* The socket for clients. A request is looked at here as far as all commands have it in common;
 * whatever is wrong with it is answered, since a client that hears nothing asks again for ever. */
#include "frontend.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "base/clock.h"
#include "broker.h"

#define MAX_REQUEST_BYTES ((size_t)1 << 20) /* of JSON, but for `filedata` */
#define MAX_QUESTIONS     1000
#define QUESTION_USEC     (5 * USEC_PER_SEC)

/* Who comes first, and may have started us by coming, isn't to be told that the database hasn't
 * answered yet: requests wait for that, but not for long. */
#define PATIENCE_USEC USEC_PER_SEC

/* An asker that waits for an agent's answer. */
struct question {
    struct question *next;
    struct asker asker;
    uint64_t number, asked_usec;
    char agent_id[];
};

struct frontend {
    struct broker *broker;
    struct mq_socket *socket;
    struct question *questions; /* the newest first */
    unsigned n_questions;
};

int frontend_new(struct frontend **ret, struct broker *broker)
{
    struct frontend *frontend = calloc(1, sizeof *frontend);

    if (!frontend) {
        return -ENOMEM;
    }
    frontend->broker = broker;
    *ret = frontend;
    return 0;
}

struct frontend *frontend_free(struct frontend *frontend)
{
    if (!frontend) {
        return NULL;
    }
    while (frontend->questions) {
        struct question *question = frontend->questions;
        frontend->questions = question->next;
        free(question);
    }
    mq_socket_free(frontend->socket);
    free(frontend);
    return NULL;
}

void frontend_set_socket(struct frontend *frontend, struct mq_socket *socket)
{
    frontend->socket = socket;
    mq_socket_hold(socket, !frontend->broker->loaded);
}

void frontend_open(struct frontend *frontend)
{
    mq_socket_hold(frontend->socket, false);
}

struct mq_socket *frontend_socket(const struct frontend *frontend)
{
    return frontend->socket;
}

/* ---- answers ---- */

static int make_message(const struct asker *asker, const char *text, struct mq_message **ret)
{
    _cleanup_(mq_message_freep) struct mq_message *message = NULL;
    int r = mq_message_new(&message);

    if (r == 0) {
        r = mq_message_add(message, asker->identity, asker->identity_size);
    }
    if (r == 0 && asker->delimiter) {
        r = mq_message_add(message, "", 0);
    }
    if (r == 0) {
        r = mq_message_add(message, text, strlen(text));
    }
    if (r == 0) {
        *ret = TAKE_PTR(message);
    }
    return r;
}

/* Takes `json` over. */
static void send_answer(struct broker *broker, const struct asker *asker, json_t *json)
{
    static const char no_memory[] =
        "{\"error\": \"the broker has no memory\", \"code\": \"internal\"}";
    json_auto_t *answer = json;
    _cleanup_free_ char *text = NULL;
    _cleanup_(mq_message_freep) struct mq_message *message = NULL;

    int r = answer ? wire_json_dump(answer, &text) : -ENOMEM;
    r = make_message(asker, r == 0 ? text : no_memory, &message);
    if (r == 0) {
        r = mq_socket_send(broker->frontend->socket, message);
    }
    if (r < 0 && r != -EHOSTUNREACH) { /* a client that went away is nobody's concern */
        log_warning("cannot answer a client: %s", strerror(-r));
    }
}

void frontend_answer(struct broker *broker, const struct asker *asker, json_t *result)
{
    send_answer(broker, asker, json_pack("{so}", "result", result));
}

void frontend_refuse(struct broker *broker, const struct asker *asker, const char *code,
                     const char *format, ...)
{
    struct error error;
    char text[ERROR_TEXT_BYTES];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments); /* cut is fine */
    va_end(arguments);
    error_set(&error, -EINVAL, "%s", text); /* what a client sent may be in it: made clean */
    send_answer(broker, asker, json_pack("{ss ss}", "error", error.text, "code", code));
}

/* ---- requests ---- */

static void refuse_role(struct broker *broker, const struct request *request,
                        const struct command *refused)
{
    const struct caller *caller = &request->caller;

    if (caller->role == KEY_NOBODY) {
        frontend_refuse(broker, &request->asker, "unknown-key", "the broker doesn't know your key");
    } else {
        frontend_refuse(broker, &request->asker, "not-allowed",
                        "%s needs the role '%s', and the key '%s' has '%s'", refused->name,
                        key_role_word(refused->needs), caller->name, key_role_word(caller->role));
    }
    audit_refused(broker->audit, caller, refused->name, AUDIT_NOTHING, "it needs the role '%s'",
                  key_role_word(refused->needs));
}

static void handle(struct broker *broker, struct request *request, const void *bytes, size_t size)
{
    json_auto_t *json = NULL;
    struct error error = {0};
    size_t max = (size_t)broker->options->max_upload_bytes / 3 * 4 + MAX_REQUEST_BYTES;

    int r = wire_json_load(bytes, size, max, &json, &error);
    if (r < 0) {
        frontend_refuse(broker, &request->asker, r == -ENOMEM ? "internal" : "bad-request", "%s",
                        error.text);
        return;
    }
    const json_t *filedata = json_object_get(json, "filedata");
    if (size - json_string_length(filedata) > MAX_REQUEST_BYTES) {
        frontend_refuse(broker, &request->asker, "bad-request", "the request is longer than 1 MiB");
        return;
    }
    const json_t *name = json_object_get(json, "command");
    if (!json_is_string(name)) {
        frontend_refuse(broker, &request->asker, "bad-request", "command: %s",
                        name ? "a string is expected" : "is missing");
        return;
    }
    request->json = json;
    const struct command *known = command_find(json_string_value(name));
    if (!known) {
        frontend_refuse(broker, &request->asker, "unknown-command", "unknown command '%.100s'",
                        json_string_value(name));
    } else if (request->caller.role < known->needs) {
        refuse_role(broker, request, known);
    } else {
        known->run(broker, request);
    }
}

/* identity, perhaps an empty frame, JSON, perhaps an archive. */
void frontend_received(struct mq_socket *socket _unused_, const struct mq_message *message,
                       void *context)
{
    struct broker *broker = context;
    struct request request = {.caller = authority_caller(broker->authority, message)};
    size_t size, at = 1;
    const void *identity = mq_message_bytes(message, 0, &size);

    if (size == 0 || size > sizeof request.asker.identity) {
        return;
    }
    memcpy(request.asker.identity, identity, size);
    request.asker.identity_size = size;
    const void *bytes = mq_message_bytes(message, at, &size);
    if (bytes && size == 0) {
        request.asker.delimiter = true;
        bytes = mq_message_bytes(message, ++at, &size);
    }
    request.payload = mq_message_bytes(message, at + 1, &request.payload_size);
    if (bytes) {
        handle(broker, &request, bytes, size);
    } else {
        frontend_refuse(broker, &request.asker, "bad-request", "the request is empty");
    }
}

/* ---- questions to agents ---- */

void frontend_ask_status(struct broker *broker, const struct asker *asker,
                         const struct agent *agent)
{
    struct frontend *frontend = broker->frontend;
    size_t size = strlen(agent->agent_id) + 1;
    struct question *question =
        frontend->n_questions < MAX_QUESTIONS ? calloc(1, sizeof *question + size) : NULL;

    if (!question) {
        frontend_refuse(broker, asker, "internal", "too many wait for answers of agents");
        return;
    }
    question->asker = *asker;
    question->number = ++broker->last_request;
    question->asked_usec = clock_monotonic_usec();
    memcpy(question->agent_id, agent->agent_id, size);
    question->next = frontend->questions;
    frontend->questions = question;
    frontend->n_questions++;
    struct agent_message message = {.type = AGENT_ASK_STATUS, .request = question->number};
    backend_send(broker, agent, &message, NULL, 0);
}

static json_t *workers_of(const struct agent_message *message)
{
    json_t *workers = json_object();
    char pid[24];

    for (size_t i = 0; workers && i < message->n_workers; i++) {
        const struct agent_worker *worker = &message->workers[i];
        (void)snprintf(pid, sizeof pid, "%" PRIu64, worker->pid);
        (void)json_object_set_new(workers, pid,
                                  json_pack("{sI sI ss ss*}", "pid", (json_int_t)worker->pid,
                                            "users", (json_int_t)worker->users, "state",
                                            worker->state, "run_id", worker->run_id));
    }
    return workers;
}

/* Takes a question out; its next one. */
static struct question **drop(struct frontend *frontend, struct question **at)
{
    struct question *question = *at;

    *at = question->next;
    frontend->n_questions--;
    free(question);
    return at;
}

void frontend_agent_status(struct frontend *frontend, const char *agent_id,
                           const struct agent_message *message)
{
    for (struct question **at = &frontend->questions; *at; at = &(*at)->next) {
        if ((*at)->number == message->request && strcmp((*at)->agent_id, agent_id) == 0) {
            frontend_answer(frontend->broker, &(*at)->asker, workers_of(message));
            (void)drop(frontend, at);
            return;
        }
    }
}

void frontend_tick(struct frontend *frontend)
{
    uint64_t now_usec = clock_monotonic_usec();

    if (now_usec - frontend->broker->started_usec >= PATIENCE_USEC) {
        frontend_open(frontend);
    }
    for (struct question **at = &frontend->questions; *at;) {
        if (now_usec - (*at)->asked_usec < QUESTION_USEC) {
            at = &(*at)->next;
            continue;
        }
        frontend_refuse(frontend->broker, &(*at)->asker, "no-answer", "agent %s does not answer",
                        (*at)->agent_id);
        at = drop(frontend, at);
    }
}
