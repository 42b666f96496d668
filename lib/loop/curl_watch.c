/* SPDX-License-Identifier: MPL-2.0 */
/* libcurl takes a kept connection's socket off the loop after every answer and puts it back with
 * the next request. Watchers stay for as long as the descriptor is open, so that for libev nothing
 * has changed, and no epoll_ctl() is made. Meanwhile they see what comes unasked: libcurl before
 * 8.0.1 would take it for the answer to the next request. */
#include "loop/curl_watch.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "loop/url.h"

/* It is connected; then the server's part comes, perhaps in two pieces. */
#define HANDSHAKE_CALLS   3
#define MAX_UNASKED_BYTES ((size_t)1 << 20) /* read from a connection that is given up */

struct curl_watch {
    ev_io io;
    bool ours;  /* opened by on_open(), so that we learn when it is closed */
    bool known; /* libev has this very descriptor */
    bool plain; /* HTTP/1.1 without TLS and proxy: what comes between requests can only be wrong */
    bool kept;  /* no request uses it now; the loop doesn't go on for its sake */
    unsigned handshake_calls; /* of libcurl that may still be for a TLS handshake */
};

/* The watcher of a descriptor; NULL: no memory. */
static struct curl_watch *get_watch(struct curl_watches *watches, int fd)
{
    size_t index = (size_t)fd;
    struct curl_watch *watch;

    if (index >= watches->size) {
        size_t size = MAX(index + 1, MAX((size_t)64, watches->size * 2));
        struct curl_watch **grown = realloc(watches->by_fd, size * sizeof *grown);
        if (!grown) {
            return NULL;
        }
        for (size_t i = watches->size; i < size; i++) {
            grown[i] = NULL;
        }
        watches->by_fd = grown;
        watches->size = size;
    }
    watch = watches->by_fd[index];
    if (!watch) {
        watch = calloc(1, sizeof *watch);
        if (!watch) {
            return NULL;
        }
        ev_init(&watch->io, watches->on_io);
        watch->io.data = watches->data;
        watches->by_fd[index] = watch;
    }
    return watch;
}

static curl_socket_t on_open(void *context, curlsocktype purpose _unused_,
                             struct curl_sockaddr *address)
{
    struct request *request = context;
    struct curl_watch *watch;

    if (request->only_kept) {
        request->none_kept = true;
        return CURL_SOCKET_BAD;
    }
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    request->family = address->family;
    if (fd < 0) {
        request->socket_errno = errno;
        return CURL_SOCKET_BAD;
    }
    watch = get_watch(request->watches, fd);
    if (!watch) {
        close_fd(fd);
        request->socket_errno = ENOMEM;
        return CURL_SOCKET_BAD;
    }
    watch->ours = true;
    watch->known = false;
    watch->plain = strcmp(request->exchange->url->scheme, "http") == 0 && !request->http2 &&
                   !request->exchange->proxy;
    watch->handshake_calls = request->exchange->url->secure ? HANDSHAKE_CALLS : 0;
    if (request->exchange->source_address) {
        /* The port is chosen when it is known where to, so that one is enough for many. */
        int on = 1;
        (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    }
    return fd;
}

/* Whether a request is held up: its connection is taken off the loop, too, and what comes on it
 * then was asked for. */
static bool is_paused(CURL *easy)
{
    struct request *request = NULL;

    return curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&request) == CURLE_OK && request &&
           request->paused;
}

/* A connection is kept: it is watched on, if there is nothing to be changed for that. */
static void keep(struct curl_watches *watches, struct curl_watch *watch, CURL *easy)
{
    if (watch->kept || !ev_is_active(&watch->io)) {
        return;
    }
    if (!is_paused(easy) && watch->plain && watch->known && watch->io.events == EV_READ) {
        watch->kept = true;
        ev_unref(watches->loop);
    } else {
        ev_io_stop(watches->loop, &watch->io);
    }
}

static void keep_no_longer(struct curl_watches *watches, struct curl_watch *watch)
{
    if (watch->kept) {
        watch->kept = false;
        ev_ref(watches->loop);
    }
}

/* Something came on a kept connection. If that is its end, libcurl will see it; bytes are read
 * away, so that it sees an end then, too. */
static void give_up_kept(struct curl_watches *watches, struct curl_watch *watch)
{
    char unasked[4096];
    size_t size = 0;
    ssize_t got;

    keep_no_longer(watches, watch);
    ev_io_stop(watches->loop, &watch->io);
    while (size < MAX_UNASKED_BYTES &&
           (got = recv(watch->io.fd, unasked, sizeof unasked, MSG_DONTWAIT)) > 0) {
        size += (size_t)got;
    }
    if (size > 0) {
        (void)shutdown(watch->io.fd, SHUT_RDWR); /* fails only if the other side was faster */
    }
}

static int on_close(void *context, curl_socket_t fd)
{
    struct curl_watches *watches = context;
    struct curl_watch *watch = watches->by_fd[fd]; /* made by on_open() */

    keep_no_longer(watches, watch);
    ev_io_stop(watches->loop, &watch->io);
    watch->ours = watch->known = watch->plain = false;
    close_fd(fd);
    return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context,
                     void *socket_context _unused_)
{
    struct curl_watches *watches = context;
    struct curl_watch *watch = get_watch(watches, fd);
    int events = (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0);

    if (!watch) {
        return 0; /* an error would end every transfer; this one will run into its timeout */
    }
    if (what == CURL_POLL_REMOVE) {
        keep(watches, watch, easy);
        return 0;
    }
    keep_no_longer(watches, watch);
    if (ev_is_active(&watch->io) && watch->known && watch->io.events == events) {
        return 0;
    }
    ev_io_stop(watches->loop, &watch->io);
    if (watch->known) {
        ev_io_modify(&watch->io, events);
    } else {
        ev_io_set(&watch->io, fd, events);
    }
    ev_io_start(watches->loop, &watch->io);
    watch->known = watch->ours; /* of libcurl's own we don't learn when the number changes hands */
    return 0;
}

/* ---- from outside ---- */

bool curl_watch_give_up(struct curl_watches *watches, ev_io *io)
{
    struct curl_watch *watch = CONTAINER_OF(io, struct curl_watch, io);
    bool kept = watch->kept;

    if (kept) {
        give_up_kept(watches, watch);
    }
    return kept;
}

bool curl_watch_handshakes(const ev_io *io)
{
    return CONTAINER_OF(io, struct curl_watch, io)->handshake_calls > 0;
}

void curl_watch_note_call(ev_io *io)
{
    struct curl_watch *watch = CONTAINER_OF(io, struct curl_watch, io);

    watch->handshake_calls -= watch->handshake_calls > 0;
}

bool curl_watches_set_multi(struct curl_watches *watches, CURLM *multi)
{
    return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, watches) == CURLM_OK;
}

bool curl_watches_set(struct curl_watches *watches, struct request *request)
{
    CURL *easy = request->easy;

    request->watches = watches;
    return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, watches) == CURLE_OK;
}

void curl_watches_clear(struct curl_watches *watches)
{
    for (size_t i = 0; i < watches->size; i++) {
        free(watches->by_fd[i]);
    }
    free(watches->by_fd);
}
