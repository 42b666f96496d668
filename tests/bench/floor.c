/* SPDX-License-Identifier: MPL-2.0 */
/* The floor of what an HTTP/1.1 client can cost: one epoll loop, one buffer, one fixed request, and
 * just enough reading of the answer to know where it ends (Content-Length). It checks nothing else.
 *
 *     bench-floor PORT CONNECTIONS SECONDS        to 127.0.0.1; prints "requests N"
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES 16384
#define MAX_EVENTS   256

static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: floor\r\n\r\n";

struct connection {
    int fd;
    size_t size; /* of the answer so far */
    char answer[1024];
};

static double now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time); /* can't fail for this clock */
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void give_up(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static void ask(const struct connection *connection)
{
    if (write(connection->fd, request, sizeof request - 1) != sizeof request - 1) {
        give_up("write");
    }
}

static void open_connection(struct connection *connection, int epoll, uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0 ||
        connect(connection->fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event) < 0) {
        give_up("connect");
    }
}

/* Whether the answer is whole. */
static bool take(struct connection *connection)
{
    ssize_t n = read(connection->fd, connection->answer + connection->size,
                     sizeof connection->answer - 1 - connection->size);
    if (n <= 0) {
        give_up("read");
    }
    connection->size += (size_t)n;
    connection->answer[connection->size] = '\0';
    const char *end = strstr(connection->answer, "\r\n\r\n");
    const char *length = strstr(connection->answer, "Content-Length: ");
    if (!end || !length || length > end) {
        return false;
    }
    size_t head = (size_t)(end - connection->answer) + 4;
    return connection->size >= head + strtoul(length + 16, NULL, 10);
}

int main(int argc, char *argv[])
{
    if (argc != 4) {
        (void)fputs("bench-floor PORT CONNECTIONS SECONDS\n", stderr);
        return 2;
    }
    uint16_t port = (uint16_t)strtoul(argv[1], NULL, 10);
    size_t n = strtoul(argv[2], NULL, 10);
    double end = now() + strtod(argv[3], NULL);
    struct connection *connections = calloc(n, sizeof *connections);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[MAX_EVENTS];
    uint64_t answers = 0;

    if (!connections || epoll < 0) {
        give_up("start");
    }
    for (size_t i = 0; i < n; i++) {
        open_connection(&connections[i], epoll, port);
        ask(&connections[i]);
    }
    while (now() < end) {
        int ready = epoll_wait(epoll, events, MAX_EVENTS, 100);
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            if (take(connection)) {
                answers++;
                connection->size = 0;
                ask(connection);
            }
        }
    }
    (void)printf("requests %ju\n", (uintmax_t)answers);
    return EXIT_SUCCESS;
}
