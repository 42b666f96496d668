/* SPDX-License-Identifier: MPL-2.0 */
/* What comes in is put aside on the loop's stack, and counted, given to the test's callback and
 * returned on the user's, when that asks for it. What is never asked for is counted at the end of
 * the iteration. The handshake is a request like any other: a hit of status 101. */
#include "websocket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "call.h"
#include "header.h"
#include "iteration.h"
#include "loop/ws.h"
#include "metrics/summary.h"
#include "peer.h"
#include "record.h"
#include "stall.h"
#include "user.h"
#include "ways.h"

#define CLOSE_WAIT_USEC (2 * USEC_PER_SEC)

struct message {
    struct message *next;
    loads_message shown;
    char bytes[]; /* with a NUL behind */
};

/* Memory of the iteration. */
struct loads_ws {
    loads_ws *next; /* of the user */
    loads_user *user;
    struct ws *ws; /* NULL: it isn't there yet, or no longer */
    const loads_ws_options *options;
    struct message *first, **last; /* received, and not asked for */
    struct message *current;       /* what the test was given last */
    struct message *building;      /* has come in part */
    size_t room;                   /* of that */
    size_t queued_bytes;
    bool held;
    bool opened, ended, close_counted;
    struct ws_ending ending;
    char protocol[64];
};

/* ---- what the connection tells, on the loop's stack ------------------------------------------- */

static void on_opened(struct ws *ws _unused_, const char *protocol, void *context)
{
    loads_ws *socket = context;

    socket->opened = true;
    (void)snprintf(socket->protocol, sizeof socket->protocol, "%s", protocol);
    user_wake(socket->user);
}

static void on_ended(struct ws *ws _unused_, const struct ws_ending *ending, void *context)
{
    loads_ws *socket = context;

    socket->ended = true;
    if (socket->ending.text[0] == '\0') { /* else we have a reason of our own */
        socket->ending = *ending;
    }
    user_wake(socket->user);
}

static void on_drained(struct ws *ws _unused_, void *context)
{
    const loads_ws *socket = context;
    user_wake(socket->user);
}

static void refuse(loads_ws *socket, unsigned code, const char *text)
{
    socket->ending = (struct ws_ending){.error = TRANSPORT_RESOURCES, .code = code};
    (void)snprintf(socket->ending.text, sizeof socket->ending.text, "%s", text);
    ws_close(socket->ws, code);
}

/* Room for so many bytes more of the message that is coming. */
static bool make_room(loads_ws *socket, size_t size)
{
    size_t used = socket->building ? socket->building->shown.size : 0;

    if (socket->building && size < socket->room - used) {
        return true;
    }
    size_t room = MAX(2 * socket->room, used + size + 1);
    struct message *message = realloc(socket->building, sizeof *message + room);
    if (!message) {
        return false;
    }
    if (!socket->building) {
        *message = (struct message){.next = NULL};
    }
    socket->building = message;
    socket->room = room;
    return true;
}

static void queue_message(loads_ws *socket, bool binary)
{
    struct message *message = socket->building;

    socket->building = NULL;
    socket->room = 0;
    message->bytes[message->shown.size] = '\0';
    message->shown.data = message->bytes;
    message->shown.binary = binary;
    *socket->last = message;
    socket->last = &message->next;
    socket->queued_bytes += message->shown.size;
    if (socket->queued_bytes > WEBSOCKET_QUEUE_BYTES && !socket->held) {
        socket->held = true;
        ws_hold(socket->ws, true);
    }
    user_wake(socket->user);
}

static void on_received(struct ws *ws _unused_, const void *bytes, size_t size, bool binary,
                        bool last, void *context)
{
    loads_ws *socket = context;
    size_t used = socket->building ? socket->building->shown.size : 0;

    if (socket->ending.text[0]) {
        return; /* it is on its way out */
    }
    if (size > SESSION_MAX_MESSAGE_BYTES - used) {
        refuse(socket, 1009, "a message has more than 64 MiB");
    } else if (!make_room(socket, size)) {
        refuse(socket, 1011, "there is no memory for a message");
    } else {
        memcpy(socket->building->bytes + used, bytes, size);
        socket->building->shown.size += size;
        if (last) {
            queue_message(socket, binary);
        }
    }
}

static const struct ws_callbacks callbacks = {
    .opened = on_opened, .received = on_received, .drained = on_drained, .ended = on_ended};

/* ---- waiting, on the user's ------------------------------------------------------------------- */

static bool has_opened(const loads_ws *socket)
{
    return socket->opened || socket->ended;
}

static bool has_message(const loads_ws *socket)
{
    return socket->first || socket->ended;
}

static bool has_drained(const loads_ws *socket)
{
    return socket->ended || ws_unsent_bytes(socket->ws) <= WEBSOCKET_QUEUE_BYTES;
}

static bool has_ended(const loads_ws *socket)
{
    return socket->ended;
}

/* -ETIMEDOUT; -ECANCELED. */
static int wait_for(const loads_ws *socket, bool (*condition)(const loads_ws *socket),
                    uint64_t until_usec)
{
    while (!condition(socket)) {
        if (clock_monotonic_usec() >= until_usec) {
            return -ETIMEDOUT;
        }
        int r = user_wait_until(socket->user, until_usec);
        if (r < 0 && !condition(socket)) {
            return r;
        }
    }
    return 0;
}

static uint64_t after(double seconds)
{
    return clock_monotonic_usec() + (uint64_t)(MIN(seconds, 1e9) * 1e6);
}

static double timeout_of(const loads_ws *socket)
{
    return socket->options->timeout_sec > 0
               ? socket->options->timeout_sec
               : (double)socket->user->worker->spec->http_timeout_usec / 1e6;
}

/* ---- opening --------------------------------------------------------------------------------- */

struct opening {
    loads_ws *socket;
    const struct url *url;
    uint64_t started_usec, until_usec;
    unsigned error_id;
};

static int fail(struct opening *opening, const char *class, const char *text)
{
    const loads_ws_options *options = opening->socket->options;
    loads_user *user = opening->socket->user;
    const char *slash = strrchr(options->file_, '/');
    const char *name = opening->url ? opening->url->name : "(invalid)";
    char place[256];

    (void)snprintf(place, sizeof place, "%s:%d", slash ? slash + 1 : options->file_,
                   options->line_);
    struct error_key key = {.kind = ERROR_KIND_ERROR,
                            .class = class,
                            .message = text,
                            .place = place,
                            .test = user->test->name};
    opening->error_id = record_request_error(user, options->name ? options->name : name, "GET",
                                             name, opening->started_usec, &key);
    return -EIO;
}

static int check(struct opening *opening)
{
    const loads_ws_options *options = opening->socket->options;
    struct error error;

    if (!options->url) {
        return fail(opening, "request", "there is no URL");
    }
    int r = url_get(opening->socket->user->worker->urls, NULL, options->url, &opening->url, &error);
    if (r == -EINVAL) {
        return fail(opening, "request", error.text);
    }
    if (r < 0) {
        return r;
    }
    if (strcmp(opening->url->scheme, "ws") != 0 && strcmp(opening->url->scheme, "wss") != 0) {
        return fail(opening, "request", "a WebSocket's URL begins with ws:// or wss://");
    }
    if (ways_proxy(opening->socket->user->worker, opening->url->host)) {
        return fail(opening, "request",
                    "WebSockets can't go by --proxy; --no-proxy is for hosts that need none");
    }
    for (const char *const *line = options->headers; line && *line; line++) {
        r = header_check(*line, strlen(*line), &error);
        if (r < 0) {
            return fail(opening, "request", error.text);
        }
    }
    if (options->protocols && strpbrk(options->protocols, "\r\n")) {
        return fail(opening, "request", "the sub-protocols have a line end in them");
    }
    return 0;
}

static int make_client(struct opening *opening)
{
    struct worker *worker = opening->socket->user->worker;
    struct error error;

    if (worker->ws) {
        return 0;
    }
    const struct ws_client_options options = ways_ws_options(worker);
    int r = ws_client_new(&worker->ws, worker->loop, &options, &error);
    stall_begin(opening->socket->user); /* what that took, the plug-in, is not the test's fault */
    return r == -ENOMEM ? r : r < 0 ? fail(opening, "socket", error.text) : 0;
}

/* With one address. 1: no connection to it. */
static int open_at(struct opening *opening, const char *address)
{
    loads_ws *socket = opening->socket;
    struct ws_request request = {.url = opening->url,
                                 .address = address,
                                 .source_address = ways_source(socket->user),
                                 .protocols = socket->options->protocols,
                                 .headers = socket->options->headers,
                                 .callbacks = &callbacks,
                                 .context = socket};
    struct ws_ending ending;

    socket->ended = false;
    socket->ending = (struct ws_ending){.error = TRANSPORT_OK};
    int r = ws_open(&socket->ws, socket->user->worker->ws, &request, &ending);
    if (r == -EIO) {
        socket->ended = true;
        socket->ending = ending;
    } else if (r < 0) {
        return r;
    }
    r = wait_for(socket, has_opened, opening->until_usec);
    if (r == 0 && socket->opened) {
        return 0;
    }
    socket->ws = ws_free(socket->ws);
    if (r == -ETIMEDOUT) {
        return fail(opening, "timeout", "the WebSocket did not open in time");
    }
    if (r < 0) {
        return r;
    }
    return socket->ending.error == TRANSPORT_CONNECT ? 1 : -EIO;
}

static int open_somewhere(struct opening *opening)
{
    loads_ws *socket = opening->socket;
    const char *host = opening->url->host, *address = NULL;
    unsigned port = opening->url->port;
    bool known = opening->url->numeric_host && !ways_rule(socket->user->worker, host, port);
    char reason[128];
    uint64_t dns_usec = 0;
    int r;

    do {
        if (!known) {
            r = peer_address(socket->user, host, port, opening->until_usec, &address, &dns_usec,
                             reason);
            if (r == -ENOENT) {
                char text[500];
                (void)snprintf(text, sizeof text, "Could not resolve host: %s (%s)", host, reason);
                return fail(opening, "resolve", text);
            }
            if (r < 0) {
                return r == -ETIMEDOUT ? fail(opening, "timeout", "Resolving a host timed out") : r;
            }
        }
        r = open_at(opening, address);
    } while (r == 1 && !known && peer_next(socket->user, host, port));
    if (r == 0) {
        peer_good(socket->user, host, port);
    } else if ((r == 1 || r == -EIO) && opening->error_id == 0) {
        return fail(opening, transport_error_name(socket->ending.error), socket->ending.text);
    }
    return r;
}

static void count_opened(const struct opening *opening)
{
    const loads_ws_options *options = opening->socket->options;
    loads_user *user = opening->socket->user;
    uint64_t now = clock_monotonic_usec();
    struct exchange exchange = {
        .method = "GET", .url = opening->url, .status = 101, .ended_usec = now};

    record_hit(user, options->name ? options->name : opening->url->name, &exchange,
               now - opening->started_usec);
    record_counter(user, COUNTER_SOCKETS_OPENED, 1);
}

static int open_socket(struct opening *opening)
{
    loads_ws *socket = opening->socket;

    opening->started_usec = clock_monotonic_usec();
    int r = check(opening);
    if (r == 0) {
        r = make_client(opening);
    }
    if (r == 0) {
        opening->started_usec = clock_monotonic_usec();
        opening->until_usec = after(timeout_of(socket));
        record_request(socket->user,
                       socket->options->name ? socket->options->name : opening->url->name, "GET");
        r = open_somewhere(opening);
    }
    if (r == 0) {
        count_opened(opening);
    }
    if (opening->url) {
        url_unref(opening->url);
    }
    return r;
}

loads_ws *loads_ws_open_(loads_user *user, const loads_ws_options *options)
{
    static loads_ws refused = {.ended = true};
    struct opening opening = {.socket = NULL};

    if (!call_allowed(user)) {
        return &refused;
    }
    loads_ws *socket = loads_alloc(user, sizeof *socket);
    loads_ws_options *kept = loads_alloc(user, sizeof *kept);
    *kept = *options;
    socket->user = user;
    socket->options = kept;
    socket->last = &socket->first;
    socket->next = user->sockets;
    user->sockets = socket;
    opening.socket = socket;
    int r = open_socket(&opening);
    if (r == 0) {
        stack_trim(&user->stack); /* who opens sockets has many, and waits */
        return socket;
    }
    if (r == -ECANCELED) {
        user_leave(user);
    }
    if (r != -EIO) {
        call_fail(user, ERROR_KIND_ERROR, "memory", "", 0, "out of memory");
    }
    if (!options->may_fail) {
        iteration_judge(user, OUTCOME_ERROR, opening.error_id);
        user_leave(user);
    }
    return NULL;
}

/* ---- sending and receiving -------------------------------------------------------------------- */

/* Whether the call may do its work with that socket. */
static bool usable(const loads_ws *socket)
{
    return socket && socket->user && call_allowed(socket->user);
}

static void note_end(loads_ws *socket)
{
    if (socket->opened && !socket->close_counted) {
        socket->close_counted = true;
        record_counter(socket->user, COUNTER_SOCKETS_CLOSED, 1);
    }
}

static void fail_closed(loads_ws *socket, const char *file, int line, const char *doing)
{
    char text[300];

    note_end(socket);
    (void)snprintf(text, sizeof text, "%s: %s", doing, socket->ending.text);
    call_fail(socket->user, ERROR_KIND_ERROR, "socket", file, line, text);
}

void loads_ws_send_(const char *file, int line, loads_ws *socket, const void *bytes, size_t size,
                    bool binary)
{
    if (!usable(socket)) {
        return;
    }
    int r = socket->ended ? -ENOTCONN : ws_send(socket->ws, bytes, size, binary);
    if (r == -ENOMEM) {
        call_fail(socket->user, ERROR_KIND_ERROR, "memory", "", 0, "out of memory");
    }
    if (r < 0) {
        fail_closed(socket, file, line, "sending on a WebSocket");
        return;
    }
    record_counter(socket->user, COUNTER_SOCKETS_SENT, 1);
    record_counter(socket->user, COUNTER_SOCKETS_SENT_BYTES, (int64_t)size);
    r = wait_for(socket, has_drained, after(timeout_of(socket)));
    if (r == -ECANCELED) {
        user_leave(socket->user);
    }
    if (r < 0) {
        call_fail(socket->user, ERROR_KIND_ERROR, "timeout", file, line,
                  "the server did not take what was sent on a WebSocket in time");
    }
}

void loads_ws_send_text_(const char *file, int line, loads_ws *socket, const char *text)
{
    loads_ws_send_(file, line, socket, text, strlen(text), false);
}

static void count_received(loads_user *user, const struct message *message)
{
    record_counter(user, COUNTER_SOCKETS_RECEIVED, 1);
    record_counter(user, COUNTER_SOCKETS_RECEIVED_BYTES, (int64_t)message->shown.size);
}

/* The next message, which is there. */
static const loads_message *take(loads_ws *socket)
{
    struct message *message = socket->first;

    free(socket->current);
    socket->current = message;
    socket->first = message->next;
    if (!socket->first) {
        socket->last = &socket->first;
    }
    socket->queued_bytes -= message->shown.size;
    if (socket->held && socket->queued_bytes <= WEBSOCKET_QUEUE_BYTES / 2 && !socket->ended) {
        socket->held = false;
        ws_hold(socket->ws, false);
    }
    count_received(socket->user, message);
    if (socket->options->on_message) {
        socket->options->on_message(socket, &message->shown, socket->options->context);
    }
    return &message->shown;
}

const loads_message *loads_ws_receive_within(loads_ws *socket, double seconds)
{
    if (!usable(socket)) {
        return NULL;
    }
    int r = wait_for(socket, has_message, after(seconds));
    if (r == -ECANCELED) {
        user_leave(socket->user);
    }
    if (!socket->first && socket->ended) {
        note_end(socket);
    }
    return socket->first ? take(socket) : NULL;
}

const loads_message *loads_ws_receive_(const char *file, int line, loads_ws *socket)
{
    static const loads_message nothing = {.data = ""};

    if (!usable(socket)) {
        return &nothing;
    }
    const loads_message *message = loads_ws_receive_within(socket, timeout_of(socket));
    if (message) {
        return message;
    }
    if (socket->ended) {
        fail_closed(socket, file, line, "receiving from a WebSocket");
    } else {
        call_fail(socket->user, ERROR_KIND_ERROR, "timeout", file, line,
                  "no message came from a WebSocket in time");
    }
    return &nothing;
}

/* ---- the end --------------------------------------------------------------------------------- */

static int close_socket(loads_ws *socket, unsigned code)
{
    int r = 0;

    if (socket->ws && !socket->ended) {
        ws_close(socket->ws, code);
        r = wait_for(socket, has_ended, clock_monotonic_usec() + CLOSE_WAIT_USEC);
        socket->ended = true; /* an answer that didn't come is not waited for */
    }
    note_end(socket);
    return r;
}

void loads_ws_close(loads_ws *socket, unsigned code)
{
    if (usable(socket) && close_socket(socket, code > 0 ? code : WS_CLOSE_NORMAL) == -ECANCELED) {
        user_leave(socket->user);
    }
}

bool loads_ws_is_open(const loads_ws *socket)
{
    return socket && socket->opened && !socket->ended;
}

unsigned loads_ws_close_code(const loads_ws *socket)
{
    return socket && socket->ended ? socket->ending.code : 0;
}

const char *loads_ws_protocol(const loads_ws *socket)
{
    return socket ? socket->protocol : "";
}

static void release(loads_ws *socket)
{
    socket->ws = ws_free(socket->ws);
    free(socket->current);
    free(socket->building);
    while (socket->first) {
        struct message *message = socket->first;
        socket->first = message->next;
        count_received(socket->user, message);
        free(message);
    }
}

void websockets_end(loads_user *user)
{
    for (loads_ws *socket = user->sockets; socket; socket = socket->next) {
        if (!socket->ended && socket->ws) {
            ws_close(socket->ws, WS_CLOSE_NORMAL); /* all at once */
        }
    }
    while (user->sockets) {
        loads_ws *socket = user->sockets;
        (void)close_socket(socket, WS_CLOSE_NORMAL); /* cancelled: it is cut */
        user->sockets = socket->next;
        release(socket);
    }
}
