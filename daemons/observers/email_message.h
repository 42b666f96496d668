/* SPDX-License-Identifier: MPL-2.0 */
/* The mail about a run, as it goes to the server: headers, a part of text and one of HTML. */
#ifndef LOADS_OBSERVERS_EMAIL_MESSAGE_H
#define LOADS_OBSERVERS_EMAIL_MESSAGE_H

#include <time.h>

#include "observers/common.h"

struct email {
    const char *sender, *recipients; /* addresses; several with commas between */
    const char *subject;             /* NULL: the name of the run and its result */
    const char *run_id, *host;       /* for the message's id */
    time_t date;
};

/* The caller's. -ENOMEM. */
int email_compose(const struct email *email, const struct facts *facts, char **ret,
                  size_t *ret_size) _must_check_;

#endif
