/* SPDX-License-Identifier: MPL-2.0 */
/* The parts of the summary on standard output. */
#ifndef LOADS_OUTPUTS_STDOUT_H
#define LOADS_OUTPUTS_STDOUT_H

#include <stdio.h>

#include "metrics/summary.h"

/* The most frequent errors and failures with message and place, and what went into "(other)".
 * Failures to write stay with the stream. */
void stdout_problems(FILE *file, const struct summary *summary);

#endif
