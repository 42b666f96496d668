/* SPDX-License-Identifier: MPL-2.0 */
/* What was refused, as often as a person wants to hear of it: the first time at once, and what is
 * the same within some seconds once more, with how often it was. */
#ifndef LOADS_BROKER_REFUSALS_H
#define LOADS_BROKER_REFUSALS_H

#include <stdint.h>

#include "authority.h"
#include "wire/agent_message.h"
#include "wire/spec.h"

#define REFUSALS_MAX         64 /* different ones at a time; more are counted together */
#define REFUSALS_WINDOW_USEC (10 * USEC_PER_SEC)
#define REFUSALS_WHAT_BYTES  32
#define REFUSALS_TEXT_BYTES  512

struct refusal {
    char what[REFUSALS_WHAT_BYTES]; /* a command; or connect, register, results, others */
    struct caller caller;
    char run_id[SPEC_RUN_ID_BYTES + 1];    /* "": none */
    char agent_id[AGENT_MAX_ID_BYTES + 1]; /* "": none */
    char reason[REFUSALS_TEXT_BYTES];
    char key[MQ_KEY_BYTES + 1]; /* that was shown the first time; "": none */
    uint64_t times;
};

typedef void refusals_tell(const struct refusal *refusal, void *context);

struct refusals;
int refusals_new(struct refusals **ret, refusals_tell *tell, void *context) _must_check_;
struct refusals *refusals_free(struct refusals *refusals);
DEFINE_CLEANUP(struct refusals, refusals_free)

/* `times` of it doesn't count. now_usec: monotonic. */
void refusals_add(struct refusals *refusals, const struct refusal *refusal, uint64_t now_usec);

/* From time to time, and, with UINT64_MAX, at the end: tells what is to be told by now. */
void refusals_tick(struct refusals *refusals, uint64_t now_usec);

#endif
