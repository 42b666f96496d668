/* SPDX-License-Identifier: MPL-2.0 */
/* Whoever is refused tries again, some of them thousands of times a second. A table of a fixed size
 * is all that they can take of us. */
#include "refusals.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

struct entry {
    struct refusal refusal; /* `times`: since it was told */
    uint64_t first_usec;
};

struct refusals {
    refusals_tell *tell;
    void *context;
    struct entry entries[REFUSALS_MAX];
    size_t count;
    struct entry others;
};

int refusals_new(struct refusals **ret, refusals_tell *tell, void *context)
{
    struct refusals *refusals = calloc(1, sizeof *refusals);

    if (!refusals) {
        return -ENOMEM;
    }
    refusals->tell = tell;
    refusals->context = context;
    *ret = refusals;
    return 0;
}

struct refusals *refusals_free(struct refusals *refusals)
{
    free(refusals);
    return NULL;
}

static bool is_same(const struct refusal *a, const struct refusal *b)
{
    return strcmp(a->what, b->what) == 0 && strcmp(a->caller.peer, b->caller.peer) == 0 &&
           strcmp(a->caller.name, b->caller.name) == 0 && strcmp(a->run_id, b->run_id) == 0 &&
           strcmp(a->agent_id, b->agent_id) == 0 && strcmp(a->reason, b->reason) == 0;
}

static void count_other(struct refusals *refusals, uint64_t now_usec)
{
    struct entry *others = &refusals->others;

    if (others->refusal.times++ == 0) {
        others->first_usec = now_usec;
        (void)snprintf(others->refusal.what, sizeof others->refusal.what, "others"); /* it fits */
        (void)snprintf(others->refusal.reason, sizeof others->refusal.reason,
                       "there were too many different ones");
    }
}

void refusals_add(struct refusals *refusals, const struct refusal *refusal, uint64_t now_usec)
{
    refusals_tick(refusals, now_usec);
    for (size_t i = 0; i < refusals->count; i++) {
        if (is_same(&refusals->entries[i].refusal, refusal)) {
            refusals->entries[i].refusal.times++;
            return;
        }
    }
    if (refusals->count == REFUSALS_MAX) {
        count_other(refusals, now_usec);
        return;
    }
    struct entry *entry = &refusals->entries[refusals->count++];
    *entry = (struct entry){.refusal = *refusal, .first_usec = now_usec};
    entry->refusal.times = 1;
    refusals->tell(&entry->refusal, refusals->context);
    entry->refusal.times = 0;
}

static bool is_due(const struct entry *entry, uint64_t now_usec)
{
    return now_usec - entry->first_usec >= REFUSALS_WINDOW_USEC;
}

/* What came again begins a new window, so that it is told once in each; what did not is forgotten.
 */
void refusals_tick(struct refusals *refusals, uint64_t now_usec)
{
    for (size_t i = 0; i < refusals->count;) {
        struct entry *entry = &refusals->entries[i];
        if (!is_due(entry, now_usec)) {
            i++;
        } else if (entry->refusal.times > 0) {
            refusals->tell(&entry->refusal, refusals->context);
            entry->refusal.times = 0;
            entry->first_usec = now_usec;
            i++;
        } else {
            *entry = refusals->entries[--refusals->count];
        }
    }
    if (refusals->others.refusal.times > 0 && is_due(&refusals->others, now_usec)) {
        refusals->tell(&refusals->others.refusal, refusals->context);
        refusals->others.refusal.times = 0;
    }
}
