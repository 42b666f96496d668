/* SPDX-License-Identifier: MPL-2.0 */
/* A user's HTTP session: what a browser keeps between requests (cookies, connections) and does
 * around each (redirects, authentication, content decoding), over any transport. Each hop of a
 * redirect is a request of its own: it is counted as one. */
#ifndef LOADS_WORKER_SESSION_H
#define LOADS_WORKER_SESSION_H

#include "loads/loads.h"

#include "base/macros.h"
#include "cookies.h"

struct connections;
struct peer;

/* All zero to begin with. */
struct session {
    struct connections *connections;
    struct cookie_jar cookies;
    struct peer *peers; /* which address of each host this user talks to */
};

#define SESSION_MAX_MESSAGE_BYTES ((size_t)64 << 20) /* of a WebSocket */

/* Sends a request and waits for the answer, on the user's own stack; counts hits and errors. *ret
 * belongs to the iteration. 0: there is an answer; -EIO: there is none, (*ret)->error says why,
 * *ret_error_id is the error that was counted; -ECANCELED: the user shall leave; -ENOMEM. */
int session_send(loads_user *user, const loads_request *request, loads_response **ret,
                 unsigned *ret_error_id) _must_check_;

/* The first value of a header of the last answer's; NULL: none. */
const char *session_header(const loads_response *response, const char *name);

/* Forgets cookies, addresses and connections. No request may be on. */
void session_close(struct session *session);

#endif
