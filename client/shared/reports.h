/* SPDX-License-Identifier: MPL-2.0 */
/* The outputs of one run, as --output and --quiet ask for them. */
#ifndef LOADS_SHARED_REPORTS_H
#define LOADS_SHARED_REPORTS_H

#include "base/strlist.h"
#include "outputs/output.h"
#include "shared/progress.h"

#define REPORTS_MAX 32

/* All zero is none. */
struct reports {
    struct output *outputs[REPORTS_MAX];
    size_t count;
    bool wants_detail;         /* one of them gets every hit and test event */
    bool wants_timeline;       /* one of them shows the run over time */
    struct progress *progress; /* of whoever shows some: is hidden before a complaint. Borrowed */
};

/* Opens what is asked for; the summary goes to standard output unless something else does, or
 * nothing shall. `options` is borrowed. -EINVAL, -E2BIG or an -errno of a file, with a text; clear
 * them in either case. */
int reports_open(struct reports *reports, const struct strlist *wanted,
                 const struct output_options *options, bool quiet, struct error *error)
    _must_check_;

/* An output that can't write is said once and left alone: the run goes on. */
void reports_begin(struct reports *reports, const struct output_run *run);
void reports_detail(struct reports *reports, const struct output_run *run,
                    const struct detail *detail);

/* Whether reports_detail() would not have to wait. */
bool reports_take_detail(struct reports *reports);

/* The last ones; closes all. -EIO: one of them could not be written, which was said. */
int reports_end(struct reports *reports, const struct output_run *run,
                const struct summary *summary) _must_check_;

void reports_clear(struct reports *reports);

#endif
