/* SPDX-License-Identifier: MPL-2.0 */
/* Agents on one machine share its cores, so a run that is smaller than the cluster is spread over
 * machines. Each free agent gets a rank, how many of its host would be busy before it, and the
 * lowest ranks are taken. */
#include "scheduler.h"

#include <errno.h>
#include <string.h>

struct candidate {
    struct agent *agent;
    size_t rank;
};

size_t scheduler_count_free(struct agent *const *agents, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        n += agent_is_free(agents[i]) ? 1 : 0;
    }
    return n;
}

static int compare_idle(const struct agent *a, const struct agent *b)
{
    if (a->idle_usec != b->idle_usec) {
        return a->idle_usec < b->idle_usec ? -1 : 1;
    }
    return strcmp(a->agent_id, b->agent_id);
}

/* By host; there those that aren't free first, then by how long they have been idle. */
static int compare_host(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    int r = strcmp(a->agent->hostname, b->agent->hostname);
    if (r == 0) {
        r = agent_is_free(a->agent) - agent_is_free(b->agent);
    }
    return r != 0 ? r : compare_idle(a->agent, b->agent);
}

static int compare_rank(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    if (a->rank != b->rank) {
        return a->rank < b->rank ? -1 : 1;
    }
    return compare_idle(a->agent, b->agent);
}

/* Makes candidates of all agents, those that are free in the end at the beginning. */
static void rank(struct candidate *candidates, size_t count)
{
    qsort(candidates, count, sizeof *candidates, compare_host);
    size_t of_host = 0;
    for (size_t i = 0; i < count; i++) {
        const struct agent *agent = candidates[i].agent;
        bool same = i > 0 && strcmp(candidates[i - 1].agent->hostname, agent->hostname) == 0;
        of_host = same ? of_host + 1 : 0;
        candidates[i].rank = agent_is_free(agent) ? of_host : SIZE_MAX;
    }
    qsort(candidates, count, sizeof *candidates, compare_rank);
}

int scheduler_choose(struct agent *const *agents, size_t count, size_t wanted, struct agent ***ret,
                     struct error *error)
{
    size_t n_free = scheduler_count_free(agents, count);

    if (n_free < wanted) {
        return error_set(error, -EAGAIN, "the run asks for %zu agent%s, %zu of %zu %s free", wanted,
                         wanted == 1 ? "" : "s", n_free, count, n_free == 1 ? "is" : "are");
    }
    _cleanup_free_ struct candidate *candidates = calloc(MAX(count, (size_t)1), sizeof *candidates);
    _cleanup_free_ struct agent **chosen = calloc(MAX(wanted, (size_t)1), sizeof(struct agent *));
    if (!candidates || !chosen) {
        return error_set_errno(error, -ENOMEM, "cannot choose agents");
    }
    for (size_t i = 0; i < count; i++) {
        candidates[i].agent = agents[i];
    }
    rank(candidates, count);
    for (size_t i = 0; i < wanted; i++) {
        chosen[i] = candidates[i].agent;
    }
    *ret = TAKE_PTR(chosen);
    return 0;
}

int scheduler_take(const struct registry *registry, const char *const *ids, size_t n_ids,
                   struct agent ***ret, struct error *error)
{
    _cleanup_free_ struct agent **taken = calloc(MAX(n_ids, (size_t)1), sizeof(struct agent *));
    if (!taken) {
        return error_set_errno(error, -ENOMEM, "cannot choose agents");
    }
    for (size_t i = 0; i < n_ids; i++) {
        taken[i] = registry_find(registry, ids[i]);
        if (!taken[i]) {
            return error_set(error, -ENOENT, "there is no agent %.255s", ids[i]);
        }
        for (size_t j = 0; j < i; j++) {
            if (taken[j] == taken[i]) {
                return error_set(error, -EINVAL, "agents: %.255s is there twice", ids[i]);
            }
        }
        if (!agent_is_free(taken[i])) {
            return error_set(error, -EAGAIN, "agent %.255s is %s", ids[i], agent_state(taken[i]));
        }
    }
    *ret = TAKE_PTR(taken);
    return 0;
}
