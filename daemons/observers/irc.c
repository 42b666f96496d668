/* SPDX-License-Identifier: MPL-2.0 */
/* The observer irc: one line in a channel. libcurl makes the connection, with TLS if it is to be,
 * and gives us its bytes. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/parse.h"
#include "observers/irc_talk.h"
#include "observers/transfer.h"

#define GOODBYE_USEC UINT64_C(2000000) /* for the server to end the connection */

struct connection {
    struct transfer transfer;
    const struct input *input;
    curl_socket_t socket;
    char bytes[IRC_LINE_BYTES * 4]; /* that are no whole line yet */
    size_t used;
};

/* ---- bytes ----------------------------------------------------------------------------------- */

static int wait_for(const struct connection *connection, short events, uint64_t most_usec,
                    struct error *error)
{
    struct pollfd fd = {.fd = connection->socket, .events = events};
    uint64_t usec = MIN(input_left_usec(connection->input), most_usec);
    int n = usec > 0 ? poll(&fd, 1, (int)(usec / 1000) + 1) : 0;

    if (n == 0) {
        return error_set(error, -ETIMEDOUT, "it does not answer in time");
    }
    return n < 0 && errno != EINTR ? error_set_errno(error, -errno, "waiting") : 0;
}

static int send_all(struct connection *connection, const char *text, struct error *error)
{
    for (size_t left = strlen(text); left > 0;) {
        size_t n = 0;
        CURLcode code = curl_easy_send(connection->transfer.curl, text, left, &n);
        if (code == CURLE_AGAIN) {
            int r = wait_for(connection, POLLOUT, UINT64_MAX, error);
            if (r < 0) {
                return r;
            }
            continue;
        }
        if (code != CURLE_OK) {
            return error_set(error, -EIO, "%s", transfer_text(&connection->transfer, code));
        }
        text += n;
        left -= n;
    }
    return 0;
}

/* The next line, without its end; longer ones are cut. -ENODATA: the connection was ended. */
static int get_line(struct connection *connection, char ret[static IRC_LINE_BYTES],
                    uint64_t most_usec, struct error *error)
{
    for (;;) {
        char *end = memchr(connection->bytes, '\n', connection->used);
        if (end || connection->used == sizeof connection->bytes) {
            size_t size = end ? (size_t)(end - connection->bytes) : connection->used;
            size_t taken = end ? size + 1 : size;
            size_t kept = MIN(size, (size_t)IRC_LINE_BYTES - 1);
            memcpy(ret, connection->bytes, kept);
            ret[kept] = '\0';
            ret[strcspn(ret, "\r")] = '\0';
            connection->used -= taken;
            memmove(connection->bytes, connection->bytes + taken, connection->used);
            return 0;
        }
        size_t n = 0;
        CURLcode code =
            curl_easy_recv(connection->transfer.curl, connection->bytes + connection->used,
                           sizeof connection->bytes - connection->used, &n);
        if (code == CURLE_AGAIN) {
            int r = wait_for(connection, POLLIN, most_usec, error);
            if (r < 0) {
                return r;
            }
        } else if (code != CURLE_OK) {
            return error_set(error, -EIO, "%s", transfer_text(&connection->transfer, code));
        } else if (n == 0) {
            return error_set(error, -ENODATA, "it has ended the connection");
        }
        connection->used += n;
    }
}

/* ---- the talk -------------------------------------------------------------------------------- */

static int talk_to(struct connection *connection, struct irc_talk *talk, struct error *error)
{
    char line[IRC_LINE_BYTES];
    int r = send_all(connection, talk->say, error);

    while (r == 0 && talk->state != IRC_DONE) {
        r = get_line(connection, line, UINT64_MAX, error);
        if (r == 0) {
            r = irc_talk_hear(talk, line, error);
        }
        if (r == 0) {
            r = send_all(connection, talk->say, error);
        }
    }
    while (r == 0) { /* who closes first might cut what was said */
        if (get_line(connection, line, GOODBYE_USEC, NULL) < 0) {
            break;
        }
    }
    return r;
}

static int connect_to(struct connection *connection, const char *server, bool tls,
                      struct error *error)
{
    _cleanup_free_ char *url = NULL;
    CURL *curl = connection->transfer.curl;

    if (asprintf(&url, "%s://%s", tls ? "https" : "http", server) < 0) {
        url = NULL;
        return error_set_errno(error, -ENOMEM, "the connection");
    }
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_SSL_ENABLE_ALPN, 0L);
    CURLcode code = curl_easy_perform(curl);
    if (code == CURLE_OK) {
        code = curl_easy_getinfo(curl, CURLINFO_ACTIVESOCKET, &connection->socket);
    }
    return code == CURLE_OK
               ? 0
               : error_set(error, -EIO, "%s", transfer_text(&connection->transfer, code));
}

static int observe(const struct input *input, struct error *error)
{
    struct connection connection = {.input = input};
    char password[SECRET_MAX_BYTES], line[LINE_BYTES];
    struct irc_talk talk;
    struct facts facts;
    bool tls = false;

    int r = parse_bool(input_option(input, "tls", "no"), &tls, error);
    const char *port = input_option(input, "port", tls ? "6697" : "6667");
    _cleanup_free_ char *server = host_and_port(input_option(input, "server", "localhost"), port);
    if (r == 0 && !server) {
        r = error_set_errno(error, -ENOMEM, "the server");
    }
    if (r == 0) {
        r = input_secret(input, "password_file", password, error);
    }
    if (r == 0) {
        r = transfer_open(&connection.transfer, input, error);
    }
    if (r < 0) {
        return r;
    }
    facts_of(input, &facts);
    facts_line(&facts, line);
    irc_talk_begin(&talk, input_option(input, "nick", "loads"), password,
                   input_option(input, "channel", "#loads"), line);
    explicit_bzero(password, sizeof password);
    r = connect_to(&connection, server, tls, error);
    if (r == 0) {
        r = talk_to(&connection, &talk, error);
    }
    transfer_close(&connection.transfer);
    return r < 0 ? error_prefix(error, r, "the irc server %s", server) : 0;
}

int main(void)
{
    return observer_main(observe);
}
