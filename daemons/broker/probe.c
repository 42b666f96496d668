/* SPDX-License-Identifier: MPL-2.0 */
/* A second is long enough for a broker that is well, and short enough for a start that waits. */
#include "probe.h"

#include "run/question.h"

#define WAIT_SEC 1.0

int probe_broker(const struct strlist *addresses, const struct mq_key_pair *key, uint64_t *ret_pid,
                 struct error *error)
{
    const struct question question = {.addresses = addresses,
                                      .command = "PING",
                                      .key = key,
                                      .servers_key = key ? &key->public_key : NULL,
                                      .wait_sec = WAIT_SEC};
    json_auto_t *answer = NULL;
    int r = question_ask(&question, &answer, error);

    if (r <= 0) {
        return r;
    }
    json_int_t pid = json_integer_value(json_object_get(answer, "pid"));
    if (pid <= 0) { /* it is something else */
        return 0;
    }
    *ret_pid = (uint64_t)pid;
    return 1;
}
