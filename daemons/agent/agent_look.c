/* SPDX-License-Identifier: MPL-2.0 */
/* An agent as others see it: who asks at its control socket, the broker, the service manager. */
#include "agent_state.h"

size_t agent_count_runs(const struct agent *agent)
{
    size_t n = 0;

    for (const struct place *place = agent->places; place; place = place->next) {
        n++;
    }
    return n;
}

void agent_status(const struct agent *agent, struct agent_status *ret)
{
    *ret = (struct agent_status){.options = &agent->options,
                                 .connected = link_is_up(agent->link),
                                 .draining = agent->draining,
                                 .trouble = agent->trouble,
                                 .offset_usec = link_offset_usec(agent->link),
                                 .waiting_bytes = outbox_used_bytes(agent->outbox) +
                                                  outbox_used_bytes(agent->detail_outbox),
                                 .n_runs = agent_count_runs(agent)};
}

void agent_each_run(const struct agent *agent,
                    void (*visit)(const struct agent_run_status *run, void *context), void *context)
{
    for (const struct place *place = agent->places; place; place = place->next) {
        struct supervisor_live live = run_live(place->run);
        struct agent_run_status status = {.run_id = run_id(place->run),
                                          .state = run_word(place->run),
                                          .is_over = run_is_over(place->run),
                                          .cycle = run_cycle(place->run),
                                          .users = live.users,
                                          .hits = live.hits,
                                          .waiting = outbox_count(run_queue(place->run))};
        visit(&status, context);
    }
}

struct worker_visit {
    void (*visit)(const struct supervisor_worker *worker, const char *state, const char *id,
                  void *context);
    void *context;
    const struct run *run;
};

static void visit_worker(const struct supervisor_worker *worker, void *context)
{
    const struct worker_visit *visit = context;
    enum run_state state = run_state(visit->run);
    const char *word = state == RUN_STOPPING  ? "stopping"
                       : state == RUN_RUNNING ? "running"
                                              : "starting";

    visit->visit(worker, word, run_id(visit->run), visit->context);
}

void agent_each_worker(const struct agent *agent,
                       void (*visit)(const struct supervisor_worker *worker, const char *state,
                                     const char *id, void *context),
                       void *context)
{
    for (const struct place *place = agent->places; place; place = place->next) {
        struct worker_visit visitor = {visit, context, place->run};
        run_each_worker(place->run, visit_worker, &visitor);
    }
}
