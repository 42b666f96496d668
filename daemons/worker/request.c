/* SPDX-License-Identifier: MPL-2.0 */
/* loads/loads.h: the parts of a request, and the status that is expected of its answer; and what
 * its URL is relative to. */
#include "request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/shown.h"
#include "call.h"
#include "choice.h"
#include "expected.h"
#include "header.h"
#include "multipart.h"
#include "page.h"

#define BODY_SHOWN_BYTES 200

static const char *file_of(const loads_request *request)
{
    return request->file_ ? request->file_ : "";
}

/* ---- parts ----------------------------------------------------------------------------------- */

static void misused(loads_user *user, const loads_request *request, const char *text)
    __attribute__((noreturn));
static void misused(loads_user *user, const loads_request *request, const char *text)
{
    call_fail(user, ERROR_KIND_ERROR, "argument", file_of(request), request->line_, text);
}

static size_t count_lines(const char *const *lines)
{
    size_t count = 0;

    while (lines && lines[count]) {
        count++;
    }
    return count;
}

const char *const *request_with_line(loads_user *user, const char *const *lines, const char *line)
{
    size_t count = count_lines(lines);
    const char **all = arena_alloc(&user->arena, (count + 2) * sizeof *all);

    if (all) {
        memcpy(all, lines ? lines : &line, count * sizeof *all);
        all[count] = line;
        all[count + 1] = NULL;
    }
    return all;
}

const loads_request *request_with_body(loads_user *user, const loads_request *request)
{
    struct error *error = &user->worker->error;
    struct multipart multipart;
    struct prng prng;

    if (!request->parts) {
        return request;
    }
    if (request->body || request->json) {
        misused(user, request, "a request has parts, a body or JSON: one of them");
    }
    if (header_find(request->headers, 0, "Content-Type", NULL) >= 0) {
        misused(user, request,
                "a request with parts can't have a Content-Type of its own: it is "
                "multipart/form-data, with a boundary that nobody knows before");
    }
    prng_seed(&prng, choice_key(user, CHOICE_BOUNDARY, user->iteration));
    int r = multipart_compose(&user->arena, request->parts, &prng, &multipart, error);
    if (r == -EINVAL) {
        misused(user, request, error->text);
    }
    if (r < 0) {
        call_fail(user, ERROR_KIND_ERROR, r == -ENOMEM ? "memory" : "file", file_of(request),
                  request->line_, error->text);
    }
    const char *const *lines = request_with_line(user, request->headers, multipart.content_type);
    loads_request *copy = lines ? arena_alloc(&user->arena, sizeof *copy) : NULL;
    if (!copy) {
        call_fail(user, ERROR_KIND_ERROR, "memory", file_of(request), request->line_,
                  "out of memory");
    }
    *copy = *request;
    copy->parts = NULL;
    copy->body = multipart.body;
    copy->body_size = multipart.size;
    copy->headers = lines;
    return copy;
}

/* ---- statuses -------------------------------------------------------------------------------- */

/* What the application client expects where nothing else is said. */
static const char others[] = "2* 3*";

void request_expect(loads_user *user, const loads_request *request, const loads_response *response,
                    const char *expected)
{
    if (!expected_is_sound(expected)) {
        misused(user, request,
                loads_printf(user,
                             ".status = \"%.100s\": statuses look like \"200\", \"200 201\" or "
                             "\"4*\"",
                             expected));
    }
    if (response->status == 0 || expected_has(expected, response->status)) {
        return;
    }
    const char *method = request->method ? request->method : "GET";
    const char *words = expected == others ? "2xx or 3xx" : expected;
    char *url = loads_alloc(user, SHOWN_BYTES); /* the stack is small */
    char *body = loads_alloc(user, PAGE_QUOTE_BYTES(BODY_SHOWN_BYTES));
    (void)page_quote(response->body, response->body_size, BODY_SHOWN_BYTES, body);
    call_fail(user, ERROR_KIND_FAILURE, "status", file_of(request), request->line_,
              loads_printf(user, "%s of %s answered %d, expected %s: %s", method,
                           shown_url(response->url, url), response->status, words,
                           response->body_size == 0 ? "no body" : body));
}

loads_response *loads_app_send(loads_user *user, const loads_request *request)
{
    loads_response *response = loads_send(user, request);

    if (!request->status && call_allowed(user)) {
        request_expect(user, request, response, others);
    }
    return response;
}

/* ---- the server ------------------------------------------------------------------------------ */

void request_forget_server(loads_user *user)
{
    user->server_url = url_unref(user->server_url);
    free(TAKE_PTR(user->server_url_text));
}

void loads_set_server_url_(const char *file, int line, loads_user *user, const char *url)
{
    const struct url *parsed = NULL;

    if (!call_allowed(user)) {
        return;
    }
    struct error *error = &user->worker->error;
    int r = url && *url ? url_get(user->worker->urls, NULL, url, &parsed, error) : 0;
    if (r < 0) {
        call_fail(user, ERROR_KIND_ERROR, r == -ENOMEM ? "memory" : "argument", file, line,
                  error->text);
    }
    char *text = parsed ? strdup(url) : NULL;
    if (parsed && !text) {
        url_unref(parsed);
        call_fail(user, ERROR_KIND_ERROR, "memory", file, line, "out of memory");
    }
    request_forget_server(user);
    user->server_url = parsed;
    user->server_url_text = text;
}
