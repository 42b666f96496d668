/* SPDX-License-Identifier: MPL-2.0 */
/* Whether agents can run a test: an empty one is run on each that is free. */
#ifndef LOADS_REMOTE_HEALTH_H
#define LOADS_REMOTE_HEALTH_H

#include <stdbool.h>

#include "shared/exit_code.h"

#define HEALTH_SEC 60 /* for an agent to do it */

/* Prints how each agent is. EXIT_FAILED: one of them failed or didn't answer; EXIT_ABORTED: none
 * was free. */
enum exit_code health_check(const char *broker, bool json);

#endif
