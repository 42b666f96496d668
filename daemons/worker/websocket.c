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
#include "debug.h"
#include "iteration.h"
#include "loop/ws.h"
#include "metrics/summary.h"
#include "peer.h"
#include "record.h"
#include "round_trip.h"
#include "user.h"
#include "ways.h"
#include "websocket_opening.h"

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
    struct round_trips trips;
    const char *name; /* in reports; NULL: it isn't open yet */
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
    user_wake(socket->user);
}

/* It has ended, or is about to, for a reason of ours. */
static bool is_over(const loads_ws *socket)
{
    return socket->ended || socket->ending.text[0];
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
    uint64_t usec;

    if (round_trip_received(&socket->trips, clock_monotonic_usec(), &usec)) {
        record_time(socket->user, TIMER_ROUND_TRIP, socket->name, usec);
    }

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

static void on_received(struct ws *ws _unused_, const struct ws_piece *piece, void *context)
{
    loads_ws *socket = context;
    size_t used = socket->building ? socket->building->shown.size : 0;
    size_t room = SESSION_MAX_MESSAGE_BYTES - used;

    if (is_over(socket)) {
        return;
    }
    if (piece->size > room || piece->more_bytes > room - piece->size) {
        refuse(socket, 1009, "a message has more than 64 MiB");
    } else if (!make_room(socket, piece->size)) {
        refuse(socket, 1011, "there is no memory for a message");
    } else {
        memcpy(socket->building->bytes + used, piece->bytes, piece->size);
        socket->building->shown.size += piece->size;
        if (piece->last) {
            queue_message(socket, piece->binary);
        }
    }
}

static void on_told(const char *line, void *context)
{
    const loads_ws *socket = context;
    debug_http_line(socket->user, line, strlen(line));
}

static void on_frame(const struct ws_frame *frame, void *context)
{
    const loads_ws *socket = context;
    debug_http_frame(socket->user, frame);
}

static const struct ws_callbacks callbacks = {
    .opened = on_opened, .received = on_received, .drained = on_drained, .ended = on_ended};
static const struct ws_callbacks callbacks_shown = {.opened = on_opened,
                                                    .received = on_received,
                                                    .drained = on_drained,
                                                    .ended = on_ended,
                                                    .told = on_told,
                                                    .frame = on_frame};

/* ---- waiting, on the user's ------------------------------------------------------------------- */

static bool has_opened(const loads_ws *socket)
{
    return socket->opened || socket->ended;
}

static bool has_message(const loads_ws *socket)
{
    return socket->first || is_over(socket);
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

/* With one address. 1: no connection to it. */
static int open_at(loads_ws *socket, struct opening *opening, const char *address)
{
    struct ws_request request = {.url = opening->url,
                                 .address = address,
                                 .source_address = ways_source(socket->user),
                                 .protocols = socket->options->protocols,
                                 .headers = socket->options->headers,
                                 .callbacks =
                                     debug_is_on(socket->user) ? &callbacks_shown : &callbacks,
                                 .context = socket};

    opening_show(opening, address);
    socket->ended = false;
    socket->ending = (struct ws_ending){.error = TRANSPORT_OK};
    int r = ws_open(&socket->ws, socket->user->worker->ws, &request);
    if (r < 0) {
        return r;
    }
    r = wait_for(socket, has_opened, opening->until_usec);
    if (r == 0 && socket->opened) {
        debug_http_opened(socket->user, socket->protocol);
        return 0;
    }
    socket->ws = ws_free(socket->ws);
    if (r == -ETIMEDOUT) {
        return opening_fail(opening, "timeout", "the WebSocket did not open in time");
    }
    if (r < 0) {
        return r;
    }
    return socket->ending.error == TRANSPORT_CONNECT ? 1 : -EIO;
}

/* None of the addresses would do. */
static int fail_to_open(const loads_ws *socket, struct opening *opening)
{
    const struct ws_ending *ending = &socket->ending;
    char text[500];

    if (ending->error != TRANSPORT_CONNECT) {
        return opening_fail(opening, transport_error_name(ending->error), ending->text);
    }
    (void)snprintf(text, sizeof text, "%s (%.200s, port %u)", ending->text, opening->url->host,
                   opening->url->port);
    return opening_fail(opening, transport_error_name(ending->error), text);
}

static int open_somewhere(loads_ws *socket, struct opening *opening)
{
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
                return opening_fail(opening, "resolve", text);
            }
            if (r < 0) {
                return r == -ETIMEDOUT
                           ? opening_fail(opening, "timeout", "Resolving a host timed out")
                           : r;
            }
        }
        r = open_at(socket, opening, address);
    } while (r == 1 && !known && peer_next(socket->user, host, port));
    if (r == 0) {
        peer_good(socket->user, host, port);
    } else if ((r == 1 || r == -EIO) && opening->error_id == 0) {
        return fail_to_open(socket, opening);
    }
    return r;
}

static int open_socket(loads_ws *socket, struct opening *opening)
{
    int r = opening_begin(opening);

    if (r == 0) {
        opening_start(opening, after(timeout_of(socket)));
        r = open_somewhere(socket, opening);
    }
    if (r == 0) {
        opening_succeed(opening);
        socket->name = loads_printf(socket->user, "%s", opening_name(opening));
    }
    opening_end(opening);
    return r;
}

loads_ws *loads_ws_open_(loads_user *user, const loads_ws_options *options)
{
    static loads_ws refused = {.ended = true};

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
    struct opening opening = {.user = user, .options = kept};
    int r = open_socket(socket, &opening);
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
        if (is_over(socket)) {
            debug_http_note(socket->user, "WebSocket: %s", socket->ending.text);
        }
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
    int r = is_over(socket) ? -ENOTCONN : ws_send(socket->ws, bytes, size, binary);
    if (r == -ENOMEM) {
        call_fail(socket->user, ERROR_KIND_ERROR, "memory", "", 0, "out of memory");
    }
    if (r < 0) {
        fail_closed(socket, file, line, "sending on a WebSocket");
        return;
    }
    round_trip_sent(&socket->trips, clock_monotonic_usec());
    record_counter(socket->user, COUNTER_SOCKETS_SENT, 1);
    record_counter(socket->user, COUNTER_SOCKETS_SENT_BYTES, (int64_t)size);
    r = wait_for(socket, has_drained, after(timeout_of(socket)));
    if (r == -ECANCELED) {
        user_leave(socket->user);
    }
    if (r == 0 && socket->ended && ws_unsent_bytes(socket->ws) > WEBSOCKET_QUEUE_BYTES) {
        fail_closed(socket, file, line, "sending on a WebSocket");
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
    if (!socket->first && is_over(socket)) {
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
    if (is_over(socket)) {
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
    return socket && socket->opened && !is_over(socket);
}

unsigned loads_ws_close_code(const loads_ws *socket)
{
    return socket && is_over(socket) ? socket->ending.code : 0;
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
