/* SPDX-License-Identifier: MPL-2.0 */
/* Each message is a packet of text: "ready" and "choose USER EXECUTION" from the process, "go
 * SECONDS" (0: no end), "stop" and "chosen USER EXECUTION TEXT" to it. A process that is gone, or
 * doesn't read, is noticed elsewhere; one that asks for more than one choice at a time may get no
 * answer. */
#include "control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/parse.h"

#define MESSAGE_BYTES 64  /* of one from the process, or to it without a text */
#define CHOICES_BYTES 200 /* of the text */

struct control {
    struct ev_loop *loop;
    ev_io watcher;
    int fd;
    bool ready; /* it was told */
    struct control_options options;
};

static void tell(const struct control *control, const char *text)
{
    (void)!send(control->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void tell_ready(struct control *control)
{
    if (!control->ready) {
        control->ready = true;
        control->options.ready(control->options.context);
    }
}

/* What it asks for that makes no sense gets no answer. */
static void answer(const struct control *control, char *question)
{
    const struct control_options *options = &control->options;
    char choices[CHOICES_BYTES], text[MESSAGE_BYTES + CHOICES_BYTES], *rest = NULL;
    const char *verb = strtok_r(question, " ", &rest);
    const char *user_text = strtok_r(NULL, " ", &rest), *from_text = strtok_r(NULL, " ", &rest);
    uint64_t user, from;

    if (!from_text || strcmp(verb, "choose") != 0 ||
        parse_unsigned(user_text, 1, UINT32_MAX, &user, NULL) < 0 ||
        parse_unsigned(from_text, 1, UINT32_MAX, &from, NULL) < 0) {
        return;
    }
    if (options->choose((unsigned)user, (unsigned)from, choices, sizeof choices,
                        options->context)) {
        (void)snprintf(text, sizeof text, "chosen %" PRIu64 " %" PRIu64 " %s", user, from, choices);
        tell(control, text);
    }
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events _unused_)
{
    struct control *control = watcher->data;
    char text[MESSAGE_BYTES + 1];
    ssize_t n = recv(control->fd, text, MESSAGE_BYTES, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        ev_io_stop(loop, &control->watcher);
        tell_ready(control);
        return;
    }
    text[n] = '\0';
    if (strcmp(text, "ready") == 0) {
        tell_ready(control);
    } else {
        answer(control, text);
    }
}

int control_new(struct control **ret, struct ev_loop *loop, const struct control_options *options,
                int *theirs, struct error *error)
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
    *control = (struct control){.loop = loop, .fd = pair[0], .options = *options};
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
