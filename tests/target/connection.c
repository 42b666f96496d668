/* SPDX-License-Identifier: MPL-2.0 */
/* A connection is in one state; connection_advance() goes on from state to state until it has to
 * wait for bytes, for room, or for a timer. Requests that a client pipelines wait in the input
 * buffer until the answer before is out; when the buffer is full, nothing more is read. A client
 * that closes while its answer is waiting is gone, as for most servers. */
#include "connection.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "answer.h"
#include "base/clock.h"

#define INPUT_MAX_BYTES   ((size_t)REQUEST_MAX_HEAD_BYTES + 4096)
#define INPUT_FIRST_BYTES ((size_t)1024)
#define LINGER_MSEC       2000

enum state {
    STATE_HEAD,     /* reads a request's head */
    STATE_BODY,     /* and body */
    STATE_DELAY,    /* waits before it answers */
    STATE_ANSWER,   /* sends */
    STATE_HANG,     /* waits for the client to go */
    STATE_LINGER,   /* has closed its side, and lets the client read in peace */
    STATE_FINISHED, /* to be freed */
};

struct connection {
    struct server *server;
    struct connection_links links;
    enum state state;
    ev_io io;
    ev_timer timer;
    bool eof;               /* the client sends nothing more */
    bool blocked;           /* the socket takes nothing now */
    bool counted;           /* as a connection */
    bool first;             /* no request was read yet */
    bool admin;             /* the current request isn't counted */
    bool refused;           /* it wasn't read to its end: nor is what follows it */
    enum next_request next; /* what the next request runs into */
    int events;             /* that `io` waits for */

    char *input;
    size_t input_size, input_capacity;
    char *output; /* what the socket did not take */
    size_t output_size, output_offset;

    struct request request;
    struct plan plan;
    struct answer answer;
    struct path_counts *path;
    uint64_t read_usec; /* when the request was there */
    uint64_t sent_bytes;
};

struct connection_links *connection_links(struct connection *connection)
{
    return &connection->links;
}

static void forget_exchange(struct connection *connection)
{
    request_clear(&connection->request);
    plan_clear(&connection->plan);
    answer_clear(&connection->answer);
    free(connection->output);
    connection->output = NULL;
    connection->output_size = connection->output_offset = 0;
    connection->path = NULL;
    connection->sent_bytes = 0;
    connection->admin = false;
}

struct connection *connection_free(struct connection *connection)
{
    struct server *server = connection->server;

    ev_io_stop(server_loop(server), &connection->io);
    ev_timer_stop(server_loop(server), &connection->timer);
    close_fd(connection->io.fd);
    if (connection->counted) {
        counts_closed(server_counts(server));
    }
    server_remove_connection(server, connection);
    forget_exchange(connection);
    free(connection->input);
    free(connection);
    return NULL;
}

/* ---- reading ---- */

/* Most requests are small; bodies are read in large pieces. */
static bool reserve_input(struct connection *connection)
{
    size_t capacity = INPUT_MAX_BYTES;

    if (connection->state != STATE_BODY) {
        if (connection->input_size < connection->input_capacity) {
            return true;
        }
        capacity = MIN(MAX(connection->input_capacity * 2, INPUT_FIRST_BYTES), capacity);
    }
    if (capacity <= connection->input_capacity) {
        return connection->input_size < connection->input_capacity;
    }
    char *input = realloc(connection->input, capacity);
    if (!input) {
        return false;
    }
    connection->input = input;
    connection->input_capacity = capacity;
    return true;
}

/* The client is gone, or can't be served: an answer that it waits for won't be. */
static void abandon(struct connection *connection)
{
    bool waited = connection->state == STATE_DELAY || connection->state == STATE_ANSWER ||
                  connection->state == STATE_HANG;

    if (waited && !connection->admin) {
        counts_abandoned(server_counts(connection->server));
    }
    connection->state = STATE_FINISHED;
}

/* Reads once: what is left in the socket makes another event. */
static void read_some(struct connection *connection)
{
    if (connection->eof) {
        return;
    }
    if (!reserve_input(connection)) {
        abandon(connection);
        return;
    }
    ssize_t size = recv(connection->io.fd, connection->input + connection->input_size,
                        connection->input_capacity - connection->input_size, 0);
    if (size > 0) {
        connection->input_size += (size_t)size;
    } else if (size == 0) {
        connection->eof = true;
    } else if (errno != EAGAIN && errno != EINTR) {
        abandon(connection);
    }
}

static void drop_input(struct connection *connection, size_t size)
{
    if (size == 0) {
        return;
    }
    connection->input_size -= size;
    memmove(connection->input, connection->input + size, connection->input_size);
}

/* What couldn't be read is answered, too; the connection ends behind it. */
static int refuse(struct connection *connection, unsigned status)
{
    plan_clear(&connection->plan);
    connection->path = counts_bad_request(server_counts(connection->server));
    connection->request.keep_alive = false;
    connection->refused = true;
    connection->read_usec = clock_monotonic_usec();
    connection->state = STATE_ANSWER;
    int result = plan_refuse(&connection->plan, status, "This is not a request that I can read");
    return result < 0 ? result
                      : answer_make(&connection->answer, &connection->plan, &connection->request);
}

/* A client that is on its second request, and was to run into this. */
static void fail_request(struct connection *connection)
{
    bool closes = connection->next == NEXT_IS_CLOSED;

    connection->next = NEXT_IS_SERVED;
    connection->answer.end = closes ? END_CLOSE : END_RESET;
    connection->state = STATE_ANSWER;
}

static int send_continue(struct connection *connection)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

    /* The socket's buffer is empty: the answer before is long out. */
    return send(connection->io.fd, text, sizeof text - 1, MSG_NOSIGNAL) == sizeof text - 1 ? 0
                                                                                           : -EPIPE;
}

static void start_timer(struct connection *connection, uint64_t msec)
{
    struct ev_loop *loop = server_loop(connection->server);

    ev_now_update(loop); /* timers count from the loop's idea of now */
    ev_timer_set(&connection->timer, (double)msec / 1000., 0.);
    ev_timer_start(loop, &connection->timer);
}

static int make_admin_answer(struct connection *connection)
{
    struct counts *counts = server_counts(connection->server);
    struct plan *plan = &connection->plan;

    if (plan->admin == ADMIN_RESET_COUNTS) {
        counts_reset(counts);
    } else if (plan->admin == ADMIN_RELEASE) {
        server_release(connection->server);
    }
    _cleanup_free_ char *text = counts_dump(counts);
    if (!text) {
        return -ENOMEM;
    }
    plan->type = "application/json";
    plan->has_body = true;
    return text_add(&plan->body, "%s\n", text);
}

/* The request is there: counts it, makes its answer, and decides when to send it. */
static int begin_answer(struct connection *connection)
{
    struct server *server = connection->server;
    int result = 0;

    connection->read_usec = clock_monotonic_usec();
    if (connection->admin) {
        result = make_admin_answer(connection);
    } else {
        connection->path = counts_request(server_counts(server), connection->request.path);
    }
    if (result == 0) {
        result = answer_make(&connection->answer, &connection->plan, &connection->request);
    }
    if (result < 0) {
        return result;
    }
    connection->state = STATE_ANSWER;
    if (connection->plan.hurry) {
        server_hurry_connections(server);
    }
    if (connection->plan.held && !server_is_released(server)) {
        connection->state = STATE_DELAY;
    } else if (connection->plan.delay_msec > 0) {
        connection->state = STATE_DELAY;
        start_timer(connection, connection->plan.delay_msec);
    }
    return 1;
}

/* 1: went on to another state; 0: needs more input. */
static int read_head(struct connection *connection)
{
    size_t used = 0;
    unsigned status;
    struct request *request = &connection->request;

    if (connection->input_size > 0) {
        ev_timer_stop(server_loop(connection->server), &connection->timer); /* no longer idle */
        if (connection->next != NEXT_IS_SERVED) {
            fail_request(connection);
            return 1;
        }
    }
    int result =
        request_read_head(request, connection->input, connection->input_size, &used, &status);
    if (result == -EBADMSG) {
        result = refuse(connection, status);
        return result < 0 ? result : 1;
    }
    if (result < 0) {
        return result;
    }
    drop_input(connection, used);
    if (result == 0) {
        return 0;
    }
    result = plan_make(&connection->plan, request);
    if (result < 0) {
        return result;
    }
    connection->admin = connection->plan.admin != ADMIN_NONE;
    if (connection->admin && connection->first) {
        counts_forget_connection(server_counts(connection->server));
        connection->counted = false;
    }
    connection->first = false;
    request->keep_body = connection->plan.source == SOURCE_ECHO;
    connection->state = STATE_BODY;
    if (connection->plan.early) {
        request->keep_alive = false;
        connection->refused = true;
        result = begin_answer(connection);
        return result < 0 ? result : 1;
    }
    if (request->expects_continue && request->framing != BODY_NONE && connection->input_size == 0) {
        result = send_continue(connection);
    }
    return result < 0 ? result : 1;
}

static int read_body(struct connection *connection)
{
    size_t used = 0;
    unsigned status;

    int result = request_read_body(&connection->request, connection->input, connection->input_size,
                                   &used, &status);
    if (result == -EBADMSG) {
        result = refuse(connection, status);
        return result < 0 ? result : 1;
    }
    if (result < 0) {
        return result;
    }
    drop_input(connection, used);
    return result == 1 ? begin_answer(connection) : 0;
}

/* ---- answering ---- */

/* What a client never tires of reading ends nevertheless. */
static bool takes_too_long(const struct connection *connection)
{
    return connection->plan.script &&
           clock_monotonic_usec() - connection->read_usec > ANSWER_MAX_SEC * USEC_PER_SEC;
}

/* Sends what is left of the output buffer. 1: nothing is; 0: the socket is full. */
static int send_bytes(struct connection *connection, const char *bytes, size_t size, size_t *sent)
{
    *sent = 0;
    while (*sent < size) {
        ssize_t count = send(connection->io.fd, bytes + *sent, size - *sent, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0 && errno == EAGAIN) {
            return 0;
        }
        if (count < 0) {
            return -errno;
        }
        *sent += (size_t)count;
        connection->sent_bytes += (size_t)count;
    }
    return 1;
}

static int send_rest(struct connection *connection)
{
    size_t sent;

    if (!connection->output) {
        return 1;
    }
    int result = send_bytes(connection, connection->output + connection->output_offset,
                            connection->output_size - connection->output_offset, &sent);
    connection->output_offset += sent;
    if (result == 1) {
        free(connection->output);
        connection->output = NULL;
    }
    return result;
}

/* 1: all of the answer is with the kernel; 0: the socket is full, or the rest is to come later. */
static int send_answer(struct connection *connection)
{
    char *buffer = server_buffer(connection->server);
    int result = send_rest(connection);

    while (result == 1) {
        size_t size = answer_fill(&connection->answer, buffer, SERVER_BUFFER_BYTES), sent;
        if (size == 0) {
            return 1;
        }
        if (takes_too_long(connection)) {
            return -ETIMEDOUT;
        }
        result = send_bytes(connection, buffer, size, &sent);
        if (result == 0) {
            connection->output = malloc(size - sent);
            if (!connection->output) {
                return -ENOMEM;
            }
            memcpy(connection->output, buffer + sent, size - sent);
            connection->output_size = size - sent;
            connection->output_offset = 0;
        } else if (result == 1 && connection->answer.pause_msec > 0) {
            connection->state = STATE_DELAY;
            start_timer(connection, connection->answer.pause_msec);
            return 0;
        }
    }
    return result;
}

static void count_answer(struct connection *connection)
{
    struct counts *counts = server_counts(connection->server);
    const struct answer *answer = &connection->answer;

    if (connection->admin) {
        return;
    }
    if (answer->complete) {
        const struct request *request = &connection->request;
        struct slice nothing = {"-", 1};
        counts_answer(counts, connection->path, answer->status);
        server_log_answer(connection->server, request->method.size ? request->method : nothing,
                          request->path.size ? request->path : nothing, answer->status,
                          connection->sent_bytes, clock_monotonic_usec() - connection->read_usec);
    } else if (answer->end == END_RESET) {
        counts_reset_sent(counts);
    } else if (answer->end == END_CLOSE) {
        counts_cut(counts);
    }
}

/* A close with unread input would be a reset, and that could destroy the answer on its way. */
static void close_in_order(struct connection *connection)
{
    char byte;
    bool unread = connection->refused || connection->input_size > 0 ||
                  recv(connection->io.fd, &byte, 1, MSG_PEEK) > 0;

    if (connection->eof || !unread) {
        connection->state = STATE_FINISHED;
        return;
    }
    (void)shutdown(connection->io.fd, SHUT_WR); /* the client may be gone: seen when reading */
    connection->state = STATE_LINGER;
    start_timer(connection, LINGER_MSEC);
}

static int end_answer(struct connection *connection)
{
    static const struct linger reset = {.l_onoff = 1, .l_linger = 0};

    count_answer(connection);
    switch (connection->answer.end) {
    case END_KEEP:
        connection->next = connection->plan.next;
        if (connection->plan.idle_msec > 0) {
            start_timer(connection, connection->plan.idle_msec);
        }
        forget_exchange(connection);
        connection->state = STATE_HEAD;
        return 1;
    case END_CLOSE:
        close_in_order(connection);
        return 1;
    case END_RESET:
        connection->state = STATE_FINISHED;
        return setsockopt(connection->io.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) < 0
                   ? -errno
                   : 1;
    case END_HANG:
        connection->state = STATE_HANG;
        return 1;
    }
    return -EINVAL;
}

static int answer(struct connection *connection)
{
    int result = send_answer(connection);

    connection->blocked = result == 0 && connection->state == STATE_ANSWER;
    return result == 1 ? end_answer(connection) : result;
}

/* ---- going on ---- */

/* Goes on as far as it can. */
static void connection_advance(struct connection *connection)
{
    int result = 1;

    while (result == 1) {
        switch (connection->state) {
        case STATE_HEAD:
            result = read_head(connection);
            break;
        case STATE_BODY:
            result = read_body(connection);
            break;
        case STATE_ANSWER:
            result = answer(connection);
            break;
        case STATE_LINGER:
            connection->input_size = 0;
            result = 0;
            break;
        case STATE_DELAY:
        case STATE_HANG:
        case STATE_FINISHED:
            result = 0;
            break;
        }
    }
    if (result < 0) {
        abandon(connection);
    }
}

/* Waits for what the state waits for, or ends. When nothing more comes from the client, an answer
 * that was begun is still sent. */
static void connection_settle(struct connection *connection)
{
    struct ev_loop *loop = server_loop(connection->server);

    if (connection->eof && connection->state != STATE_ANSWER) {
        abandon(connection);
    }
    if (connection->state == STATE_FINISHED) {
        connection_free(connection);
        return;
    }
    bool reads = !connection->eof && connection->input_size < INPUT_MAX_BYTES;
    int events = (reads ? EV_READ : 0) | (connection->blocked ? EV_WRITE : 0);
    if (events == connection->events) {
        return;
    }
    ev_io_stop(loop, &connection->io);
    ev_io_set(&connection->io, connection->io.fd, events);
    if (events != 0) {
        ev_io_start(loop, &connection->io);
    }
    connection->events = events;
}

static void on_io(struct ev_loop *loop, ev_io *io, int events)
{
    struct connection *connection = io->data;

    (void)loop;
    if (events & EV_READ) {
        read_some(connection);
    }
    connection_advance(connection);
    connection_settle(connection);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct connection *connection = timer->data;

    (void)loop;
    (void)events;
    connection->state = connection->state == STATE_DELAY ? STATE_ANSWER : STATE_FINISHED;
    connection_advance(connection);
    connection_settle(connection);
}

void connection_hurry(struct connection *connection)
{
    if (connection->state == STATE_DELAY && connection->plan.script) {
        ev_timer_stop(server_loop(connection->server), &connection->timer);
        on_timer(server_loop(connection->server), &connection->timer, EV_TIMER);
    }
}

void connection_release(struct connection *connection)
{
    if (connection->state == STATE_DELAY && !ev_is_active(&connection->timer)) {
        on_timer(server_loop(connection->server), &connection->timer, EV_TIMER);
    }
}

int connection_start(struct server *server, int *fd)
{
    struct connection *connection = calloc(1, sizeof *connection);

    if (!connection) {
        return -ENOMEM;
    }
    connection->server = server;
    connection->first = true;
    connection->counted = true;
    ev_init(&connection->timer, on_timer);
    connection->timer.data = connection;
    ev_io_init(&connection->io, on_io, TAKE_FD(*fd), 0);
    connection->io.data = connection;
    counts_accepted(server_counts(server));
    server_add_connection(server, connection);
    connection_settle(connection);
    return 0;
}
