/* SPDX-License-Identifier: MPL-2.0 */
/* Agents by id, in order, and by the connection that they are heard on. Connections have ids of
 * libzmq's own, which nobody can ask for: what an agent is called stands in its message, and a
 * message that comes on a connection nobody registered on is nobody's. */
#include "registry.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/strmap.h"

struct registry {
    uint64_t looked_usec;  /* when we last looked who is silent; 0: never */
    struct agent **agents; /* by id */
    size_t count, room;
    struct strmap *by_identity;
};

int registry_new(struct registry **ret)
{
    _cleanup_(registry_freep) struct registry *registry = calloc(1, sizeof *registry);
    if (!registry) {
        return -ENOMEM;
    }
    int r = strmap_new(&registry->by_identity);
    if (r == 0) {
        *ret = TAKE_PTR(registry);
    }
    return r;
}

static struct agent *agent_free(struct agent *agent)
{
    if (agent) {
        free(agent->agent_id);
        free(agent->incarnation);
        free(agent->hostname);
        free(agent->version);
        strlist_clear(&agent->control);
        free(agent);
    }
    return NULL;
}

DEFINE_CLEANUP(struct agent, agent_free)

struct registry *registry_free(struct registry *registry)
{
    if (registry) {
        for (size_t i = 0; i < registry->count; i++) {
            agent_free(registry->agents[i]);
        }
        free(registry->agents);
        strmap_free(registry->by_identity);
        free(registry);
    }
    return NULL;
}

/* Where an agent of that id is, or would be put. */
static size_t position(const struct registry *registry, const char *agent_id)
{
    size_t low = 0, high = registry->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(registry->agents[middle]->agent_id, agent_id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct agent *registry_find(const struct registry *registry, const char *agent_id)
{
    size_t i = position(registry, agent_id);
    return i < registry->count && strcmp(registry->agents[i]->agent_id, agent_id) == 0
               ? registry->agents[i]
               : NULL;
}

struct agent *registry_find_identity(const struct registry *registry, const void *identity,
                                     size_t identity_size)
{
    return strmap_get(registry->by_identity, identity, identity_size);
}

struct agent *const *registry_agents(const struct registry *registry, size_t *ret_count)
{
    *ret_count = registry->count;
    return registry->agents;
}

static int make_room(struct registry *registry)
{
    if (registry->count < registry->room) {
        return 0;
    }
    size_t room = MAX(2 * registry->room, (size_t)16);
    struct agent **agents = reallocarray(registry->agents, room, sizeof *agents);
    if (!agents) {
        return -ENOMEM;
    }
    registry->agents = agents;
    registry->room = room;
    return 0;
}

/* Whether an agent may come under that name. */
static int check(const struct registry *registry, const struct agent_message *message,
                 const struct agent *older, uint64_t now_usec, struct error *error)
{
    if (message->protocol != AGENT_PROTOCOL) {
        return error_set(error, -EPROTO,
                         "agent %s (version %s) speaks protocol %" PRIu64
                         ", this broker (version %s) speaks protocol %d",
                         message->agent_id, message->version ? message->version : "unknown",
                         message->protocol, LOADS_VERSION, AGENT_PROTOCOL);
    }
    if (older && strcmp(older->incarnation, message->incarnation) != 0 && !older->lost &&
        now_usec - older->heard_usec < REGISTRY_LOST_USEC) {
        return error_set(error, -EBUSY, "agent %s is here already: process %" PRIu64 " on %s",
                         older->agent_id, older->pid, older->hostname);
    }
    if (!older && registry->count == REGISTRY_MAX_AGENTS) {
        return error_set(error, -E2BIG, "there are %d agents already", REGISTRY_MAX_AGENTS);
    }
    return 0;
}

static int new_agent(const struct agent_message *message, const void *identity,
                     size_t identity_size, struct agent **ret)
{
    _cleanup_(agent_freep) struct agent *agent = calloc(1, sizeof *agent);
    if (!agent) {
        return -ENOMEM;
    }
    agent->agent_id = strdup(message->agent_id);
    agent->incarnation = strdup(message->incarnation);
    agent->hostname = strdup(message->hostname);
    agent->version = strdup(message->version ? message->version : "");
    if (!agent->agent_id || !agent->incarnation || !agent->hostname || !agent->version) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < message->n_control; i++) {
        if (strlist_add(&agent->control, message->control[i]) < 0) {
            return -ENOMEM;
        }
    }
    agent->pid = message->pid;
    memcpy(agent->identity, identity, identity_size);
    agent->identity_size = identity_size;
    *ret = TAKE_PTR(agent);
    return 0;
}

/* Puts an agent in, in place of an older one of its name. */
static void put(struct registry *registry, struct agent *agent)
{
    size_t i = position(registry, agent->agent_id);
    struct agent *older = i < registry->count ? registry->agents[i] : NULL;

    if (older && strcmp(older->agent_id, agent->agent_id) == 0) {
        if (older->identity_size != agent->identity_size ||
            memcmp(older->identity, agent->identity, agent->identity_size) != 0) {
            (void)strmap_remove(registry->by_identity, older->identity, older->identity_size);
        }
        agent_free(older);
    } else {
        memmove(registry->agents + i + 1, registry->agents + i,
                (registry->count - i) * sizeof(struct agent *));
        registry->count++;
    }
    registry->agents[i] = agent;
}

int registry_register(struct registry *registry, const struct agent_message *message,
                      const void *identity, size_t identity_size, uint64_t now_usec,
                      struct agent **ret, bool *ret_is_new,
                      char previous_run[static SPEC_RUN_ID_BYTES + 1], struct error *error)
{
    _cleanup_(agent_freep) struct agent *agent = NULL;
    const struct agent *older = registry_find(registry, message->agent_id);
    const struct agent *neighbour = registry_find_identity(registry, identity, identity_size);

    int r = identity_size > REGISTRY_MAX_IDENTITY || (neighbour && neighbour != older)
                ? error_set(error, -EBUSY, "this connection is another agent's")
                : check(registry, message, older, now_usec, error);
    if (r < 0) {
        return r;
    }
    r = new_agent(message, identity, identity_size, &agent);
    if (r == 0) {
        r = make_room(registry);
    }
    if (r == 0) {
        r = strmap_put(registry->by_identity, identity, identity_size, agent);
    }
    if (r < 0) {
        return error_set_errno(error, r, "cannot register");
    }
    bool is_new = !older || strcmp(older->incarnation, message->incarnation) != 0;
    (void)snprintf(previous_run, SPEC_RUN_ID_BYTES + 1, "%s", older ? older->run_id : "");
    agent->heard_usec = now_usec;
    agent->idle_usec = is_new ? now_usec : older->idle_usec;
    if (!is_new) {
        memcpy(agent->run_id, older->run_id, sizeof agent->run_id);
        agent->leaving = older->leaving;
    }
    *ret = agent;
    *ret_is_new = is_new;
    put(registry, TAKE_PTR(agent));
    return 0;
}

void registry_remove(struct registry *registry, struct agent *agent)
{
    size_t i = position(registry, agent->agent_id);
    assert(i < registry->count && registry->agents[i] == agent);
    memmove(registry->agents + i, registry->agents + i + 1,
            (registry->count - i - 1) * sizeof(struct agent *));
    registry->count--;
    (void)strmap_remove(registry->by_identity, agent->identity, agent->identity_size);
    agent_free(agent);
}

void registry_look(struct registry *registry, uint64_t now_usec)
{
    uint64_t gap_usec = registry->looked_usec > 0 ? now_usec - registry->looked_usec : 0;

    for (size_t i = 0; gap_usec > REGISTRY_HEARTBEAT_USEC && i < registry->count; i++) {
        registry->agents[i]->heard_usec = MIN(registry->agents[i]->heard_usec + gap_usec, now_usec);
    }
    registry->looked_usec = now_usec;
}

struct agent *registry_next_silent(const struct registry *registry, uint64_t now_usec)
{
    for (size_t i = 0; i < registry->count; i++) {
        struct agent *agent = registry->agents[i];
        if (!agent->lost && now_usec - agent->heard_usec >= REGISTRY_LOST_USEC) {
            return agent;
        }
    }
    return NULL;
}

bool agent_is_free(const struct agent *agent)
{
    return !agent->lost && !agent->leaving && !agent->run_id[0];
}

const char *agent_state(const struct agent *agent)
{
    if (agent->lost) {
        return "lost";
    }
    if (agent->leaving) {
        return "leaving";
    }
    return agent->run_id[0] ? "busy" : "free";
}
