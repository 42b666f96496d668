/* SPDX-License-Identifier: MPL-2.0 */
/* Messages are libzmq's frames, so bytes that it received or will send are not copied. */
#include <errno.h>
#include <string.h>

#include "loop/mq_address.h"
#include "loop/mq_state.h"

void mq_message_clear(struct mq_message *message)
{
    while (message->count > 0) {
        (void)zmq_msg_close(&message->frames[--message->count]); /* fails only for what is none */
    }
}

int mq_message_new(struct mq_message **ret)
{
    struct mq_message *message = calloc(1, sizeof *message);

    if (!message) {
        return -ENOMEM;
    }
    *ret = message;
    return 0;
}

struct mq_message *mq_message_free(struct mq_message *message)
{
    if (message) {
        mq_message_clear(message);
        free(message);
    }
    return NULL;
}

int mq_message_add(struct mq_message *message, const void *bytes, size_t size)
{
    zmq_msg_t *frame = &message->frames[message->count];

    if (message->count == MQ_MAX_FRAMES) {
        return -E2BIG;
    }
    if (zmq_msg_init_size(frame, size) < 0) {
        return -ENOMEM;
    }
    if (size > 0) {
        memcpy(zmq_msg_data(frame), bytes, size);
    }
    message->count++;
    return 0;
}

size_t mq_message_count(const struct mq_message *message)
{
    return message->count;
}

/* libzmq's getters take what they only read from without const. */
static zmq_msg_t *frame_of(const struct mq_message *message, size_t index)
{
    return (zmq_msg_t *)&message->frames[index];
}

const void *mq_message_bytes(const struct mq_message *message, size_t frame, size_t *ret_size)
{
    if (frame >= message->count) {
        *ret_size = 0;
        return NULL;
    }
    *ret_size = zmq_msg_size(frame_of(message, frame));
    return zmq_msg_data(frame_of(message, frame));
}

static const char *property(const struct mq_message *message, const char *name)
{
    const char *text =
        message->count > 0 ? zmq_msg_gets(frame_of(message, message->count - 1), name) : NULL;
    return text ? text : "";
}

const char *mq_message_peer(const struct mq_message *message)
{
    return mq_address_plain(property(message, "Peer-Address"));
}

const char *mq_message_user(const struct mq_message *message)
{
    return property(message, "User-Id");
}

int mq_message_copy(struct mq_message *into, const struct mq_message *from)
{
    for (; into->count < from->count; into->count++) {
        zmq_msg_t *frame = &into->frames[into->count];
        (void)zmq_msg_init(frame); /* can't fail */
        if (zmq_msg_copy(frame, frame_of(from, into->count)) < 0) {
            mq_message_clear(into);
            return -ENOMEM;
        }
    }
    return 0;
}
