/* SPDX-License-Identifier: MPL-2.0 */
/* A connection to the frontend of a broker: one request, then its answer. docs/protocol.md has what
 * can be asked. */
#ifndef LOADS_REMOTE_FRONTEND_H
#define LOADS_REMOTE_FRONTEND_H

#include <ev.h>
#include <stdbool.h>

#include "loop/mq.h"
#include "wire/json.h"

#define FRONTEND_ANSWER_SEC 5 /* for an answer, and a second more per MiB that is sent */
#define FRONTEND_TRIES      3
#define FRONTEND_MAX_BYTES  ((size_t)256 << 20) /* of an answer */

struct frontend;

/* Connects and asks for the broker's endpoints. `address` as of address_choose(). Borrows the loop.
 * -EHOSTUNREACH: nobody is there or answers within FRONTEND_ANSWER_SEC; other -errno; with a text.
 */
int frontend_open(struct frontend **ret, struct ev_loop *loop, const char *address,
                  struct error *error) _must_check_;
struct frontend *frontend_free(struct frontend *frontend);
DEFINE_CLEANUP(struct frontend, frontend_free)

/* Asks, and runs the loop until there is an answer: nothing that runs on it may call this. A
 * request without an answer is repeated on a new connection, so CTRL_RUN needs a request_id.
 * `archive` (may be NULL) goes with the request as a frame of its own. *ret is a new reference to
 * the result.
 *
 * -EHOSTUNREACH: no answer came, FRONTEND_TRIES times. -EREMOTEIO: the broker said no, with the
 * text and frontend_code(). -EBADMSG: what came is no answer. -EINTR: frontend_give_up() was
 * called. -ENOMEM. Each with a text. */
struct frontend_bytes {
    const void *bytes;
    size_t size;
};
int frontend_ask(struct frontend *frontend, const json_t *request,
                 const struct frontend_bytes *archive, json_t **ret, struct error *error)
    _must_check_;

/* From now on answers may take so many seconds. */
void frontend_be_patient(struct frontend *frontend, unsigned seconds);

/* From a callback while frontend_ask() waits: it waits no more. */
void frontend_give_up(struct frontend *frontend);

/* The word with which the broker refused the last request, or "". */
const char *frontend_code(const struct frontend *frontend);

const char *frontend_address(const struct frontend *frontend);

/* The last answer to PING, borrowed, and asking again. */
const json_t *frontend_ping(const struct frontend *frontend);
int frontend_ping_again(struct frontend *frontend, struct error *error) _must_check_;

/* Where the publisher can be reached, malloc'ed, the caller's. -EBADMSG: PING didn't say; -ENOMEM;
 * with a text. */
int frontend_publisher(const struct frontend *frontend, char **ret, struct error *error)
    _must_check_;

/* For the other sockets of the program. */
struct mq *frontend_mq(struct frontend *frontend);

#endif
