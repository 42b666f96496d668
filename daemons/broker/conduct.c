/* SPDX-License-Identifier: MPL-2.0 */
/* What a change of a run's state causes. What must be known after a restart is stored before agents
 * are told: second 0, and the end. */
#include "conduct.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "conduct_results.h"
#include "judge.h"
#include "keep.h"
#include "observe.h"
#include "publish.h"
#include "scheduler.h"
#include "story.h"

#define LEAD_USEC (200 * USEC_PER_MSEC) /* from telling agents to the start */

struct agent *conduct_agent(const struct broker *broker, const struct member *member)
{
    struct agent *agent = registry_find(broker->registry, member->agent_id);
    return agent && !agent->lost && strcmp(agent->incarnation, member->incarnation) == 0 ? agent
                                                                                         : NULL;
}

void conduct_drop(struct broker *broker, struct agent *agent, const char *run_id)
{
    struct agent_message message = {.type = AGENT_DROP, .run_id = run_id};
    backend_send(broker, agent, &message, NULL, 0);
}

/* ---- agents of a run ---- */

int conduct_reserve(struct broker *broker _unused_, struct run *run, struct agent *const *agents,
                    size_t count)
{
    _cleanup_free_ struct run_agent *chosen = calloc(MAX(count, (size_t)1), sizeof *chosen);
    if (!chosen) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        chosen[i] = (struct run_agent){agents[i]->agent_id, agents[i]->incarnation,
                                       agents[i]->hostname, agents[i]->pid};
    }
    int r = run_set_agents(run, chosen, (unsigned)count);
    for (size_t i = 0; r == 0 && i < count; i++) {
        memcpy(agents[i]->run_id, run->run_id, sizeof agents[i]->run_id);
    }
    return r;
}

/* An agent has nothing to do with a run any more. */
static void let_go(struct broker *broker, struct agent *agent)
{
    agent->run_id[0] = '\0';
    agent->idle_usec = clock_monotonic_usec();
    if (agent->leaving) {
        conduct_dismiss(broker, agent);
    } else if (agent->lost) {
        registry_remove(broker->registry, agent);
    }
}

void conduct_dismiss(struct broker *broker, struct agent *agent)
{
    struct agent_message message = {.type = AGENT_REFUSED, .reason = "it has left"};

    broker_event(EVENT_AGENT_LEFT, NULL, agent->agent_id, "agent %s has left", agent->agent_id);
    backend_send(broker, agent, &message, NULL, 0);
    registry_remove(broker->registry, agent);
}

void conduct_release(struct broker *broker, struct run *run)
{
    for (unsigned i = 0; i < run->n_members; i++) {
        struct agent *agent = registry_find(broker->registry, run->members[i].agent_id);
        if (agent && strcmp(agent->run_id, run->run_id) == 0) {
            let_go(broker, agent);
        }
    }
}

/* ---- actions ---- */

void conduct_prepare(struct broker *broker, struct run *run, struct member *member,
                     const struct agent *agent)
{
    unsigned number = run_member_number(run, member);
    struct agent_message message = {.type = AGENT_PREPARE,
                                    .run_id = run->run_id,
                                    .source = number,
                                    .agents = run->n_members,
                                    .agent_index = number,
                                    .spec = run->spec_text,
                                    .archive_bytes = run->archive_size,
                                    .save_hits = run->save_hits};
    member->archive_offset = 0;
    backend_send(broker, agent, &message, NULL, 0);
    if (run->archive_size > 0) {
        conduct_send_archive(broker, run, member, agent);
    }
}

static void prepare(struct broker *broker, struct run *run)
{
    for (unsigned i = 0; i < run->n_members; i++) {
        const struct agent *agent = conduct_agent(broker, &run->members[i]);
        keep_member(broker, run, &run->members[i]);
        if (agent) {
            conduct_prepare(broker, run, &run->members[i], agent);
        }
    }
}

void conduct_start(struct broker *broker, struct run *run, struct member *member)
{
    unsigned cycle = member->ready_cycles - 1;
    const struct agent *agent = conduct_agent(broker, member);

    if (!agent || run->state != RUN_RUNNING || !run->start_is_stored || cycle >= run->begun) {
        return;
    }
    struct agent_message message = {.type = AGENT_START,
                                    .run_id = run->run_id,
                                    .cycle = cycle,
                                    .start_usec = cycle + 1 == run->begun ? run->cycle_start_usec
                                                                          : clock_monotonic_usec()};
    backend_send(broker, agent, &message, NULL, 0);
    member->state = MEMBER_RUNNING;
}

static void start_all(struct broker *broker, struct run *run)
{
    for (unsigned i = 0; i < run->n_members; i++) {
        if (member_is_on(&run->members[i]) && run->members[i].state == MEMBER_READY) {
            conduct_start(broker, run, &run->members[i]);
        }
    }
}

static void on_start_kept(const struct store_answer *answer, void *context)
{
    struct run *run = context;
    struct broker *broker = run->hooks.context;

    run->calls--;
    if (answer->result < 0) {
        run_add_trouble(run, "its start can't be stored: %s", answer->reason);
        run_give_up(run);
        return;
    }
    run->start_is_stored = true;
    start_all(broker, run);
}

/* The next cycle. Second 0 of the run must not be forgotten; later cycles need not wait. */
static void begin(struct broker *broker, struct run *run)
{
    run->cycle_start_usec = clock_monotonic_usec() + LEAD_USEC;
    run->cycle_is_on = true;
    if (run->begun++ > 0) {
        keep_row(broker, run);
        start_all(broker, run);
        return;
    }
    run->start_usec = run->cycle_start_usec;
    run->started_usec = clock_realtime_usec() + LEAD_USEC;
    int r = keep_row_then(broker, run, on_start_kept);
    if (r < 0) {
        run_add_trouble(run, "its start can't be stored: %s", strerror(-r));
        run_give_up(run);
    }
}

void conduct_halt(struct broker *broker, const struct run *run, const struct member *member)
{
    const struct agent *agent = conduct_agent(broker, member);
    struct agent_message message = {
        .type = AGENT_STOP, .run_id = run->run_id, .grace_usec = run->stop_grace_usec};

    if (agent && member_is_on(member)) {
        backend_send(broker, agent, &message, NULL, 0);
    }
}

static void halt(struct broker *broker, struct run *run)
{
    run->stop_by_usec = clock_monotonic_usec() + run->stop_grace_usec + RUN_STOP_USEC;
    for (unsigned i = 0; i < run->n_members; i++) {
        conduct_halt(broker, run, &run->members[i]);
    }
    keep_row(broker, run);
}

/* ---- the end ---- */

static uint64_t longest_active_usec(const struct run *run)
{
    uint64_t usec = 0;
    for (unsigned i = 0; i < run->n_members; i++) {
        usec = MAX(usec, run->members[i].active_usec);
    }
    return usec;
}

/* How a run that came to its end has gone. */
static const char *outcome_of(struct run *run)
{
    bool passed = judge_end(run);

    for (unsigned i = 0; i < run->n_members; i++) {
        if (run->members[i].lost) {
            run_add_trouble(run, "%s was lost", run->members[i].agent_id);
        }
    }
    for (unsigned i = 0; i < run->n_members; i++) {
        if (run->members[i].lost) {
            return "lost";
        }
    }
    for (unsigned i = 0; i < run->n_members; i++) {
        if (run->members[i].result < 0) {
            return "failed";
        }
    }
    return passed ? "passed" : "failed";
}

static void on_end_kept(const struct store_answer *answer, void *context)
{
    struct run *run = context;

    run->calls--;
    if (answer->result < 0) {
        broker_log(LOG_ERR, run->run_id, NULL, "the end of run %s can't be stored: %s", run->run_id,
                   answer->reason);
    }
    run_happen(run, run->end == RUN_FINISHED ? RUN_FINISHED_STORED
                    : run->end == RUN_FAILED ? RUN_FAILED_STORED
                                             : RUN_ABORTED_STORED);
}

bool conduct_keep_end(struct broker *broker, struct run *run)
{
    if (run->results && results_are_pending(run->results)) {
        conduct_store_results(broker, run);
        if (results_are_pending(run->results)) {
            return false;
        }
    }
    for (unsigned i = 0; i < run->n_members; i++) {
        keep_member(broker, run, &run->members[i]);
    }
    return keep_row_then(broker, run, on_end_kept) == 0;
}

static void end(struct broker *broker, struct run *run, enum run_state state)
{
    uint64_t active_usec = run_active_usec(run, clock_monotonic_usec());

    run->end = state;
    run->finished_usec = clock_realtime_usec();
    run->active_usec = longest_active_usec(run) > 0 ? longest_active_usec(run) : active_usec;
    run->outcome = state == RUN_FINISHED ? outcome_of(run)
                   : state == RUN_FAILED ? "failed"
                                         : "aborted";
    run->cycle_is_on = false;
    run->end_is_unsaved = !conduct_keep_end(broker, run);
}

static void close_run(struct broker *broker, struct run *run)
{
    for (unsigned i = 0; i < run->n_members; i++) {
        struct agent *agent = conduct_agent(broker, &run->members[i]);
        if (agent) {
            conduct_drop(broker, agent, run->run_id);
        }
    }
    conduct_release(broker, run);
    free(TAKE_PTR(run->archive));
    if (run->results) {
        results_forget_recent(run->results);
    }
    publish_end(broker, run);
    observe_run(broker, run);
}

void conduct_changed(struct run *run, enum run_state from, enum run_action action, void *context)
{
    struct broker *broker = context;

    if (from != run->state && run->state != RUN_ENDING) {
        story_state(broker, run);
    }
    switch (action) {
    case RUN_PREPARE:
        keep_row(broker, run);
        prepare(broker, run);
        break;
    case RUN_BEGIN:
        begin(broker, run);
        break;
    case RUN_HALT:
        halt(broker, run);
        break;
    case RUN_FINISH:
        end(broker, run, RUN_FINISHED);
        break;
    case RUN_FAIL:
        end(broker, run, RUN_FAILED);
        break;
    case RUN_ABORT:
        end(broker, run, run->stopped_for ? RUN_FINISHED : RUN_ABORTED);
        break;
    case RUN_CLOSE:
        close_run(broker, run);
        break;
    case RUN_IGNORE:
    case RUN_NOTHING:
        break;
    }
}
