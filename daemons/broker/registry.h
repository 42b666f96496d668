/* SPDX-License-Identifier: MPL-2.0 */
/* The agents that the broker knows: who they are, when they were last heard, what they do. */
#ifndef LOADS_BROKER_REGISTRY_H
#define LOADS_BROKER_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/strlist.h"
#include "wire/agent_message.h"

#define REGISTRY_MAX_AGENTS     10000
#define REGISTRY_HEARTBEAT_USEC USEC_PER_SEC
#define REGISTRY_LOST_USEC      (3 * REGISTRY_HEARTBEAT_USEC) /* not heard for so long: lost */
#define REGISTRY_MAX_IDENTITY   256

struct agent {
    char *agent_id;
    char *incarnation; /* UUID of its process */
    char *hostname;
    char *version;
    struct strlist control; /* where it can be reached itself */
    uint64_t pid;
    char identity[REGISTRY_MAX_IDENTITY]; /* of its connection to the backend */
    size_t identity_size;
    uint64_t heard_usec;                /* by our monotonic clock */
    uint64_t idle_usec;                 /* since when it has been free */
    bool lost;                          /* not heard any more; kept for the run that it is in */
    bool leaving;                       /* takes no run */
    char run_id[SPEC_RUN_ID_BYTES + 1]; /* which it is in or reserved for; "": it is free */
};

struct registry;
int registry_new(struct registry **ret) _must_check_;
struct registry *registry_free(struct registry *registry);
DEFINE_CLEANUP(struct registry, registry_free)

/* Takes an AGENT_REGISTER, that came from a connection, in. *ret_is_new: the agent was not known,
 * or is another process than before; *ret_previous (if not NULL) is then the run that its
 * predecessor was in, "" for none; the agent itself is free. -EPROTO: it speaks another protocol;
 * -EBUSY: another process of that name is heard; -E2BIG: there are too many; each with a text for
 * the agent. -ENOMEM. */
int registry_register(struct registry *registry, const struct agent_message *message,
                      const void *identity, size_t identity_size, uint64_t now_usec,
                      struct agent **ret, bool *ret_is_new,
                      char previous_run[static SPEC_RUN_ID_BYTES + 1], struct error *error)
    _must_check_;

/* Takes one out, which is freed. */
void registry_remove(struct registry *registry, struct agent *agent);

/* NULL: there is none. */
struct agent *registry_find(const struct registry *registry, const char *agent_id);
struct agent *registry_find_identity(const struct registry *registry, const void *identity,
                                     size_t identity_size);

/* All, in the order of their ids; valid until one comes or goes. */
struct agent *const *registry_agents(const struct registry *registry, size_t *ret_count);

/* To be called some times a second: if we stood still ourselves meanwhile, nobody was silent. */
void registry_look(struct registry *registry, uint64_t now_usec);

/* One that is not lost yet, but was not heard for REGISTRY_LOST_USEC; NULL: there is none. */
struct agent *registry_next_silent(const struct registry *registry, uint64_t now_usec);

/* Whether it can be given a run. */
bool agent_is_free(const struct agent *agent);

/* "free", "busy", "leaving" or "lost". */
const char *agent_state(const struct agent *agent);

#endif
