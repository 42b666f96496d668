/* SPDX-License-Identifier: MPL-2.0 */
/* Listening and accepting are done here and not by libwebsockets, so that a port in use is reported
 * in words of ours, any number of ports share one set of protocols, and running out of descriptors
 * is a pause and not a spin. Each accepted socket is handed to libwebsockets, which runs on our
 * libev loop: epoll, since poll() over thousands of idle connections would eat the server's time.
 */
#include "server.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <libwebsockets.h>

#include "base/log.h"
#include "counts.h"
#include "http.h"
#include "websocket.h"

#define ACCEPTS_PER_TURN  64
#define ACCEPT_PAUSE_SEC  0.1
#define KEEPALIVE_SEC     60 /* TCP's own probes tell who is gone: idle connections never end */
#define SERVICE_BUF_BYTES 16384

struct listener {
    struct server *server;
    ev_io io;
    char address[NI_MAXHOST + 2]; /* an IPv6 address is in brackets */
    char port[NI_MAXSERV];
};

struct server {
    struct ev_loop *loop;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct counts counts;
    ev_timer resume; /* accepting, after a pause for want of descriptors */
    struct listener listeners[SERVER_MAX_PORTS];
    size_t n_listeners;
};

/* What libwebsockets keeps for us with each connection, all zero at first. */
struct session {
    struct request request;
    struct echo_queue queue;
};

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size)
{
    struct session *session = user;

    switch (reason) {
    case LWS_CALLBACK_HTTP:
        return http_begin(wsi, &session->request);
    case LWS_CALLBACK_HTTP_BODY:
        return http_body(&session->request, in, size);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return http_body_end(wsi, &session->request);
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return http_confirm_upgrade(wsi, in);
    case LWS_CALLBACK_ESTABLISHED:
        counts_of(wsi)->opened++;
        return 0;
    case LWS_CALLBACK_RECEIVE:
        return websocket_received(wsi, &session->queue, in, size);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return websocket_writable(wsi, &session->queue);
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
    case LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL:
        if (session) {
            request_clear(&session->request);
            echo_queue_clear(&session->queue);
        }
        return 0;
    default:
        return 0;
    }
}

/* HTTP is served by the first; a client that offers no sub-protocol gets it, too. */
static const struct lws_protocols protocols[] = {
    {.name = "http-only", .callback = on_event, .per_session_data_size = sizeof(struct session)},
    {.name = "chat", .callback = on_event, .per_session_data_size = sizeof(struct session)},
    {0},
};

/* A user of a load test may think for long. Pings of the library's would cost a walk through all
 * connections with every message. */
static const lws_retry_bo_t no_pings = {0};

static void on_log(int level, const char *line)
{
    int length = (int)strcspn(line, "\n");

    if (level == LLL_ERR) {
        log_error("%.*s", length, line);
    } else {
        log_warning("%.*s", length, line);
    }
}

static int create_context(struct server *server, struct error *error)
{
    void *loops[] = {server->loop};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_VALIDATE_UTF8 |
                   LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME,
        .foreign_loops = loops,
        .user = &server->counts,
        .server_string = "loads-echo-server",
        .retry_and_idle_policy = &no_pings,
        .pt_serv_buf_size = SERVICE_BUF_BYTES,
        .vhost_name = "default",
        .gid = -1,
        .uid = -1,
    };

    lws_set_log_level(LLL_ERR | LLL_WARN, on_log);
    server->context = lws_create_context(&info);
    server->vhost = server->context ? lws_get_vhost_by_name(server->context, "default") : NULL;
    if (!server->vhost) {
        return error_set(error, -EIO,
                         "libwebsockets could not be started; is its libev support installed "
                         "(Debian: libwebsockets-evlib-ev)?");
    }
    return 0;
}

static void on_resume(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct server *server = timer->data;

    (void)events;
    for (size_t i = 0; i < server->n_listeners; i++) {
        ev_io_start(loop, &server->listeners[i].io);
    }
}

/* Connections wait in the sockets' queues meanwhile. */
static void pause_accepting(struct server *server)
{
    for (size_t i = 0; i < server->n_listeners; i++) {
        ev_io_stop(server->loop, &server->listeners[i].io);
    }
    ev_timer_set(&server->resume, ACCEPT_PAUSE_SEC, 0.);
    ev_timer_start(server->loop, &server->resume);
}

static void on_connections(struct ev_loop *loop, ev_io *io, int events)
{
    struct listener *listener = io->data;
    struct server *server = listener->server;

    (void)loop;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                log_warning("Port %s: new connections wait: %s", listener->port, strerror(errno));
                pause_accepting(server);
            }
            return;
        }
        /* Should it fail, it has closed the socket, and that client sees it. */
        (void)lws_adopt_socket_vhost(server->vhost, fd);
    }
}

int server_new(struct server **ret, struct ev_loop *loop, struct error *error)
{
    _cleanup_(server_freep) struct server *server = calloc(1, sizeof *server);

    if (!server) {
        return error_set_errno(error, -ENOMEM, "Can't start");
    }
    server->loop = loop;
    ev_timer_init(&server->resume, on_resume, 0., 0.);
    server->resume.data = server;
    int result = create_context(server, error);
    if (result < 0) {
        return result;
    }
    *ret = TAKE_PTR(server);
    return 0;
}

struct server *server_free(struct server *server)
{
    if (!server) {
        return NULL;
    }
    for (size_t i = 0; i < server->n_listeners; i++) {
        ev_io_stop(server->loop, &server->listeners[i].io);
        close_fd(server->listeners[i].io.fd);
    }
    ev_timer_stop(server->loop, &server->resume);
    if (server->context) {
        lws_context_destroy(server->context);
    }
    free(server);
    return NULL;
}

static int explain_bind(int code, const char *host, unsigned port, struct error *error)
{
    switch (code) {
    case -EADDRINUSE:
        return error_set(error, code,
                         "Port %u on %s is in use: end what listens there, or choose another port "
                         "with --port N (0: any free one)",
                         port, host);
    case -EACCES:
        return error_set(error, code,
                         "Port %u on %s may be listened on by root only: choose one above 1023 "
                         "with --port N",
                         port, host);
    case -EADDRNOTAVAIL:
        return error_set(error, code, "--host %s: this machine has no such address", host);
    default:
        return error_set_errno(error, code, "Can't listen on port %u of %s", port, host);
    }
}

static int open_socket(const struct addrinfo *address, int *ret)
{
    _cleanup_fd_ int fd =
        socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1, idle_sec = KEEPALIVE_SEC;

    /* Accepted sockets inherit what is set here. */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_sec, sizeof idle_sec) < 0 ||
        bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0) {
        return -errno;
    }
    *ret = TAKE_FD(fd);
    return 0;
}

/* Where a socket listens, as URLs have it. */
static int name_listener(struct listener *listener, int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    char host[NI_MAXHOST];

    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
        return -errno;
    }
    if (getnameinfo((struct sockaddr *)&address, size, host, sizeof host, listener->port,
                    sizeof listener->port, NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return -EIO;
    }
    (void)snprintf(listener->address, sizeof listener->address,
                   address.ss_family == AF_INET6 ? "[%s]" : "%s", host);
    return 0;
}

int server_listen(struct server *server, const char *host, unsigned port, struct error *error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *addresses;
    char service[16];
    _cleanup_fd_ int fd = -1;

    if (server->n_listeners == SERVER_MAX_PORTS) {
        return error_set(error, -E2BIG, "More than %d ports", SERVER_MAX_PORTS);
    }
    (void)snprintf(service, sizeof service, "%u", port);
    int result = getaddrinfo(host, service, &hints, &addresses);
    if (result != 0) {
        return error_set(error, -EADDRNOTAVAIL, "--host %s: %s", host, gai_strerror(result));
    }
    result = open_socket(addresses, &fd);
    freeaddrinfo(addresses);
    if (result < 0) {
        return explain_bind(result, host, port, error);
    }
    struct listener *listener = &server->listeners[server->n_listeners];
    result = name_listener(listener, fd);
    if (result < 0) {
        return explain_bind(result, host, port, error);
    }
    listener->server = server;
    ev_io_init(&listener->io, on_connections, TAKE_FD(fd), EV_READ);
    listener->io.data = listener;
    ev_io_start(server->loop, &listener->io);
    server->n_listeners++;
    return 0;
}

int server_announce(const struct server *server)
{
    for (size_t i = 0; i < server->n_listeners; i++) {
        const struct listener *listener = &server->listeners[i];
        if (printf("Listening on http://%s:%s/ and ws://%s:%s/ws\n", listener->address,
                   listener->port, listener->address, listener->port) < 0) {
            return -EIO;
        }
    }
    return fflush(stdout) == 0 ? 0 : -errno;
}
