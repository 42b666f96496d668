/* SPDX-License-Identifier: MPL-2.0 */
/* Seeing what is wrong with a test, on standard error: with --debug-http what the first user sends
 * and gets in its first iteration; and what fails, at once, where one user has one iteration.
 * Values of cookies and credentials, and queries, are left out; bodies are shown as they are. */
#ifndef LOADS_WORKER_DEBUG_H
#define LOADS_WORKER_DEBUG_H

#include "answer.h"
#include "loop/transport.h"
#include "loop/url.h"
#include "loop/ws.h"
#include "metrics/names.h"
#include "user.h"

/* Whether the user's requests are shown. The functions below that begin with debug_http do nothing
 * if they aren't. */
bool debug_is_on(const struct loads_user *user);

/* A line about what happens, "* …". Bytes of a server's may be in it. */
void debug_http_line(const struct loads_user *user, const char *text, size_t size);
void debug_http_note(const struct loads_user *user, const char *format, ...) _printf_(2, 3);

/* What became of a cookie, by the result of cookie_jar_set(). */
void debug_http_cookie(const struct loads_user *user, const char *text, size_t size, int result);

/* What is sent next: "> …". */
void debug_http_request(const struct loads_user *user, const struct exchange *exchange);

/* An answer that has come whole: "< …". */
void debug_http_answer(const struct loads_user *user, const struct exchange *exchange,
                       const struct answer *answer);

/* A WebSocket is open, with that sub-protocol or "". */
void debug_http_opened(const struct loads_user *user, const char *protocol);

/* A frame of one: "> text frame, 5 bytes: hello". */
void debug_http_frame(const struct loads_user *user, const struct ws_frame *frame);

/* The last answer of the iteration that is on: borrowed, NULL: none. Remembered only where it may
 * be shown. */
void debug_keep(struct loads_user *user, const struct answer *answer);

/* Says an error or a failure with the beginning of the last answer, where that is done at once. */
void debug_failure(const struct loads_user *user, const struct error_key *error);

#endif
