/* SPDX-License-Identifier: MPL-2.0 */
/* Keys, and who may connect: libzmq asks on a socket inside of the process (RFC 27, ZAP) and waits
 * with the connection for the answer; a name that we give it comes with each message. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <zmq.h>

#include "loop/mq.h"
#include "loop/mq_address.h"

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

/* ---- connections that are there ---- */

/* The port of a tcp address that one listens on; 0: it is another. */
static unsigned port_of(const char *endpoint)
{
    const char *colon = strrchr(endpoint, ':');
    return strncmp(endpoint, "tcp://", 6) == 0 && colon ? (unsigned)strtoul(colon + 1, NULL, 10)
                                                        : 0;
}

static bool listens_on(const struct mq_socket *socket, unsigned port)
{
    const char *endpoint;

    for (size_t i = 0; (endpoint = mq_socket_endpoint(socket, i)); i++) {
        if (port_of(endpoint) == port) {
            return true;
        }
    }
    return false;
}

/* The port at our end of a connection; 0: the descriptor is none by tcp. */
static unsigned local_port(int fd)
{
    struct sockaddr_storage ours = {.ss_family = AF_UNSPEC}, theirs;
    socklen_t size = sizeof ours, size_theirs = sizeof theirs;

    if (getsockname(fd, (struct sockaddr *)&ours, &size) < 0 ||
        getpeername(fd, (struct sockaddr *)&theirs, &size_theirs) < 0) {
        return 0;
    }
    return ours.ss_family == AF_INET    ? ntohs(((const struct sockaddr_in *)&ours)->sin_port)
           : ours.ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)&ours)->sin6_port)
                                        : 0;
}

unsigned mq_socket_cut(const struct mq_socket *socket)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *found;
    unsigned cut = 0;

    while (dir && (found = readdir(dir))) {
        int fd = (int)strtol(found->d_name, NULL, 10); /* "." is 0, which is no connection */
        unsigned port = local_port(fd);
        if (port > 0 && listens_on(socket, port) && shutdown(fd, SHUT_RDWR) == 0) {
            cut++;
        }
    }
    if (dir) {
        (void)closedir(dir); /* it was only read */
    }
    return cut;
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

    return frame_is(message, MECHANISM, "CURVE") && raw && size == KEY_RAW_BYTES &&
           zmq_z85_encode(ret->text, raw, size);
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

static void copy_frame(const struct mq_message *message, size_t frame, char *ret, size_t room)
{
    size_t size;
    const char *bytes = mq_message_bytes(message, frame, &size);

    size = MIN(size, room - 1);
    memcpy(ret, bytes ? bytes : "", size);
    ret[size] = '\0';
}

/* Where keys are wanted nobody gets as far as here without. */
static bool is_allowed(const struct mq_guard *guard, const struct mq_message *message,
                       struct mq_key *ret_key)
{
    char address[256], name[256];
    bool has_key = get_key(message, ret_key);

    copy_frame(message, ADDRESS, address, sizeof address);
    copy_frame(message, DOMAIN, name, sizeof name);
    return frame_is(message, VERSION, "1.0") && (has_key || frame_is(message, MECHANISM, "NULL")) &&
           guard->allows(has_key ? ret_key : NULL, mq_address_plain(address), name, guard->context);
}

static void on_request(struct mq_socket *socket _unused_, const struct mq_message *message,
                       void *context)
{
    struct mq_guard *guard = context;
    struct mq_key key = {.text = ""};
    bool allowed = is_allowed(guard, message, &key);

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
