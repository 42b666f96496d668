/* SPDX-License-Identifier: MPL-2.0 */
/* One question, and the first answer to it: for programs that have nothing else to do meanwhile. */
#ifndef LOADS_RUN_QUESTION_H
#define LOADS_RUN_QUESTION_H

#include "base/error.h"
#include "base/strlist.h"
#include "loop/mq.h"
#include "wire/json.h"

#define QUESTION_MAX_ADDRESSES 16 /* those beyond are not asked */

struct question {
    const struct strlist *addresses;  /* all are asked at once */
    const char *command;              /* the request is {"command": this} */
    const struct mq_key_pair *key;    /* NULL: without one */
    const struct mq_key *servers_key; /* with it */
    double wait_sec;
};

/* Asks, in a loop and a context of its own. 1: *ret is the `result` of an answer, which has one; 0:
 * there was none in time. -errno with a text. */
int question_ask(const struct question *question, json_t **ret, struct error *error) _must_check_;

#endif
