/* SPDX-License-Identifier: MPL-2.0 */
/* libzmq's descriptor is edge-triggered and says only that something may have changed: after every
 * wake-up, and after every send and receive, ZMQ_EVENTS has to be read until nothing is left. So
 * the descriptor's watcher does nothing but end the loop's wait; before each wait (ev_prepare) all
 * sockets are asked whether they have something, an idle watcher then keeps the loop from waiting;
 * after each (ev_check) a bounded number of messages is taken from each in turn.
 *
 * Signals are blocked while a socket is made, since that may start libzmq's thread, which is not to
 * take ours. */
#include "loop/mq.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "loop/mq_address.h"
#include "loop/mq_state.h"

#define MESSAGES_PER_TURN  64 /* of a socket */
#define HEARTBEAT_MSEC     2000
#define HEARTBEATS_MISSED  3
#define RECONNECT_MSEC     100
#define RECONNECT_MAX_MSEC 2000
#define BACKLOG            1024 /* agents that all come back at once */
#define ENDPOINT_BYTES     1024
#define IPC                "ipc://"
#define TCP                "tcp://"

/* ---- receiving ------------------------------------------------------------------------------- */

/* 1: a whole message; 0: there is none. What has too many frames is read and comes without any. */
static int receive(struct mq_socket *socket, struct mq_message *message)
{
    int more = 1;

    for (bool first = true; more; first = false) {
        zmq_msg_t frame;
        (void)zmq_msg_init(&frame); /* can't fail */
        if (zmq_msg_recv(&frame, socket->socket, ZMQ_DONTWAIT) < 0) {
            mq_message_clear(
                message); /* only the first can be missing: the rest has come with it */
            return 0;
        }
        more = zmq_msg_more(&frame);
        if (message->count < MQ_MAX_FRAMES && (first || message->count > 0)) {
            (void)zmq_msg_init(&message->frames[message->count]);           /* can't fail */
            (void)zmq_msg_move(&message->frames[message->count++], &frame); /* can't fail */
        } else {
            mq_message_clear(message);
            (void)zmq_msg_close(&frame); /* can't fail */
        }
    }
    return 1;
}

static bool has_message(const struct mq_socket *socket)
{
    int events = 0;
    size_t size = sizeof events;

    return socket->socket && !socket->held &&
           zmq_getsockopt(socket->socket, ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLIN);
}

static void take_messages(struct mq_socket *socket)
{
    for (int i = 0; i < MESSAGES_PER_TURN && has_message(socket); i++) {
        struct mq_message message = {.count = 0};
        if (receive(socket, &message) == 0) {
            return;
        }
        if (message.count > 0 && socket->options.received) {
            socket->options.received(socket, &message, socket->options.context);
        }
        mq_message_clear(&message);
    }
}

static void release(struct mq_socket *socket)
{
    strlist_clear(&socket->endpoints);
    free(socket);
}

static void sweep(struct mq *mq)
{
    for (struct mq_socket **at = &mq->sockets; *at;) {
        struct mq_socket *socket = *at;
        if (socket->socket) {
            at = &socket->next;
        } else {
            *at = socket->next;
            release(socket);
        }
    }
}

static void on_check(struct ev_loop *loop _unused_, ev_check *check, int events _unused_)
{
    struct mq *mq = CONTAINER_OF(check, struct mq, check);

    mq->dispatching = true;
    for (struct mq_socket *socket = mq->sockets; socket; socket = socket->next) {
        take_messages(socket);
    }
    mq->dispatching = false;
    sweep(mq);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *prepare, int events _unused_)
{
    struct mq *mq = CONTAINER_OF(prepare, struct mq, prepare);
    bool waits = true;

    for (struct mq_socket *socket = mq->sockets; waits && socket; socket = socket->next) {
        waits = !has_message(socket);
    }
    if (waits) {
        ev_idle_stop(loop, &mq->idle);
    } else {
        ev_idle_start(loop, &mq->idle);
    }
}

/* Being on is all that they are for. */
static void on_idle(struct ev_loop *loop _unused_, ev_idle *idle _unused_, int events _unused_)
{
}

static void on_io(struct ev_loop *loop _unused_, ev_io *io _unused_, int events _unused_)
{
}

/* ---- the context ----------------------------------------------------------------------------- */

int mq_new(struct mq **ret, struct ev_loop *loop)
{
    _cleanup_(mq_freep) struct mq *mq = calloc(1, sizeof *mq);

    if (!mq) {
        return -ENOMEM;
    }
    mq->loop = loop;
    ev_prepare_init(&mq->prepare, on_prepare);
    ev_check_init(&mq->check, on_check);
    ev_idle_init(&mq->idle, on_idle);
    ev_set_priority(&mq->prepare, EV_MINPRI); /* after those that may send */
    mq->context = zmq_ctx_new();
    if (!mq->context) {
        return -errno;
    }
    *ret = TAKE_PTR(mq);
    return 0;
}

struct mq *mq_free(struct mq *mq)
{
    if (!mq) {
        return NULL;
    }
    assert(mq->n_sockets == 0 && !mq->dispatching);
    while (mq->context && zmq_ctx_term(mq->context) < 0 && errno == EINTR) {
    }
    free(mq);
    return NULL;
}

/* The loop is watched as long as there are sockets. */
static void watch(struct mq *mq)
{
    if (mq->n_sockets++ == 0) {
        ev_prepare_start(mq->loop, &mq->prepare);
        ev_check_start(mq->loop, &mq->check);
    }
}

static void unwatch(struct mq *mq)
{
    if (--mq->n_sockets == 0) {
        ev_prepare_stop(mq->loop, &mq->prepare);
        ev_check_stop(mq->loop, &mq->check);
        ev_idle_stop(mq->loop, &mq->idle);
    }
}

/* ---- sockets --------------------------------------------------------------------------------- */

static void *open_socket(struct mq *mq, enum mq_type type)
{
    static const int types[] = {
        [MQ_DEALER] = ZMQ_DEALER, [MQ_ROUTER] = ZMQ_ROUTER, [MQ_SUB] = ZMQ_SUB,
        [MQ_XPUB] = ZMQ_XPUB,     [MQ_PULL] = ZMQ_PULL,     [MQ_PUSH] = ZMQ_PUSH,
        [MQ_REP] = ZMQ_REP,       [MQ_PAIR] = ZMQ_PAIR,
    };
    sigset_t all, before;

    (void)sigfillset(&all); /* can't fail */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    void *socket = zmq_socket(mq->context, types[type]);
    int error = errno;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return socket;
}

static bool set_number(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static bool set_options(void *socket, const struct mq_socket_options *options)
{
    int high_water = options->high_water > 0 ? options->high_water : MQ_HIGH_WATER;
    if (options->type == MQ_PAIR) {
        high_water = 0; /* none: libzmq's thread must never wait for us */
    }
    int64_t largest = (int64_t)(options->max_message_bytes > 0 ? options->max_message_bytes
                                                               : MQ_MAX_MESSAGE_BYTES);

    return set_number(socket, ZMQ_LINGER, options->linger_msec) &&
           set_number(socket, ZMQ_IPV6, 1) && set_number(socket, ZMQ_BACKLOG, BACKLOG) &&
           set_number(socket, ZMQ_SNDHWM, high_water) &&
           set_number(socket, ZMQ_RCVHWM, high_water) &&
           zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) == 0 &&
           set_number(socket, ZMQ_RECONNECT_IVL, RECONNECT_MSEC) &&
           set_number(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MSEC) &&
           set_number(socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MSEC) &&
           set_number(socket, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_MSEC * HEARTBEATS_MISSED) &&
           set_number(socket, ZMQ_HEARTBEAT_TTL, HEARTBEAT_MSEC * HEARTBEATS_MISSED) &&
           (options->type != MQ_ROUTER || set_number(socket, ZMQ_ROUTER_MANDATORY, 1)) &&
           (options->type != MQ_XPUB ||
            zmq_setsockopt(socket, ZMQ_XPUB_WELCOME_MSG, MQ_WELCOME, strlen(MQ_WELCOME)) == 0);
}

int mq_socket_new(struct mq_socket **ret, struct mq *mq, const struct mq_socket_options *options,
                  struct error *error)
{
    struct mq_socket *socket = calloc(1, sizeof *socket);
    size_t size = sizeof(int);
    int fd;

    if (!socket) {
        return error_set_errno(error, -ENOMEM, "cannot make a ZeroMQ socket");
    }
    socket->mq = mq;
    socket->options = *options;
    socket->socket = open_socket(mq, options->type);
    if (!socket->socket || !set_options(socket->socket, options) ||
        zmq_getsockopt(socket->socket, ZMQ_FD, &fd, &size) < 0) {
        int r = error_set(error, errno == EMFILE ? -EMFILE : -ENOMEM,
                          "cannot make a ZeroMQ socket: %s", zmq_strerror(errno));
        if (socket->socket) {
            (void)zmq_close(socket->socket); /* fails only for what is none */
        }
        free(socket);
        return r;
    }
    ev_io_init(&socket->io, on_io, fd, EV_READ);
    ev_io_start(mq->loop, &socket->io);
    watch(mq);
    /* Behind the others, so that one that is made in a callback gets its turn, too. */
    struct mq_socket **last = &mq->sockets;
    while (*last) {
        last = &(*last)->next;
    }
    *last = socket;
    *ret = socket;
    return 0;
}

struct mq_socket *mq_socket_free(struct mq_socket *socket)
{
    if (!socket) {
        return NULL;
    }
    struct mq *mq = socket->mq;
    mq_monitor_free(socket->monitor);
    ev_io_stop(mq->loop, &socket->io);
    (void)zmq_close(socket->socket); /* fails only for what is none */
    socket->socket = NULL;
    unwatch(mq);
    if (!mq->dispatching) {
        sweep(mq);
    }
    return NULL;
}

void mq_socket_hold(struct mq_socket *socket, bool hold)
{
    socket->held = hold; /* what waits is seen the next time the loop is about to wait */
}

/* ---- addresses ------------------------------------------------------------------------------- */

static int fail(const char *verb, const char *address, struct error *error)
{
    int number = errno;

    if (number >= ZMQ_HAUSNUMERO) { /* one of libzmq's own */
        return error_set(error, -EINVAL, "cannot %s %s: %s", verb, address, zmq_strerror(number));
    }
    return number == EINVAL || number == ENODEV
               ? error_set(error, -number,
                           "cannot %s %s: this is no address such as "
                           "tcp://127.0.0.1:7780 or ipc:///run/loads/x.sock",
                           verb, address)
               : error_set_errno(error, -number, "cannot %s %s", verb, address);
}

static int remember_endpoint(struct mq_socket *socket, const char *address, struct error *error)
{
    char endpoint[ENDPOINT_BYTES];
    size_t size = sizeof endpoint;

    if (zmq_getsockopt(socket->socket, ZMQ_LAST_ENDPOINT, endpoint, &size) < 0) {
        return fail("listen on", address, error);
    }
    mq_address_show_plainly(endpoint);
    int r = strlist_add(&socket->endpoints, endpoint);
    return r < 0 ? error_set_errno(error, r, "cannot listen on %s", address) : 0;
}

static bool is_tcp(const char *address)
{
    return strncmp(address, TCP, strlen(TCP)) == 0;
}

static bool set_key(void *socket, int option, const struct mq_key *key)
{
    return zmq_setsockopt(socket, option, key->text, sizeof key->text) == 0;
}

/* What is set counts for the binds that follow. */
static bool set_server_key(const struct mq_socket *socket, bool tcp)
{
    const struct mq *mq = socket->mq;
    const char *name = socket->options.name;
    bool serves = tcp && mq->serves && !socket->options.keyless;

    return set_number(socket->socket, ZMQ_CURVE_SERVER, serves) &&
           (!name || zmq_setsockopt(socket->socket, ZMQ_ZAP_DOMAIN, name, strlen(name)) == 0) &&
           (!serves || set_key(socket->socket, ZMQ_CURVE_SECRETKEY, &mq->server.secret_key));
}

static bool set_client_key(const struct mq_socket *socket)
{
    const struct mq *mq = socket->mq;

    return set_key(socket->socket, ZMQ_CURVE_SERVERKEY, &mq->servers_key) &&
           set_key(socket->socket, ZMQ_CURVE_PUBLICKEY, &mq->client.public_key) &&
           set_key(socket->socket, ZMQ_CURVE_SECRETKEY, &mq->client.secret_key);
}

void mq_serve(struct mq *mq, const struct mq_key_pair *pair)
{
    mq->server = *pair;
    mq->serves = true;
}

void mq_identify(struct mq *mq, const struct mq_key_pair *pair, const struct mq_key *servers_key)
{
    mq->identifies = pair != NULL;
    if (pair) {
        mq->client = *pair;
        mq->servers_key = *servers_key;
    }
}

int mq_socket_bind(struct mq_socket *socket, const char *address, struct error *error)
{
    int r = mq_address_check(address, error);

    if (r < 0) {
        return r;
    }
    mode_t mask = umask(0117);
    bool bound = set_server_key(socket, is_tcp(address)) && zmq_bind(socket->socket, address) == 0;
    int number = errno;
    (void)umask(mask); /* can't fail */
    errno = number;
    if (!bound) {
        return fail("listen on", address, error);
    }
    return remember_endpoint(socket, address, error);
}

int mq_socket_bind_fd(struct mq_socket *socket, int *fd, struct error *error)
{
    struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof name;

    /* libzmq believes what it is told, and aborts if it isn't so. */
    if (sd_is_socket(*fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0 ||
        getsockname(*fd, (struct sockaddr *)&name, &size) < 0) {
        return error_set(error, -EINVAL, "descriptor %d is no stream socket that listens", *fd);
    }
    if (name.ss_family != AF_UNIX && name.ss_family != AF_INET && name.ss_family != AF_INET6) {
        return error_set(error, -EINVAL, "descriptor %d is neither a TCP nor a UNIX socket", *fd);
    }
    /* Of the address only the scheme counts; the option must not be left on for the next bind. */
    const char *address = name.ss_family == AF_UNIX ? IPC "passed" : "tcp://127.0.0.1:1";
    if (!set_server_key(socket, name.ss_family != AF_UNIX) ||
        !set_number(socket->socket, ZMQ_USE_FD, *fd)) {
        return fail("use", "a passed descriptor", error);
    }
    int bound = zmq_bind(socket->socket, address), number = errno;
    (void)set_number(socket->socket, ZMQ_USE_FD, -1); /* can't fail: it didn't before */
    errno = number;
    if (bound < 0) {
        return fail("listen on", "a passed descriptor", error);
    }
    *fd = -1;
    return remember_endpoint(socket, "a passed descriptor", error);
}

int mq_socket_bind_passed(struct mq_socket *socket, struct daemon_sockets *passed, const char *name,
                          struct error *error)
{
    int taken = 0, fd;

    while ((fd = daemon_sockets_take(passed, name)) >= 0) {
        int r = mq_socket_bind_fd(socket, &fd, error);
        if (r < 0) {
            close_fd(fd);
            return error_prefix(error, r, "%s", name);
        }
        taken = 1;
    }
    return taken;
}

int mq_socket_connect(struct mq_socket *socket, const char *address, struct error *error)
{
    bool secure = is_tcp(address) && socket->mq->identifies;

    if (secure && !set_client_key(socket)) {
        return fail("connect to", address, error);
    }
    return zmq_connect(socket->socket, address) < 0 ? fail("connect to", address, error) : 0;
}

int mq_socket_subscribe(struct mq_socket *socket, const void *topic, size_t size)
{
    return zmq_setsockopt(socket->socket, ZMQ_SUBSCRIBE, topic, size) < 0 ? -errno : 0;
}

const char *mq_socket_endpoint(const struct mq_socket *socket, size_t index)
{
    return index < socket->endpoints.count ? socket->endpoints.items[index] : NULL;
}

/* ---- sending --------------------------------------------------------------------------------- */

int mq_socket_send(struct mq_socket *socket, const struct mq_message *message)
{
    struct mq_message frames = {.count = 0};
    int r = mq_message_copy(&frames, message);

    for (size_t i = 0; r == 0 && i < frames.count; i++) {
        int flags = ZMQ_DONTWAIT | (i + 1 < frames.count ? ZMQ_SNDMORE : 0), sent;
        do {
            sent = zmq_msg_send(&frames.frames[i], socket->socket, flags);
        } while (sent < 0 && errno == EINTR);
        r = sent < 0 ? -errno : 0; /* it fails with the first frame, or not at all */
    }
    mq_message_clear(&frames);
    return r;
}

int mq_socket_send_text(struct mq_socket *socket, const void *identity, size_t identity_size,
                        const char *text, const void *payload, size_t payload_size)
{
    struct mq_message message = {.count = 0};
    int r = identity ? mq_message_add(&message, identity, identity_size) : 0;

    if (r == 0) {
        r = mq_message_add(&message, text, strlen(text));
    }
    if (r == 0 && payload) {
        r = mq_message_add(&message, payload, payload_size);
    }
    if (r == 0) {
        r = mq_socket_send(socket, &message);
    }
    mq_message_clear(&message);
    return r;
}
