/* SPDX-License-Identifier: MPL-2.0 */
/* A run of a broker that is gone, from what it had stored. Agents may have gone on meanwhile: they
 * tell how far they are when they register, so members are taken for as little advanced as they can
 * be, and every report that they have made is made again. Who ended is asked for it again, too,
 * since only the report says which results belong to it. */
#include <errno.h>
#include <string.h>

#include "run.h"

static int copy_text(const char *text, char **ret)
{
    *ret = text ? strdup(text) : NULL;
    return text && !*ret ? -ENOMEM : 0;
}

static bool was(const struct store_source *source, const char *state)
{
    return strcmp(source->state, state) == 0;
}

static int restore_member(struct run *run, struct member *member, const struct store_source *source)
{
    bool failed = was(source, "failed");

    member->state = failed ? MEMBER_FAILED : run->begun == 0 ? MEMBER_PREPARING : MEMBER_RUNNING;
    member->lost = was(source, "lost");
    member->away = !member->lost && !failed;
    member->lost_usec = source->lost_usec;
    member->ended_usec = failed ? source->ended_usec : 0;
    member->result = failed ? source->result : 0;
    member->ready_cycles = run->begun;
    return copy_text(source->reason, &member->reason);
}

static int restore_members(struct run *run, const struct store_record *record)
{
    _cleanup_free_ struct run_agent *agents = calloc(MAX(record->n_sources, 1u), sizeof *agents);

    if (!agents) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < record->n_sources; i++) {
        const struct store_source *source = &record->sources[i];
        if (source->number != i) {
            return -EBADMSG;
        }
        agents[i] = (struct run_agent){source->agent_id, source->incarnation, source->hostname,
                                       (uint64_t)source->pid};
    }
    int r = run_set_agents(run, agents, (unsigned)record->n_sources);
    for (size_t i = 0; r == 0 && i < record->n_sources; i++) {
        r = restore_member(run, &run->members[i], &record->sources[i]);
    }
    return r == 0 ? results_restore(run->results, record) : r;
}

/* Its row; what only time tells begins anew. */
static int restore_row(struct run *run, const struct store_run *row, uint64_t now_usec)
{
    run->restored = true;
    run->missing = !run->spec->url                     ? "its files"
                   : run_spec_lacks_secrets(run->spec) ? "the secrets of its URL"
                                                       : NULL;
    run->submitted_usec = row->submitted_usec;
    run->started_usec = row->started_usec;
    run->start_usec = row->start_usec;
    run->start_is_stored = row->start_usec > 0;
    run->begun = row->start_usec > 0 ? MIN(row->cycle + 1, run->cycles) : 0;
    run->active_usec = row->active_usec;
    run->cycle_is_on = run->begun > 0;
    run->cycle_start_usec = run->begun == 1 ? row->start_usec : now_usec;
    run->stop_grace_usec = run->spec->grace_usec;
    run->stop_by_usec = now_usec + run->stop_grace_usec + RUN_STOP_USEC;
    return copy_text(row->trouble, &run->trouble);
}

int run_restore(struct run **ret, const struct store_record *record, const struct run_hooks *hooks,
                uint64_t now_usec, struct error *error)
{
    _cleanup_(run_freep) struct run *run = NULL;
    _cleanup_(run_spec_freep) struct run_spec *spec = NULL;
    const struct store_run *row = &record->run;
    const char *text = row->spec ? row->spec : "";

    int r = run_spec_decode(text, strlen(text), &spec, error);
    if (r < 0) {
        return r;
    }
    enum run_state state = run_state_of(row->state);
    if (strcmp(spec->run_id, row->run_id) != 0 || state == RUN_STATES || run_state_is_over(state)) {
        return error_set(error, -EBADMSG, "its row and its specification don't fit together");
    }
    struct run_options options = {.spec = &spec,
                                  .request_id = row->request_id,
                                  .n_agents = row->agents,
                                  .abort_on_loss = row->abort_on_loss,
                                  .save_hits = row->save_hits,
                                  .hooks = *hooks};
    r = run_new(&run, &options, state, error);
    if (r < 0) {
        return r;
    }
    r = restore_row(run, row, now_usec);
    if (r == 0 && state != RUN_QUEUED) {
        r = record->n_sources == row->agents ? restore_members(run, record) : -EBADMSG;
    }
    if (r < 0) {
        return error_set_errno(error, r, "what is stored of its agents");
    }
    *ret = TAKE_PTR(run);
    return 0;
}
