/* SPDX-License-Identifier: MPL-2.0 */
/* Rows of runs and their agents. The store may have no room while its database is away, so what it
 * did not take is remembered as such and given again: rows are absolute, the last one counts. */
#include "keep.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

struct store_run keep_row_of(const struct run *run)
{
    struct store_run row = {
        .run_id = run->run_id,
        .request_id = run->request_id,
        .name = run->name,
        .spec = run->shown_spec,
        .agents = run->n_agents,
        .abort_on_loss = run->abort_on_loss,
        .save_hits = run->save_hits,
        .state = run_state_word(run->state == RUN_ENDING ? run->end : run->state),
        .outcome = run->outcome,
        .trouble = run->trouble,
        .thresholds = run->judged,
        .stopped_for = run->stopped_for,
        .submitted_usec = run->submitted_usec,
        .started_usec = run->started_usec,
        .finished_usec = run->finished_usec,
        .start_usec = run->start_usec,
        .cycle = run->begun > 0 ? run->begun - 1 : 0,
        .active_usec = run->active_usec,
    };
    if (run->results) {
        results_overflows(run->results, row.overflows);
    }
    return row;
}

struct store_source keep_source_of(const struct run *run, const struct member *member)
{
    unsigned number = run_member_number(run, member);

    return (struct store_source){
        .number = number,
        .agent_id = member->agent_id,
        .agent_index = number,
        .incarnation = member->incarnation,
        .hostname = member->hostname,
        .pid = (pid_t)member->pid,
        .state = run_member_word(run, member),
        .active_usec = member->active_usec,
        .cpu_usec = member->cpu_usec,
        .memory_peak_bytes = member->memory_peak_bytes,
        .result = member->result,
        .reason = member->reason,
        .registered_usec = run->submitted_usec,
        .lost_usec = member->lost_usec,
        .ended_usec = member->ended_usec,
    };
}

static void on_row_kept(const struct store_answer *answer, void *context)
{
    struct run *run = context;

    run->calls--;
    if (answer->result < 0) {
        broker_log(LOG_ERR, run->run_id, NULL, "run %s can't be stored: %s", run->run_id,
                   answer->reason);
    }
}

int keep_row_then(struct broker *broker, struct run *run, store_done *done)
{
    struct store_run row = keep_row_of(run);
    int r = store_run_update(broker->store, &row, done, run);
    run->calls += r == 0 ? 1 : 0;
    return r;
}

void keep_row(struct broker *broker, struct run *run)
{
    if (keep_row_then(broker, run, on_row_kept) < 0) {
        run->row_is_unsaved = true;
    }
}

void keep_member(struct broker *broker, struct run *run, const struct member *member)
{
    struct store_source source = keep_source_of(run, member);
    if (store_source_put(broker->store, run->run_id, &source, NULL, NULL) < 0) {
        run->row_is_unsaved = true;
    }
}

void keep_event(struct broker *broker, const struct run *run, const struct member *member,
                const char *kind, const char *details, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments); /* cut is fine */
    va_end(arguments);
    /* An event is told once: without room for it the log has it alone. */
    (void)!store_event(broker->store, run->run_id, kind,
                       member ? (int)run_member_number(run, member) : -1, text, details, NULL,
                       NULL);
}

void keep_rest(struct broker *broker, struct run *run)
{
    if (!run->row_is_unsaved) {
        return;
    }
    run->row_is_unsaved = false;
    for (unsigned i = 0; i < run->n_members; i++) {
        keep_member(broker, run, &run->members[i]);
    }
    keep_row(broker, run);
}
