/* SPDX-License-Identifier: MPL-2.0 */
/* Several outputs of one run beside each other: what they must not share, and whom a failure of one
 * concerns. */
#include "shared/reports.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"

static int add_output(struct reports *reports, const char *argument,
                      const struct output_options *options, struct error *error)
{
    if (reports->count == REPORTS_MAX) {
        return error_set(error, -E2BIG, "more than %d outputs", REPORTS_MAX);
    }
    int r = output_open(&reports->outputs[reports->count], argument, options, error);
    if (r < 0) {
        return r;
    }
    reports->count++;
    return 0;
}

int reports_open(struct reports *reports, const struct strlist *wanted,
                 const struct output_options *options, bool quiet, struct error *error)
{
    unsigned to_stdout = 0;
    bool summary = !quiet;

    for (size_t i = 0; i < wanted->count; i++) {
        int r = add_output(reports, wanted->items[i], options, error);
        if (r < 0) {
            return r;
        }
        const struct output *output = reports->outputs[reports->count - 1];
        bool silent = strcmp(output->type->name, "null") == 0;
        summary = summary && !silent && strcmp(output->type->name, "stdout") != 0;
        to_stdout += output_writes_to_stdout(output) ? 1 : 0;
        reports->wants_detail = reports->wants_detail || output->type->wants_detail;
        reports->wants_timeline = reports->wants_timeline || output->type->wants_timeline;
        for (size_t j = 0; output->path && j + 1 < reports->count; j++) {
            if (output_shares_file(reports->outputs[j], output)) {
                return error_set(error, -EINVAL, "two outputs write to %s", output->path);
            }
        }
    }
    if (to_stdout > 1) {
        return error_set(error, -EINVAL,
                         "two outputs write to standard output: give one a file, as in "
                         "--output json=FILE");
    }
    return summary && to_stdout == 0 ? add_output(reports, "stdout", options, error) : 0;
}

static void complain(struct reports *reports, int r, const struct error *error)
{
    if (r < 0) {
        progress_hide(reports->progress);
        log_error("%s", error->text);
    }
}

void reports_begin(struct reports *reports, const struct output_run *run)
{
    struct error error = {0};

    for (size_t i = 0; i < reports->count; i++) {
        complain(reports, output_begin(reports->outputs[i], run, &error), &error);
    }
}

void reports_detail(struct reports *reports, const struct output_run *run,
                    const struct detail *detail)
{
    struct error error = {0};

    for (size_t i = 0; i < reports->count; i++) {
        complain(reports, output_detail(reports->outputs[i], run, detail, &error), &error);
    }
}

bool reports_take_detail(struct reports *reports)
{
    struct error error = {0};
    bool all = true;

    for (size_t i = 0; i < reports->count; i++) {
        bool takes;
        complain(reports, output_takes_detail(reports->outputs[i], &takes, &error), &error);
        all = all && (takes || reports->outputs[i]->broken);
    }
    return all;
}

int reports_end(struct reports *reports, const struct output_run *run,
                const struct summary *summary)
{
    struct error error = {0};
    int result = 0;

    for (size_t i = 0; i < reports->count; i++) {
        int r = output_end(reports->outputs[i], run, summary, &error);
        if (r == 0) {
            r = output_close(reports->outputs[i], &error);
        }
        complain(reports, r, &error);
        result = reports->outputs[i]->broken || r < 0 ? -EIO : result;
    }
    return result;
}

void reports_clear(struct reports *reports)
{
    for (size_t i = 0; i < reports->count; i++) {
        output_free(reports->outputs[i]);
    }
    *reports = (struct reports){.count = 0};
}
