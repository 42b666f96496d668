/* SPDX-License-Identifier: MPL-2.0 */
/* loads/loads.h, as tests call it: who calls is checked here, waiting and leaving are done here, so
 * that nothing below holds anything when a stack is unwound. While it is unwound, or after the user
 * was cancelled, every call fails at once. */
#include "loads/loads.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "call.h"
#include "debug.h"
#include "iteration.h"
#include "record.h"
#include "request.h"
#include "session.h"
#include "user.h"

#define MAX_LOG_BYTES 2000

/* ---- who calls ------------------------------------------------------------------------------- */

/* A process that a test forked has the same memory, but another one's files and connections: it
 * must not touch them. */
static void refuse_forked(void)
{
    if (user_is_forked()) {
        log_error("a process that a test forked used what only its parent can: it is ended");
        _exit(EXIT_FAILURE);
    }
}

/* The arena has no lock. */
static bool memory_allowed(const loads_user *user)
{
    if (user && user == user_current() && user_stack_contains(user, __builtin_frame_address(0))) {
        return true;
    }
    log_error("a test asked for memory outside of its own thread or coroutine: there is none");
    return false;
}

bool call_owned(const loads_user *user)
{
    refuse_forked();
    if (!user || user != user_current() || !user_stack_contains(user, __builtin_frame_address(0))) {
        log_error("a test used its user outside of its own thread or coroutine: ignored");
        return false;
    }
    return true;
}

bool call_allowed(const loads_user *user)
{
    return call_owned(user) && !user->leaving && !user->cancelled;
}

loads_user *call_user(void)
{
    loads_user *user = user_current();

    refuse_forked();
    if (!user || !user_stack_contains(user, __builtin_frame_address(0))) {
        log_error("an assertion outside of a test's own thread: ignored");
        return NULL;
    }
    return user->leaving || user->cancelled ? NULL : user;
}

void call_fail(loads_user *user, enum error_kind kind, const char *class, const char *file,
               int line, const char *message)
{
    char place[256];
    const char *slash = strrchr(file, '/');

    (void)snprintf(place, sizeof place, "%s:%d", slash ? slash + 1 : file, line);
    struct error_key key = {.kind = kind,
                            .class = class,
                            .message = message,
                            .place = *file ? place : "",
                            .test = user->test->name};
    unsigned id = record_error(user, &key);
    debug_failure(user, &key);
    iteration_judge(user, kind == ERROR_KIND_FAILURE ? OUTCOME_FAILURE : OUTCOME_ERROR, id);
    user_leave(user);
}

static void out_of_memory(loads_user *user) __attribute__((noreturn));
static void out_of_memory(loads_user *user)
{
    call_fail(user, ERROR_KIND_ERROR, "memory", "", 0, "out of memory");
}

loads_response *call_refused(void)
{
    static loads_response refused = {.body = "", .url = "", .error = "the iteration is at its end"};
    return &refused;
}

/* ---- requests -------------------------------------------------------------------------------- */

loads_response *loads_send(loads_user *user, const loads_request *request)
{
    loads_response *response;
    unsigned error_id = 0;

    if (!call_allowed(user)) {
        return call_refused();
    }
    request = request_with_body(user, request);
    int r = session_send(user, request, &response, &error_id);
    if (r == -ECANCELED) {
        user_leave(user);
    }
    if (r == -EIO && !request->may_fail) {
        iteration_judge(user, OUTCOME_ERROR, error_id);
        user_leave(user);
    }
    if (r < 0 && r != -EIO) {
        out_of_memory(user);
    }
    if (request->status) {
        request_expect(user, request, response, request->status);
    }
    return response;
}

const char *loads_header(const loads_response *response, const char *name)
{
    loads_user *user = user_current();
    return user && response->url[0] ? session_header(response, name) : NULL;
}

void loads_session_reset(loads_user *user)
{
    if (!call_allowed(user)) {
        return;
    }
    if (user->streaming > 0) {
        call_fail(user, ERROR_KIND_ERROR, "argument", "", 0,
                  "loads_session_reset() in .on_body or .upload, whose request is on");
    }
    session_close(&user->session);
}

/* ---- the rest -------------------------------------------------------------------------------- */

void loads_sleep(loads_user *user, double seconds)
{
    if (!call_allowed(user)) {
        return;
    }
    if (!(seconds >= 0)) {
        char text[64];
        (void)snprintf(text, sizeof text, "loads_sleep(%g): no such time", seconds);
        call_fail(user, ERROR_KIND_ERROR, "argument", "", 0, text); /* nor do we know where */
    }
    if (user_sleep(user, MIN(seconds, 1e9)) < 0) {
        user_leave(user);
    }
}

void loads_add_counter(loads_user *user, const char *name, int64_t increment)
{
    if (call_allowed(user)) {
        record_counter(user, name, increment);
    }
}

void loads_incr_counter(loads_user *user, const char *name)
{
    loads_add_counter(user, name, 1);
}

void loads_defer(loads_user *user, void (*function)(void *argument), void *argument)
{
    if (call_allowed(user) && iteration_defer(user, function, argument) < 0) {
        function(argument); /* it can't be kept for later: what it frees is freed now */
        out_of_memory(user);
    }
}

void *loads_alloc(loads_user *user, size_t size_bytes)
{
    if (!memory_allowed(user)) {
        return NULL;
    }
    void *memory = arena_alloc(&user->arena, size_bytes);
    if (!memory) {
        out_of_memory(user);
    }
    return memset(memory, 0, size_bytes);
}

char *loads_printf(loads_user *user, const char *format, ...)
{
    va_list arguments;

    if (!memory_allowed(user)) {
        return NULL;
    }
    va_start(arguments, format);
    char *text = arena_vprintf(&user->arena, format, arguments);
    va_end(arguments);
    if (!text) {
        out_of_memory(user);
    }
    return text;
}

void loads_log(loads_user *user, const char *format, ...)
{
    char text[MAX_LOG_BYTES];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments); /* cut is fine */
    va_end(arguments);
    log_info("user %u, iteration %u: %s", user->number, user->iteration, text);
}

unsigned loads_user_number(const loads_user *user)
{
    return user->number;
}

unsigned loads_iteration(const loads_user *user)
{
    return user->iteration;
}

unsigned loads_cycle(const loads_user *user)
{
    return user->worker->share.cycle;
}

const char *loads_server_url(const loads_user *user)
{
    const struct run_spec *spec = user->worker->spec;
    return user->server_url_text ? user->server_url_text
           : spec->url           ? spec->url
           : spec->server_url    ? spec->server_url
                                 : "";
}
