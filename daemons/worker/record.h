/* SPDX-License-Identifier: MPL-2.0 */
/* What users do becomes counts here: the one place that stages and commits the worker's tally and
 * writes its detail stream. All functions are called on the user's own stack and may suspend it
 * when the detail ring is full (being cancelled doesn't cut that short: the supervisor always
 * drains). */
#ifndef LOADS_WORKER_RECORD_H
#define LOADS_WORKER_RECORD_H

#include "loop/transport.h"
#include "metrics/names.h"
#include "user.h"

/* An iteration begins, ends. */
void record_start(struct loads_user *user);
void record_outcome(struct loads_user *user);

/* No iteration of it begins any more, here; if it stopped, elsewhere neither. */
void record_rest(struct loads_user *user);

/* A request begins: if the worker dies now, it is an error of this name. */
void record_request(struct loads_user *user, const char *name, const char *method);

/* It ended with a complete answer. `elapsed_usec` includes name resolution, which took `*dns_usec`
 * (0: there was none); NULL: nobody knows what it was spent on. */
void record_hit(struct loads_user *user, const char *name, const struct exchange *exchange,
                uint64_t elapsed_usec, const uint64_t *dns_usec);

/* It ended without one. Returns the error's id. */
unsigned record_request_error(struct loads_user *user, const char *name, const char *method,
                              const char *url, uint64_t started_usec,
                              const struct error_key *error);

/* An error or failure that is no request's. Returns its id. */
unsigned record_error(struct loads_user *user, const struct error_key *error);

/* What took so long, or came to no end. `name` beside the test's. Also from the loop's stack. */
void record_time(struct loads_user *user, enum timer_kind kind, const char *name,
                 uint64_t elapsed_usec);
void record_timer_error(struct loads_user *user, enum timer_kind kind, const char *name);

void record_counter(struct loads_user *user, const char *name, int64_t increment);

/* The supervisor has made room in the detail ring. */
void record_room(struct worker *worker);

#endif
