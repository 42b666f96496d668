/* SPDX-License-Identifier: MPL-2.0 */
/* The summary of a run as JSON, docs/schemas/summary.json. */
#ifndef LOADS_OUTPUTS_JSON_H
#define LOADS_OUTPUTS_JSON_H

#include "outputs/output.h"
#include "wire/json.h"

/* The caller's; NULL: no memory. */
json_t *json_summary(const struct output_run *run, const struct summary *summary);

/* A text from outside: what is no UTF-8 in it becomes U+FFFD. The same. */
json_t *json_text(const char *text, size_t size);

#endif
