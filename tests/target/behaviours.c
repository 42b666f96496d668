/* SPDX-License-Identifier: MPL-2.0 */
/* All that the target can be asked to do: one row each, with a function that puts it in the plan. A
 * new behaviour is a row here, and a field of the plan where the answer has to know of it. */
#include <errno.h>
#include <string.h>

#include "plan.h"
#include "script.h"

#define MAX_BODY_BYTES   ((uint64_t)1 << 40)
#define MAX_DELAY_MSEC   3600000
#define MAX_CHUNKS       1000000
#define MAX_REDIRECTS    1000000
#define MAX_HEADER_BYTES 65536
#define MAX_COOKIES      10000
#define MAX_PAUSE_MSEC   1000
#define MAX_BOMB_MIB     4095 /* gzip's trailer has 32 bits for the size */

/* What "Basic" credentials of user:password look like. */
#define CREDENTIALS "Basic dXNlcjpwYXNzd29yZA=="

#define APPLY(name)                                                                                \
    static int name(_unused_ struct plan *plan, _unused_ const struct request *request,            \
                    _unused_ const struct value *value, _unused_ uint64_t number)

static int set_body(struct plan *plan, const void *bytes, size_t size)
{
    text_clear(&plan->body);
    plan->source = SOURCE_TEXT;
    plan->has_body = true;
    return text_append(&plan->body, bytes, size);
}

static bool has_controls(const struct value *value)
{
    for (size_t i = 0; i < value->size; i++) {
        unsigned char c = (unsigned char)value->text[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return true;
        }
    }
    return false;
}

/* Adds a header line; what comes from the request may hold no line ends. */
static int add_header(struct plan *plan, const char *name, const struct value *value)
{
    if (has_controls(value) || value->size > MAX_HEADER_BYTES - plan->headers.size) {
        return -EINVAL;
    }
    return text_add(&plan->headers, "%s%s\r\n", name, value->text);
}

APPLY(any)
{
    return 0;
}

APPLY(status)
{
    plan->status = (unsigned)number;
    return 0;
}

APPLY(delay)
{
    plan->delay_msec = number;
    return 0;
}

APPLY(held)
{
    plan->held = true;
    return 0;
}

APPLY(size)
{
    plan->source = SOURCE_PATTERN;
    plan->size = number;
    plan->has_body = true;
    return 0;
}

APPLY(body)
{
    return set_body(plan, value->text, value->size);
}

APPLY(json)
{
    static const char document[] = "{\"name\": \"loads\", \"numbers\": [1, 2.5, -3], \"text\": "
                                   "\"\\u00e9\\n\", \"nothing\": null, "
                                   "\"nested\": {\"yes\": true, \"no\": false, \"list\": []}}\n";

    plan->type = "application/json";
    return set_body(plan, document, sizeof document - 1);
}

APPLY(headers)
{
    return set_body(plan, request->headers.bytes, request->headers.size);
}

APPLY(echo)
{
    plan->source = SOURCE_ECHO;
    plan->has_body = true;
    return text_add(&plan->headers, "X-Method: %.*s\r\n", (int)request->method.size,
                    request->method.bytes);
}

APPLY(header)
{
    const char *colon = value->text ? strchr(value->text, ':') : NULL;

    return colon && colon != value->text ? add_header(plan, "", value) : -EINVAL;
}

APPLY(cookie_set)
{
    char *separator = strchr(value->text, '/');

    if (!separator || separator == value->text || has_controls(value) ||
        value->size > MAX_HEADER_BYTES - plan->headers.size) {
        return -EINVAL;
    }
    return text_add(&plan->headers, "Set-Cookie: %.*s=%s; Path=/\r\n",
                    (int)(separator - value->text), value->text, separator + 1);
}

APPLY(cookies)
{
    struct slice name, found;
    size_t count = 0;
    int result = set_body(plan, "", 0);

    for (size_t cursor = 0; result == 0 && request_next_header(request, &cursor, &name, &found);) {
        if (slice_is_ignoring_case(name, "cookie")) {
            result = text_add(&plan->body, "%s%.*s", count++ > 0 ? "; " : "", (int)found.size,
                              found.bytes);
        }
    }
    return result;
}

APPLY(cookie_many)
{
    int result = 0;

    for (uint64_t i = 0; result == 0 && i < number; i++) {
        result = text_add(&plan->headers, "Set-Cookie: many%llu=%llu; Path=/\r\n",
                          (unsigned long long)i, (unsigned long long)i);
    }
    return result;
}

/* The same target with the number one less, wherever it stands. */
APPLY(redirect)
{
    const char *target = request->target.bytes;
    size_t end = value->target_offset + value->target_size;

    text_clear(&plan->location);
    if (number == 0) {
        return 0;
    }
    return text_add(&plan->location, "%.*s%llu%.*s", (int)value->target_offset, target,
                    (unsigned long long)number - 1, (int)(request->target.size - end),
                    target + end);
}

APPLY(loop)
{
    text_clear(&plan->location);
    return text_append(&plan->location, request->target.bytes, request->target.size);
}

APPLY(redirect_to)
{
    plan->needs_location = true;
    return 0;
}

APPLY(url)
{
    if (value->size == 0 || has_controls(value)) {
        return -EINVAL;
    }
    text_clear(&plan->location);
    return text_append(&plan->location, value->text, value->size);
}

APPLY(chunked)
{
    plan->chunks = (unsigned)number;
    return 0;
}

APPLY(gzip)
{
    plan->coding = CODING_GZIP;
    return 0;
}

APPLY(deflate)
{
    plan->coding = CODING_DEFLATE;
    return 0;
}

APPLY(auth_basic)
{
    if (slice_is(request_header(request, "authorization"), CREDENTIALS)) {
        return 0;
    }
    plan->status = 401;
    return text_add(&plan->headers, "WWW-Authenticate: Basic realm=\"target\"\r\n");
}

APPLY(close_after)
{
    plan->close = true;
    return 0;
}

APPLY(auth_endless)
{
    plan->status = 401;
    return text_add(&plan->headers, "WWW-Authenticate: Basic realm=\"target\"\r\n");
}

APPLY(bomb)
{
    plan->source = SOURCE_BOMB;
    plan->size = number << 20;
    plan->has_body = true;
    plan->coding = CODING_GZIP;
    return 0;
}

/* A hint has a cookie of its own, which isn't the answer's. */
APPLY(interim)
{
    return text_add(&plan->before, "HTTP/1.1 %llu Interim\r\nX-Hint: %llu\r\n%s\r\n",
                    (unsigned long long)number, (unsigned long long)number,
                    number == 103 ? "Link: </a>; rel=preload\r\nSet-Cookie: hint=1; Path=/\r\n"
                                  : "");
}

APPLY(hurry)
{
    plan->hurry = true;
    return 0;
}

APPLY(early)
{
    plan->early = true;
    return 0;
}

APPLY(slow)
{
    plan->pause_msec = number;
    return 0;
}

APPLY(close_unsaid)
{
    plan->close_unsaid = true;
    return 0;
}

APPLY(close_idle)
{
    plan->idle_msec = number;
    return 0;
}

APPLY(close_next)
{
    plan->next = NEXT_IS_CLOSED;
    return 0;
}

APPLY(reset_next)
{
    plan->next = NEXT_IS_RESET;
    return 0;
}

APPLY(raw)
{
    plan->source = SOURCE_SCRIPT;
    plan->script = script_find(value->text);
    return plan->script ? 0 : -EINVAL;
}

#define APPLY_FAULT(name, which)                                                                   \
    APPLY(name)                                                                                    \
    {                                                                                              \
        plan->fault = which;                                                                       \
        return 0;                                                                                  \
    }

APPLY_FAULT(reset, FAULT_RESET)
APPLY_FAULT(reset_in_headers, FAULT_RESET_IN_HEADERS)
APPLY_FAULT(reset_before_body, FAULT_RESET_BEFORE_BODY)
APPLY_FAULT(reset_in_body, FAULT_RESET_IN_BODY)
APPLY_FAULT(reset_after_body, FAULT_RESET_AFTER_BODY)
APPLY_FAULT(half, FAULT_HALF)
APPLY_FAULT(garbage, FAULT_GARBAGE)
APPLY_FAULT(hang, FAULT_HANG)

const struct behaviour behaviours[] = {
    {"any", NULL, 0, 0, "200; what follows in the path is free", any},
    {"status", "N", 200, 599, "this status", status},
    {"delay", "MSEC", 0, MAX_DELAY_MSEC, "waits before the answer's first byte", delay},
    {"held", NULL, 0, 0, "answers after /-/release, or if that has been", held},
    {"size", "BYTES", 0, MAX_BODY_BYTES, "a body of that size: a to z, again and again", size},
    {"body", "TEXT", 0, 0, "this body", body},
    {"json", NULL, 0, 0, "a small JSON document", json},
    {"headers", NULL, 0, 0, "the request's header lines as received", headers},
    {"echo", NULL, 0, 0, "the request's body, its type, and its method as X-Method", echo},
    {"header", "NAME:VALUE", 0, 0, "a header more", header},
    {"cookie/set", "NAME/VALUE", 0, 0, "sets a cookie for all paths", cookie_set},
    {"cookie/many", "N", 1, MAX_COOKIES, "sets N cookies: many0=0, many1=1, …", cookie_many},
    {"cookies", NULL, 0, 0, "the Cookie header as received", cookies},
    {"redirect", "N", 0, MAX_REDIRECTS, "N redirects, each to N-1, then 200", redirect},
    {"loop", NULL, 0, 0, "redirects to itself", loop},
    {"redirect-to", NULL, 0, 0, "redirects to url=URL", redirect_to},
    {"url", "URL", 0, 0, "where redirect-to leads", url},
    {"chunked", "N", 1, MAX_CHUNKS, "the body in N chunks (16 bytes each without size)", chunked},
    {"gzip", NULL, 0, 0, "the body compressed, at most 16 MiB of it", gzip},
    {"deflate", NULL, 0, 0, "the same in zlib's format", deflate},
    {"bomb", "MIB", 1, MAX_BOMB_MIB, "zeros, compressed to a thousandth", bomb},
    {"auth/basic", NULL, 0, 0, "401 unless it is user:password", auth_basic},
    {"auth/endless", NULL, 0, 0, "401 whatever comes", auth_endless},
    {"interim", "N", 100, 199, "an answer of status N before the final one", interim},
    {"hurry", NULL, 0, 0, "first sends what answers of /raw/ still wait with", hurry},
    {"early", NULL, 0, 0, "answers before it has read the body, and closes", early},
    {"slow", "MSEC", 1, MAX_PAUSE_MSEC, "byte by byte, with that time in between", slow},
    {"close", NULL, 0, 0, "says Connection: close and closes", close_after},
    {"close-unsaid", NULL, 0, 0, "closes without having said so", close_unsaid},
    {"close-idle", "MSEC", 1, MAX_DELAY_MSEC, "closes after that time without a request",
     close_idle},
    {"close-next", NULL, 0, 0, "closes when the next request begins to come", close_next},
    {"reset-next", NULL, 0, 0, "resets when the next request begins to come", reset_next},
    {"reset", NULL, 0, 0, "resets the connection before any byte", reset},
    {"reset-in-headers", NULL, 0, 0, "resets after half of the head", reset_in_headers},
    {"reset-before-body", NULL, 0, 0, "resets behind the head", reset_before_body},
    {"reset-in-body", NULL, 0, 0, "resets after half of the body", reset_in_body},
    {"reset-after-body", NULL, 0, 0, "resets when all is sent", reset_after_body},
    {"half", NULL, 0, 0, "closes after half of the body", half},
    {"garbage", NULL, 0, 0, "sends bytes that are no HTTP and closes", garbage},
    {"hang", NULL, 0, 0, "never answers", hang},
    {"raw", "NAME", 0, 0, "sends one of the answers below, whatever else is asked for", raw},
    {0},
};
