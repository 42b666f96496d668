/* SPDX-License-Identifier: MPL-2.0 */
/* A datagram socket; the kernel says who sent what. */
#include "notifications.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define MAX_TEXT_BYTES 8192
#define MAX_TURN       256 /* datagrams of one turn of the loop */

struct notifications {
    struct ev_loop *loop;
    ev_io watcher;
    int fd;
    void (*told)(pid_t pid, const char *text, void *context);
    void *context;
};

/* 0: who can't be told who it is. */
static pid_t sender(struct msghdr *message)
{
    struct ucred credentials;

    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_CREDENTIALS &&
            part->cmsg_len == CMSG_LEN(sizeof credentials)) {
            memcpy(&credentials, CMSG_DATA(part), sizeof credentials);
            return credentials.pid;
        }
    }
    return 0;
}

static bool take(struct notifications *notifications)
{
    char text[MAX_TEXT_BYTES + 1];
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred))];
    struct iovec piece = {text, sizeof text - 1};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    /* Descriptors that somebody sends along find no room. */
    ssize_t n = recvmsg(notifications->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n < 0) {
        return errno == EINTR;
    }
    text[n] = '\0';
    notifications->told(sender(&message), text, notifications->context);
    return true;
}

static void on_readable(struct ev_loop *loop _unused_, ev_io *watcher, int events _unused_)
{
    for (unsigned i = 0; i < MAX_TURN && take(watcher->data); i++) {
    }
}

int notifications_new(struct notifications **ret, struct ev_loop *loop, const char *path,
                      void (*told)(pid_t pid, const char *text, void *context), void *context,
                      struct error *error)
{
    _cleanup_(notifications_freep) struct notifications *made = calloc(1, sizeof *made);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int yes = 1;

    if (!made) {
        return error_set_errno(error, -ENOMEM, "cannot start");
    }
    assert(strlen(path) < sizeof address.sun_path); /* place.c sees to it */
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    made->loop = loop;
    made->told = told;
    made->context = context;
    made->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made->fd < 0 || setsockopt(made->fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) < 0 ||
        bind(made->fd, (struct sockaddr *)&address, sizeof address) < 0) {
        return error_set_errno(error, -errno, "cannot listen on %s", path);
    }
    ev_io_init(&made->watcher, on_readable, made->fd, EV_READ);
    made->watcher.data = made;
    ev_io_start(loop, &made->watcher);
    *ret = TAKE_PTR(made);
    return 0;
}

struct notifications *notifications_free(struct notifications *notifications)
{
    if (notifications) {
        if (ev_is_active(&notifications->watcher)) {
            ev_io_stop(notifications->loop, &notifications->watcher);
        }
        close_fd(notifications->fd);
        free(notifications);
    }
    return NULL;
}

bool notification_has(const char *text, const char *assignment)
{
    size_t length = strlen(assignment);

    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        if (strcspn(line, "\n") == length && memcmp(line, assignment, length) == 0) {
            return true;
        }
    }
    return false;
}
