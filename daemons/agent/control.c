/* SPDX-License-Identifier: MPL-2.0 */
/* A table of commands. A request that makes no sense gets an error that says so; one that is too
 * long closes the connection. */
#include "control.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "run/addresses.h"
#include "run/identity.h"
#include "wire/json.h"

struct control {
    struct agent *agent;
    struct mq_socket *socket;
    struct mq_guard *guard; /* NULL: there are no keys */
    struct mq_key broker;
};

/* ---- commands -------------------------------------------------------------------------------- */

static json_t *identity(const struct agent_status *status)
{
    return json_pack("{s:s, s:I, s:s, s:s}", "agent_id", status->options->agent_id, "pid",
                     (json_int_t)getpid(), "hostname", status->options->hostname, "version",
                     LOADS_VERSION);
}

static json_t *on_ping(struct agent *agent)
{
    struct agent_status status;

    agent_status(agent, &status);
    return identity(&status);
}

static void add_run(const struct agent_run_status *run, void *context)
{
    json_t *runs = context;
    (void)json_object_set_new(runs, run->run_id,
                              json_pack("{s:s, s:I, s:I}", "state", run->state, "cycle",
                                        (json_int_t)run->cycle, "waiting",
                                        (json_int_t)run->waiting));
    /* without memory one is missing */
}

static void add_worker(const struct supervisor_worker *worker, const char *state,
                       const char *run_id, void *context)
{
    json_t *workers = context;
    (void)json_array_append_new(workers,
                                json_pack("{s:I, s:I, s:s, s:s}", "pid", (json_int_t)worker->pid,
                                          "users", (json_int_t)worker->users, "state", state,
                                          "run_id", run_id)); /* the same */
}

static json_t *on_status(struct agent *agent)
{
    struct agent_status status;

    agent_status(agent, &status);
    json_t *runs = json_object(), *workers = json_array();
    agent_each_run(agent, add_run, runs);
    agent_each_worker(agent, add_worker, workers);
    json_t *answer = identity(&status);
    json_t *more =
        json_pack("{s:s, s:b, s:s, s:b, s:I, s:I, s:o, s:o}", "broker", status.options->broker,
                  "connected", status.connected, "trouble", status.trouble, "draining",
                  status.draining, "offset_usec", (json_int_t)status.offset_usec, "waiting_bytes",
                  (json_int_t)status.waiting_bytes, "runs", runs, "workers", workers);
    if (json_object_update(answer, more) < 0) {
        json_decref(answer);
        answer = NULL;
    }
    json_decref(more);
    return answer;
}

static json_t *on_drain(struct agent *agent)
{
    struct agent_status status;

    agent_drain(agent);
    agent_status(agent, &status);
    return json_pack("{s:b, s:I}", "draining", 1, "runs", (json_int_t)status.n_runs);
}

static json_t *on_wake(struct agent *agent)
{
    struct agent_status status;

    agent_wake(agent);
    agent_status(agent, &status);
    return json_pack("{s:b, s:b}", "connected", status.connected, "draining", status.draining);
}

static const struct {
    const char *name;
    json_t *(*answer)(struct agent *agent);
} commands[] = {
    {"PING", on_ping},
    {"STATUS", on_status},
    {"DRAIN", on_drain},
    {"WAKE", on_wake},
};

static json_t *fault(const char *code, const char *text)
{
    return json_pack("{s:s, s:s}", "error", text, "code", code);
}

static json_t *answer(struct agent *agent, const void *bytes, size_t size)
{
    _cleanup_(json_decrefp) json_t *request = NULL;
    struct error error = {0};

    if (wire_json_load(bytes, size, CONTROL_MAX_BYTES, &request, &error) < 0) {
        return fault("bad-request", error.text);
    }
    const char *name = json_string_value(json_object_get(request, "command"));
    if (!name) {
        return fault("bad-request", "command: a string is expected");
    }
    for (size_t i = 0; i < ELEMENTSOF(commands); i++) {
        if (strcmp(name, commands[i].name) == 0) {
            json_t *result = commands[i].answer(agent);
            return result ? json_pack("{s:o}", "result", result) : NULL;
        }
    }
    (void)error_set(&error, -EINVAL, "unknown command '%.40s'", name);
    return fault("unknown-command", error.text);
}

int control_answer(struct agent *agent, const void *bytes, size_t size, char **ret)
{
    _cleanup_(json_decrefp) json_t *json = answer(agent, bytes, size);
    return json ? wire_json_dump(json, ret) : -ENOMEM;
}

/* ---- the socket ------------------------------------------------------------------------------ */

/* All frames before the last one show the way back. */
static void on_request(struct mq_socket *socket, const struct mq_message *message, void *context)
{
    _cleanup_(mq_message_freep) struct mq_message *back = NULL;
    _cleanup_free_ char *text = NULL;
    struct control *control = context;
    size_t last = mq_message_count(message) - 1, size;
    const void *bytes = mq_message_bytes(message, last, &size);

    int r = mq_message_new(&back);
    if (r == 0) {
        r = control_answer(control->agent, bytes, size, &text);
    }
    for (size_t i = 0; r == 0 && i < last; i++) {
        size_t frame_size;
        const void *frame = mq_message_bytes(message, i, &frame_size);
        r = mq_message_add(back, frame, frame_size);
    }
    if (r == 0) {
        r = mq_message_add(back, text, strlen(text));
    }
    if (r == 0) {
        (void)!mq_socket_send(socket, back); /* whoever asked is gone */
    }
}

static int list_endpoints(const struct control *control, struct strlist *listens)
{
    const char *endpoint;
    int r = 0;

    strlist_clear(listens);
    for (size_t i = 0; r == 0 && (endpoint = mq_socket_endpoint(control->socket, i)); i++) {
        r = strlist_add(listens, endpoint);
    }
    return r;
}

/* ---- who may come by tcp ---- */

static bool is_the_broker(const struct mq_key *public_key, const char *address _unused_,
                          const char *socket_name _unused_, void *context)
{
    const struct control *control = context;
    return public_key && strcmp(public_key->text, control->broker.text) == 0;
}

/* 1: only who has the broker's key; 0: there are no keys. */
static int guard(struct control *control, struct mq *mq, const char *broker, struct error *error)
{
    struct identity identity;
    int r = identity_find(broker, &identity, error);

    if (r <= 0) {
        return r;
    }
    control->broker = identity.broker;
    mq_serve(mq, &identity.pair);
    explicit_bzero(&identity, sizeof identity);
    r = mq_guard_new(&control->guard, mq, is_the_broker, control, error);
    return r < 0 ? r : 1;
}

static int check_exposure(const struct strlist *listens, bool allow_insecure, struct error *error)
{
    struct error reason;

    for (size_t i = 0; i < listens->count; i++) {
        int r = addresses_check_local(listens->items[i], &reason);
        if (r == -EPERM && allow_insecure) {
            log_warning("%s can be reached from other machines, by anybody", listens->items[i]);
        } else if (r < 0) {
            return error_set(error, r, "control: %s", reason.text);
        }
    }
    return 0;
}

static int listen_on_all(struct control *control, const struct control_options *options,
                         struct strlist *listens, struct error *error)
{
    int r = mq_socket_bind_passed(control->socket, options->passed, CONTROL_SOCKET, error);
    bool passed = r > 0;

    for (size_t i = 0; r >= 0 && i < options->addresses->count; i++) {
        const char *address = options->addresses->items[i];
        if (passed && addresses_was_passed(address, control->socket)) {
            continue;
        }
        r = mq_socket_bind(control->socket, address, error);
        if (r == 0) {
            addresses_share(address);
        }
    }
    if (r >= 0) {
        r = list_endpoints(control, listens);
        r = r < 0 ? error_set_errno(error, r, "cannot listen") : 0;
    }
    return r;
}

int control_new(struct control **ret, struct mq *mq, const struct control_options *options,
                struct agent *agent, struct strlist *listens, struct error *error)
{
    _cleanup_(control_freep) struct control *control = calloc(1, sizeof *control);

    if (!control) {
        return error_set_errno(error, -ENOMEM, "cannot listen");
    }
    struct mq_socket_options socket_options = {.type = MQ_ROUTER,
                                               .max_message_bytes = CONTROL_MAX_BYTES,
                                               .linger_msec = 100,
                                               .received = on_request,
                                               .context = control};
    control->agent = agent;
    int r = guard(control, mq, options->broker, error);
    if (r >= 0) {
        r = mq_socket_new(&control->socket, mq, &socket_options, error);
    }
    if (r == 0) {
        r = listen_on_all(control, options, listens, error);
    }
    if (r == 0 && !control->guard) {
        r = check_exposure(listens, options->allow_insecure, error);
    }
    if (r == 0) {
        *ret = TAKE_PTR(control);
    }
    return r;
}

struct control *control_free(struct control *control)
{
    if (control) {
        mq_socket_free(control->socket);
        mq_guard_free(control->guard);
        free(control);
    }
    return NULL;
}
