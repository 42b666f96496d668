/* SPDX-License-Identifier: MPL-2.0 */
/* Each message is a packet of text: "ready" from the process, "go SECONDS" (0: no end) and "stop"
 * to it. A process that is gone, or doesn't read, is noticed elsewhere. */
#include "control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define MESSAGE_BYTES 64

struct control {
    struct ev_loop *loop;
    ev_io watcher;
    int fd;
    void (*ready)(void *context);
    void *context;
};

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events _unused_)
{
    struct control *control = watcher->data;
    char text[MESSAGE_BYTES];
    ssize_t n = recv(control->fd, text, sizeof text, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0 || (n == 5 && memcmp(text, "ready", 5) == 0)) {
        ev_io_stop(loop, &control->watcher);
        control->ready(control->context);
    }
}

int control_new(struct control **ret, struct ev_loop *loop, void (*ready)(void *context),
                void *context, int *theirs, struct error *error)
{
    struct control *control = calloc(1, sizeof *control);
    int pair[2];

    if (!control) {
        return error_set_errno(error, -ENOMEM, "cannot start");
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        int r = error_set_errno(error, -errno, "cannot start a process");
        free(control);
        return r;
    }
    *control = (struct control){.loop = loop, .fd = pair[0], .ready = ready, .context = context};
    ev_io_init(&control->watcher, on_readable, control->fd, EV_READ);
    control->watcher.data = control;
    ev_io_start(loop, &control->watcher);
    *theirs = pair[1];
    *ret = control;
    return 0;
}

struct control *control_free(struct control *control)
{
    if (control) {
        ev_io_stop(control->loop, &control->watcher);
        close_fd(control->fd);
        free(control);
    }
    return NULL;
}

static void tell(const struct control *control, const char *text)
{
    (void)!send(control->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void control_go(struct control *control, uint64_t deadline_usec)
{
    char text[MESSAGE_BYTES];

    (void)snprintf(text, sizeof text, "go %" PRIu64 ".%06" PRIu64, deadline_usec / USEC_PER_SEC,
                   deadline_usec % USEC_PER_SEC);
    tell(control, text);
}

void control_stop(struct control *control)
{
    tell(control, "stop");
}
