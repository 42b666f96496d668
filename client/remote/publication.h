/* SPDX-License-Identifier: MPL-2.0 */
/* What a broker publishes of a run, one message after the other. */
#ifndef LOADS_REMOTE_PUBLICATION_H
#define LOADS_REMOTE_PUBLICATION_H

#include <stdint.h>

#include "loop/mq.h"
#include "metrics/recent.h"
#include "wire/json.h"

#define PUBLICATION_MAX_BYTES (4 << 20)

enum publication_type {
    PUBLICATION_LIVE,
    PUBLICATION_LOG,
    PUBLICATION_PROBLEM,
    PUBLICATION_DETACH,
    PUBLICATION_FINISHED,
    PUBLICATION_OTHER, /* not known (yet) */
};

struct publication {
    enum publication_type type;
    json_t *json; /* owns the texts */

    /* live */
    uint64_t number, cycle, cycles, users, elapsed_usec, hits, errors, failures;
    uint64_t agents, lost; /* how many; 0: an older broker, which doesn't tell */
    double done;
    bool has_recent; /* likewise */
    struct recent_numbers recent;
    const char *last_error; /* NULL: none */

    const char *state;    /* live, finished */
    const char *agent_id; /* log, problem; may be NULL */
    const char *text;     /* log, problem */
};

/* Reads the second frame of a message. Clear it when that was 0. -EBADMSG: a text says what is
 * wrong; -ENOMEM. */
int publication_decode(const void *bytes, size_t size, struct publication *ret, struct error *error)
    _must_check_;
void publication_clear(struct publication *publication);

/* Subscribes to a run. `welcome` is called whenever a connection is there, `published` for every
 * message of the run (borrowed during the call); the subscription must not be freed in them. What
 * can't be read is left out. */
struct subscription;
struct subscription_callbacks {
    void (*welcome)(void *context);
    void (*published)(const struct publication *publication, void *context);
    void *context;
};
int subscription_new(struct subscription **ret, struct mq *mq, const char *address,
                     const char *run_id, const struct subscription_callbacks *callbacks,
                     struct error *error) _must_check_;
struct subscription *subscription_free(struct subscription *subscription);
DEFINE_CLEANUP(struct subscription, subscription_free)

#endif
