/* SPDX-License-Identifier: MPL-2.0 */
/* Requests and answers. What a client does is one thing after the other, so asking looks like a
 * call and runs the loop inside; what else comes meanwhile (messages of a run, signals) is noted by
 * its callbacks and acted on by whoever asked.
 *
 * An answer that doesn't come may be lost together with the broker that had the request. The next
 * try goes over a new socket, so that a late answer can't be taken for the one to another request.
 */
#include "remote/frontend.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "remote/address.h"
#include "run/addresses.h"
#include "run/identity.h"

#define CODE_BYTES 32

struct frontend {
    struct ev_loop *loop;
    struct mq *mq;
    struct mq_socket *socket;
    char *address;
    json_t *ping;
    char code[CODE_BYTES];
    unsigned answer_sec; /* how long one waits for an answer */

    /* While one waits: */
    ev_timer timer;
    bool waiting, timed_out, given_up;
    struct mq_key public_key; /* ours; "": the broker is talked to without keys */
    bool has_failed;          /* a connection has, that way: */
    enum mq_failure failure;
    json_t *answer;
    int result;
    struct error *error;
};

static void note(struct frontend *frontend, int result)
{
    frontend->result = result;
    ev_break(frontend->loop, EVBREAK_ONE);
}

static void on_received(struct mq_socket *socket _unused_, const struct mq_message *message,
                        void *context)
{
    struct frontend *frontend = context;
    size_t size, delimiter_size;

    (void)mq_message_bytes(message, 0, &delimiter_size); /* only its length counts */
    const char *text = mq_message_bytes(message, 1, &size);
    if (!frontend->waiting || frontend->answer || frontend->result < 0) {
        return; /* more than one answer: the first counts */
    }
    if (delimiter_size > 0 || !text) {
        note(frontend, error_set(frontend->error, -EBADMSG, "an answer of a wrong form came"));
        return;
    }
    note(frontend,
         wire_json_load(text, size, FRONTEND_MAX_BYTES, &frontend->answer, frontend->error));
}

static void on_time(struct ev_loop *loop, ev_timer *timer, int events _unused_)
{
    struct frontend *frontend = timer->data;

    frontend->timed_out = true;
    ev_break(loop, EVBREAK_ONE);
}

void frontend_give_up(struct frontend *frontend)
{
    frontend->given_up = true;
    ev_break(frontend->loop, EVBREAK_ONE);
}

/* No connection will come about until somebody has changed something. (One that ended before it
 * began may be a broker's that was just restarted.) */
static bool is_hopeless(const struct frontend *frontend)
{
    return frontend->has_failed && frontend->failure != MQ_NO_CONVERSATION;
}

static void on_failed(struct mq_socket *socket _unused_, enum mq_failure failure,
                      const char *peer _unused_, void *context)
{
    struct frontend *frontend = context;

    frontend->has_failed = true;
    frontend->failure = failure;
    if (is_hopeless(frontend)) {
        ev_break(frontend->loop, EVBREAK_ONE);
    }
}

/* Why the broker does not answer, as far as that is known. */
static int explain(const struct frontend *frontend, int r, struct error *error)
{
    const char *address = frontend->address, *key = frontend->public_key.text;

    if (!frontend->has_failed) {
        return error_set(error, r, "no answer from the broker at %s within %d s", address,
                         FRONTEND_ANSWER_SEC);
    }
    if (!*key) {
        return error_set(error, r,
                         "the broker at %s wants a key: 'loadsctl keygen NAME' makes one, and "
                         "'loadsctl trust %s' tells the broker's",
                         address, address);
    }
    if (frontend->failure == MQ_KEY_REFUSED) {
        return error_set(
            error, r,
            "the broker at %s doesn't know your key: on its machine, 'loadsctl key add "
            "NAME ROLE '%s'' lets you in",
            address, key);
    }
    return error_set(
        error, r,
        "who answers at %s doesn't have the key that is known of the broker there: it is "
        "another one, or has a new key ('loadsctl trust --help')",
        address);
}

static int connect_anew(struct frontend *frontend, struct error *error)
{
    const struct mq_socket_options options = {
        .type = MQ_DEALER,
        .max_message_bytes = FRONTEND_MAX_BYTES,
        .received = on_received,
        .context = frontend,
    };

    frontend->socket = mq_socket_free(frontend->socket);
    int r = mq_socket_new(&frontend->socket, frontend->mq, &options, error);
    if (r == 0) {
        r = mq_socket_watch(frontend->socket, on_failed, frontend, error);
    }
    return r < 0 ? r : mq_socket_connect(frontend->socket, frontend->address, error);
}

static int send_request(struct frontend *frontend, const char *text,
                        const struct frontend_bytes *archive)
{
    _cleanup_(mq_message_freep) struct mq_message *message = NULL;

    int r = mq_message_new(&message);
    if (r == 0) {
        r = mq_message_add(message, "", 0);
    }
    if (r == 0) {
        r = mq_message_add(message, text, strlen(text));
    }
    if (r == 0 && archive) {
        r = mq_message_add(message, archive->bytes, archive->size);
    }
    return r < 0 ? r : mq_socket_send(frontend->socket, message);
}

/* One request over the socket that is there. -ETIME: no answer came. */
static int try(struct frontend *frontend, const char *text, const struct frontend_bytes *archive,
               struct error *error)
{
    frontend->answer = NULL;
    frontend->result = 0;
    frontend->timed_out = frontend->given_up = frontend->has_failed = false;
    frontend->error = error;
    frontend->waiting = true;
    int r = send_request(frontend, text, archive);
    if (r < 0) {
        return error_set_errno(error, r, "cannot ask the broker at %s", frontend->address);
    }
    double wait_sec = frontend->answer_sec + (archive ? (double)archive->size / (1 << 20) : 0.0);
    ev_now_update(frontend->loop);
    ev_timer_set(&frontend->timer, wait_sec, 0.0);
    ev_timer_start(frontend->loop, &frontend->timer);
    while (!frontend->answer && frontend->result == 0 && !frontend->timed_out &&
           !frontend->given_up && !is_hopeless(frontend)) {
        ev_run(frontend->loop, 0);
    }
    ev_timer_stop(frontend->loop, &frontend->timer);
    frontend->waiting = false;
    if (frontend->answer) {
        return 0;
    }
    if (frontend->result < 0) {
        return error_prefix(error, frontend->result, "the broker at %s", frontend->address);
    }
    return frontend->given_up ? error_set(error, -EINTR, "interrupted") : -ETIME;
}

/* The result of an answer, which is taken. */
static int read_answer(struct frontend *frontend, json_t **ret, struct error *error)
{
    _cleanup_(json_decrefp) json_t *answer = TAKE_PTR(frontend->answer);
    json_t *result = json_object_get(answer, "result");
    const char *text = json_string_value(json_object_get(answer, "error"));
    const char *code = json_string_value(json_object_get(answer, "code"));

    if (text) {
        (void)snprintf(frontend->code, sizeof frontend->code, "%s", code ? code : "");
        return error_set(error, -EREMOTEIO, "%s", text);
    }
    if (!result) {
        return error_set(error, -EBADMSG, "the broker at %s gave an answer without result or error",
                         frontend->address);
    }
    *ret = json_incref(result);
    return 0;
}

static int ask(struct frontend *frontend, const json_t *request, unsigned tries,
               const struct frontend_bytes *archive, json_t **ret, struct error *error)
{
    _cleanup_free_ char *text = NULL;
    int r = wire_json_dump(request, &text);

    frontend->code[0] = '\0';
    if (r < 0) {
        return error_set_errno(error, r, "cannot ask the broker");
    }
    for (r = -ETIME; r == -ETIME && tries > 0; tries--) {
        r = try(frontend, text, archive, error);
        if (r < 0 && r != -EREMOTEIO) { /* what comes late must not be the next one's answer */
            struct error ignored;
            int connected = connect_anew(frontend, r == -ETIME ? error : &ignored);
            r = connected < 0 && r == -ETIME ? connected : r;
        }
    }
    if (r == -ETIME) {
        return frontend->has_failed
                   ? explain(frontend, -EHOSTUNREACH, error)
                   : error_set(error, -EHOSTUNREACH, "no answer from the broker at %s",
                               frontend->address);
    }
    return r < 0 ? r : read_answer(frontend, ret, error);
}

void frontend_be_patient(struct frontend *frontend, unsigned seconds)
{
    frontend->answer_sec = seconds;
}

int frontend_ask(struct frontend *frontend, const json_t *request,
                 const struct frontend_bytes *archive, json_t **ret, struct error *error)
{
    return ask(frontend, request, FRONTEND_TRIES, archive, ret, error);
}

static int ping(struct frontend *frontend, unsigned tries, struct error *error)
{
    _cleanup_(json_decrefp) json_t *request = json_pack("{ss}", "command", "PING");
    json_t *result;

    if (!request) {
        return error_set_errno(error, -ENOMEM, "cannot ask the broker");
    }
    int r = ask(frontend, request, tries, NULL, &result, error);
    if (r == 0) {
        json_decref(frontend->ping);
        frontend->ping = result;
    }
    return r;
}

int frontend_ping_again(struct frontend *frontend, struct error *error)
{
    return ping(frontend, FRONTEND_TRIES, error);
}

static int assume_identity(struct frontend *frontend, struct error *error)
{
    struct identity identity;
    int r = identity_find(frontend->address, &identity, error);

    if (r > 0) {
        mq_identify(frontend->mq, &identity.pair, &identity.broker);
        frontend->public_key = identity.pair.public_key;
        explicit_bzero(&identity, sizeof identity);
        r = 0;
    }
    return r;
}

int frontend_open(struct frontend **ret, struct ev_loop *loop, const char *address,
                  struct error *error)
{
    _cleanup_(frontend_freep) struct frontend *frontend = calloc(1, sizeof *frontend);

    int r = address_probe(address, error);
    if (r < 0) {
        return r == -EACCES || r == -ENOENT || r == -ECONNREFUSED || r == -ENOTDIR ? -EHOSTUNREACH
                                                                                   : r;
    }
    if (frontend) {
        frontend->loop = loop;
        frontend->answer_sec = FRONTEND_ANSWER_SEC;
        frontend->address = strdup(address);
        ev_init(&frontend->timer, on_time);
        frontend->timer.data = frontend;
    }
    if (!frontend || !frontend->address) {
        return error_set_errno(error, -ENOMEM, "cannot connect to the broker");
    }
    r = mq_new(&frontend->mq, loop);
    if (r < 0) {
        return error_set_errno(error, r, "cannot use ZeroMQ");
    }
    r = assume_identity(frontend, error);
    if (r == 0) {
        r = connect_anew(frontend, error);
    }
    if (r == 0) {
        r = ping(frontend, 1, error);
    }
    if (r == -EHOSTUNREACH) {
        return explain(frontend, r, error);
    }
    if (r == 0) {
        *ret = TAKE_PTR(frontend);
    }
    return r;
}

struct frontend *frontend_free(struct frontend *frontend)
{
    if (frontend) {
        if (frontend->loop) {
            ev_timer_stop(frontend->loop, &frontend->timer);
        }
        mq_socket_free(frontend->socket);
        mq_free(frontend->mq);
        json_decref(frontend->ping);
        free(frontend->address);
        free(frontend);
    }
    return NULL;
}

const char *frontend_code(const struct frontend *frontend)
{
    return frontend->code;
}

const char *frontend_address(const struct frontend *frontend)
{
    return frontend->address;
}

const json_t *frontend_ping(const struct frontend *frontend)
{
    return frontend->ping;
}

int frontend_publisher(const struct frontend *frontend, char **ret, struct error *error)
{
    const json_t *endpoints = json_object_get(frontend->ping, "endpoints");
    const char *listens = json_string_value(json_object_get(endpoints, "publisher"));

    if (!listens) {
        return error_set(error, -EBADMSG, "the broker at %s doesn't say where its publisher is",
                         frontend->address);
    }
    int r = addresses_reach(listens, frontend->address, ret);
    return r < 0 ? error_set_errno(error, r, "cannot reach the publisher") : 0;
}

struct mq *frontend_mq(struct frontend *frontend)
{
    return frontend->mq;
}
