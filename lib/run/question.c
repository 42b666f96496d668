/* SPDX-License-Identifier: MPL-2.0 */
/* A client of a moment. What comes and is no answer is not waited for any less. */
#include "run/question.h"

#include <errno.h>
#include <ev.h>
#include <string.h>

#define MAX_ANSWER_BYTES ((size_t)16 << 20)

struct asking {
    struct ev_loop *loop;
    struct mq *mq;
    struct mq_socket *sockets[QUESTION_MAX_ADDRESSES];
    json_t *result;
};

static void on_answer(struct mq_socket *socket _unused_, const struct mq_message *message,
                      void *context)
{
    struct asking *asking = context;
    json_auto_t *json = NULL;
    size_t size;
    const void *bytes = mq_message_bytes(message, mq_message_count(message) - 1, &size);

    if (asking->result || wire_json_load(bytes, size, MAX_ANSWER_BYTES, &json, NULL) < 0) {
        return;
    }
    asking->result = json_incref(json_object_get(json, "result"));
    if (asking->result) {
        ev_break(asking->loop, EVBREAK_ALL);
    }
}

static void on_over(struct ev_loop *loop, ev_timer *timer _unused_, int events _unused_)
{
    ev_break(loop, EVBREAK_ALL);
}

/* An empty frame and the request, as a REQ sends it. */
static int ask_one(struct asking *asking, size_t index, const char *address, const char *request,
                   struct error *error)
{
    struct mq_socket_options options = {.type = MQ_DEALER,
                                        .max_message_bytes = MAX_ANSWER_BYTES,
                                        .received = on_answer,
                                        .context = asking};
    struct mq_socket **socket = &asking->sockets[index];
    int r = mq_socket_new(socket, asking->mq, &options, error);

    if (r == 0) {
        r = mq_socket_connect(*socket, address, error);
    }
    if (r == 0) {
        r = mq_socket_send_text(*socket, "", 0, request, NULL, 0);
        r = r < 0 ? error_set_errno(error, r, "cannot ask %s", address) : 0;
    }
    return r;
}

static int ask_all(struct asking *asking, const struct question *question, struct error *error)
{
    _cleanup_(json_decrefp) json_t *request = json_pack("{ss}", "command", question->command);
    _cleanup_free_ char *text = NULL;
    size_t n = MIN(question->addresses->count, (size_t)QUESTION_MAX_ADDRESSES);
    int r = request ? wire_json_dump(request, &text) : -ENOMEM;

    if (r < 0) {
        return error_set_errno(error, r, "cannot ask");
    }
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = ask_one(asking, i, question->addresses->items[i], text, error);
    }
    return r;
}

static void asking_clear(struct asking *asking)
{
    for (size_t i = 0; i < QUESTION_MAX_ADDRESSES; i++) {
        mq_socket_free(asking->sockets[i]);
    }
    mq_free(asking->mq);
    json_decref(asking->result);
    if (asking->loop) {
        ev_loop_destroy(asking->loop);
    }
}

int question_ask(const struct question *question, json_t **ret, struct error *error)
{
    _cleanup_(asking_clear) struct asking asking = {.loop = ev_loop_new(EVFLAG_AUTO)};
    ev_timer timer;
    int r = asking.loop ? mq_new(&asking.mq, asking.loop) : -ENOMEM;

    if (r < 0) {
        return error_set_errno(error, r, "cannot ask");
    }
    if (question->key) {
        mq_identify(asking.mq, question->key, question->servers_key);
    }
    r = ask_all(&asking, question, error);
    if (r < 0) {
        return r;
    }
    ev_timer_init(&timer, on_over, question->wait_sec, 0);
    ev_timer_start(asking.loop, &timer);
    ev_run(asking.loop, 0);
    ev_timer_stop(asking.loop, &timer);
    if (!asking.result) {
        return 0;
    }
    *ret = TAKE_PTR(asking.result);
    return 1;
}
