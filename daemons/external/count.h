/* SPDX-License-Identifier: MPL-2.0 */
/* What a test runner reports becomes counts here: the one place that stages and commits the tally
 * and writes the detail stream. */
#ifndef LOADS_EXTERNAL_COUNT_H
#define LOADS_EXTERNAL_COUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "loop/url.h"
#include "metrics/names.h"
#include "run/worker_files.h"
#include "wire/runner_message.h"

#define COUNT_TEXT_BYTES 4000 /* of a traceback, as much as reports show: its end is kept */

struct count {
    struct worker_files files;
    int channel;
    unsigned cycle, first_user;
    unsigned first_number; /* what a runner calls the first user: from 1 in each cycle and agent */
    uint64_t run_start_usec;
    uint64_t *begun_usec; /* of each user's iteration, CLOCK_MONOTONIC */
    struct url_cache *urls;
    char test_name[SPEC_NAME_BYTES]; /* of several the first */
    char text[COUNT_TEXT_BYTES + 1];
};

/* Takes the files over. -ENOMEM. */
int count_init(struct count *count, struct worker_files *files) _must_check_;
void count_clear(struct count *count);

/* The number that a runner has for a user of this worker. */
static inline unsigned count_number(const struct count *count, unsigned index)
{
    return count->first_number + index;
}

/* Each counts its event whole; or, with false, nothing, since there is no room in the detail ring:
 * when the supervisor has made some, the same may be tried again. */
bool count_message(struct count *count, const struct runner_message *message) _must_check_;

/* What came was no message. */
bool count_nonsense(struct count *count) _must_check_;

/* An iteration of a user ends without having said how, or, if none is on, something failed beside
 * them. error NULL: it was interrupted; else its `test` is filled in. */
bool count_end(struct count *count, unsigned index, const struct error_key *error) _must_check_;

/* Whether an iteration of the user is on. */
bool count_is_on(const struct count *count, unsigned index);

#endif
