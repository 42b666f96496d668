/* SPDX-License-Identifier: MPL-2.0 */
/* What a test's request says beside what a session sends: parts that become its body, and which
 * status is expected. */
#ifndef LOADS_WORKER_REQUEST_H
#define LOADS_WORKER_REQUEST_H

#include "loads/loads.h"

/* The request with its parts put together into a body, in the iteration's memory; without parts
 * itself. Leaves the iteration when they can't be. */
const loads_request *request_with_body(loads_user *user, const loads_request *request);

/* Leaves the iteration unless the answer has a status of `expected`, as loads/app.h describes it; a
 * request without an answer was told already. */
void request_expect(loads_user *user, const loads_request *request, const loads_response *response,
                    const char *expected);

/* Header lines (NULL: none) and one more, in the iteration's memory. NULL: there is none. */
const char *const *request_with_line(loads_user *user, const char *const *lines, const char *line);

/* Gives back what loads_set_server_url() set. */
void request_forget_server(loads_user *user);

#endif
