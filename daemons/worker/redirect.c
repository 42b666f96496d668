/* SPDX-License-Identifier: MPL-2.0 */
/* Redirects, as browsers follow them (the Fetch standard) and Python Requests nearly does: 303
 * turns everything but HEAD into a GET, 301 and 302 turn POST into GET and leave other methods
 * alone (Requests turns all of them at 302), 307 and 308 repeat the request as it was.
 *
 * What a test gave by hand for one server isn't told to another: credentials, and the Host header,
 * which names the first one. "Another" is any change of scheme, host or port, the step from http to
 * https included: who sits on a port isn't known from who sits on the next. A Referer stays, as
 * with curl, but nobody is told without encryption what was asked for with it (RFC 9110). */
#include "worker/redirect.h"

#include <string.h>

#include "worker/header.h"

static const char *const body_headers[] = {
    "Content-Encoding", "Content-Language",  "Content-Length", "Content-Location",
    "Content-Type",     "Transfer-Encoding", "Trailer",        "Expect",
};

static const char *const origin_headers[] = {
    "Authorization",
    "Cookie",
    "Host",
    "Proxy-Authorization",
};

bool redirect_next(const char *method, int status, bool has_location, struct redirect *ret)
{
    bool turns;

    switch (status) {
    case 301:
    case 302:
        turns = strcmp(method, "POST") == 0;
        break;
    case 303:
        turns = strcmp(method, "HEAD") != 0;
        break;
    case 307:
    case 308:
        turns = false;
        break;
    default:
        return false;
    }
    if (!has_location) {
        return false;
    }
    *ret = (struct redirect){
        .method = turns ? "GET" : method,
        .drop_body = turns || status == 303,
    };
    return true;
}

const char *redirect_location(struct arena *arena, const char *location)
{
    size_t blanks = 0;

    for (const char *c = location; *c; c++) {
        blanks += *c == ' ';
    }
    if (blanks == 0) {
        return location;
    }
    char *text = arena_alloc(arena, strlen(location) + 2 * blanks + 1), *to = text;
    for (const char *c = location; text && *c; c++) {
        to = *c == ' ' ? stpcpy(to, "%20") : mempcpy(to, c, 1);
    }
    if (text) {
        *to = '\0';
    }
    return text;
}

bool redirect_leaves(const struct url *from, const struct url *to)
{
    return from->port != to->port || strcmp(from->scheme, to->scheme) != 0 ||
           strcmp(from->host, to->host) != 0;
}

static bool is_one_of(const struct header_field *field, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (header_is(field, names[i])) {
            return true;
        }
    }
    return false;
}

bool redirect_keeps(const char *line, const struct redirect *redirect, bool leaves, bool bares)
{
    struct header_field field;

    if (!header_parse(line, strlen(line), &field)) {
        return false;
    }
    return !(redirect->drop_body && is_one_of(&field, body_headers, ELEMENTSOF(body_headers))) &&
           !(leaves && is_one_of(&field, origin_headers, ELEMENTSOF(origin_headers))) &&
           !(bares && header_is(&field, "Referer"));
}
