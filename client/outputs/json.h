/* SPDX-License-Identifier: MPL-2.0 */
/* The summary of a run as JSON, docs/schemas/summary.json. */
#ifndef LOADS_OUTPUTS_JSON_H
#define LOADS_OUTPUTS_JSON_H

#include "outputs/output.h"
#include "wire/json.h"

/* The caller's; NULL: no memory. */
json_t *json_summary(const struct output_run *run, const struct summary *summary);

#endif
