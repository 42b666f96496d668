/* SPDX-License-Identifier: MPL-2.0 */
/* The output json: the whole summary, as report/summary_json.c composes it. */
#include <errno.h>

#include "outputs/types.h"
#include "report/summary_json.h"

int json_end(struct output *output, const struct output_run *run, const struct summary *summary,
             struct error *error)
{
    _cleanup_(json_decrefp) json_t *object = json_summary(run, summary);
    _cleanup_free_ char *text = NULL;
    size_t size;

    /* As a text first, so that the file gets all or nothing. */
    if (!object || summary_json_text(object, JSON_INDENT(2), &text, &size) < 0) {
        return error_set_errno(error, -ENOMEM, "output json");
    }
    (void)fwrite(text, 1, size, output->file); /* a failure stays with the stream */
    (void)fputc('\n', output->file);
    return output_check(output, error);
}
