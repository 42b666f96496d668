/* SPDX-License-Identifier: MPL-2.0 */
/* How broker and agents are, for people and (`json`) for programs. Each function is a verb of a
 * program: it says what goes wrong and returns what to exit with. */
#ifndef LOADS_REMOTE_STATUS_H
#define LOADS_REMOTE_STATUS_H

#include <stdbool.h>

#include "shared/exit_code.h"
#include "wire/json.h"

/* The broker, its agents and endpoints, what is running, its options. */
enum exit_code status_ping(const char *broker, bool json);

/* Stops every run that is on, and waits until they are over. */
enum exit_code status_purge(const char *broker, bool json);

/* Prints a document in one line. */
enum exit_code status_print_json(const json_t *document);

#endif
