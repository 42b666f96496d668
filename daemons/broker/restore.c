/* SPDX-License-Identifier: MPL-2.0 */
/* Agents that came before have told of their runs in vain: when the runs are known they register
 * again. What can't be read back is ended, so that it is not found for ever. */
#include "restore.h"

#include <string.h>

#include "backend.h"
#include "base/clock.h"
#include "base/daemon.h"
#include "conduct.h"
#include "frontend.h"
#include "keep.h"

static void abort_row(struct broker *broker, const struct store_run *row, const struct error *error)
{
    struct store_run ended = *row;

    broker_event(EVENT_RUN_ABORTED, row->run_id, NULL, "run %s: aborted: it can't be read back: %s",
                 row->run_id, error->text);
    ended.state = run_state_word(RUN_ABORTED);
    ended.outcome = "aborted";
    ended.trouble = "the broker was restarted and could not read it back";
    ended.finished_usec = clock_realtime_usec();
    /* No room: the next start finds it again. */
    (void)!store_run_update(broker->store, &ended, NULL, NULL);
}

/* Only the broker had all of a run that waits for agents: the database has neither files nor
 * secrets. */
static void give_up_queued(struct run *run)
{
    if (run->state == RUN_QUEUED && run->missing) {
        run_add_trouble(run,
                        "%s went with the broker, which was restarted while it waited for agents: "
                        "submit it again",
                        run->missing);
        run_give_up(run);
    }
}

static void restore_run(struct broker *broker, const struct store_record *record)
{
    _cleanup_(run_freep) struct run *run = NULL;
    const struct run_hooks hooks = {conduct_changed, broker};
    struct error error = {0};

    if (runs_find(broker->runs, record->run.run_id)) {
        return;
    }
    int r = run_restore(&run, record, &hooks, clock_monotonic_usec(), &error);
    struct run *added = run;
    if (r == 0) {
        r = runs_add(broker->runs, &run, &error);
    }
    if (r < 0) {
        abort_row(broker, &record->run, &error);
        return;
    }
    assert(added); /* it was made */
    broker_log(LOG_INFO, added->run_id, NULL, "run %s: read back, %s", added->run_id,
               run_state_word(added->state));
    keep_event(broker, added, NULL, "restored", NULL, "read back, %s",
               run_state_word(added->state));
    give_up_queued(added);
}

/* Those that have runs; others need not tell anything. */
static void call_agents(struct broker *broker)
{
    struct agent_message message = {.type = AGENT_REFUSED,
                                    .reason = "it has read its runs back: register again"};
    size_t count;
    struct agent *const *agents = registry_agents(broker->registry, &count);

    while (count-- > 0) {
        if (agents[count]->run_id[0]) {
            backend_send(broker, agents[count], &message, NULL, 0);
            registry_remove(broker->registry, agents[count]);
            agents = registry_agents(broker->registry, &(size_t){0});
        }
    }
}

static void on_loaded(const struct store_answer *answer, const struct store_record *const *records,
                      size_t count, void *context)
{
    struct broker *broker = context;

    broker->loading = false;
    frontend_open(broker->frontend);
    if (answer->result < 0) {
        log_error("the runs that were on can't be read back, so no run is taken: %s",
                  answer->reason);
        return; /* tried again when the database has been away */
    }
    for (size_t i = count; i > 0; i--) { /* the newest came first */
        restore_run(broker, records[i - 1]);
    }
    broker->loaded = true;
    broker->loaded_usec = clock_monotonic_usec();
    daemon_notify("X_LOADS_LOADED=1"); /* loads-cluster waits for it */
    call_agents(broker);
}

void restore_runs(struct broker *broker)
{
    if (broker->loaded || broker->loading) {
        return;
    }
    int r = store_load_active(broker->store, on_loaded, broker);
    if (r < 0) {
        log_error("the runs that were on can't be read back: %s", strerror(-r));
    }
    broker->loading = r == 0;
}
