/* SPDX-License-Identifier: MPL-2.0 */
/* A run's own affairs, without sockets and store, so that tests can play all of it. A member that
 * is lost doesn't count until it is back: the others go on, and the run's end says who was missing.
 */
#include "run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/shown.h"
#include "judge.h"
#include "metrics/thresholds.h"
#include "run/cycles.h"

/* Whom the broker tells of the end is none of theirs. */
static int encode_for_agents(struct run *run, struct error *error)
{
    struct strlist observers = run->spec->observers, options = run->spec->observer_options;

    run->spec->observers = run->spec->observer_options = (struct strlist){0};
    int r = run_spec_encode(run->spec, &run->spec_text, error);
    run->spec->observers = observers;
    run->spec->observer_options = options;
    return r;
}

int run_new(struct run **ret, const struct run_options *options, enum run_state state,
            struct error *error)
{
    _cleanup_(run_freep) struct run *run = calloc(1, sizeof *run);
    if (!run) {
        return error_set_errno(error, -ENOMEM, "a run");
    }
    run->spec = TAKE_PTR(*options->spec);
    int r = run_spec_encode_shown(run->spec, &run->shown_spec, error);
    if (r == 0) {
        r = encode_for_agents(run, error);
    }
    if (r < 0) {
        return r;
    }
    run->request_id = options->request_id ? strdup(options->request_id) : NULL;
    run->name = run->spec->url ? shown_url_copy(run->spec->url) : strdup(run_spec_tests(run->spec));
    if ((options->request_id && !run->request_id) || !run->name) {
        return error_set_errno(error, -ENOMEM, "a run");
    }
    (void)snprintf(run->run_id, sizeof run->run_id, "%s", run->spec->run_id);
    run->n_agents = options->n_agents;
    run->abort_on_loss = options->abort_on_loss;
    run->save_hits = options->save_hits;
    run->hooks = options->hooks;
    run->cycles = cycles_count(run->spec);
    run->state = state;
    r = judge_new(run, error);
    if (r < 0) {
        return r;
    }
    *ret = TAKE_PTR(run);
    return 0;
}

static void clear_members(struct run *run)
{
    for (unsigned i = 0; run->members && i < run->n_members; i++) {
        free(run->members[i].agent_id);
        free(run->members[i].incarnation);
        free(run->members[i].hostname);
        free(run->members[i].reason);
    }
    free(run->members);
    run->members = NULL;
    run->n_members = 0;
}

struct run *run_free(struct run *run)
{
    if (run) {
        clear_members(run);
        results_free(run->results);
        kept_log_clear(&run->log);
        thresholds_free(run->thresholds);
        free(run->judged);
        free(run->archive);
        free(run->request_id);
        free(run->spec_text);
        free(run->shown_spec);
        free(run->name);
        free(run->trouble);
        run_spec_free(run->spec);
        free(run);
    }
    return NULL;
}

static int add_member(struct run *run, const struct run_agent *agent)
{
    struct member *member = &run->members[run->n_members++];

    member->agent_id = strdup(agent->agent_id);
    member->incarnation = strdup(agent->incarnation);
    member->hostname = strdup(agent->hostname);
    member->pid = agent->pid;
    return member->agent_id && member->incarnation && member->hostname ? 0 : -ENOMEM;
}

int run_set_agents(struct run *run, const struct run_agent *agents, unsigned count)
{
    assert(!run->members);
    int r = results_new(&run->results, count);
    if (r == 0) {
        results_watch(run->results, run->thresholds);
    }
    run->members = r == 0 ? calloc(MAX(count, 1u), sizeof *run->members) : NULL;
    r = run->members ? 0 : -ENOMEM;
    for (unsigned i = 0; r == 0 && i < count; i++) {
        r = add_member(run, &agents[i]);
    }
    if (r < 0) {
        clear_members(run);
        run->results = results_free(run->results);
    }
    return r;
}

struct member *run_member(struct run *run, const char *agent_id, const char *incarnation)
{
    for (unsigned i = 0; i < run->n_members; i++) {
        if (strcmp(run->members[i].agent_id, agent_id) == 0 &&
            strcmp(run->members[i].incarnation, incarnation) == 0) {
            return &run->members[i];
        }
    }
    return NULL;
}

unsigned run_member_number(const struct run *run, const struct member *member)
{
    return (unsigned)(member - run->members);
}

bool member_is_on(const struct member *member)
{
    return !member->lost && member->state != MEMBER_ENDED && member->state != MEMBER_FAILED;
}

const char *run_member_word(const struct run *run, const struct member *member)
{
    static const char *const words[] = {"preparing", "ready", "running", "ended", "failed"};

    if (member->lost) {
        return "lost";
    }
    return run->state == RUN_STOPPING && member_is_on(member) ? "stopping" : words[member->state];
}

/* ---- trouble ---- */

void run_add_trouble(struct run *run, const char *format, ...)
{
    char text[1024], *trouble;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments); /* cut is fine */
    va_end(arguments);
    size_t size = run->trouble ? strlen(run->trouble) : 0;
    if (run->trouble &&
        (strstr(run->trouble, text) || size + strlen(text) > RUN_MAX_TROUBLE_BYTES)) {
        return;
    }
    if (asprintf(&trouble, "%s%s%s", run->trouble ? run->trouble : "", run->trouble ? "; " : "",
                 text) >= 0) {
        free(run->trouble);
        run->trouble = trouble;
    }
}

/* ---- states ---- */

void run_happen(struct run *run, enum run_event event)
{
    struct run_transition transition = run_table_after(run->state, event);
    enum run_state from = run->state;

    if (transition.action == RUN_IGNORE) {
        return;
    }
    run->state = transition.next;
    run->has_news = true;
    run->hooks.changed(run, from, transition.action, run->hooks.context);
}

void run_stop(struct run *run, uint64_t grace_usec)
{
    if (run->state != RUN_STOPPING || grace_usec < run->stop_grace_usec) {
        run->stop_grace_usec = grace_usec;
    }
    if (!run_state_is_over(run->state) && run->state != RUN_STOPPING) {
        run_add_trouble(run, "it was stopped");
    }
    run_happen(run, RUN_STOP);
}

void run_give_up(struct run *run)
{
    run->stop_grace_usec = run->spec->grace_usec;
    run_happen(run, RUN_GIVE_UP);
}

/* ---- members ---- */

void run_member_is_ready(struct run *run, struct member *member, unsigned cycle)
{
    if (cycle >= run->cycles || !member_is_on(member)) {
        return;
    }
    member->ready_cycles = cycle + 1;
    member->state = MEMBER_READY;
}

static void set_reason(struct member *member, const char *reason)
{
    free(member->reason);
    member->reason =
        reason && *reason ? strdup(reason) : NULL; /* without memory nobody knows why */
}

void run_member_has_failed(struct run *run, struct member *member, const char *reason)
{
    if (member->state == MEMBER_FAILED || member->state == MEMBER_ENDED) {
        return;
    }
    member->state = MEMBER_FAILED;
    member->result = -ECANCELED;
    member->ended_usec = clock_realtime_usec();
    set_reason(member, reason);
    if (run->state != RUN_STOPPING) {
        run_add_trouble(run, "%s could not prepare it: %.*s", member->agent_id,
                        (int)strcspn(reason, "\n"), reason); /* the log has the rest */
    }
}

void run_member_has_ended(struct run *run, struct member *member, int result, const char *reason,
                          const uint64_t last_seq[static STREAMS], uint64_t active_usec)
{
    if (member->state == MEMBER_FAILED || member->state == MEMBER_ENDED) {
        return;
    }
    member->state = MEMBER_ENDED;
    member->ended_usec = clock_realtime_usec();
    member->result = result;
    memcpy(member->last_seq, last_seq, sizeof member->last_seq);
    member->active_usec = active_usec;
    set_reason(member, reason);
    if (result < 0) {
        run_add_trouble(run, "%s: %s", member->agent_id, reason);
    }
}

bool run_member_is_lost(struct run *run, struct member *member, const char *reason)
{
    if (member->lost || run_state_is_over(run->state)) {
        return false;
    }
    member->lost = true;
    member->away = false;
    member->lost_usec = clock_realtime_usec();
    set_reason(member, reason);
    return true;
}

void run_member_is_back(struct run *run, struct member *member)
{
    member->away = member->lost = false;
    member->lost_usec = 0;
    memset(member->expecting, 0, sizeof member->expecting);
    if (member->state != MEMBER_ENDED && member->state != MEMBER_FAILED) {
        set_reason(member, NULL);
    }
    run->has_news = true;
}

void run_member_is_running(struct run *run, struct member *member, unsigned cycle)
{
    if (cycle >= run->cycles || !member_is_on(member)) {
        return;
    }
    member->state = MEMBER_RUNNING;
    member->ready_cycles = MAX(member->ready_cycles, cycle + 1);
    run->begun = MAX(run->begun, cycle + 1);
    run->cycle_is_on = true;
}

/* ---- what follows ---- */

/* What all members together have come to. */
struct sight {
    unsigned here, on, ready, failed, lost, behind;
};

/* Whether something that a member sent, or will, is not stored yet. */
static bool is_behind(const struct run *run, unsigned number)
{
    const uint64_t *last_seq = run->members[number].last_seq;

    return results_stored_seq(run->results, number, STREAM_INTERVALS) <
               last_seq[STREAM_INTERVALS] ||
           results_stored_seq(run->results, number, STREAM_DETAIL) < last_seq[STREAM_DETAIL];
}

static struct sight look(const struct run *run)
{
    struct sight sight = {0};

    for (unsigned i = 0; i < run->n_members; i++) {
        const struct member *member = &run->members[i];
        sight.lost += member->lost ? 1 : 0;
        sight.here += member->lost || member->away ? 0 : 1;
        sight.on += member_is_on(member) ? 1 : 0;
        sight.ready += member_is_on(member) && member->ready_cycles > run->begun ? 1 : 0;
        sight.failed += member->state == MEMBER_FAILED ? 1 : 0;
        sight.behind += !member->lost && member->state == MEMBER_ENDED && is_behind(run, i) ? 1 : 0;
    }
    return sight;
}

/* All agents are gone: they have some time to come back. */
static void check_desertion(struct run *run, const struct sight *sight, uint64_t now_usec)
{
    if (sight->here > 0) {
        run->return_by_usec = 0;
    } else if (run->return_by_usec == 0) {
        run->return_by_usec = now_usec + RUN_RETURN_USEC;
    }
    bool deserted = run->return_by_usec > 0 && now_usec >= run->return_by_usec;
    if (deserted || (run->state == RUN_STOPPING && now_usec >= run->stop_by_usec)) {
        run_add_trouble(run, deserted ? "no agent is left" : "its agents did not stop");
        run_happen(run, RUN_DESERTED);
    }
}

static bool cycle_is_over(const struct run *run)
{
    for (unsigned i = 0; i < run->n_members; i++) {
        const struct member *member = &run->members[i];
        if (member_is_on(member) && member->ready_cycles <= run->begun) {
            return false;
        }
    }
    return true;
}

static void note_loss(struct run *run)
{
    for (unsigned i = 0; i < run->n_members; i++) {
        if (run->members[i].lost && run->abort_on_loss) {
            run_add_trouble(run, "%s was lost", run->members[i].agent_id);
        }
    }
}

void run_check(struct run *run, uint64_t now_usec)
{
    if (run->state < RUN_PREPARING || run->state > RUN_STOPPING) {
        return;
    }
    struct sight sight = look(run);
    if (run->cycle_is_on && sight.here > 0 && cycle_is_over(run)) {
        run->active_usec = run_active_usec(run, now_usec);
        run->cycle_is_on = false;
    }
    if (sight.failed > 0 && run->state != RUN_STOPPING) {
        run->stop_grace_usec = run->spec->grace_usec;
        run_happen(run, RUN_CANT);
    }
    if (sight.lost > 0 && run->abort_on_loss && run->state != RUN_STOPPING) {
        note_loss(run);
        run_give_up(run);
    }
    if (sight.here > 0 && sight.on == 0 && sight.behind == 0) {
        run_happen(run, RUN_OVER);
    } else if (sight.on > 0 && sight.ready == sight.on && run->begun < run->cycles) {
        run_happen(run, RUN_READY);
    }
    if (run->state >= RUN_PREPARING && run->state <= RUN_STOPPING) {
        check_desertion(run, &sight, now_usec);
    }
}

uint64_t run_active_usec(const struct run *run, uint64_t now_usec)
{
    uint64_t running =
        run->cycle_is_on && now_usec > run->cycle_start_usec ? now_usec - run->cycle_start_usec : 0;
    return run->active_usec + running;
}
