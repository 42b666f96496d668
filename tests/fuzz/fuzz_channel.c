/* SPDX-License-Identifier: MPL-2.0 */
/* Messages between supervisor and worker: each input is a datagram. What is received has the size
 * of its type, its texts end, and it is received as the same when it is sent on. */
#include <errno.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "run/channel.h"

static void check_message(const struct message *message)
{
    if (message->type == MESSAGE_REFUSED) {
        assert(memchr(message->text, '\0', CRASH_MAX_TEXT));
    } else if (message->type == MESSAGE_CRASH) {
        assert(message->crash.n_frames <= CRASH_MAX_FRAMES);
        for (unsigned i = 0; i < message->crash.n_frames; i++) {
            const struct crash_frame *frame = &message->crash.frames[i];
            assert(memchr(frame->object, '\0', sizeof frame->object));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int ends[2] = {-1, -1};
    struct message message, again;

    if (ends[0] < 0) {
        assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    }
    assert(send(ends[0], data, size, MSG_DONTWAIT) == (ssize_t)size);
    memset(&message, 0, sizeof message);
    int r = channel_receive(ends[1], &message);
    assert(r == 1 || r == -EBADMSG);
    if (r == 1) {
        assert(size == message_size_bytes(message.type));
        check_message(&message);
        assert(channel_send(ends[1], &message) == 0);
        memset(&again, 0, sizeof again);
        assert(channel_receive(ends[0], &again) == 1);
        assert(memcmp(&message, &again, size) == 0);
    }
    assert(channel_receive(ends[0], &again) == 0 && channel_receive(ends[1], &again) == 0);
    return 0;
}
