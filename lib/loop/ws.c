/* SPDX-License-Identifier: MPL-2.0 */
/* libwebsockets tells of one end in several ways: CLIENT_CONNECTION_ERROR, CLIENT_CLOSED,
 * CLOSED_CLIENT_HTTP, WSI_DESTROY. The first of them is it. Its own timeouts are as long as can be,
 * and none is left on an open connection: it keeps them in a sorted list that it walks. */
#include "loop/ws.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libwebsockets.h>

#include "base/log.h"
#include "loop/url.h"

#define RX_BYTES       4096
#define SERVICE_BYTES  16384
#define NEVER_SEC      86400
#define MAX_HOST_BYTES 300

struct ws_client {
    struct lws_context *context;
    struct lws_vhost *vhost;
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
    const struct ws_callbacks *callbacks;
    void *context;
    const char *const *headers;
    struct outgoing *first, **last;
    size_t unsent_bytes;
    bool starting; /* ws_open() is on */
    bool open, closing, ended;
    unsigned close_code;
    char protocol[64];
    struct ws_ending ending;
};

/* ---- the end --------------------------------------------------------------------------------- */

static void conclude(struct ws *ws)
{
    if (ws->ended) {
        return;
    }
    ws->ended = true;
    ws->open = false;
    ws->wsi = NULL;
    if (!ws->starting) {
        ws->callbacks->ended(ws, &ws->ending, ws->context);
    }
}

static void never_opened(struct ws *ws, struct lws *wsi, const char *reason)
{
    unsigned status = lws_http_client_http_response(wsi);

    ws->ending.status = status >= 100 && status <= 599 && status != 101 ? (int)status : 0;
    if (ws->ending.status > 0) {
        ws->ending.error = TRANSPORT_PROTOCOL;
        (void)snprintf(ws->ending.text, sizeof ws->ending.text,
                       "the server refused the WebSocket: status %u", status);
    } else {
        bool tls = reason && (strcasestr(reason, "ssl") || strstr(reason, "cert"));
        bool handshake = reason && strncmp(reason, "HS: ", 4) == 0;
        ws->ending.error = tls ? TRANSPORT_TLS : handshake ? TRANSPORT_PROTOCOL : TRANSPORT_CONNECT;
        (void)snprintf(ws->ending.text, sizeof ws->ending.text, "the WebSocket did not open: %s",
                       reason && *reason ? reason : "the connection failed");
    }
    conclude(ws);
}

/* A connection that ends without a close frame. */
static void was_cut(struct ws *ws)
{
    if (ws->ending.code == 0 && ws->ending.text[0] == '\0') {
        ws->ending.code = ws->open ? WS_CLOSE_ABNORMAL : 0;
        ws->ending.error = TRANSPORT_RESET;
        (void)snprintf(ws->ending.text, sizeof ws->ending.text, "the connection ended %s",
                       ws->open ? "without a close frame" : "before the WebSocket was open");
    }
    conclude(ws);
}

static void note_close_frame(struct ws *ws, const unsigned char *bytes, size_t size)
{
    ws->ending.error = TRANSPORT_OK;
    ws->ending.code = size >= 2 ? (unsigned)bytes[0] << 8 | bytes[1] : 1005;
    (void)snprintf(ws->ending.text, sizeof ws->ending.text, "closed by the server with code %u",
                   ws->ending.code);
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
        int n = lws_write(ws->wsi, outgoing->bytes + LWS_PRE, outgoing->size,
                          outgoing->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT);
        if (n < 0 || (size_t)n < outgoing->size) {
            return -1;
        }
        drop_first(ws);
        if (!ws->first) {
            ws->callbacks->drained(ws, ws->context);
        }
        if (ws->first || ws->closing) {
            lws_callback_on_writable(ws->wsi);
        }
        return 0;
    }
    if (!ws->closing) {
        return 0;
    }
    lws_close_reason(ws->wsi, (enum lws_close_status)ws->close_code, NULL, 0);
    ws->ending = (struct ws_ending){.error = TRANSPORT_OK, .code = ws->close_code};
    (void)snprintf(ws->ending.text, sizeof ws->ending.text, "closed with code %u", ws->close_code);
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
    for (const char *const *line = ws->headers; line && *line; line++) {
        int n = snprintf(to + used, room - used, "%s\r\n", *line);
        if (n < 0 || (size_t)n >= room - used) {
            return -1;
        }
        used += (size_t)n;
    }
    *at += used;
    return 0;
}

static void note_protocol(struct ws *ws, struct lws *wsi)
{
    if (lws_hdr_copy(wsi, ws->protocol, sizeof ws->protocol, WSI_TOKEN_PROTOCOL) < 0) {
        ws->protocol[0] = '\0';
    }
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
        return add_headers(ws, in, size);
    case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
        note_protocol(ws, wsi);
        return 0;
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
        ws->wsi = wsi;
        ws->open = true;
        ws->callbacks->opened(ws, ws->protocol, ws->context);
        return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        ws->callbacks->received(
            ws, in, size, lws_frame_is_binary(wsi),
            lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0, ws->context);
        return 0;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return send_next(ws);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        note_close_frame(ws, in, size);
        return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        never_opened(ws, wsi, in);
        return 0;
    case LWS_CALLBACK_CLIENT_CLOSED:
    case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
    case LWS_CALLBACK_WSI_DESTROY:
        was_cut(ws);
        return 0;
    default:
        return 0;
    }
}

static const struct lws_protocols protocols[] = {
    {.name = "loads", .callback = on_event, .rx_buffer_size = RX_BYTES},
    {0},
};

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
        if (client->context) {
            lws_context_destroy(client->context);
        }
        free(client);
    }
    return NULL;
}

/* ---- a socket -------------------------------------------------------------------------------- */

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

/* The socket that never was, and why. */
static void give_up(struct ws *ws, struct ws_ending *ending)
{
    *ending = ws->ending;
    if (ending->text[0] == '\0') {
        ending->error = TRANSPORT_CONNECT;
        (void)snprintf(ending->text, sizeof ending->text, "the WebSocket did not open");
    }
    free(ws);
}

/* As it stands in the URL: the path with its query. */
static const char *path_of(const struct url *url)
{
    const char *host = strstr(url->text, "://");
    const char *path = host ? strpbrk(host + 3, "/?") : NULL;

    return path && *path == '/' ? path : url->path;
}

int ws_open(struct ws **ret, struct ws_client *client, const struct ws_request *request,
            struct ws_ending *ending)
{
    const struct url *url = request->url;
    struct ws *ws = calloc(1, sizeof *ws);
    char host[MAX_HOST_BYTES];

    if (!ws) {
        return -ENOMEM;
    }
    *ws = (struct ws){.callbacks = request->callbacks,
                      .context = request->context,
                      .headers = request->headers,
                      .last = &ws->first,
                      .starting = true};
    bool usual = url->port == (url->secure ? 443 : 80), ipv6 = strchr(url->host, ':');
    (void)snprintf(host, sizeof host, usual ? "%s%s%s" : "%s%s%s:%u", ipv6 ? "[" : "", url->host,
                   ipv6 ? "]" : "", url->port);
    struct lws_client_connect_info info = {
        .context = client->context,
        .vhost = client->vhost,
        .address = request->address ? request->address : url->host,
        .iface = request->source_address,
        .port = url->port,
        .ssl_connection = flags_of(client, url),
        .path = path_of(url),
        .host = host,
        .protocol = request->protocols,
        .local_protocol_name = "loads",
        .opaque_user_data = ws,
        .pwsi = &ws->wsi,
    };
    struct lws *wsi = lws_client_connect_via_info(&info);
    ws->starting = false;
    if (!wsi || ws->ended) {
        give_up(ws, ending);
        return -EIO;
    }
    *ret = ws;
    return 0;
}

struct ws *ws_free(struct ws *ws)
{
    if (ws) {
        if (ws->wsi) {
            lws_set_opaque_user_data(ws->wsi, NULL);
            lws_set_timeout(ws->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
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
