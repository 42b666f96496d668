/* SPDX-License-Identifier: MPL-2.0 */
/* Each connection has a buffer of its own (zmtp.c) and is read once per turn of the loop, so that
 * who sends much doesn't keep others waiting. Holding is to stop reading: the kernel then makes the
 * senders wait, and keeps what they have sent, even if they are gone by then. */
#include "loop/pull.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

#define IPC           "ipc://"
#define BACKLOG       1024
#define FULL_WAIT_SEC 0.1 /* until accepting is tried again for which there was no descriptor */

struct connection {
    struct pull *pull;
    struct connection *next, **previous;
    struct zmtp *zmtp;
    ev_io io;
    bool over; /* its end was read */
};

struct pull {
    struct ev_loop *loop;
    struct pull_options options;
    char *address;
    bool bound, held;
    struct connection *connections;
    unsigned n_connections;
    uint64_t heard_usec;
    ev_io listener;
    ev_timer full; /* on while there was no descriptor for a connection */
    ev_idle resume;
};

/* ---- connections ----------------------------------------------------------------------------- */

static void end(struct connection *connection)
{
    struct pull *pull = connection->pull;

    ev_io_stop(pull->loop, &connection->io);
    close_fd(connection->io.fd);
    *connection->previous = connection->next;
    if (connection->next) {
        connection->next->previous = connection->previous;
    }
    pull->n_connections--;
    zmtp_free(connection->zmtp);
    free(connection);
}

/* What doesn't go now goes when something comes the next time: it is little, and who doesn't read
 * it doesn't miss it. */
static void flush(struct connection *connection)
{
    size_t size;
    const char *bytes = zmtp_output(connection->zmtp, &size);
    ssize_t n = size > 0 ? send(connection->io.fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

    if (n > 0) {
        zmtp_sent(connection->zmtp, (size_t)n);
    }
}

/* Hands out what has come, until the socket is held. False: the connection is no more. */
static bool hand_out(struct connection *connection)
{
    struct pull *pull = connection->pull;
    struct zmtp_message message;
    struct error error;
    int r = 1;

    while (r > 0 && !pull->held) {
        r = zmtp_next(connection->zmtp, &message, &error);
        if (r > 0) {
            pull->options.received(pull, &message, pull->options.context);
        }
    }
    if (r < 0) {
        pull->options.refused(pull, error.text, pull->options.context);
    }
    if (r < 0 || (r == 0 && connection->over)) {
        end(connection);
        return false;
    }
    flush(connection);
    return true;
}

static void on_readable(struct ev_loop *loop _unused_, ev_io *io, int events _unused_)
{
    struct connection *connection = CONTAINER_OF(io, struct connection, io);
    struct pull *pull = connection->pull;
    char *room;
    size_t size;

    if (pull->held) {
        return; /* another connection's message has just made it so */
    }
    if (zmtp_room(connection->zmtp, &room, &size) < 0) {
        pull->options.refused(pull, "a message for which there is no memory",
                              pull->options.context);
        end(connection);
        return;
    }
    ssize_t n = read(io->fd, room, size);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n > 0) {
        pull->heard_usec = clock_monotonic_usec();
        zmtp_fill(connection->zmtp, (size_t)n);
    } else {
        connection->over = true;
    }
    (void)hand_out(connection); /* nothing is done with it any more */
}

static int add_connection(struct pull *pull, int *fd)
{
    struct connection *connection = calloc(1, sizeof *connection);

    if (!connection || zmtp_new(&connection->zmtp, pull->options.max_message_bytes) < 0) {
        free(connection);
        return -ENOMEM;
    }
    connection->pull = pull;
    connection->next = pull->connections;
    connection->previous = &pull->connections;
    if (connection->next) {
        connection->next->previous = &connection->next;
    }
    pull->connections = connection;
    pull->n_connections++;
    ev_io_init(&connection->io, on_readable, TAKE_FD(*fd), EV_READ);
    if (!pull->held) {
        ev_io_start(pull->loop, &connection->io);
    }
    flush(connection);
    return 0;
}

/* Who can't be taken now waits, or is cut off and tries again. */
static void accept_all(struct pull *pull)
{
    for (;;) {
        _cleanup_fd_ int fd = accept4(pull->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            (void)add_connection(pull, &fd); /* else it is closed: without memory, nothing goes */
        } else if (errno != EINTR && errno != ECONNABORTED) {
            break;
        }
    }
    if (errno != EAGAIN) {
        ev_io_stop(pull->loop, &pull->listener);
        ev_timer_again(pull->loop, &pull->full);
    }
}

static void on_listener(struct ev_loop *loop _unused_, ev_io *io, int events _unused_)
{
    accept_all(CONTAINER_OF(io, struct pull, listener));
}

static void on_full(struct ev_loop *loop, ev_timer *timer, int events _unused_)
{
    struct pull *pull = CONTAINER_OF(timer, struct pull, full);

    ev_timer_stop(loop, timer);
    ev_io_start(loop, &pull->listener);
}

/* ---- holding --------------------------------------------------------------------------------- */

/* What lay in buffers when it was held comes first; it may be held again meanwhile. */
static void on_resume(struct ev_loop *loop, ev_idle *idle, int events _unused_)
{
    struct pull *pull = CONTAINER_OF(idle, struct pull, resume);
    struct connection *connection, *next;

    ev_idle_stop(loop, idle);
    for (connection = pull->connections; connection && !pull->held; connection = next) {
        next = connection->next;
        if (!ev_is_active(&connection->io) && hand_out(connection) && !pull->held) {
            ev_io_start(loop, &connection->io);
        }
    }
}

void pull_hold(struct pull *pull, bool hold)
{
    if (hold == pull->held) {
        return;
    }
    pull->held = hold;
    if (!hold) {
        ev_idle_start(pull->loop, &pull->resume);
        return;
    }
    ev_idle_stop(pull->loop, &pull->resume);
    for (struct connection *c = pull->connections; c; c = c->next) {
        ev_io_stop(pull->loop, &c->io);
    }
}

bool pull_is_dry(struct pull *pull)
{
    accept_all(pull);
    if (pull->held || ev_is_active(&pull->resume) || ev_is_active(&pull->full)) {
        return false;
    }
    for (struct connection *c = pull->connections; c; c = c->next) {
        int size = 0;
        if (ioctl(c->io.fd, FIONREAD, &size) < 0 || size > 0) {
            return false;
        }
    }
    return true;
}

unsigned pull_connections(const struct pull *pull)
{
    return pull->n_connections;
}

uint64_t pull_heard_usec(const struct pull *pull)
{
    return pull->heard_usec;
}

/* ---- the socket ------------------------------------------------------------------------------ */

static int listen_on(struct pull *pull, const char *address, struct error *error)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    const char *path = address + strlen(IPC);

    if (strncmp(address, IPC, strlen(IPC)) != 0 || *path != '/') {
        return error_set(error, -EINVAL, "%s is no address such as ipc:///run/loads/x.sock",
                         address);
    }
    if (strlen(path) >= sizeof name.sun_path) {
        return error_set(error, -ENAMETOOLONG,
                         "%s is too long: the path of a socket has %zu bytes at most", address,
                         sizeof name.sun_path - 1);
    }
    memcpy(name.sun_path, path, strlen(path));
    _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return error_set_errno(error, -errno, "cannot listen on %s", address);
    }
    mode_t mask = umask(0177);
    int bound = bind(fd, (struct sockaddr *)&name, sizeof name), number = errno;
    (void)umask(mask); /* can't fail */
    if (bound < 0) {
        return error_set_errno(error, -number, "cannot listen on %s", address);
    }
    pull->bound = true;
    if (listen(fd, BACKLOG) < 0) {
        return error_set_errno(error, -errno, "cannot listen on %s", address);
    }
    ev_io_init(&pull->listener, on_listener, TAKE_FD(fd), EV_READ);
    return 0;
}

int pull_new(struct pull **ret, struct ev_loop *loop, const char *address,
             const struct pull_options *options, struct error *error)
{
    _cleanup_(pull_freep) struct pull *pull = calloc(1, sizeof *pull);

    if (!pull) {
        return error_set_errno(error, -ENOMEM, "cannot listen on %s", address);
    }
    pull->loop = loop;
    pull->options = *options;
    pull->listener.fd = -1;
    ev_timer_init(&pull->full, on_full, 0, FULL_WAIT_SEC);
    ev_idle_init(&pull->resume, on_resume);
    pull->address = strdup(address);
    if (!pull->address) {
        return error_set_errno(error, -ENOMEM, "cannot listen on %s", address);
    }
    int r = listen_on(pull, address, error);
    if (r < 0) {
        return r;
    }
    ev_io_start(loop, &pull->listener);
    *ret = TAKE_PTR(pull);
    return 0;
}

struct pull *pull_free(struct pull *pull)
{
    if (!pull) {
        return NULL;
    }
    while (pull->connections) {
        end(pull->connections);
    }
    ev_timer_stop(pull->loop, &pull->full);
    ev_idle_stop(pull->loop, &pull->resume);
    ev_io_stop(pull->loop, &pull->listener);
    close_fd(pull->listener.fd);
    if (pull->bound) {
        (void)unlink(pull->address + strlen(IPC)); /* it may be gone with its directory */
    }
    free(pull->address);
    free(pull);
    return NULL;
}

const char *pull_address(const struct pull *pull)
{
    return pull->address;
}
