/* SPDX-License-Identifier: MPL-2.0 */
/* Accepts as many at once as are there. The log is written when the loop has nothing else to do, so
 * that a line costs no system call of its own, and is complete whenever the target is idle. */
#include "server.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "connection.h"

#define ACCEPTS_PER_TURN 256
#define ACCEPT_PAUSE_SEC 0.05

struct server {
    struct ev_loop *loop;
    ev_io io;
    ev_timer resume; /* accepting, after a pause for want of descriptors */
    ev_prepare idle;
    struct counts *counts;
    FILE *access_log; /* may be NULL */
    struct connection *connections;
    bool released;
    char buffer[SERVER_BUFFER_BYTES];
};

struct ev_loop *server_loop(struct server *server)
{
    return server->loop;
}

struct counts *server_counts(struct server *server)
{
    return server->counts;
}

char *server_buffer(struct server *server)
{
    return server->buffer;
}

void server_log_answer(struct server *server, struct slice method, struct slice path,
                       unsigned status, uint64_t size_bytes, uint64_t elapsed_usec)
{
    if (server->access_log) {
        /* A full disk is seen when the file is closed. */
        (void)fprintf(server->access_log, "%.*s %.*s %u %llu %llu\n", (int)method.size,
                      method.bytes, (int)path.size, path.bytes, status,
                      (unsigned long long)size_bytes, (unsigned long long)elapsed_usec);
    }
}

void server_add_connection(struct server *server, struct connection *connection)
{
    struct connection_links *links = connection_links(connection);

    *links = (struct connection_links){.next = server->connections};
    if (links->next) {
        connection_links(links->next)->previous = connection;
    }
    server->connections = connection;
}

void server_remove_connection(struct server *server, struct connection *connection)
{
    struct connection_links *links = connection_links(connection);

    if (links->next) {
        connection_links(links->next)->previous = links->previous;
    }
    if (links->previous) {
        connection_links(links->previous)->next = links->next;
    } else {
        server->connections = links->next;
    }
}

/* What is done to them may free them. */
static void for_each_connection(struct server *server, void (*what)(struct connection *connection))
{
    struct connection *next;

    for (struct connection *connection = server->connections; connection; connection = next) {
        next = connection_links(connection)->next;
        what(connection);
    }
}

void server_hurry_connections(struct server *server)
{
    for_each_connection(server, connection_hurry);
}

void server_release(struct server *server)
{
    server->released = true;
    for_each_connection(server, connection_release);
}

bool server_is_released(const struct server *server)
{
    return server->released;
}

static void on_resume(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct server *server = timer->data;

    (void)events;
    ev_io_start(loop, &server->io);
}

static void on_idle(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    struct server *server = prepare->data;

    (void)loop;
    (void)events;
    if (server->access_log) {
        (void)fflush(server->access_log); /* as above */
    }
}

static void on_connections(struct ev_loop *loop, ev_io *io, int events)
{
    struct server *server = io->data;
    int one = 1;

    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        _cleanup_fd_ int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                log_warning("New connections wait: %s", strerror(errno));
                ev_io_stop(loop, io);
                ev_timer_set(&server->resume, ACCEPT_PAUSE_SEC, 0.);
                ev_timer_start(loop, &server->resume);
            }
            return;
        }
        if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 ||
            connection_start(server, &fd) < 0) {
            log_warning("A connection was dropped: no memory, or a dead socket");
        }
    }
}

static int listen_on(const char *host, unsigned port, int *ret, struct error *error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICHOST};
    struct addrinfo *address;
    char service[16];
    int one = 1;

    (void)snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(host, service, &hints, &address) != 0) {
        return error_set(error, -EINVAL, "--host %s is no address", host);
    }
    _cleanup_fd_ int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int result = fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
                         bind(fd, address->ai_addr, address->ai_addrlen) < 0 ||
                         listen(fd, SOMAXCONN) < 0
                     ? -errno
                     : 0;
    freeaddrinfo(address);
    if (result < 0) {
        return error_set_errno(error, result, "Can't listen on port %u of %s", port, host);
    }
    *ret = TAKE_FD(fd);
    return 0;
}

int server_new(struct server **ret, struct ev_loop *loop, const char *host, unsigned port,
               const char *access_log, struct error *error)
{
    _cleanup_(server_freep) struct server *server = calloc(1, sizeof *server);
    _cleanup_fd_ int fd = -1;

    if (!server || counts_new(&server->counts) < 0) {
        return error_set_errno(error, -ENOMEM, "Can't start");
    }
    server->loop = loop;
    ev_io_init(&server->io, on_connections, -1, EV_READ);
    ev_timer_init(&server->resume, on_resume, 0., 0.);
    ev_prepare_init(&server->idle, on_idle);
    server->io.data = server->resume.data = server->idle.data = server;
    if (access_log) {
        server->access_log = fopen(access_log, "we");
        if (!server->access_log) {
            return error_set_errno(error, -errno, "--access-log %s", access_log);
        }
    }
    int result = listen_on(host, port, &fd, error);
    if (result < 0) {
        return result;
    }
    ev_io_set(&server->io, TAKE_FD(fd), EV_READ);
    ev_io_start(loop, &server->io);
    ev_prepare_start(loop, &server->idle);
    *ret = TAKE_PTR(server);
    return 0;
}

struct server *server_free(struct server *server)
{
    if (!server) {
        return NULL;
    }
    if (server->loop) {
        ev_io_stop(server->loop, &server->io);
        ev_timer_stop(server->loop, &server->resume);
        ev_prepare_stop(server->loop, &server->idle);
        close_fd(server->io.fd);
    }
    while (server->connections) {
        connection_free(server->connections);
    }
    counts_free(server->counts);
    if (server->access_log && fclose(server->access_log) != 0) {
        log_error("The access log isn't complete: %s", strerror(errno));
    }
    free(server);
    return NULL;
}

unsigned server_port(const struct server *server)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {.v6 = {0}};
    socklen_t size = sizeof address;

    if (getsockname(server->io.fd, &address.any, &size) < 0) {
        return 0;
    }
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}
