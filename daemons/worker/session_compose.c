/* SPDX-License-Identifier: MPL-2.0 */
/* The header lines of one hop: the test's, those that are always sent, and what the session knows:
 * credentials and cookies. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "cookies.h"
#include "header.h"
#include "session_call.h"

#define COOKIE_HEADER_BYTES 8192

static int add_line(struct call *call, const char *line)
{
    if (!line) {
        return -ENOMEM;
    }
    if (call->n_lines == EXCHANGE_MAX_HEADERS) {
        return session_fail(call, "request", "more than %d headers", EXCHANGE_MAX_HEADERS);
    }
    call->lines[call->n_lines++] = line;
    return 0;
}

static bool given(const struct call *call, const char *name)
{
    return header_find(call->request->headers, 0, name, NULL) >= 0;
}

static int add_given_lines(struct call *call)
{
    for (const char *const *line = call->request->headers; line && *line; line++) {
        struct error error;
        int r = header_check(*line, strlen(*line), &error);
        if (r < 0) {
            return session_fail(call, "request", "%s", error.text);
        }
        if (call->redirect.method &&
            !redirect_keeps(*line, &call->redirect, call->left_origin, call->bares)) {
            continue;
        }
        r = add_line(call, *line);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int add_cookies(struct call *call)
{
    struct loads_user *user = call->user;
    char cookies[COOKIE_HEADER_BYTES];

    if (cookie_jar_count(&user->session.cookies) == 0 || given(call, "Cookie")) {
        return 0;
    }
    ssize_t n =
        cookie_jar_header(&user->session.cookies, call->url->host, call->url->path,
                          call->url->secure, clock_realtime_usec(), cookies, sizeof cookies);
    if (n < 0) {
        return session_fail(call, "request", "the cookies for %s are longer than %d bytes",
                            call->url->host, COOKIE_HEADER_BYTES);
    }
    return n == 0 ? 0 : add_line(call, arena_printf(&user->arena, "Cookie: %s", cookies));
}

/* What the test or the URL says, unless a redirect led elsewhere. */
static int add_auth(struct call *call)
{
    const loads_auth nothing = {.kind_ = LOADS_AUTH_NONE_};
    const loads_auth *auth = call->left_origin ? &nothing : &call->request->auth;
    struct error error;

    if (given(call, "Authorization")) {
        return auth->kind_ == LOADS_AUTH_NONE_
                   ? 0
                   : session_fail(call, "request",
                                  "there are both .auth and a header Authorization");
    }
    int r = auth_find(auth, call->url, &call->user->arena, &call->auth, &error);
    if (r == -EINVAL) {
        return session_fail(call, "request", "%s", error.text);
    }
    return r == 0 && call->auth.line ? add_line(call, call->auth.line) : r;
}

int session_compose(struct call *call)
{
    static const char *const defaults[][2] = {
        {"User-Agent", "User-Agent: loads/" LOADS_VERSION},
        {"Accept-Encoding", "Accept-Encoding: " DECODER_ACCEPTS},
    };

    call->n_lines = 0;
    int r = add_given_lines(call);
    for (size_t i = 0; r == 0 && i < ELEMENTSOF(defaults); i++) {
        if (!given(call, defaults[i][0])) {
            r = add_line(call, defaults[i][1]);
        }
    }
    if (r == 0 && call->request->json && call->upload.bytes && !given(call, "Content-Type")) {
        r = add_line(call, "Content-Type: application/json");
    }
    if (r == 0 && call->upload.coding) {
        r = add_line(call,
                     arena_printf(&call->user->arena, "Content-Encoding: %s", call->upload.coding));
    }
    if (r == 0 && call->request->expect_continue && upload_has_body(&call->upload)) {
        r = add_line(call, "Expect: 100-continue");
    }
    if (r == 0) {
        r = add_auth(call);
    }
    if (r == 0) {
        r = add_cookies(call);
    }
    call->lines[call->n_lines] = NULL;
    return r;
}
