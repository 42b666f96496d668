/* SPDX-License-Identifier: MPL-2.0 */
/* Anybody may ask, as often as they like: requests are short, and what is asked is not looked at.
 */
#include "introduction.h"

#include <errno.h>
#include <string.h>

#define MAX_REQUEST_BYTES 1024

struct introduction {
    struct mq_socket *socket;
    char answer[128];
};

/* identity, the empty frame of a REQ, and something */
static void on_request(struct mq_socket *socket, const struct mq_message *message, void *context)
{
    const struct introduction *introduction = context;
    _cleanup_(mq_message_freep) struct mq_message *answer = NULL;
    size_t identity_size, size;
    const void *identity = mq_message_bytes(message, 0, &identity_size);

    (void)mq_message_bytes(message, 1, &size);
    if (mq_message_count(message) != 3 || size > 0) {
        return; /* not one of ours: it needs no answer */
    }
    int r = mq_message_new(&answer);
    if (r == 0) {
        r = mq_message_add(answer, identity, identity_size);
    }
    if (r == 0) {
        r = mq_message_add(answer, "", 0);
    }
    if (r == 0) {
        r = mq_message_add(answer, introduction->answer, strlen(introduction->answer));
    }
    if (r == 0) {
        (void)!mq_socket_send(socket, answer); /* whoever asked is gone */
    }
}

int introduction_new(struct introduction **ret, struct broker *broker,
                     struct daemon_sockets *passed, struct error *error)
{
    _cleanup_(introduction_freep) struct introduction *introduction =
        calloc(1, sizeof *introduction);
    const struct strlist *addresses = &broker->options->introduction;

    if (!introduction) {
        return error_set_errno(error, -ENOMEM, "introduction");
    }
    struct mq_socket_options options = {.type = MQ_ROUTER,
                                        .keyless = true,
                                        .max_message_bytes = MAX_REQUEST_BYTES,
                                        .received = on_request,
                                        .context = introduction};
    json_auto_t *answer =
        json_pack("{s{ss}}", "result", "public_key", broker->key->pair.public_key.text);
    if (!answer || json_dumpb(answer, introduction->answer, sizeof introduction->answer - 1, 0) >=
                       sizeof introduction->answer) {
        return error_set_errno(error, -ENOMEM, "introduction");
    }
    int r = mq_socket_new(&introduction->socket, broker->mq, &options, error);
    if (r == 0) {
        r = mq_socket_bind_passed(introduction->socket, passed, "introduction", error);
    }
    for (size_t i = 0; r >= 0 && i < addresses->count; i++) {
        r = mq_socket_bind(introduction->socket, addresses->items[i], error);
    }
    if (r < 0) {
        return r;
    }
    *ret = TAKE_PTR(introduction);
    return 0;
}

struct introduction *introduction_free(struct introduction *introduction)
{
    if (introduction) {
        mq_socket_free(introduction->socket);
        free(introduction);
    }
    return NULL;
}
