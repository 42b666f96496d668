/* SPDX-License-Identifier: MPL-2.0 */
/* libcurl's multi interface on libev. One CURLM serves all virtual users; each struct connections
 * has a CURLSH that shares nothing but the connection cache, so every user keeps its own
 * connections and users with think time don't lose theirs to each other.
 *
 * libcurl may not be called from its own callbacks, so nothing of ours runs inside of it but the
 * exchange's header() and body(). What is started waits in `queued` until the loop is about to
 * wait; what libcurl has finished waits in `done` until libcurl has returned. A request is in
 * exactly one of the lists idle, queued, running and done, and request_move() moves it.
 *
 * libcurl takes a kept connection's socket off the loop after every answer and puts it back with
 * the next request. Watchers stay for as long as the descriptor is open, so that for libev nothing
 * has changed, and no epoll_ctl() is made. Meanwhile they see what comes unasked: libcurl before
 * 8.0.1 would take it for the answer to the next request. */
#include "loop/curl.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "loop/curl_request.h"
#include "loop/url.h"

#define MAX_CONNECTIONS 32L /* kept per struct connections */
/* Exchanges that done() starts are begun in the same turn, but descriptors must get theirs too. */
#define ROUNDS_PER_TURN   4
#define MAX_UNASKED_BYTES ((size_t)1 << 20) /* read from a connection that is given up */

struct request_list {
    struct request *first, *last;
};

struct watch {
    ev_io io;
    bool ours;  /* opened by on_open(), so that we learn when it is closed */
    bool known; /* libev has this very descriptor */
    bool plain; /* no TLS: what comes between requests can only be wrong */
    bool kept;  /* no request uses it now; the loop doesn't go on for its sake */
};

struct curl_transport {
    struct transport base;
    unsigned holders; /* itself until freed, and its connections */
    struct ev_loop *loop;
    struct transport_curl_options options;
    CURLM *multi;
    bool inside; /* libcurl is being called */

    ev_prepare prepare; /* before the loop waits; doesn't keep it going */
    ev_idle idle;       /* on while something is queued: the loop mustn't wait */
    ev_timer timer;
    uint64_t deadline_usec; /* when libcurl wants to be called; 0: not */
    bool deadline_changed;

    struct watch **watches; /* by descriptor */
    size_t watches_size;

    struct request_list idle_requests, queued, running, done;
};

struct curl_connections {
    struct connections base;
    CURLSH *share; /* NULL: no request yet */
    unsigned exchanges;
};

static void list_remove(struct request *request)
{
    struct request_list *list = request->list;

    *(request->previous ? &request->previous->next : &list->first) = request->next;
    *(request->next ? &request->next->previous : &list->last) = request->previous;
    request->previous = request->next = NULL;
    request->list = NULL;
}

static void request_move(struct request *request, struct request_list *list)
{
    if (request->list) {
        list_remove(request);
    }
    request->previous = list->last;
    *(list->last ? &list->last->next : &list->first) = request;
    list->last = request;
    request->list = list;
}

/* ---- descriptors ---- */

static void on_io(struct ev_loop *loop, ev_io *io, int events);

/* The watcher of a descriptor; NULL: no memory. */
static struct watch *get_watch(struct curl_transport *transport, int fd)
{
    size_t index = (size_t)fd;
    struct watch *watch;

    if (index >= transport->watches_size) {
        size_t size = MAX(index + 1, MAX((size_t)64, transport->watches_size * 2));
        struct watch **grown = realloc(transport->watches, size * sizeof *grown);
        if (!grown) {
            return NULL;
        }
        for (size_t i = transport->watches_size; i < size; i++) {
            grown[i] = NULL;
        }
        transport->watches = grown;
        transport->watches_size = size;
    }
    watch = transport->watches[index];
    if (!watch) {
        watch = calloc(1, sizeof *watch);
        if (!watch) {
            return NULL;
        }
        ev_init(&watch->io, on_io);
        watch->io.data = transport;
        transport->watches[index] = watch;
    }
    return watch;
}

static curl_socket_t on_open(void *context, curlsocktype purpose _unused_,
                             struct curl_sockaddr *address)
{
    struct request *request = context;
    struct watch *watch;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);

    request->family = address->family;
    if (fd < 0) {
        request->socket_errno = errno;
        return CURL_SOCKET_BAD;
    }
    watch = get_watch(request->owner, fd);
    if (!watch) {
        close_fd(fd);
        request->socket_errno = ENOMEM;
        return CURL_SOCKET_BAD;
    }
    watch->ours = true;
    watch->known = false;
    watch->plain = strcmp(request->exchange->url->scheme, "http") == 0;
    return fd;
}

/* A connection is kept: it is watched on, if there is nothing to be changed for that. */
static void keep(struct curl_transport *transport, struct watch *watch)
{
    if (watch->kept || !ev_is_active(&watch->io)) {
        return;
    }
    if (watch->plain && watch->known && watch->io.events == EV_READ) {
        watch->kept = true;
        ev_unref(transport->loop);
    } else {
        ev_io_stop(transport->loop, &watch->io);
    }
}

static void keep_no_longer(struct curl_transport *transport, struct watch *watch)
{
    if (watch->kept) {
        watch->kept = false;
        ev_ref(transport->loop);
    }
}

/* Something came on a kept connection. If that is its end, libcurl will see it; bytes are read
 * away, so that it sees an end then, too. */
static void give_up_kept(struct curl_transport *transport, struct watch *watch)
{
    char unasked[4096];
    size_t size = 0;
    ssize_t got;

    keep_no_longer(transport, watch);
    ev_io_stop(transport->loop, &watch->io);
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
    struct curl_transport *transport = context;
    struct watch *watch = transport->watches[fd]; /* made by on_open() */

    keep_no_longer(transport, watch);
    ev_io_stop(transport->loop, &watch->io);
    watch->ours = watch->known = watch->plain = false;
    close_fd(fd);
    return 0;
}

static int on_socket(CURL *easy _unused_, curl_socket_t fd, int what, void *context,
                     void *socket_context _unused_)
{
    struct curl_transport *transport = context;
    struct watch *watch = get_watch(transport, fd);
    int events = (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0);

    if (!watch) {
        return 0; /* an error would end every transfer; this one will run into its timeout */
    }
    if (what == CURL_POLL_REMOVE) {
        keep(transport, watch);
        return 0;
    }
    keep_no_longer(transport, watch);
    if (ev_is_active(&watch->io) && watch->known && watch->io.events == events) {
        return 0;
    }
    ev_io_stop(transport->loop, &watch->io);
    if (watch->known) {
        ev_io_modify(&watch->io, events);
    } else {
        ev_io_set(&watch->io, fd, events);
    }
    ev_io_start(transport->loop, &watch->io);
    watch->known = watch->ours; /* of libcurl's own we don't learn when the number changes hands */
    return 0;
}

/* ---- calls into libcurl ---- */

/* Takes a request back from libcurl; a connection that it uses is closed. */
static void remove_running(struct request *request)
{
    struct curl_transport *transport = request->owner;

    assert(!transport->inside);
    transport->inside = true;
    /* Fails only for a handle that isn't in there. */
    (void)curl_multi_remove_handle(transport->multi, request->easy);
    transport->inside = false;
}

/* Only noted: libcurl changes its mind several times in a turn. */
static int on_deadline(CURLM *multi _unused_, long timeout_ms, void *context)
{
    struct curl_transport *transport = context;

    transport->deadline_usec =
        timeout_ms < 0 ? 0 : clock_monotonic_usec() + (uint64_t)timeout_ms * USEC_PER_MSEC;
    transport->deadline_changed = true;
    return 0;
}

/* Lets libcurl work and takes what it has finished. */
static void call_libcurl(struct curl_transport *transport, curl_socket_t fd, int events)
{
    CURLMsg *message;
    int left;

    assert(!transport->inside);
    transport->inside = true;
    if (curl_multi_socket_action(transport->multi, fd, events, &left) != CURLM_OK) {
        /* Out of memory, half-way: it hasn't named its next deadline, at which it goes on. */
        long timeout_ms = -1;
        (void)curl_multi_timeout(transport->multi, &timeout_ms); /* -1: none */
        (void)on_deadline(transport->multi, timeout_ms, transport);
    }
    transport->inside = false;
    while ((message = curl_multi_info_read(transport->multi, &left))) {
        struct request *request = NULL;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
        request_finish(request, message->data.result);
        remove_running(request);
        request_move(request, &transport->done);
    }
}

/* Ends the use of a request; its exchange is no longer on. */
static struct exchange *release(struct request *request)
{
    struct curl_transport *transport = request->owner;
    struct curl_connections *connections = request->connections;
    struct exchange *exchange = request->exchange;

    connections->exchanges--;
    request_clear(request);
    request_move(request, &transport->idle_requests);
    exchange->transport = NULL;
    exchange->transport_data = NULL;
    return exchange;
}

/* done() may start and cancel exchanges: one is taken at a time, and none is added here. */
static void tell_done(struct curl_transport *transport)
{
    while (transport->done.first) {
        struct exchange *exchange = release(transport->done.first);
        exchange->callbacks->done(exchange);
    }
}

static void start_queued(struct curl_transport *transport)
{
    while (transport->queued.first) {
        struct request *request = transport->queued.first;
        CURLMcode code = curl_multi_add_handle(transport->multi, request->easy);
        if (code == CURLM_OK) {
            request_move(request, &transport->running);
        } else {
            request_finish(request,
                           code == CURLM_OUT_OF_MEMORY ? CURLE_OUT_OF_MEMORY : CURLE_FAILED_INIT);
            request_move(request, &transport->done);
        }
    }
}

/* ---- the loop ---- */

static void on_io(struct ev_loop *loop _unused_, ev_io *io, int events)
{
    struct curl_transport *transport = io->data;
    struct watch *watch = CONTAINER_OF(io, struct watch, io);

    if (watch->kept) {
        give_up_kept(transport, watch);
        return;
    }
    call_libcurl(transport, io->fd,
                 (events & EV_READ ? CURL_CSELECT_IN : 0) |
                     (events & EV_WRITE ? CURL_CSELECT_OUT : 0));
    tell_done(transport);
}

static void on_timer(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct curl_transport *transport = CONTAINER_OF(timer, struct curl_transport, timer);

    transport->deadline_usec = 0;
    transport->deadline_changed = true; /* libcurl names the next one; none if it doesn't */
    call_libcurl(transport, CURL_SOCKET_TIMEOUT, 0);
    tell_done(transport);
}

static void arm_timer(struct curl_transport *transport)
{
    uint64_t now;
    double delay;

    if (!transport->deadline_changed) {
        return;
    }
    transport->deadline_changed = false;
    ev_timer_stop(transport->loop, &transport->timer);
    if (transport->deadline_usec == 0) {
        return;
    }
    now = clock_monotonic_usec();
    delay = transport->deadline_usec > now ? (double)(transport->deadline_usec - now) / 1e6 : 0.;
    ev_now_update(transport->loop); /* what the delay counts from */
    ev_timer_set(&transport->timer, delay, 0.);
    ev_timer_start(transport->loop, &transport->timer);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *prepare, int events _unused_)
{
    struct curl_transport *transport = CONTAINER_OF(prepare, struct curl_transport, prepare);

    for (int i = 0; i < ROUNDS_PER_TURN && transport->queued.first; i++) {
        start_queued(transport);
        call_libcurl(transport, CURL_SOCKET_TIMEOUT, 0);
        tell_done(transport);
    }
    if (!transport->queued.first) {
        ev_idle_stop(loop, &transport->idle);
    }
    arm_timer(transport);
}

/* Being on is all that it is for. */
static void on_idle(struct ev_loop *loop _unused_, ev_idle *idle _unused_, int events _unused_)
{
}

/* ---- the transport ---- */

static void transport_release(struct curl_transport *transport)
{
    if (--transport->holders > 0) {
        return;
    }
    for (size_t i = 0; i < transport->watches_size; i++) {
        free(transport->watches[i]);
    }
    free(transport->watches);
    free(transport);
    curl_global_cleanup();
}

static int curl_connections_new(struct transport *base, struct connections **ret)
{
    struct curl_connections *connections = calloc(1, sizeof *connections);

    if (!connections) {
        return -ENOMEM;
    }
    connections->base.transport = base;
    CONTAINER_OF(base, struct curl_transport, base)->holders++;
    *ret = &connections->base;
    return 0;
}

static void curl_connections_free(struct connections *base)
{
    struct curl_connections *connections = CONTAINER_OF(base, struct curl_connections, base);
    struct curl_transport *transport = CONTAINER_OF(base->transport, struct curl_transport, base);

    assert(connections->exchanges == 0 && !transport->inside);
    if (connections->share) {
        CURLSHcode code = curl_share_cleanup(connections->share);
        assert(code == CURLSHE_OK); /* in use otherwise */
    }
    free(connections);
    transport_release(transport);
}

/* Made at the first request, so that idle users cost nothing. */
static int make_share(struct curl_connections *connections)
{
    CURLSH *share;

    if (connections->share) {
        return 0;
    }
    share = curl_share_init();
    if (!share) {
        return -ENOMEM;
    }
    if (curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT) != CURLSHE_OK) {
        (void)curl_share_cleanup(share); /* not in use yet */
        return -ENOMEM;
    }
    connections->share = share;
    return 0;
}

static int open_request(struct curl_transport *transport, struct request *request)
{
    if (request_open(request, &transport->options) < 0) {
        return -ENOMEM;
    }
    if (curl_easy_setopt(request->easy, CURLOPT_OPENSOCKETFUNCTION, on_open) != CURLE_OK ||
        curl_easy_setopt(request->easy, CURLOPT_OPENSOCKETDATA, request) != CURLE_OK ||
        curl_easy_setopt(request->easy, CURLOPT_CLOSESOCKETFUNCTION, on_close) != CURLE_OK ||
        curl_easy_setopt(request->easy, CURLOPT_CLOSESOCKETDATA, transport) != CURLE_OK) {
        request_close(request);
        return -ENOMEM;
    }
    return 0;
}

/* An unused request with a handle. */
static int get_request(struct curl_transport *transport, struct request **ret)
{
    struct request *request = transport->idle_requests.last;

    if (!request) {
        int r = request_new(&request, transport);
        if (r < 0) {
            return r;
        }
        request_move(request, &transport->idle_requests);
    }
    *ret = request;
    return request->easy ? 0 : open_request(transport, request);
}

static int curl_start(struct transport *base, struct connections *connections_base,
                      struct exchange *exchange)
{
    struct curl_transport *transport = CONTAINER_OF(base, struct curl_transport, base);
    struct curl_connections *connections =
        CONTAINER_OF(connections_base, struct curl_connections, base);
    struct request *request = NULL;
    int r;

    assert(!transport->inside && transport->multi && connections->base.transport == base);
    r = make_share(connections);
    if (r < 0) {
        return r;
    }
    r = get_request(transport, &request);
    if (r < 0) {
        return r;
    }
    r = request_prepare(request, exchange, connections->share);
    if (r < 0) {
        request_clear(request);
        return r;
    }
    request->connections = connections;
    connections->exchanges++;
    exchange->transport_data = request;
    request_move(request, &transport->queued);
    ev_idle_start(transport->loop, &transport->idle);
    return 0;
}

static void curl_cancel(struct exchange *exchange)
{
    struct request *request = exchange->transport_data;
    struct curl_transport *transport = request->owner;

    if (request->list == &transport->running) {
        remove_running(request);
    }
    (void)release(request);
}

static struct transport *curl_free_transport(struct transport *base)
{
    struct curl_transport *transport = CONTAINER_OF(base, struct curl_transport, base);

    while (transport->running.first) {
        curl_cancel(transport->running.first->exchange);
    }
    while (transport->queued.first) {
        curl_cancel(transport->queued.first->exchange);
    }
    while (transport->done.first) {
        curl_cancel(transport->done.first->exchange);
    }
    while (transport->idle_requests.first) {
        struct request *request = transport->idle_requests.first;
        list_remove(request);
        request_free(request);
    }
    (void)curl_multi_cleanup(transport->multi); /* nothing is in it any more */
    transport->multi = NULL;
    ev_timer_stop(transport->loop, &transport->timer);
    ev_idle_stop(transport->loop, &transport->idle);
    if (ev_is_active(&transport->prepare)) {
        ev_ref(transport->loop);
        ev_prepare_stop(transport->loop, &transport->prepare);
    }
    transport_release(transport);
    return NULL;
}

static const struct transport_ops curl_ops = {
    .name = "curl",
    .connections_new = curl_connections_new,
    .connections_free = curl_connections_free,
    .start = curl_start,
    .cancel = curl_cancel,
    .free = curl_free_transport,
};

static bool set_up_multi(struct curl_transport *transport)
{
    CURLM *multi = transport->multi;

    return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, transport) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_deadline) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERDATA, transport) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, MAX_CONNECTIONS) == CURLM_OK;
}

int transport_curl_new(struct transport **ret, struct ev_loop *loop,
                       const struct transport_curl_options *options)
{
    struct curl_transport *transport;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return -ENOMEM;
    }
    transport = calloc(1, sizeof *transport);
    if (!transport) {
        curl_global_cleanup();
        return -ENOMEM;
    }
    transport->base.ops = &curl_ops;
    transport->holders = 1;
    transport->loop = loop;
    transport->options = options ? *options : (struct transport_curl_options){0};
    ev_timer_init(&transport->timer, on_timer, 0., 0.);
    ev_idle_init(&transport->idle, on_idle);
    ev_prepare_init(&transport->prepare, on_prepare);
    ev_set_priority(&transport->prepare, EV_MINPRI); /* after those that start exchanges */
    transport->multi = curl_multi_init();
    if (!transport->multi || !set_up_multi(transport)) {
        transport_free(&transport->base);
        return -ENOMEM;
    }
    ev_prepare_start(loop, &transport->prepare);
    ev_unref(loop);
    *ret = &transport->base;
    return 0;
}
