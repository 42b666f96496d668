/* SPDX-License-Identifier: MPL-2.0 */
/* Starting a run on agents. */
#ifndef LOADS_REMOTE_SUBMIT_H
#define LOADS_REMOTE_SUBMIT_H

#include "base/strlist.h"
#include "remote/frontend.h"
#include "remote/submit_options.h"
#include "shared/run_options.h"

/* What goes to the broker: the specification, and an archive of the files that the test needs. */
struct submission {
    json_t *request;
    uint8_t *archive; /* NULL: none */
    size_t archive_size;
};

/* Collects it all, before anything is asked or sent. -EINVAL, -ENOENT (no such module, a pattern
 * that matches nothing), other -errno of files; with a text. */
int submission_make(struct submission *ret, const struct run_options *run,
                    const struct submit_options *submit, struct error *error) _must_check_;
void submission_clear(struct submission *submission);

/* What the broker made of it. */
struct submitted {
    char *run_id;
    char *state; /* "preparing" or "queued" */
    struct strlist agents;
};

/* As frontend_ask(). */
int submission_send(const struct submission *submission, struct frontend *frontend,
                    struct submitted *ret, struct error *error) _must_check_;
void submitted_clear(struct submitted *submitted);

#endif
