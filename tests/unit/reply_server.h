/* SPDX-License-Identifier: MPL-2.0 */
/* An HTTP server in a thread of the test's own program, which answers by path with given bytes. */
#ifndef LOADS_TESTS_UNIT_REPLY_SERVER_H
#define LOADS_TESTS_UNIT_REPLY_SERVER_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/macros.h"

enum after {
    KEEP,
    CLOSE,
    RESET,
    HOLD,
    DROP_IF_REUSED,
    DISTURB, /* before it answers, sends bytes to all other clients */
};

struct reply {
    const char *path, *bytes;
    enum after after;
};

#define MAX_CLIENTS   512
#define MAX_REQUEST   (1 << 20)
#define LENGTH_HEADER "Content-Length:"
#define STRAY_REPLY   "HTTP/1.1 500 Stray\r\nContent-Length: 5\r\n\r\nstray"

struct client {
    int fd;
    char *request;
    size_t size, answered;
};

static struct {
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    const struct reply *replies;
    unsigned connections, requests;
    size_t received_bytes;
    char last[8192];
    /* The thread's own. */
    int listen_fd, stop_fd;
    uint16_t port;
    struct client clients[MAX_CLIENTS];
    size_t client_count;
} server = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void client_close(struct client *client, bool reset)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (reset) {
        (void)setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    close_fd(client->fd);
    free(client->request);
    *client = server.clients[--server.client_count];
}

/* The size of the first whole request in the buffer, 0: not there yet. */
static size_t request_size(const struct client *client)
{
    const char *end = memmem(client->request, client->size, "\r\n\r\n", 4);
    const char *length;
    size_t size;

    if (!end) {
        return 0;
    }
    size = (size_t)(end - client->request) + 4;
    length = memmem(client->request, size, LENGTH_HEADER, strlen(LENGTH_HEADER));
    if (length) {
        size += strtoul(length + strlen(LENGTH_HEADER), NULL, 10);
    }
    return size <= client->size ? size : 0;
}

/* Answers one request; false: the client is gone. */
static bool answer(struct client *client, size_t size)
{
    const struct reply *reply;
    const char *path = memchr(client->request, ' ', size);
    size_t path_size = path ? strcspn(path + 1, " ") : 0;
    bool reused = client->answered++ > 0;

    pthread_mutex_lock(&server.lock);
    server.requests++;
    (void)snprintf(server.last, sizeof server.last, "%.*s", (int)MIN(size, (size_t)8000),
                   client->request);
    for (reply = server.replies; reply->path; reply++) {
        if (path && strlen(reply->path) == path_size &&
            memcmp(path + 1, reply->path, path_size) == 0) {
            break;
        }
    }
    pthread_mutex_unlock(&server.lock);
    client->size -= size;
    memmove(client->request, client->request + size, client->size);
    if (!reply->path || (reply->after == DROP_IF_REUSED && reused)) {
        client_close(client, false);
        return false;
    }
    for (size_t i = 0; reply->after == DISTURB && i < server.client_count; i++) {
        if (&server.clients[i] != client) {
            (void)!send(server.clients[i].fd, STRAY_REPLY, strlen(STRAY_REPLY), MSG_NOSIGNAL);
        }
    }
    if (reply->bytes) {
        (void)!send(client->fd, reply->bytes, strlen(reply->bytes), MSG_NOSIGNAL);
    }
    if (reply->after == CLOSE || reply->after == RESET) {
        client_close(client, reply->after == RESET);
        return false;
    }
    return true;
}

static void serve_client(struct client *client)
{
    ssize_t got = recv(client->fd, client->request + client->size, MAX_REQUEST - client->size, 0);
    size_t size;

    if (got <= 0) {
        client_close(client, false);
        return;
    }
    client->size += (size_t)got;
    pthread_mutex_lock(&server.lock);
    server.received_bytes += (size_t)got;
    pthread_mutex_unlock(&server.lock);
    if (client->request[0] == 0x16) { /* TLS: "what?" */
        (void)!send(client->fd, "HTTP/1.1 400 Bad\r\n\r\n", 20, MSG_NOSIGNAL);
        client_close(client, false);
        return;
    }
    while ((size = request_size(client)) > 0) {
        if (!answer(client, size)) {
            return;
        }
    }
}

static void *serve(void *argument _unused_)
{
    for (;;) {
        struct pollfd fds[MAX_CLIENTS + 2] = {{.fd = server.listen_fd, .events = POLLIN},
                                              {.fd = server.stop_fd, .events = POLLIN}};
        size_t count = server.client_count;

        for (size_t i = 0; i < count; i++) {
            fds[i + 2] = (struct pollfd){.fd = server.clients[i].fd, .events = POLLIN};
        }
        if (poll(fds, count + 2, -1) < 0) {
            continue;
        }
        if (fds[1].revents) {
            break;
        }
        for (size_t i = count; i-- > 0;) { /* a closed one is replaced by one behind it */
            if (fds[i + 2].revents) {
                serve_client(&server.clients[i]);
            }
        }
        if (fds[0].revents && server.client_count < MAX_CLIENTS) {
            int fd = accept4(server.listen_fd, NULL, NULL, SOCK_CLOEXEC);
            if (fd >= 0) {
                server.clients[server.client_count++] =
                    (struct client){.fd = fd, .request = malloc(MAX_REQUEST)};
                pthread_mutex_lock(&server.lock);
                server.connections++;
                pthread_mutex_unlock(&server.lock);
            }
        }
    }
    while (server.client_count > 0) {
        client_close(&server.clients[0], false);
    }
    return NULL;
}

static uint16_t listen_on(int *ret_fd, bool listening)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;

    *ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(*ret_fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        (listening && listen(*ret_fd, 512) < 0) ||
        getsockname(*ret_fd, (struct sockaddr *)&address, &size) < 0) {
        return 0;
    }
    return ntohs(address.sin_port);
}

static int start_server(void **state _unused_)
{
    (void)signal(SIGPIPE, SIG_IGN);
    server.stop_fd = eventfd(0, EFD_CLOEXEC);
    server.port = listen_on(&server.listen_fd, true);
    return server.port && pthread_create(&server.thread, NULL, serve, NULL) == 0 ? 0 : -1;
}

static int stop_server(void **state _unused_)
{
    uint64_t one = 1;

    (void)!write(server.stop_fd, &one, sizeof one);
    pthread_join(server.thread, NULL);
    close_fd(server.listen_fd);
    close_fd(server.stop_fd);
    return 0;
}

static unsigned server_connections(void)
{
    pthread_mutex_lock(&server.lock);
    unsigned count = server.connections;
    pthread_mutex_unlock(&server.lock);
    return count;
}

static void set_replies(const struct reply *replies)
{
    pthread_mutex_lock(&server.lock);
    server.replies = replies;
    pthread_mutex_unlock(&server.lock);
}

#endif
