/* SPDX-License-Identifier: MPL-2.0 */
/* Keys, and who may connect: libzmq asks on a socket inside of the process (RFC 27, ZAP) and waits
 * with the connection for the answer; a name that we give it comes with each message. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "loop/mq.h"

#define KEY_RAW_BYTES 32
#define GUARD_ADDRESS "inproc://zeromq.zap.01"

/* Frames of a request. */
enum { VERSION, REQUEST_ID, DOMAIN, ADDRESS, ROUTING_ID, MECHANISM, CREDENTIALS };

int mq_key_pair_make(struct mq_key_pair *ret)
{
    do {
        if (zmq_curve_keypair(ret->public_key.text, ret->secret_key.text) < 0) {
            return -ENOTSUP;
        }
    } while (ret->public_key.text[0] == '-'); /* on a command line it would be an option */
    return 0;
}

bool mq_key_parse(const char *text, struct mq_key *ret)
{
    uint8_t raw[KEY_RAW_BYTES];

    if (strlen(text) != MQ_KEY_BYTES || !zmq_z85_decode(raw, text)) {
        return false;
    }
    memcpy(ret->text, text, sizeof ret->text);
    return true;
}

int mq_key_derive(const struct mq_key *secret_key, struct mq_key *ret)
{
    if (zmq_curve_public(ret->text, secret_key->text) < 0) {
        return errno == ENOTSUP ? -ENOTSUP : -EINVAL;
    }
    return 0;
}

/* ---- who may connect ---- */

struct mq_guard {
    struct mq_socket *socket;
    mq_guard_allows *allows;
    void *context;
};

static bool frame_is(const struct mq_message *message, size_t frame, const char *text)
{
    size_t size;
    const void *bytes = mq_message_bytes(message, frame, &size);
    return bytes && size == strlen(text) && memcmp(bytes, text, size) == 0;
}

/* The key of who asks to connect. */
static bool get_key(const struct mq_message *message, struct mq_key *ret)
{
    size_t size;
    const void *raw = mq_message_bytes(message, CREDENTIALS, &size);

    return frame_is(message, VERSION, "1.0") && frame_is(message, MECHANISM, "CURVE") && raw &&
           size == KEY_RAW_BYTES && zmq_z85_encode(ret->text, raw, size);
}

static int add_text(struct mq_message *message, const char *text)
{
    return mq_message_add(message, text, strlen(text));
}

/* version, request id, status code and text, user, metadata */
static int answer(struct mq_guard *guard, const struct mq_message *request, const char *user)
{
    _cleanup_(mq_message_freep) struct mq_message *message = NULL;
    size_t size;
    const void *id = mq_message_bytes(request, REQUEST_ID, &size);

    int r = mq_message_new(&message);
    if (r == 0) {
        r = add_text(message, "1.0");
    }
    if (r == 0) {
        r = mq_message_add(message, id ? id : "", size);
    }
    if (r == 0) {
        r = add_text(message, user ? "200" : "400");
    }
    if (r == 0) {
        r = add_text(message, user ? "OK" : "unknown key");
    }
    if (r == 0) {
        r = add_text(message, user ? user : "");
    }
    if (r == 0) {
        r = add_text(message, "");
    }
    return r < 0 ? r : mq_socket_send(guard->socket, message);
}

/* An IPv4 address is written as one. */
static void copy_address(const struct mq_message *message, char *ret, size_t room)
{
    static const char mapped[] = "::ffff:";
    size_t size;
    const char *bytes = mq_message_bytes(message, ADDRESS, &size);

    if (size > strlen(mapped) && memcmp(bytes, mapped, strlen(mapped)) == 0) {
        bytes += strlen(mapped);
        size -= strlen(mapped);
    }
    size = MIN(size, room - 1);
    memcpy(ret, bytes ? bytes : "", size);
    ret[size] = '\0';
}

static void on_request(struct mq_socket *socket _unused_, const struct mq_message *message,
                       void *context)
{
    struct mq_guard *guard = context;
    char address[256];
    struct mq_key key;

    copy_address(message, address, sizeof address);
    bool allowed = get_key(message, &key) && guard->allows(&key, address, guard->context);
    (void)!answer(guard, message, allowed ? key.text : NULL); /* else libzmq gives up on its own */
}

int mq_guard_new(struct mq_guard **ret, struct mq *mq, mq_guard_allows *allows, void *context,
                 struct error *error)
{
    _cleanup_(mq_guard_freep) struct mq_guard *guard = calloc(1, sizeof *guard);
    if (!guard) {
        return error_set_errno(error, -ENOMEM, "cannot check keys");
    }
    struct mq_socket_options options = {.type = MQ_REP, .received = on_request, .context = guard};
    guard->allows = allows;
    guard->context = context;
    int r = mq_socket_new(&guard->socket, mq, &options, error);
    if (r == 0) {
        r = mq_socket_bind(guard->socket, GUARD_ADDRESS, error);
    }
    if (r == 0) {
        *ret = TAKE_PTR(guard);
    }
    return r;
}

struct mq_guard *mq_guard_free(struct mq_guard *guard)
{
    if (guard) {
        mq_socket_free(guard->socket);
        free(guard);
    }
    return NULL;
}
