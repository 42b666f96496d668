/* SPDX-License-Identifier: MPL-2.0 */
/* Why connections fail. libzmq tells what becomes of them on a socket inside of the process: first
 * that one was accepted, with its descriptor, then why it failed, and at the end, with the
 * descriptor again, that it is closed. Whose it was is looked up when it is accepted, if it is
 * there still: libzmq's thread doesn't wait for us. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "loop/mq_address.h"
#include "loop/mq_state.h"

#define ADDRESS_BYTES INET6_ADDRSTRLEN
#define MAX_PEERS     256

#define EVENTS                                                                                     \
    (ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |                                   \
     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |                       \
     ZMQ_EVENT_DISCONNECTED)

struct peer {
    int fd; /* while it is open; 0: none */
    char address[ADDRESS_BYTES];
};

struct mq_monitor {
    struct mq_socket *watched, *events;
    mq_failed *failed;
    void *context;
    bool has_failed; /* what is disconnected next */
    enum mq_failure failure;
    struct peer peers[MAX_PEERS]; /* by descriptor, as far as there is room */
};

static struct peer *peer_of(struct mq_monitor *monitor, int fd)
{
    return &monitor->peers[(unsigned)fd % MAX_PEERS];
}

static void note_peer(struct mq_monitor *monitor, int fd)
{
    struct peer *peer = peer_of(monitor, fd);
    struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof name;
    char text[ADDRESS_BYTES] = "";

    *peer = (struct peer){.fd = fd};
    if (getpeername(fd, (struct sockaddr *)&name, &size) == 0) { /* else it is gone already */
        const void *address = name.ss_family == AF_INET
                                  ? (const void *)&((const struct sockaddr_in *)&name)->sin_addr
                                  : &((const struct sockaddr_in6 *)&name)->sin6_addr;
        (void)inet_ntop(name.ss_family, address, text,
                        sizeof text); /* not of ipc, which has none */
        (void)snprintf(peer->address, sizeof peer->address, "%s", mq_address_plain(text));
    }
}

static enum mq_failure failure_of(uint16_t event, uint32_t value)
{
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) {
        return MQ_KEY_REFUSED;
    }
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL) {
        return value == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC ? MQ_OTHER_KEY : MQ_MECHANISM;
    }
    return MQ_NO_CONVERSATION;
}

static void end(struct mq_monitor *monitor, int fd)
{
    struct peer *peer = peer_of(monitor, fd);
    char address[ADDRESS_BYTES] = "";

    if (peer->fd == fd) {
        memcpy(address, peer->address, sizeof address);
        *peer = (struct peer){.fd = 0};
    }
    if (monitor->has_failed) {
        monitor->has_failed = false;
        monitor->failed(monitor->watched, monitor->failure, address, monitor->context);
    }
}

/* Two frames: the event with a value, in the order of this machine's bytes; and an address, which
 * is ours. */
static void on_event(struct mq_socket *socket _unused_, const struct mq_message *message,
                     void *context)
{
    struct mq_monitor *monitor = context;
    uint16_t event;
    uint32_t value;
    size_t size;
    const char *bytes = mq_message_bytes(message, 0, &size);

    if (size != sizeof event + sizeof value) {
        return;
    }
    memcpy(&event, bytes, sizeof event);
    memcpy(&value, bytes + sizeof event, sizeof value);
    if (event == ZMQ_EVENT_ACCEPTED) {
        note_peer(monitor, (int)value);
    } else if (event == ZMQ_EVENT_DISCONNECTED) {
        end(monitor, (int)value);
    } else {
        monitor->has_failed = true;
        monitor->failure = failure_of(event, value);
    }
}

int mq_socket_watch(struct mq_socket *socket, mq_failed *failed, void *context, struct error *error)
{
    _cleanup_(mq_monitor_freep) struct mq_monitor *monitor = calloc(1, sizeof *monitor);
    struct mq_socket_options options = {.type = MQ_PAIR, .received = on_event, .context = monitor};
    char address[64];

    if (!monitor) {
        return error_set_errno(error, -ENOMEM, "cannot watch a socket");
    }
    monitor->watched = socket;
    monitor->failed = failed;
    monitor->context = context;
    (void)snprintf(address, sizeof address, "inproc://monitor-%p", (void *)socket); /* it fits */
    if (zmq_socket_monitor(socket->socket, address, EVENTS) < 0) {
        return error_set_errno(error, -errno, "cannot watch a socket");
    }
    int r = mq_socket_new(&monitor->events, socket->mq, &options, error);
    if (r == 0) {
        r = mq_socket_connect(monitor->events, address, error);
    }
    if (r == 0) {
        socket->monitor = TAKE_PTR(monitor);
    }
    return r;
}

struct mq_monitor *mq_monitor_free(struct mq_monitor *monitor)
{
    if (monitor) {
        (void)zmq_socket_monitor(monitor->watched->socket, NULL, 0); /* there is none, at worst */
        mq_socket_free(monitor->events);
        free(monitor);
    }
    return NULL;
}
