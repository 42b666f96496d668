/* SPDX-License-Identifier: MPL-2.0 */
/* `args` of CTRL_RUN: a run specification in the words of loads-runner's options, or in its own. */
#ifndef LOADS_BROKER_ARGUMENTS_H
#define LOADS_BROKER_ARGUMENTS_H

#include "wire/json.h"
#include "wire/spec.h"

/* The specification that they make, under a new id. -EINVAL: they make no sense; -ENOMEM; with a
 * text that names the key. */
int arguments_read(const json_t *args, struct run_spec **ret, struct error *error) _must_check_;

#endif
