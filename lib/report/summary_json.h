/* SPDX-License-Identifier: MPL-2.0 */
/* The summary of a run as JSON, docs/schemas/summary.json. */
#ifndef LOADS_REPORT_SUMMARY_JSON_H
#define LOADS_REPORT_SUMMARY_JSON_H

#include "metrics/summary.h"
#include "report/output_run.h"
#include "wire/json.h"

/* As many digits as a double surely keeps: more would show 0.1 as 0.10000000000000001. */
#define SUMMARY_JSON_FLAGS JSON_REAL_PRECISION(15)

/* The caller's; NULL: no memory. */
json_t *json_summary(const struct output_run *run, const struct summary *summary);

/* What a threshold came to, as in the summary; the broker keeps it so, too. The caller's; NULL: no
 * memory. */
json_t *json_threshold(const struct threshold_result *result);

/* A text from outside: what is no UTF-8 in it becomes U+FFFD. The caller's; NULL: no memory. */
json_t *json_text(const char *text, size_t size);

/* Any such object as text, malloc'ed, the caller's; `flags` are jansson's beside those above.
 * -ENOMEM. */
int summary_json_text(const json_t *object, size_t flags, char **ret, size_t *ret_size)
    _must_check_;

#endif
