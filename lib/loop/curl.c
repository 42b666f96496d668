/* SPDX-License-Identifier: MPL-2.0 */
/* libcurl's multi interface on libev. One CURLM serves all virtual users; each struct connections
 * has a CURLSH that shares nothing but the connection cache, so every user keeps its own
 * connections and users with think time don't lose theirs to each other.
 *
 * libcurl may not be called from its own callbacks, so nothing of ours runs inside of it but the
 * exchange's header() and body(). What is started waits in `queued` until the loop is about to
 * wait; what libcurl has finished waits in `done` until libcurl has returned. A request is in
 * exactly one of the lists idle, queued, opening, running, held and done, and request_move() moves
 * it: those in `held` run, and libcurl is to be told that what was held up can go on.
 *
 * To open a connection with TLS takes a millisecond, and thousands of users may begin at once. So
 * that the loop goes on meanwhile, a turn of it has so much time for requests in `opening`, which
 * is `queued` for those that probably need a connection, and so much for what comes of handshakes.
 * The rest waits for the next turn, requests in their order. It is time, not a number, since what
 * one takes depends on certificates and ciphers.
 */
#include "loop/curl.h"

#include <errno.h>

#include "base/clock.h"
#include "loop/curl_request.h"
#include "loop/curl_watch.h"
#include "loop/url.h"

#define MAX_CONNECTIONS 32L /* kept per struct connections */
/* Exchanges that done() starts are begun in the same turn, but descriptors must get theirs too. */
#define ROUNDS_PER_TURN 4
#define MAX_CALLS       1000 /* for one descriptor that is ready */
#define OPENING_USEC    10000

struct request_list {
    struct request *first, *last;
};

struct curl_transport {
    struct transport base;
    unsigned holders; /* itself until freed, and its connections */
    struct ev_loop *loop;
    struct transport_curl_options options;
    CURLM *multi;
    bool inside;   /* libcurl is being called */
    bool got_body; /* in that call */
    bool behind;   /* a turn had no time for all that is in `opening`: it waits for the next */
    uint64_t opening_usec, handshakes_usec; /* that this turn has spent on them */

    ev_prepare prepare; /* before the loop waits; doesn't keep it going */
    ev_idle idle;       /* on while something is queued: the loop mustn't wait */
    ev_timer timer;
    uint64_t deadline_usec; /* when libcurl wants to be called; 0: not */
    bool deadline_changed;

    struct curl_watches watches;

    struct request_list idle_requests, queued, opening, running, held, done;
};

struct curl_connections {
    struct connections base;
    CURLSH *share; /* NULL: no request yet */
    unsigned exchanges;
    bool opened[2]; /* there probably is one that is kept: without TLS, with it */
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

static void note_kept(struct request *request, CURLcode result)
{
    struct curl_connections *connections = request->connections;

    if (result == CURLE_OK && !request->exchange->own_connection) {
        connections->opened[request->exchange->url->secure] = true;
    }
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
        CURLcode result = message->data.result; /* the message goes with the handle */
        if (result != CURLE_OK && request_again(request)) {
            remove_running(request);
            request_move(request, &transport->opening);
            ev_idle_start(transport->loop, &transport->idle);
            continue;
        }
        request_finish(request, result);
        note_kept(request, result);
        remove_running(request);
        request_move(request, &transport->done);
    }
}

/* Of HTTP/2 libcurl 7.88 sometimes keeps what it has read from the socket, which then isn't
 * readable any more, and waits for ever: it is asked again until nothing comes. */
static void call_for_socket(struct curl_transport *transport, int fd, int events)
{
    int calls = 0;

    do {
        transport->got_body = false;
        call_libcurl(transport, fd, events);
        events = CURL_CSELECT_IN;
    } while (transport->options.http2 && transport->got_body && ++calls < MAX_CALLS);
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

static void start_request(struct curl_transport *transport, struct request *request)
{
    CURLMcode code = request_shorten(request)
                         ? curl_multi_add_handle(transport->multi, request->easy)
                         : CURLM_OUT_OF_MEMORY;

    if (code == CURLM_OK) {
        request_move(request, &transport->running);
    } else {
        request_finish(request,
                       code == CURLM_OUT_OF_MEMORY ? CURLE_OUT_OF_MEMORY : CURLE_FAILED_INIT);
        request_move(request, &transport->done);
    }
}

static void start_queued(struct curl_transport *transport)
{
    while (transport->queued.first) {
        start_request(transport, transport->queued.first);
    }
}

/* As many as there is time for. */
static void start_opening(struct curl_transport *transport)
{
    uint64_t last_usec = clock_monotonic_usec();

    while (transport->opening.first && transport->opening_usec < transport->options.opening_usec) {
        start_request(transport, transport->opening.first);
        call_libcurl(transport, CURL_SOCKET_TIMEOUT, 0);
        uint64_t now = clock_monotonic_usec();
        transport->opening_usec += now - last_usec;
        last_usec = now;
    }
    transport->behind = transport->opening.first;
}

/* libcurl doesn't know of them yet. */
static void end_late(struct curl_transport *transport)
{
    struct request *next;

    for (struct request *request = transport->opening.first; request; request = next) {
        next = request->next;
        if (request_is_late(request)) {
            request_finish(request, CURLE_OPERATION_TIMEDOUT);
            request_move(request, &transport->done);
        }
    }
}

/* libcurl gives what it has kept at once, so that it may be held up again. */
static void resume_held(struct curl_transport *transport)
{
    while (transport->held.first) {
        struct request *request = transport->held.first;
        request_move(request, &transport->running);
        request->paused = false;
        transport->inside = true;
        CURLcode code = curl_easy_pause(request->easy, CURLPAUSE_CONT);
        transport->inside = false;
        if (code != CURLE_OK) {
            request_finish(request, code);
            remove_running(request);
            request_move(request, &transport->done);
        }
    }
}

static bool is_waiting(const struct curl_transport *transport)
{
    return transport->queued.first || transport->held.first || transport->opening.first;
}

static void run_queued(struct curl_transport *transport)
{
    start_queued(transport);
    resume_held(transport);
    call_libcurl(transport, CURL_SOCKET_TIMEOUT, 0);
    tell_done(transport);
}

static void run_opening(struct curl_transport *transport)
{
    if (transport->opening.first && !transport->behind) {
        start_opening(transport);
        tell_done(transport);
    }
}

/* What follows from an answer happens at once: when all answers of a turn come first, then all that
 * they cause, and then all requests, each finds its memory gone from the caches. */
static void settle(struct curl_transport *transport)
{
    tell_done(transport);
    if (transport->options.told) {
        transport->options.told(transport->options.context);
    }
    if (transport->queued.first || transport->held.first) {
        run_queued(transport);
    }
    run_opening(transport);
}

/* ---- the loop ---- */

static void on_io(struct ev_loop *loop _unused_, ev_io *io, int events)
{
    struct curl_transport *transport = io->data;
    bool handshakes = curl_watch_handshakes(io);
    uint64_t begun_usec = handshakes ? clock_monotonic_usec() : 0;

    if (handshakes && transport->handshakes_usec >= transport->options.opening_usec) {
        return; /* it is ready in the next turn, too */
    }
    if (curl_watch_give_up(&transport->watches, io)) {
        return;
    }
    curl_watch_note_call(io);
    call_for_socket(transport, io->fd,
                    (events & EV_READ ? CURL_CSELECT_IN : 0) |
                        (events & EV_WRITE ? CURL_CSELECT_OUT : 0));
    settle(transport);
    if (handshakes) {
        transport->handshakes_usec += clock_monotonic_usec() - begun_usec;
    }
}

static void on_timer(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct curl_transport *transport = CONTAINER_OF(timer, struct curl_transport, timer);

    transport->deadline_usec = 0;
    transport->deadline_changed = true; /* libcurl names the next one; none if it doesn't */
    call_libcurl(transport, CURL_SOCKET_TIMEOUT, 0);
    settle(transport);
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

    if (transport->behind) {
        end_late(transport);
        tell_done(transport);
        transport->behind = false;
        transport->opening_usec = 0; /* at least one */
    }
    for (int i = 0; i < ROUNDS_PER_TURN && is_waiting(transport); i++) {
        run_queued(transport);
        run_opening(transport);
    }
    transport->opening_usec = transport->handshakes_usec = 0;
    if (!is_waiting(transport)) {
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
    curl_watches_clear(&transport->watches);
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
    if (!curl_watches_set(&transport->watches, request)) {
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
        request->got_body = &transport->got_body;
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
    bool opens = exchange->own_connection || !connections->opened[exchange->url->secure];
    request_move(request, opens ? &transport->opening : &transport->queued);
    ev_idle_start(transport->loop, &transport->idle);
    return 0;
}

static void curl_cancel(struct exchange *exchange)
{
    struct request *request = exchange->transport_data;
    struct curl_transport *transport = request->owner;

    if (request->list == &transport->running || request->list == &transport->held) {
        remove_running(request);
    }
    (void)release(request);
}

static void curl_resume(struct exchange *exchange)
{
    struct request *request = exchange->transport_data;
    struct curl_transport *transport = request->owner;

    if (request->paused && request->list == &transport->running) {
        request_move(request, &transport->held);
        ev_idle_start(transport->loop, &transport->idle);
    }
}

static struct transport *curl_free_transport(struct transport *base)
{
    struct curl_transport *transport = CONTAINER_OF(base, struct curl_transport, base);
    struct request_list *const lists[] = {&transport->running, &transport->held, &transport->queued,
                                          &transport->opening, &transport->done};
    for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
        while (lists[i]->first) {
            curl_cancel(lists[i]->first->exchange);
        }
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
    .resume = curl_resume,
    .free = curl_free_transport,
};

static bool set_up_multi(struct curl_transport *transport)
{
    CURLM *multi = transport->multi;

    return curl_watches_set_multi(&transport->watches, multi) &&
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
    transport->watches = (struct curl_watches){.loop = loop, .on_io = on_io, .data = transport};
    transport->options = options ? *options : (struct transport_curl_options){0};
    if (transport->options.opening_usec == 0) {
        transport->options.opening_usec = OPENING_USEC;
    }
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
