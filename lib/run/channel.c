/* SPDX-License-Identifier: MPL-2.0 */
/* Supervisor and worker talk rarely: ready, go, stop, last words. So messages are plain structs in
 * one datagram each, which even a signal handler can send. */
#include "run/channel.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

size_t message_size_bytes(uint32_t type)
{
    switch (type) {
    case MESSAGE_READY:
    case MESSAGE_DRAINED:
        return offsetof(struct message, text);
    case MESSAGE_CRASH:
        return offsetof(struct message, crash) + sizeof(struct message_crash);
    case MESSAGE_REFUSED:
        return offsetof(struct message, text) + CRASH_MAX_TEXT;
    case MESSAGE_GO:
        return offsetof(struct message, go) + sizeof(struct message_go);
    case MESSAGE_STOP:
        return offsetof(struct message, stop) + sizeof(struct message_stop);
    default:
        return 0;
    }
}

int channel_send(int fd, const struct message *message)
{
    size_t size = message_size_bytes(message->type);
    ssize_t n;

    assert(size > 0);
    do {
        n = send(fd, message, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

int channel_refuse(int fd, const char *reason)
{
    struct message message = {.type = MESSAGE_REFUSED};

    (void)snprintf(message.text, sizeof message.text, "%s", reason); /* cut is fine */
    return channel_send(fd, &message);
}

/* An empty datagram looks like the end; but then the other end is still there. */
static bool is_closed(int fd)
{
    struct pollfd poller = {.fd = fd, .events = POLLRDHUP};

    return poll(&poller, 1, 0) > 0 && (poller.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

int channel_receive(int fd, struct message *ret)
{
    struct message message;
    ssize_t n;

    do {
        n = recv(fd, &message, sizeof message, MSG_DONTWAIT | MSG_TRUNC); /* n: all of it */
    } while (n < 0 && errno == EINTR);
    if (n == 0) {
        return is_closed(fd) ? -EPIPE : -EBADMSG;
    }
    if (n < 0) {
        return errno == EAGAIN ? 0 : errno == ECONNRESET ? -EPIPE : -errno;
    }
    if ((size_t)n < sizeof message.type || (size_t)n != message_size_bytes(message.type)) {
        return -EBADMSG;
    }
    if (message.type == MESSAGE_REFUSED) {
        message.text[CRASH_MAX_TEXT - 1] = '\0';
    } else if (message.type == MESSAGE_CRASH) {
        message.crash.n_frames = MIN(message.crash.n_frames, (uint32_t)CRASH_MAX_FRAMES);
        for (uint32_t i = 0; i < message.crash.n_frames; i++) {
            struct crash_frame *frame = &message.crash.frames[i];
            frame->object[sizeof frame->object - 1] = '\0';
        }
    }
    memcpy(ret, &message, sizeof message);
    return 1;
}
