/* SPDX-License-Identifier: MPL-2.0 */
/* What is recorded of an opening, and what can be wrong with it before anything is sent. */
#include "websocket_opening.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/shown.h"
#include "debug.h"
#include "header.h"
#include "loop/ws.h"
#include "metrics/summary.h"
#include "record.h"
#include "stall.h"
#include "user.h"
#include "ways.h"

const char *opening_name(const struct opening *opening)
{
    return opening->options->name ? opening->options->name
           : opening->url         ? opening->url->name
                                  : "(invalid)";
}

int opening_fail(struct opening *opening, const char *class, const char *text)
{
    const loads_ws_options *options = opening->options;
    loads_user *user = opening->user;
    const char *slash = strrchr(options->file_, '/');
    const char *url = opening->url ? opening->url->name : "(invalid)";
    char place[256];

    (void)snprintf(place, sizeof place, "%s:%d", slash ? slash + 1 : options->file_,
                   options->line_);
    struct error_key key = {.kind = ERROR_KIND_ERROR,
                            .class = class,
                            .message = text,
                            .place = place,
                            .test = user->test->name};
    opening->error_id =
        record_request_error(user, opening_name(opening), "GET", url, opening->started_usec, &key);
    debug_http_note(user, "no WebSocket: %s", text);
    if (!options->may_fail) {
        debug_failure(user, &key);
    }
    return -EIO;
}

static bool is_websocket(const char *url)
{
    return strncasecmp(url, "ws://", 5) == 0 || strncasecmp(url, "wss://", 6) == 0;
}

static int check(struct opening *opening)
{
    const loads_ws_options *options = opening->options;
    char text[500], shown[SHOWN_BYTES];
    struct error error;

    if (!options->url) {
        return opening_fail(opening, "request", "there is no URL");
    }
    if (!is_websocket(options->url)) {
        (void)snprintf(text, sizeof text,
                       "bad URL '%s': a WebSocket's URL begins with ws:// or wss://",
                       shown_url(options->url, shown));
        return opening_fail(opening, "request", text);
    }
    int r = url_get(opening->user->worker->urls, NULL, options->url, &opening->url, &error);
    if (r == -EINVAL) {
        return opening_fail(opening, "request", error.text);
    }
    if (r < 0) {
        return r;
    }
    if (ways_proxy(opening->user->worker, opening->url->host)) {
        return opening_fail(
            opening, "request",
            "WebSockets can't go by --proxy; --no-proxy is for hosts that need none");
    }
    for (const char *const *line = options->headers; line && *line; line++) {
        r = header_check(*line, strlen(*line), &error);
        if (r < 0) {
            return opening_fail(opening, "request", error.text);
        }
    }
    if (options->protocols && strpbrk(options->protocols, "\r\n")) {
        return opening_fail(opening, "request", "the sub-protocols have a line end in them");
    }
    return 0;
}

static int make_client(struct opening *opening)
{
    struct worker *worker = opening->user->worker;
    struct error error;

    if (worker->ws) {
        return 0;
    }
    const struct ws_client_options options = ways_ws_options(worker);
    int r = ws_client_new(&worker->ws, worker->loop, &options, &error);
    stall_begin(opening->user); /* what that took, the plug-in, is not the test's fault */
    return r == -ENOMEM ? r : r < 0 ? opening_fail(opening, "socket", error.text) : 0;
}

int opening_begin(struct opening *opening)
{
    opening->started_usec = clock_monotonic_usec();
    int r = check(opening);
    return r < 0 ? r : make_client(opening);
}

void opening_start(struct opening *opening, uint64_t until_usec)
{
    opening->started_usec = clock_monotonic_usec();
    opening->until_usec = until_usec;
    record_request(opening->user, opening_name(opening), "GET");
}

void opening_show(const struct opening *opening, const char *address)
{
    char protocols[256] = "Sec-WebSocket-Protocol: ";
    const char *lines[EXCHANGE_MAX_HEADERS + 4] = {"Upgrade: websocket", "Connection: Upgrade"};
    size_t n = 2;
    struct exchange exchange = {.method = "GET", .url = opening->url, .headers = lines};

    if (!debug_is_on(opening->user)) {
        return;
    }
    if (opening->options->protocols) {
        size_t used = strlen(protocols);
        (void)snprintf(protocols + used, sizeof protocols - used, "%s",
                       opening->options->protocols);
        lines[n++] = protocols;
    }
    for (const char *const *line = opening->options->headers;
         line && *line && n < ELEMENTSOF(lines) - 1; line++) {
        lines[n++] = *line;
    }
    debug_http_note(opening->user, "to %s, port %u", address ? address : opening->url->host,
                    opening->url->port);
    debug_http_request(opening->user, &exchange);
}

void opening_succeed(const struct opening *opening)
{
    uint64_t now = clock_monotonic_usec();
    struct exchange exchange = {
        .method = "GET", .url = opening->url, .status = 101, .ended_usec = now};

    record_hit(opening->user, opening_name(opening), &exchange, now - opening->started_usec, NULL);
    record_counter(opening->user, COUNTER_SOCKETS_OPENED, 1);
}

void opening_end(struct opening *opening)
{
    if (opening->url) {
        opening->url = url_unref(opening->url);
    }
}
