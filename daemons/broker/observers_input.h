/* SPDX-License-Identifier: MPL-2.0 */
/* What an observer reads: docs/observers.md has the form. */
#ifndef LOADS_BROKER_OBSERVERS_INPUT_H
#define LOADS_BROKER_OBSERVERS_INPUT_H

#include "options.h"
#include "run.h"
#include "wire/json.h"

/* The summary of a run that is over, with its name, its result and a link; the caller's. NULL: no
 * memory. */
json_t *observers_input(const struct broker_options *options, struct run *run);

/* The same for one observer, with its name and options, as a file to be read from the beginning: a
 * descriptor, the caller's; or -errno. */
int observers_input_open(json_t *input, const struct broker_options *options,
                         const struct run_spec *spec, const char *name) _must_check_;

#endif
