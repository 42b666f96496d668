/* SPDX-License-Identifier: MPL-2.0 */
/* Statuses that are expected: "200", "200 201", "4*", "*". */
#ifndef LOADS_WORKER_EXPECTED_H
#define LOADS_WORKER_EXPECTED_H

#include <stdbool.h>

/* Whether it can be understood: words of three digits, or of fewer and a star; commas may part them
 * too. */
bool expected_is_sound(const char *expected);

/* Whether a status is among them. */
bool expected_has(const char *expected, int status);

#endif
