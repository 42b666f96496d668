/* SPDX-License-Identifier: MPL-2.0 */
/* Every socket has a name, which is that of its option and of its descriptors from systemd; what is
 * passed in stands for the configured addresses of this machine. Without keys whoever reaches a tcp
 * address can run code on every agent, so then only this machine's are taken. */
#include "listen.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "backend.h"
#include "base/daemon.h"
#include "introduction.h"
#include "probe.h"
#include "run/addresses.h"

/* What other machines can reach is said at every start. */
static int check_exposure(const struct broker *broker, const char *address, struct error *error)
{
    int r = broker->key ? 0 : addresses_check_local(address, error);

    if (r != -EPERM || !broker->options->allow_insecure) {
        return r;
    }
    log_warning("%s can be reached from other machines, and whoever reaches it can run code on "
                "every agent (allow-insecure)",
                address);
    return 0;
}

/* Of an ipc address. Who may connect is whoever may write to the socket. */
static void make_directory(const char *address)
{
    _cleanup_free_ char *path = NULL;

    if (strncmp(address, "ipc:///", 7) != 0) {
        return;
    }
    path = strdup(address + strlen("ipc://"));
    if (path) {
        *strrchr(path, '/') = '\0';
        if (mkdir(path, 0750) == 0) { /* the bind will say what is wrong */
            addresses_share(path);
        }
    }
}

/* Another broker is probably there: who? */
static int describe_rival(const struct broker *broker, struct error *error)
{
    uint64_t pid;
    struct error ignored;

    const struct mq_key_pair *key = broker->key ? &broker->key->pair : NULL;

    if (probe_broker(&broker->options->frontend, key, &pid, &ignored) == 1) {
        return error_set(error, -EADDRINUSE, "a broker runs there already, its pid is %" PRIu64,
                         pid);
    }
    return error->code;
}

static int bind_address(struct broker *broker, struct mq_socket *socket, const char *address,
                        struct error *error)
{
    int r = check_exposure(broker, address, error);

    if (r < 0) {
        return r;
    }
    make_directory(address);
    r = mq_socket_bind(socket, address, error);
    if (r == 0) {
        addresses_share(address);
    }
    return r == -EADDRINUSE ? describe_rival(broker, error) : r;
}

/* 1: there were some; 0: there is none. */
static int take_passed(const struct broker *broker, struct mq_socket *socket,
                       struct daemon_sockets *passed, const char *name, struct error *error)
{
    int taken = mq_socket_bind_passed(socket, passed, name, error), r = 0;
    const char *endpoint;

    for (size_t i = 0; r == 0 && (endpoint = mq_socket_endpoint(socket, i)); i++) {
        r = check_exposure(broker, endpoint, error);
    }
    return r < 0 ? r : taken;
}

/* Who showed a key was judged by it (on_connect() in main.c). */
static void on_failed(struct mq_socket *socket _unused_, enum mq_failure failure, const char *peer,
                      void *context)
{
    const struct broker *broker = context;
    struct caller caller = {.role = KEY_NOBODY};

    (void)snprintf(caller.peer, sizeof caller.peer, "%s", peer); /* it fits */
    if (failure != MQ_KEY_REFUSED) {
        audit_refused(broker->audit, &caller, "connect", AUDIT_NOTHING, "%s",
                      failure == MQ_MECHANISM   ? "there was no key"
                      : failure == MQ_OTHER_KEY ? "it takes the broker for another, which has "
                                                  "another key"
                                                : "it went before it had shown a key");
    }
}

static int listen_as(struct broker *broker, enum mq_type type, const char *name,
                     const struct strlist *addresses, size_t max_message_bytes,
                     void (*received)(struct mq_socket *socket, const struct mq_message *message,
                                      void *context),
                     struct daemon_sockets *passed, struct mq_socket **ret, struct error *error)
{
    struct mq_socket_options options = {.type = type,
                                        .name = name,
                                        .max_message_bytes = max_message_bytes,
                                        .high_water = 10000,
                                        .linger_msec = 1000,
                                        .received = received,
                                        .context = broker};
    _cleanup_(mq_socket_freep) struct mq_socket *socket = NULL;

    int r = mq_socket_new(&socket, broker->mq, &options, error);
    if (r == 0 && broker->key) {
        r = mq_socket_watch(socket, on_failed, broker, error);
    }
    if (r == 0) {
        r = take_passed(broker, socket, passed, name, error);
    }
    bool was_passed = r > 0;
    for (size_t i = 0; r >= 0 && i < addresses->count; i++) {
        if (!was_passed || !addresses_was_passed(addresses->items[i], socket)) {
            r = bind_address(broker, socket, addresses->items[i], error);
        }
    }
    if (r < 0) {
        return r;
    }
    *ret = TAKE_PTR(socket);
    return 0;
}

int listen_all(struct broker *broker, struct error *error)
{
    static const char *const names[] = {"frontend", "backend", "receiver", "publisher",
                                        "introduction"}; /* of a key */
    const struct broker_options *options = broker->options;
    _cleanup_(daemon_sockets_freep) struct daemon_sockets *passed = NULL;
    struct mq_socket *frontend = NULL;
    size_t upload = (size_t)options->max_upload_bytes / 3 * 4 + ((size_t)1 << 20);

    int r = daemon_sockets_new(&passed, error);
    if (r == 0) {
        r = daemon_sockets_check(passed, names, ELEMENTSOF(names) - (broker->key ? 0 : 1), error);
    }
    if (r == 0) {
        r = listen_as(broker, MQ_ROUTER, "frontend", &options->frontend, upload, frontend_received,
                      passed, &frontend, error);
    }
    if (r < 0) {
        return r;
    }
    frontend_set_socket(broker->frontend, frontend);
    r = listen_as(broker, MQ_ROUTER, "backend", &options->backend, AGENT_MAX_CONTROL_BYTES,
                  backend_received, passed, &broker->backend, error);
    if (r == 0) {
        r = listen_as(broker, MQ_ROUTER, "receiver", &options->receiver, AGENT_MAX_RESULTS_BYTES,
                      receiver_received, passed, &broker->receiver, error);
    }
    if (r == 0) {
        r = listen_as(broker, MQ_XPUB, "publisher", &options->publisher, 0, NULL, passed,
                      &broker->publisher, error);
    }
    if (r == 0 && broker->key) {
        r = introduction_new(&broker->introduction, broker, passed, error);
    }
    return r;
}
