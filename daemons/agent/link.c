/* SPDX-License-Identifier: MPL-2.0 */
/* Asks the frontend for the broker's other addresses, connects to two of them, registers, and then
 * sends a heartbeat again and again, each of which is answered. libzmq connects again by itself and
 * keeps that to itself; but an answer that doesn't come tells, as does a broker that says it
 * doesn't know us. Then all sockets are given up and everything begins anew, so that a connection
 * is one life of sockets, and what was sent on it is one list. */
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "clock_offset.h"
#include "pause.h"
#include "run/addresses.h"
#include "run/identity.h"
#include "wire/json.h"

#define PATIENCE_SEC       2.0 /* for an answer, while connecting */
#define MIN_HEARTBEAT_USEC (10 * USEC_PER_MSEC)
#define MAX_HEARTBEAT_USEC (60 * USEC_PER_SEC)
#define MAX_UNANSWERED     3
#define LINGER_MSEC        500 /* for last words */

enum state { AWAY, ASKING, REGISTERING, UP, STATES };

enum event {
    TRY,        /* it is time, or somebody says so */
    ADDRESSES,  /* the broker told them */
    REGISTERED, /* it knows us */
    LOST,       /* no answer, no sense in it, or a refusal */
    RENEWED,    /* we give it up ourselves */
    EVENTS
};

struct link {
    struct ev_loop *loop;
    struct mq *mq;
    struct link_options options;
    enum state state;
    ev_timer timer; /* until the next try, the end of our patience, or the next heartbeat */
    struct pause pause;
    struct mq_socket *frontend, *backend, *receiver;
    char *backend_address, *receiver_address;
    struct clock_offset offset;
    uint64_t heartbeat_usec;
    unsigned unanswered;
    char reason[512]; /* of LOST */
};

static void happen(struct link *link, enum event event);

/* ---- messages -------------------------------------------------------------------------------- */

static void lose(struct link *link, const char *reason)
{
    (void)snprintf(link->reason, sizeof link->reason, "%s", reason);
    happen(link, LOST);
}

static bool is_bulk(enum agent_message_type type)
{
    return type == AGENT_RESULTS || type == AGENT_LOG || type == AGENT_DETAIL;
}

static int send_message(struct link *link, const struct agent_message *message, const void *payload,
                        size_t size)
{
    _cleanup_free_ char *text = NULL;
    int r = agent_message_encode(message, &text);

    return r < 0 ? r
                 : mq_socket_send_text(is_bulk(message->type) ? link->receiver : link->backend,
                                       NULL, 0, text, payload, size);
}

static void on_registered(struct link *link, const struct agent_message *message)
{
    link->heartbeat_usec =
        MIN(MAX(message->heartbeat_usec, MIN_HEARTBEAT_USEC), MAX_HEARTBEAT_USEC);
    happen(link, REGISTERED);
}

static void take_message(struct link *link, const struct agent_message *message,
                         const void *payload, size_t size)
{
    link->unanswered = 0;
    if (message->type == AGENT_REGISTERED || message->type == AGENT_BEAT) {
        clock_offset_add(&link->offset, message->echo_usec, message->now_usec,
                         clock_monotonic_usec());
    }
    if (message->type == AGENT_REGISTERED) {
        on_registered(link, message);
    } else if (message->type == AGENT_REFUSED) {
        lose(link, message->reason);
    } else if (message->type != AGENT_BEAT && link->state == UP) {
        link->options.message(message, payload, size, link->options.context);
    }
}

/* From backend or receiver. The sockets may be gone afterwards. */
static void on_message(struct mq_socket *socket _unused_, const struct mq_message *frames,
                       void *context)
{
    _cleanup_(agent_message_freep) struct agent_message *message = NULL;
    struct link *link = context;
    struct error error;
    size_t size, payload_size;
    const void *bytes = mq_message_bytes(frames, 0, &size);
    const void *payload = mq_message_bytes(frames, 1, &payload_size);

    int r = agent_message_decode(bytes, size, &message, &error);
    if (r < 0) {
        log_debug("what the broker says is not understood: %s", error.text);
        return;
    }
    take_message(link, message, payload, payload_size);
}

/* ---- asking for addresses -------------------------------------------------------------------- */

static int take_address(struct link *link, const json_t *endpoints, const char *name, char **ret)
{
    const char *address = json_string_value(json_object_get(endpoints, name));

    free(*ret);
    *ret = NULL;
    return address ? addresses_reach(address, link->options.broker, ret) : -EBADMSG;
}

/* The answer to PING: an empty frame, and JSON. */
static void on_answer(struct mq_socket *socket _unused_, const struct mq_message *frames,
                      void *context)
{
    _cleanup_(json_decrefp) json_t *json = NULL;
    struct link *link = context;
    size_t size;
    const char *bytes = mq_message_bytes(frames, 1, &size);

    int r = bytes ? wire_json_load(bytes, size, AGENT_MAX_CONTROL_BYTES, &json, NULL) : -EBADMSG;
    const json_t *endpoints = json_object_get(json_object_get(json, "result"), "endpoints");
    if (r == 0) {
        r = take_address(link, endpoints, "backend", &link->backend_address);
    }
    if (r == 0) {
        r = take_address(link, endpoints, "receiver", &link->receiver_address);
    }
    if (r < 0) {
        lose(link, "what answers there is no loads-broker");
    } else {
        happen(link, ADDRESSES);
    }
}

static int ask(struct link *link, struct error *error)
{
    struct mq_socket_options options = {.type = MQ_DEALER,
                                        .max_message_bytes = AGENT_MAX_CONTROL_BYTES,
                                        .received = on_answer,
                                        .context = link};
    static const char ping[] = "{\"command\": \"PING\"}";

    int r = identity_assume(link->mq, link->options.broker, error);
    if (r < 0) {
        return r;
    }
    r = mq_socket_new(&link->frontend, link->mq, &options, error);
    if (r == 0) {
        r = mq_socket_connect(link->frontend, link->options.broker, error);
    }
    if (r < 0) {
        return r;
    }
    r = mq_socket_send_text(link->frontend, NULL, 0, "", ping, strlen(ping));
    return r < 0 ? error_set_errno(error, r, "cannot ask") : 0;
}

/* ---- registering ----------------------------------------------------------------------------- */

static int connect_to(struct link *link, struct mq_socket **ret, const char *address,
                      size_t max_message_bytes, struct error *error)
{
    struct mq_socket_options options = {.type = MQ_DEALER,
                                        .max_message_bytes = max_message_bytes,
                                        .linger_msec = LINGER_MSEC,
                                        .received = on_message,
                                        .context = link};
    int r = mq_socket_new(ret, link->mq, &options, error);
    return r < 0 ? r : mq_socket_connect(*ret, address, error);
}

static int send_registration(struct link *link, struct error *error)
{
    struct agent_message message = {0};

    link->options.describe(&message, link->options.context);
    message.type = AGENT_REGISTER;
    message.protocol = AGENT_PROTOCOL;
    message.now_usec = clock_monotonic_usec();
    int r = send_message(link, &message, NULL, 0);
    return r < 0 ? error_set_errno(error, r, "cannot register") : 0;
}

static void close_sockets(struct link *link)
{
    link->frontend = mq_socket_free(link->frontend);
    link->backend = mq_socket_free(link->backend);
    link->receiver = mq_socket_free(link->receiver);
}

/* ---- what events do -------------------------------------------------------------------------- */

static void set_timer(struct link *link, double after_sec, double repeat_sec)
{
    ev_now_update(link->loop);
    ev_timer_stop(link->loop, &link->timer);
    ev_timer_set(&link->timer, after_sec, repeat_sec);
    ev_timer_start(link->loop, &link->timer);
}

static void begin(struct link *link)
{
    struct error error;

    set_timer(link, PATIENCE_SEC, 0);
    if (ask(link, &error) < 0) {
        lose(link, error.text);
    }
}

static void enroll(struct link *link)
{
    struct error error;

    close_sockets(link);
    link->offset = (struct clock_offset){0}; /* it may be another machine's by now */
    set_timer(link, PATIENCE_SEC, 0);
    int r =
        connect_to(link, &link->backend, link->backend_address, AGENT_MAX_CONTROL_BYTES, &error);
    if (r == 0) {
        r = connect_to(link, &link->receiver, link->receiver_address, AGENT_MAX_CONTROL_BYTES,
                       &error);
    }
    if (r == 0) {
        r = send_registration(link, &error);
    }
    if (r < 0) {
        lose(link, error.text);
    }
}

static void arrive(struct link *link)
{
    double heartbeat_sec = (double)link->heartbeat_usec / 1e6;

    pause_reset(&link->pause);
    link->unanswered = 0;
    set_timer(link, heartbeat_sec, heartbeat_sec);
    link->options.up(link->options.context);
}

static void retreat(struct link *link)
{
    close_sockets(link);
    set_timer(link, (double)pause_next_usec(&link->pause) / 1e6, 0);
    link->options.down(link->reason, link->options.context);
}

static void renew(struct link *link)
{
    close_sockets(link);
    pause_reset(&link->pause);
    begin(link);
}

static const struct {
    enum state next;
    void (*action)(struct link *link); /* NULL: the event means nothing here */
} transitions[STATES][EVENTS] = {
    [AWAY][TRY] = {ASKING, begin},         [ASKING][ADDRESSES] = {REGISTERING, enroll},
    [ASKING][LOST] = {AWAY, retreat},      [REGISTERING][REGISTERED] = {UP, arrive},
    [REGISTERING][LOST] = {AWAY, retreat}, [UP][REGISTERED] = {UP, arrive},
    [UP][LOST] = {AWAY, retreat},          [UP][RENEWED] = {ASKING, renew},
};

static void happen(struct link *link, enum event event)
{
    void (*action)(struct link * link) = transitions[link->state][event].action;

    if (action) {
        link->state = transitions[link->state][event].next;
        action(link);
    }
}

/* Counted in heartbeats, not in time: who was stopped for a while hears of answers that wait before
 * it can send three more. */
static void beat(struct link *link)
{
    struct agent_message message = {.type = AGENT_HEARTBEAT, .now_usec = clock_monotonic_usec()};

    if (link->unanswered >= MAX_UNANSWERED) {
        lose(link, "it does not answer any more");
        return;
    }
    link->unanswered++;
    int r = send_message(link, &message, NULL, 0);
    if (r < 0) {
        lose(link, strerror(-r));
    }
}

static void on_timer(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct link *link = timer->data;

    if (link->state == UP) {
        beat(link);
    } else if (link->state == AWAY) {
        happen(link, TRY);
    } else {
        lose(link, "there is no answer");
    }
}

/* ---- from outside ---------------------------------------------------------------------------- */

int link_new(struct link **ret, struct ev_loop *loop, struct mq *mq,
             const struct link_options *options)
{
    struct link *link = calloc(1, sizeof *link);

    if (!link) {
        return -ENOMEM;
    }
    link->loop = loop;
    link->mq = mq;
    link->options = *options;
    pause_reset(&link->pause);
    ev_timer_init(&link->timer, on_timer, 0, 0);
    link->timer.data = link;
    *ret = link;
    return 0;
}

struct link *link_free(struct link *link)
{
    if (link) {
        ev_timer_stop(link->loop, &link->timer);
        close_sockets(link);
        free(link->backend_address);
        free(link->receiver_address);
        free(link);
    }
    return NULL;
}

void link_wake(struct link *link)
{
    if (link->state == AWAY) {
        pause_reset(&link->pause);
        happen(link, TRY);
    }
}

void link_renew(struct link *link)
{
    happen(link, RENEWED);
}

int link_send(struct link *link, const struct agent_message *message, const void *payload,
              size_t size)
{
    return link->state == UP ? send_message(link, message, payload, size) : -ENOTCONN;
}

bool link_is_up(const struct link *link)
{
    return link->state == UP;
}

bool link_is_known(const struct link *link)
{
    return link->state == UP || link->state == REGISTERING;
}

int64_t link_offset_usec(const struct link *link)
{
    return clock_offset_usec(&link->offset);
}

uint64_t link_to_ours(const struct link *link, uint64_t brokers_usec)
{
    return clock_offset_to_ours(&link->offset, brokers_usec);
}
