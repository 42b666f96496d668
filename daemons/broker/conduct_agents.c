/* SPDX-License-Identifier: MPL-2.0 */
/* What agents report, and what follows. An agent that registers says which runs it has, which may
 * be news to us, or less than we think: whatever differs is put right here. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "conduct.h"
#include "conduct_results.h"
#include "judge.h"
#include "keep.h"
#include "publish.h"
#include "story.h"

#define SILENCE "it was not heard for 3 s"

static void check(struct run *run)
{
    run_check(run, clock_monotonic_usec());
}

/* ---- who comes ---- */

/* An agent has a run, of before its connection or our restart was. */
static void take_back(struct broker *broker, struct agent *agent, struct run *run,
                      struct member *member, const struct agent_run *told)
{
    bool was_lost = member->lost;

    memcpy(agent->run_id, run->run_id, sizeof agent->run_id);
    run_member_is_back(run, member);
    if (strcmp(told->state, "running") == 0) {
        run_member_is_running(run, member, told->cycle);
    }
    if (strcmp(told->state, "fetching") == 0 && run->missing) {
        char text[128];
        (void)snprintf(text, sizeof text, "%s went with the broker, which was restarted",
                       run->missing);
        run_member_has_failed(run, member, text);
        keep_member(broker, run, member);
    }
    if (was_lost) {
        keep_member(broker, run, member);
        story_tell(broker, run, member, EVENT_AGENT_BACK, "agent-back", "agent %s is back",
                   member->agent_id);
    }
    if (run->state == RUN_STOPPING) {
        conduct_halt(broker, run, member);
    }
    check(run);
}

/* A run that an agent says it has. */
static void reconcile(struct broker *broker, struct agent *agent, const struct agent_run *told)
{
    const char *run_id = told->run_id;
    struct run *run = runs_find(broker->runs, run_id);
    struct member *member = run ? run_member(run, agent->agent_id, agent->incarnation) : NULL;

    if (member && !run_state_is_over(run->state)) {
        take_back(broker, agent, run, member, told);
    } else if (broker->loaded) {
        conduct_drop(broker, agent, run_id);
    } else { /* who knows? When runs are read back it is asked to register again */
        (void)snprintf(agent->run_id, sizeof agent->run_id, "%s", run_id);
    }
}

static bool has(const struct agent_message *message, const char *run_id)
{
    for (size_t i = 0; i < message->n_runs; i++) {
        if (strcmp(message->runs[i].run_id, run_id) == 0) {
            return true;
        }
    }
    return false;
}

/* A run in which we think an agent is, that it doesn't have: it never heard of it, or forgot it. */
static void reconcile_missing(struct broker *broker, const struct agent *agent, struct run *run)
{
    struct member *member = run_member(run, agent->agent_id, agent->incarnation);

    if (!member || run->state < RUN_PREPARING || run->state > RUN_STOPPING ||
        !member_is_on(member)) {
        return;
    }
    if (member->state == MEMBER_PREPARING && run->state == RUN_PREPARING && !run->restored) {
        conduct_prepare(broker, run, member, agent);
    } else {
        conduct_lose(broker, run, member, "it does not have the run any more");
    }
}

void conduct_registered(struct broker *broker, struct agent *agent,
                        const struct agent_message *message, bool is_new, const char *previous_run)
{
    struct run *previous = is_new && *previous_run ? runs_find(broker->runs, previous_run) : NULL;

    if (is_new) {
        broker_event(EVENT_AGENT_JOINED, NULL, agent->agent_id,
                     "agent %s has joined: process %" PRIu64 " on %s", agent->agent_id, agent->pid,
                     agent->hostname);
    }
    for (unsigned i = 0; previous && i < previous->n_members; i++) {
        if (strcmp(previous->members[i].agent_id, agent->agent_id) == 0) {
            conduct_lose(broker, previous, &previous->members[i], "it was started anew");
        }
    }
    for (size_t i = 0; i < message->n_runs; i++) {
        reconcile(broker, agent, &message->runs[i]);
    }
    for (struct run *run = runs_first(broker->runs); run; run = run->next) {
        if (!has(message, run->run_id)) {
            reconcile_missing(broker, agent, run);
        }
    }
    if (message->n_runs == 0 && agent->run_id[0] && !runs_find(broker->runs, agent->run_id)) {
        agent->run_id[0] = '\0';
    }
    conduct_queue(broker);
}

/* ---- who goes ---- */

void conduct_leaving(struct broker *broker, struct agent *agent)
{
    bool is_news = !agent->leaving;

    agent->leaving = true;
    if (!agent->run_id[0]) {
        conduct_dismiss(broker, agent);
    } else if (is_news) {
        broker_log(LOG_INFO, agent->run_id, agent->agent_id,
                   "agent %s takes no more runs after run %s", agent->agent_id, agent->run_id);
    }
}

void conduct_lose(struct broker *broker, struct run *run, struct member *member, const char *reason)
{
    if (!run_member_is_lost(run, member, reason)) {
        return;
    }
    keep_member(broker, run, member);
    story_tell(broker, run, member, EVENT_AGENT_LOST, "agent-lost", "agent %s is lost: %s",
               member->agent_id, reason);
    publish_problem(broker, run, member, "it is lost: %s", reason);
    check(run);
}

static void lose_silent(struct broker *broker)
{
    uint64_t now_usec = clock_monotonic_usec();
    struct agent *agent;

    registry_look(broker->registry, now_usec);
    while ((agent = registry_next_silent(broker->registry, now_usec))) {
        struct run *run = agent->run_id[0] ? runs_find(broker->runs, agent->run_id) : NULL;
        struct member *member = run ? run_member(run, agent->agent_id, agent->incarnation) : NULL;
        bool is_on = member && !run_state_is_over(run->state);
        if (!is_on || member->lost) { /* else it is said of the run */
            broker_event(EVENT_AGENT_LOST, NULL, agent->agent_id, "agent %s is lost: " SILENCE,
                         agent->agent_id);
        }
        agent->lost = true;
        if (is_on) {
            conduct_lose(broker, run, member, SILENCE);
        } else {
            registry_remove(broker->registry, agent);
        }
    }
}

/* After a restart agents have some time to come back. */
static void lose_absent(struct broker *broker, struct run *run)
{
    uint64_t now_usec = clock_monotonic_usec();

    for (unsigned i = 0; i < run->n_members; i++) {
        if (run->members[i].away && now_usec - broker->loaded_usec >= RUN_RETURN_USEC) {
            conduct_lose(broker, run, &run->members[i],
                         "it did not come back after the broker was restarted");
        }
    }
}

/* ---- what they report of a run ---- */

void conduct_ready(struct broker *broker, struct run *run, struct member *member,
                   struct agent *agent _unused_, const struct agent_message *message)
{
    run_member_is_ready(run, member, message->cycle);
    if (member->state != MEMBER_READY) {
        return;
    }
    if (run->state == RUN_STOPPING) {
        conduct_halt(broker, run, member);
    }
    conduct_start(broker, run, member); /* if the others have begun already */
    check(run);
}

void conduct_failed(struct broker *broker, struct run *run, struct member *member,
                    struct agent *agent _unused_, const struct agent_message *message)
{
    const char *reason = message->reason ? message->reason : "";

    if (member->state != MEMBER_FAILED) {
        run_member_has_failed(run, member, reason);
        keep_member(broker, run, member);
        int line = (int)strcspn(reason, "\n"); /* the log has the rest */
        keep_event(broker, run, member, "agent-failed", NULL, "agent %s can't prepare it: %.*s",
                   member->agent_id, line, reason);
        publish_problem(broker, run, member, "could not prepare it: %.*s", line, reason);
    }
    check(run);
}

static void note_lost_detail(struct broker *broker, struct run *run, const struct member *member,
                             uint64_t records)
{
    static const char text[] = "%ju records of detail of agent %s are lost: it had no memory left "
                               "for them";

    broker_log(LOG_WARNING, run->run_id, member->agent_id,
               "run %s: %ju records of detail of agent %s are lost", run->run_id,
               (uintmax_t)records, member->agent_id);
    keep_event(broker, run, member, "detail-lost", NULL, text, (uintmax_t)records,
               member->agent_id);
    run_add_trouble(run, text, (uintmax_t)records, member->agent_id);
}

void conduct_ended(struct broker *broker, struct run *run, struct member *member,
                   struct agent *agent _unused_, const struct agent_message *message)
{
    if (member->state != MEMBER_ENDED) {
        const uint64_t last_seq[STREAMS] = {message->last_seq, message->last_detail_seq};
        run_member_has_ended(run, member, message->result, message->reason ? message->reason : "",
                             last_seq, message->active_usec);
        member->cpu_usec = message->cpu_usec;
        member->memory_peak_bytes = message->memory_peak_bytes;
        if (message->detail_lost > 0) {
            note_lost_detail(broker, run, member, message->detail_lost);
        }
        keep_member(broker, run, member);
        conduct_store_results(broker, run);
    }
    check(run);
}

/* ---- archives ---- */

void conduct_send_archive(struct broker *broker, struct run *run, struct member *member,
                          const struct agent *agent)
{
    uint64_t offset = member->archive_offset;
    size_t size = MIN(run->archive_size - offset, AGENT_ARCHIVE_BYTES);
    struct agent_message message = {.type = AGENT_ARCHIVE, .run_id = run->run_id, .offset = offset};

    if (run->archive && size > 0) {
        backend_send(broker, agent, &message, (const char *)run->archive + offset, size);
    }
}

void conduct_archive_got(struct broker *broker, struct run *run, struct member *member,
                         struct agent *agent, const struct agent_message *message)
{
    if (message->offset <= run->archive_size && member->state == MEMBER_PREPARING) {
        member->archive_offset = message->offset;
        conduct_send_archive(broker, run, member, agent);
    }
}

/* ---- from time to time ---- */

static void tick_run(struct broker *broker, struct run *run)
{
    if (run->state == RUN_NEW || run_state_is_over(run->state)) {
        return;
    }
    keep_rest(broker, run);
    if (run->end_is_unsaved) {
        run->end_is_unsaved = !conduct_keep_end(broker, run);
    }
    if (run->state != RUN_ENDING) {
        lose_absent(broker, run);
        conduct_store_results(broker, run);
        conduct_remind(broker, run);
        if (judge_look(run, clock_monotonic_usec())) {
            story_breached(broker, run);
        }
        check(run);
    }
    publish_live(broker, run);
}

void conduct_tick(struct broker *broker)
{
    lose_silent(broker);
    for (struct run *run = runs_first(broker->runs); run; run = run->next) {
        tick_run(broker, run);
    }
    conduct_queue(broker);
    runs_trim(broker->runs);
}
