/* SPDX-License-Identifier: MPL-2.0 */
/* What the agents of one run have counted: names and totals with numbers of the run, and the
 * intervals and the detail that are still to be stored.
 *
 * Each agent of a run is a source with two streams. Messages of each are numbered from 1 without
 * gaps; each is taken once, in order. Totals have all that was taken, so that with each batch of
 * intervals the totals that include it are stored. */
#ifndef LOADS_BROKER_RESULTS_H
#define LOADS_BROKER_RESULTS_H

#include <stdbool.h>

#include "metrics/names.h"
#include "metrics/recent.h"
#include "metrics/timeline.h"
#include "metrics/totals.h"
#include "store.h"
#include "wire/agent_message.h"

/* Of each stream; beyond it none is taken. */
#define RESULTS_MAX_PENDING_BYTES                                                                  \
    ((size_t)64 << 20)             /* intervals as they came, detail in memory                     \
                                    */
#define RESULTS_MAX_PENDING 100000 /* messages */

enum results_stream { STREAM_INTERVALS, STREAM_DETAIL, STREAMS };

struct results;

int results_new(struct results **ret, unsigned sources) _must_check_;
struct results *results_free(struct results *results);
DEFINE_CLEANUP(struct results, results_free)

struct names *results_names(struct results *results);
struct totals *results_totals(struct results *results);

/* How it goes just now; nothing of what another broker took. NULL: it was forgotten, since the run
 * is over. */
struct recent *results_recent(struct results *results);
void results_forget_recent(struct results *results);

/* The run over time, for a broker whose store doesn't keep it. From the first call on it is kept;
 * NULL: there is no memory for it, or nothing was taken. */
void results_keep_timeline(struct results *results);
struct timeline *results_timeline(struct results *results);

/* Which one a message, AGENT_RESULTS or AGENT_DETAIL, is of. */
static inline enum results_stream results_stream_of(const struct agent_message *message)
{
    return message->type == AGENT_DETAIL ? STREAM_DETAIL : STREAM_INTERVALS;
}

/* What had no room for its name, by kind: here or at the sources. */
/* What is counted is told to them, too; borrowed, NULL: there are none. */
struct thresholds;
void results_watch(struct results *results, struct thresholds *thresholds);

void results_overflows(const struct results *results, uint64_t overflows[static NAME_KINDS]);

/* ---- taking ---- */

enum results_verdict {
    RESULTS_TAKEN,
    RESULTS_KNOWN,    /* it was taken before */
    RESULTS_EXPECTED, /* another comes first: results_expected() */
    RESULTS_FULL,     /* there is no room now; it must be sent again */
    RESULTS_REJECTED, /* it makes no sense; its number counts as taken, nothing in it does */
};

/* One AGENT_RESULTS or AGENT_DETAIL of source `number` and its payload. `error` gets a text with
 * RESULTS_REJECTED. Names are learnt in any case. -ENOMEM is RESULTS_FULL. */
enum results_verdict results_take(struct results *results, unsigned number,
                                  const struct agent_message *message, const void *payload,
                                  size_t size, struct error *error);

/* The number of the next message. */
uint64_t results_expected(const struct results *results, unsigned source,
                          enum results_stream stream);

/* How many messages of a source were rejected, of both streams. */
uint64_t results_rejected(const struct results *results, unsigned source);

/* ---- storing ---- */

/* Whether there is something to store, and room for more. */
bool results_are_pending(const struct results *results);
bool results_have_room(const struct results *results, enum results_stream stream);

/* Gives what is pending to the store, as one batch. 0: done() will be called, and then
 * results_stored() is to be. -errno: nothing has changed. It is cheapest to wait with it while
 * another batch is with the store. */
int results_store(struct results *results, struct store *store, const char *run_id,
                  uint64_t started_usec, store_done *done, void *context) _must_check_;

bool results_are_being_stored(const struct results *results);

/* The oldest batch that is with the store is stored, or will never be. */
void results_stored(struct results *results);

/* The last number of a source that is stored. */
uint64_t results_stored_seq(const struct results *results, unsigned source,
                            enum results_stream stream);

/* Totals and names of a run that is read back, and where its sources are. */
int results_restore(struct results *results, const struct store_record *record) _must_check_;

#endif
