/* SPDX-License-Identifier: MPL-2.0 */
/* libwebsockets tells of one end in several ways: CLIENT_CONNECTION_ERROR, CLIENT_CLOSED,
 * CLOSED_CLIENT_HTTP, WSI_DESTROY. The first of them is it. Its own timeouts are as long as can be,
 * and none is left on a connection: it keeps them in a sorted list, which it walks to its end for
 * each one that is added. For the same reason only so many are opened per turn of the loop: those
 * before have been connected meanwhile. */
#include "loop/ws.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <libwebsockets.h>

#include "base/log.h"
#include "loop/turns.h"
#include "loop/url.h"
#include "loop/ws_ending.h"
#include "loop/ws_tls.h"

#define RX_BYTES       4096
#define SERVICE_BYTES  16384
#define NEVER_SEC      86400
#define MAX_HOST_BYTES 300

/* Of thousands that are to be opened at once. */
#define CONNECTS_PER_TURN 32

#define FLUSH_SEC 2 /* for what is on its way to a server that has closed */

/* What every answer to a handshake begins with. */
#define HTTP_BEGINS "HTTP/1."

struct ws_client {
    struct ev_loop *loop;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct turns connecting, asking;
    bool insecure;
};

struct outgoing {
    struct outgoing *next;
    size_t size;
    bool binary;
    unsigned char bytes[]; /* LWS_PRE for the frame's head, then the payload */
};

struct ws {
    struct lws *wsi; /* NULL: there is no connection any more */
    struct ws_client *client;
    struct ws_request request;
    char address[INET6_ADDRSTRLEN]; /* of that */
    struct turn turn;
    struct outgoing *first, **last;
    size_t unsent_bytes;
    size_t more_bytes; /* of the frame that is coming */
    ev_io answering;   /* before the library reads the answer to the handshake */
    bool asked;        /* the handshake is on its way */
    bool open, closing, ended;
    unsigned close_code;
    char protocol[64];
    struct ws_ending ending;
};

static struct ws *of_turn(struct turn *turn)
{
    return (struct ws *)((char *)turn - offsetof(struct ws, turn));
}

static void tell_frame(struct ws *ws, bool sent, enum ws_opcode opcode, const void *bytes,
                       size_t size)
{
    struct ws_frame frame = {
        .sent = sent, .opcode = opcode, .size = size, .head = bytes, .head_size = size};

    if (ws->request.callbacks->frame) {
        ws->request.callbacks->frame(&frame, ws->request.context);
    }
}

/* ---- the end --------------------------------------------------------------------------------- */

static void conclude(struct ws *ws)
{
    if (ws->ended) {
        return;
    }
    turns_remove(&ws->turn);
    ev_io_stop(ws->client->loop, &ws->answering);
    ws->ended = true;
    ws->open = false;
    ws->wsi = NULL;
    ws->request.callbacks->ended(ws, &ws->ending, ws->request.context);
}

/* The library ends the connection, in its own time, and tells us nothing more of it. */
static void let_go(struct ws *ws)
{
    lws_set_opaque_user_data(ws->wsi, NULL);
    lws_set_timeout(ws->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
    ws->wsi = NULL;
}

static void never_opened(struct ws *ws, struct lws *wsi, const char *reason)
{
    if (ws->ending.text[0] == '\0') {
        ws_ending_unopened(&ws->ending, ws->asked ? WS_SHAKING_HANDS : WS_CONNECTING,
                           wsi ? lws_http_client_http_response(wsi) : 0, reason);
    }
    conclude(ws);
}

/* Whether it was the library that ended the connection: the other end is still there. (Of TLS one
 * can't tell: what says the end there is among the bytes.) */
static bool is_broken(struct lws *wsi)
{
    char byte;

    return !lws_is_ssl(wsi) &&
           (recv(lws_get_socket_fd(wsi), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0 || errno == EAGAIN);
}

static unsigned close_code_of_library(struct lws *wsi)
{
    const unsigned char *payload = lws_get_close_payload(wsi);

    return lws_get_close_length(wsi) >= 2 ? (unsigned)payload[0] << 8 | payload[1] : 0;
}

/* A connection that ends without a close frame. */
static void was_cut(struct ws *ws, struct lws *wsi)
{
    if (ws->ending.text[0] == '\0') {
        /* With a message on its way the library doesn't tell of a close frame either. */
        bool sending = ws->open && (ws->first || lws_partial_buffered(wsi));
        unsigned code = ws->open ? close_code_of_library(wsi) : 0;
        if (ws->open && (code > 0 || (!sending && is_broken(wsi)))) {
            ws_ending_broken(&ws->ending, code);
        } else {
            ws_ending_cut(&ws->ending, ws->open, sending);
        }
    }
    conclude(ws);
}

static int note_close_frame(struct ws *ws, struct lws *wsi, const void *bytes, size_t size)
{
    if (ws->ending.text[0] && !ws->closing) {
        return -1; /* refused already: of that the library tells as if it came from the server */
    }
    tell_frame(ws, false, WS_CLOSE, bytes, size);
    if (!ws_ending_close_frame(&ws->ending, bytes, size)) {
        lws_close_reason(wsi, LWS_CLOSE_STATUS_PROTOCOL_ERR, NULL, 0);
        return -1;
    }
    if (ws->first || lws_partial_buffered(wsi)) {
        /* Our answer comes behind what is being sent, which a server that reads no more never
         * takes: nobody waits for that. */
        lws_set_opaque_user_data(wsi, NULL);
        lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, FLUSH_SEC);
        conclude(ws);
    }
    return 0;
}

/* ---- the handshake --------------------------------------------------------------------------- */

/* Of bytes that are no HTTP the library thinks nothing, and waits for more. */
static void on_answer(struct ev_loop *loop, ev_io *io, int events _unused_)
{
    struct ws *ws = io->data;
    char bytes[sizeof HTTP_BEGINS - 1];
    ssize_t n = recv(io->fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);

    ev_io_stop(loop, io);
    if (n > 0 && memcmp(bytes, HTTP_BEGINS, (size_t)n) != 0) {
        ws_ending_not_http(&ws->ending);
        let_go(ws);
        conclude(ws);
    }
}

/* Looks at what comes before the library does. (Not at what comes encrypted.) */
static void watch_answer(struct ws *ws, struct lws *wsi)
{
    ws->asked = true;
    ws->wsi = wsi;
    turns_remove(&ws->turn);
    turns_add(&ws->client->asking, &ws->turn);
    if (!lws_is_ssl(wsi)) {
        ev_io_init(&ws->answering, on_answer, lws_get_socket_fd(wsi), EV_READ);
        ev_set_priority(&ws->answering, EV_MAXPRI);
        ws->answering.data = ws;
        ev_io_start(ws->client->loop, &ws->answering);
    }
}

/* Of several sub-protocols the library takes what was offered in the same words for one. */
static int note_protocol(struct ws *ws, struct lws *wsi)
{
    if (lws_hdr_copy(wsi, ws->protocol, sizeof ws->protocol, WSI_TOKEN_PROTOCOL) < 0) {
        ws->protocol[0] = '\0';
    }
    if (strchr(ws->protocol, ',')) {
        ws_ending_protocols(&ws->ending);
        return -1;
    }
    return 0;
}

/* ---- sending --------------------------------------------------------------------------------- */

static void drop_first(struct ws *ws)
{
    struct outgoing *outgoing = ws->first;

    ws->first = outgoing->next;
    if (!ws->first) {
        ws->last = &ws->first;
    }
    ws->unsent_bytes -= outgoing->size;
    free(outgoing);
}

static int send_next(struct ws *ws)
{
    struct outgoing *outgoing = ws->first;

    if (outgoing) {
        /* Before the library masks it. */
        tell_frame(ws, true, outgoing->binary ? WS_BINARY : WS_TEXT, outgoing->bytes + LWS_PRE,
                   outgoing->size);
        int n = lws_write(ws->wsi, outgoing->bytes + LWS_PRE, outgoing->size,
                          outgoing->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT);
        if (n < 0 || (size_t)n < outgoing->size) {
            return -1;
        }
        drop_first(ws);
        if (!ws->first) {
            ws->request.callbacks->drained(ws, ws->request.context);
        }
        if (ws->first || ws->closing) {
            lws_callback_on_writable(ws->wsi);
        }
        return 0;
    }
    if (!ws->closing) {
        return 0;
    }
    const unsigned char code[] = {(unsigned char)(ws->close_code >> 8),
                                  (unsigned char)ws->close_code};
    if (ws->ending.text[0] == '\0') { /* the library asks twice */
        tell_frame(ws, true, WS_CLOSE, code, sizeof code);
    }
    lws_close_reason(ws->wsi, (enum lws_close_status)ws->close_code, NULL, 0);
    ws_ending_closed(&ws->ending, ws->close_code);
    return -1;
}

/* ---- what the library tells ------------------------------------------------------------------ */

static int add_headers(const struct ws *ws, unsigned char **at, size_t room)
{
    static const char agent[] = "User-Agent: loads/" LOADS_VERSION "\r\n";
    size_t used = sizeof agent - 1;
    char *to = (char *)*at;

    if (used > room) {
        return -1;
    }
    memcpy(to, agent, used);
    for (const char *const *line = ws->request.headers; line && *line; line++) {
        int n = snprintf(to + used, room - used, "%s\r\n", *line);
        if (n < 0 || (size_t)n >= room - used) {
            return -1;
        }
        used += (size_t)n;
    }
    *at += used;
    return 0;
}

/* The first piece of a frame. */
static void tell_received(struct ws *ws, struct lws *wsi, const struct ws_piece *piece)
{
    struct ws_frame frame = {.opcode = !lws_is_first_fragment(wsi) ? WS_CONTINUATION
                                       : piece->binary             ? WS_BINARY
                                                                   : WS_TEXT,
                             .more = piece->more_bytes == 0 && !piece->last,
                             .size = piece->size + piece->more_bytes,
                             .head = piece->bytes,
                             .head_size = piece->size};

    if (ws->request.callbacks->frame) {
        ws->request.callbacks->frame(&frame, ws->request.context);
    }
}

static void receive(struct ws *ws, struct lws *wsi, const void *bytes, size_t size)
{
    size_t more = lws_remaining_packet_payload(wsi);
    struct ws_piece piece = {.bytes = bytes,
                             .size = size,
                             .more_bytes = more,
                             .binary = lws_frame_is_binary(wsi),
                             .last = more == 0 && lws_is_final_fragment(wsi)};

    if (ws->more_bytes == 0) {
        tell_received(ws, wsi, &piece);
    }
    ws->more_bytes = more;
    ws->request.callbacks->received(ws, &piece, ws->request.context);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user _unused_,
                    void *in, size_t size)
{
    struct ws *ws = wsi ? lws_get_opaque_user_data(wsi) : NULL;

    if (!ws || ws->ended) {
        return reason == LWS_CALLBACK_CLIENT_WRITEABLE || reason == LWS_CALLBACK_CLIENT_RECEIVE ? -1
                                                                                                : 0;
    }
    switch (reason) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        watch_answer(ws, wsi);
        return add_headers(ws, in, size);
    case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
        return note_protocol(ws, wsi);
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
        ev_io_stop(ws->client->loop, &ws->answering);
        ws->wsi = wsi;
        ws->open = true;
        if (ws->request.callbacks->told) {
            ws_tls_tell(wsi, ws->request.callbacks->told, ws->request.context);
        }
        ws->request.callbacks->opened(ws, ws->protocol, ws->request.context);
        return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        receive(ws, wsi, in, size);
        return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
        tell_frame(ws, false, WS_PONG, in, size);
        return 0;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return send_next(ws);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        return note_close_frame(ws, wsi, in, size);
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        never_opened(ws, wsi, in);
        return 0;
    case LWS_CALLBACK_CLIENT_CLOSED:
    case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
    case LWS_CALLBACK_WSI_DESTROY:
        was_cut(ws, wsi);
        return 0;
    default:
        return 0;
    }
}

static const struct lws_protocols protocols[] = {
    {.name = "loads", .callback = on_event, .rx_buffer_size = RX_BYTES},
    {0},
};

/* ---- connecting ------------------------------------------------------------------------------ */

static int flags_of(const struct ws_client *client, const struct url *url)
{
    int flags = LCCSCF_HTTP_NO_FOLLOW_REDIRECT;

    if (url->secure) {
        flags |= LCCSCF_USE_SSL;
        if (client->insecure) {
            flags |= LCCSCF_ALLOW_SELFSIGNED | LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK |
                     LCCSCF_ALLOW_EXPIRED | LCCSCF_ALLOW_INSECURE;
        }
    }
    return flags;
}

/* As it stands in the URL: the path with its query. */
static const char *path_of(const struct url *url)
{
    const char *host = strstr(url->text, "://");
    const char *path = host ? strpbrk(host + 3, "/?") : NULL;

    return path && *path == '/' ? path : url->path;
}

/* The library's own: see above. */
static void without_timeout(struct turn *turn)
{
    lws_set_timeout(of_turn(turn)->wsi, NO_PENDING_TIMEOUT, 0);
}

static void connect_now(struct turn *turn)
{
    struct ws *ws = of_turn(turn);
    const struct ws_client *client = ws->client;
    const struct url *url = ws->request.url;
    bool usual = url->port == (url->secure ? 443 : 80), ipv6 = strchr(url->host, ':');
    char host[MAX_HOST_BYTES];

    (void)snprintf(host, sizeof host, usual ? "%s%s%s" : "%s%s%s:%u", ipv6 ? "[" : "", url->host,
                   ipv6 ? "]" : "", url->port);
    struct lws_client_connect_info info = {
        .context = client->context,
        .vhost = client->vhost,
        .address = ws->address[0] ? ws->address : url->host,
        .iface = ws->request.source_address,
        .port = url->port,
        .ssl_connection = flags_of(client, url),
        .path = path_of(url),
        .host = host,
        .protocol = ws->request.protocols,
        .local_protocol_name = "loads",
        .opaque_user_data = ws,
        .pwsi = &ws->wsi,
    };
    struct lws *wsi = lws_client_connect_via_info(&info);
    if (ws->ended) {
        return;
    }
    if (wsi) {
        without_timeout(turn);
    } else {
        ws->wsi = NULL;
        never_opened(ws, NULL, NULL);
    }
}

/* ---- the client ------------------------------------------------------------------------------ */

static void on_log(int level, const char *line)
{
    int length = (int)strcspn(line, "\n");

    if (level == LLL_ERR) {
        log_debug("%.*s", length, line); /* what concerns a socket is told by its ending */
    }
}

/* Those that are refused, as OpenSSL numbers them. */
static long older_versions(unsigned tls_min)
{
    return tls_min == 13   ? (long)(SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_TLSv1_2)
           : tls_min == 12 ? (long)(SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1)
                           : 0;
}

int ws_client_new(struct ws_client **ret, struct ev_loop *loop,
                  const struct ws_client_options *options, struct error *error)
{
    static const lws_retry_bo_t no_pings = {0};
    _cleanup_(ws_client_freep) struct ws_client *client = calloc(1, sizeof *client);
    void *loops[] = {loop};
    const char *key = options->key_file ? options->key_file : options->cert_file;
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_VALIDATE_UTF8 |
                   LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT |
                   (options->ca_file ? LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS : 0),
        .client_ssl_ca_filepath = options->ca_file,
        .client_ssl_cert_filepath = options->cert_file,
        .client_ssl_private_key_filepath = key,
        .ssl_client_options_set = older_versions(options->tls_min),
        .foreign_loops = loops,
        .retry_and_idle_policy = &no_pings,
        .pt_serv_buf_size = SERVICE_BYTES,
        .timeout_secs = NEVER_SEC,
        .vhost_name = "default",
        .gid = -1,
        .uid = -1,
    };

    if (!client) {
        return error_set_errno(error, -ENOMEM, "WebSockets");
    }
    client->loop = loop;
    turns_init(&client->connecting, loop, CONNECTS_PER_TURN, connect_now);
    turns_init(&client->asking, loop, SIZE_MAX, without_timeout);
    client->insecure = options->insecure;
    lws_set_log_level(LLL_ERR | LLL_WARN, on_log);
    client->context = lws_create_context(&info);
    client->vhost = client->context ? lws_get_vhost_by_name(client->context, "default") : NULL;
    if (!client->vhost) {
        return error_set(error, -EIO,
                         "WebSockets can't be used: libwebsockets could not be started; is its "
                         "libev support installed (Debian: libwebsockets-evlib-ev)?");
    }
    *ret = TAKE_PTR(client);
    return 0;
}

struct ws_client *ws_client_free(struct ws_client *client)
{
    if (client) {
        turns_stop(&client->connecting);
        turns_stop(&client->asking);
        if (client->context) {
            lws_context_destroy(client->context);
        }
        free(client);
    }
    return NULL;
}

/* ---- a socket -------------------------------------------------------------------------------- */

int ws_open(struct ws **ret, struct ws_client *client, const struct ws_request *request)
{
    struct ws *ws = calloc(1, sizeof *ws);

    if (!ws) {
        return -ENOMEM;
    }
    *ws = (struct ws){.client = client, .request = *request, .last = &ws->first};
    (void)snprintf(ws->address, sizeof ws->address, "%s", request->address ? request->address : "");
    turns_add(&client->connecting, &ws->turn);
    *ret = ws;
    return 0;
}

struct ws *ws_free(struct ws *ws)
{
    if (ws) {
        turns_remove(&ws->turn);
        ev_io_stop(ws->client->loop, &ws->answering);
        if (ws->wsi) {
            let_go(ws);
        }
        while (ws->first) {
            drop_first(ws);
        }
        free(ws);
    }
    return NULL;
}

int ws_send(struct ws *ws, const void *bytes, size_t size, bool binary)
{
    if (!ws->open || ws->closing) {
        return -ENOTCONN;
    }
    struct outgoing *outgoing = malloc(sizeof *outgoing + LWS_PRE + size);
    if (!outgoing) {
        return -ENOMEM;
    }
    *outgoing = (struct outgoing){.size = size, .binary = binary};
    if (size > 0) {
        memcpy(outgoing->bytes + LWS_PRE, bytes, size);
    }
    *ws->last = outgoing;
    ws->last = &outgoing->next;
    ws->unsent_bytes += size;
    lws_callback_on_writable(ws->wsi);
    return 0;
}

size_t ws_unsent_bytes(const struct ws *ws)
{
    return ws->unsent_bytes;
}

void ws_hold(struct ws *ws, bool hold)
{
    if (ws->wsi) {
        (void)lws_rx_flow_control(ws->wsi, hold ? 0 : 1);
    }
}

void ws_close(struct ws *ws, unsigned code)
{
    if (ws->open && !ws->closing) {
        ws->closing = true;
        ws->close_code = code;
        lws_callback_on_writable(ws->wsi);
    }
}
