/* SPDX-License-Identifier: MPL-2.0 */
/* A client of a moment, with a loop of its own. */
#include "probe.h"

#include <errno.h>

#include <ev.h>

#include "wire/json.h"

#define WAIT_SEC         1.0
#define MAX_ANSWER_BYTES ((size_t)16 << 20)
#define MAX_PROBED       16

struct probe {
    struct ev_loop *loop;
    uint64_t pid;
    bool answered;
};

static void on_answer(struct mq_socket *socket _unused_, const struct mq_message *message,
                      void *context)
{
    struct probe *probe = context;
    json_auto_t *json = NULL;
    size_t size;
    const void *bytes = mq_message_bytes(message, mq_message_count(message) - 1, &size);

    if (wire_json_load(bytes, size, MAX_ANSWER_BYTES, &json, NULL) < 0) {
        return;
    }
    json_t *pid = json_object_get(json_object_get(json, "result"), "pid");
    if (json_is_integer(pid) && json_integer_value(pid) > 0) {
        probe->pid = (uint64_t)json_integer_value(pid);
        probe->answered = true;
        ev_break(probe->loop, EVBREAK_ALL);
    }
}

static void on_over(struct ev_loop *loop, ev_timer *timer _unused_, int events _unused_)
{
    ev_break(loop, EVBREAK_ALL);
}

/* "" and the request, as a REQ sends it. */
static int ask(struct mq *mq, const char *address, struct probe *probe, struct mq_socket **ret,
               struct error *error)
{
    struct mq_socket_options options = {.type = MQ_DEALER,
                                        .max_message_bytes = MAX_ANSWER_BYTES,
                                        .received = on_answer,
                                        .context = probe};
    int r = mq_socket_new(ret, mq, &options, error);

    if (r == 0) {
        r = mq_socket_connect(*ret, address, error);
    }
    if (r == 0) {
        r = mq_socket_send_text(*ret, "", 0, "{\"command\": \"PING\"}", NULL, 0);
        r = r < 0 ? error_set_errno(error, r, "cannot ask %s", address) : 0;
    }
    return r;
}

int probe_broker(const struct strlist *addresses, const struct mq_key_pair *key, uint64_t *ret_pid,
                 struct error *error)
{
    struct probe probe = {.loop = ev_loop_new(EVFLAG_AUTO)};
    struct mq_socket *sockets[MAX_PROBED] = {NULL};
    struct mq *mq = NULL;
    ev_timer timer;
    size_t n = MIN(addresses->count, (size_t)MAX_PROBED);
    int r = probe.loop ? mq_new(&mq, probe.loop) : -ENOMEM;

    if (r < 0) {
        r = error_set(error, -ENOMEM, "cannot look for a broker");
    }
    if (r == 0 && key) {
        mq_identify(mq, key, &key->public_key);
    }
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = ask(mq, addresses->items[i], &probe, &sockets[i], error);
    }
    if (r == 0) {
        ev_timer_init(&timer, on_over, WAIT_SEC, 0);
        ev_timer_start(probe.loop, &timer);
        ev_run(probe.loop, 0);
        ev_timer_stop(probe.loop, &timer);
        *ret_pid = probe.pid;
        r = probe.answered ? 1 : 0;
    }
    for (size_t i = 0; i < n; i++) {
        mq_socket_free(sockets[i]);
    }
    mq_free(mq);
    if (probe.loop) {
        ev_loop_destroy(probe.loop);
    }
    return r;
}
