/* SPDX-License-Identifier: MPL-2.0 */
/* Results are acknowledged when they are stored, cumulatively. Who sends something else than what
 * comes next is told once what that is: more would make it send everything again and again. */
#include "conduct_results.h"

#include <inttypes.h>
#include <string.h>

#include "backend.h"
#include "keep.h"
#include "publish.h"
#include "story.h"

#define REMIND_USEC USEC_PER_SEC

static void tell_seq(struct broker *broker, const struct run *run, const struct member *member,
                     enum results_stream stream, enum agent_message_type type, uint64_t seq,
                     const char *reason)
{
    struct agent_message message = {.type = type,
                                    .run_id = run->run_id,
                                    .source = run_member_number(run, member),
                                    .seq = seq,
                                    .detail = stream == STREAM_DETAIL,
                                    .reason = reason};
    receiver_send(broker, run, member, &message);
}

static void acknowledge(struct broker *broker, const struct run *run, const struct member *member)
{
    unsigned number = run_member_number(run, member);

    for (unsigned stream = 0; stream < STREAMS; stream++) {
        uint64_t seq = results_stored_seq(run->results, number, stream);
        if (seq > 0) {
            tell_seq(broker, run, member, stream, AGENT_ACK, seq, NULL);
        }
    }
}

static void expect(struct broker *broker, const struct run *run, struct member *member,
                   enum results_stream stream)
{
    member->expecting[stream] = true;
    tell_seq(broker, run, member, stream, AGENT_EXPECT,
             results_expected(run->results, run_member_number(run, member), stream), NULL);
}

/* ---- taking ---- */

static void reject(struct broker *broker, struct run *run, const struct member *member,
                   enum results_stream stream, uint64_t seq, const char *reason)
{
    if (results_rejected(run->results, run_member_number(run, member)) == 1) {
        story_tell(broker, run, member, EVENT_RESULTS_REJECTED, "rejected",
                   "results of agent %s are rejected: %s", member->agent_id, reason);
        publish_problem(broker, run, member, "its results are rejected: %s", reason);
        run_add_trouble(run, "some results of %s were rejected", member->agent_id);
    }
    tell_seq(broker, run, member, stream, AGENT_REJECTED, seq, reason);
}

void conduct_results(struct broker *broker, struct run *run, struct member *member,
                     const struct agent_message *message, const void *payload, size_t size)
{
    enum results_stream stream = results_stream_of(message);
    struct error error = {0};

    if (run->state < RUN_PREPARING || run->state > RUN_STOPPING) {
        acknowledge(broker, run, member); /* nothing is missing any more */
        return;
    }
    if (stream == STREAM_DETAIL && !run->save_hits) {
        tell_seq(broker, run, member, stream, AGENT_REJECTED, message->seq,
                 "the run keeps no detail");
        return;
    }
    if (!store_keeps(broker->store)) {
        results_keep_timeline(run->results);
    }
    switch (results_take(run->results, run_member_number(run, member), message, payload, size,
                         &error)) {
    case RESULTS_TAKEN:
        member->expecting[stream] = false;
        run->has_news = true;
        break;
    case RESULTS_KNOWN:
        acknowledge(broker, run, member);
        break;
    case RESULTS_EXPECTED:
        if (!member->expecting[stream]) {
            expect(broker, run, member, stream);
        }
        break;
    case RESULTS_FULL:
        member->was_refused[stream] = true;
        break;
    case RESULTS_REJECTED:
        reject(broker, run, member, stream, message->seq, error.text);
        break;
    }
    if (member->state == MEMBER_ENDED) {
        conduct_store_results(broker, run);
    }
}

void conduct_log(struct broker *broker, struct run *run, struct member *member,
                 const struct agent_message *message)
{
    publish_log(broker, run, member, message->worker, message->text);
    if (!store_keeps(broker->store)) {
        kept_log_add(&run->log, run_member_number(run, member), message->worker, message->text);
    }
    /* What people would like to read is dropped when there is no room for it. */
    (void)!store_log(broker->store, run->run_id, run_member_number(run, member), message->worker,
                     message->text, strlen(message->text), NULL, NULL);
}

/* ---- storing ---- */

static void on_results_kept(const struct store_answer *answer, void *context)
{
    struct run *run = context;
    struct broker *broker = run->hooks.context;

    run->calls--;
    results_stored(run->results);
    if (answer->result < 0) {
        broker_log(LOG_ERR, run->run_id, NULL, "results of run %s can't be stored: %s", run->run_id,
                   answer->reason);
        run_add_trouble(run, "results can't be stored: %s", answer->reason);
        run_give_up(run);
    }
    for (unsigned i = 0; i < run->n_members; i++) {
        struct member *member = &run->members[i];
        acknowledge(broker, run, member);
        for (unsigned stream = 0; stream < STREAMS; stream++) {
            if (member->was_refused[stream]) {
                member->was_refused[stream] = false;
                expect(broker, run, member, stream);
            }
        }
    }
    run_check(run, clock_monotonic_usec());
}

void conduct_store_results(struct broker *broker, struct run *run)
{
    bool last = run->state == RUN_ENDING;

    if (!run->results || !results_are_pending(run->results) ||
        (results_are_being_stored(run->results) && !last)) {
        return;
    }
    int r = results_store(run->results, broker->store, run->run_id, run->started_usec,
                          on_results_kept, run);
    run->calls += r == 0 ? 1 : 0; /* else it is tried again */
}

static void remind(struct broker *broker, struct run *run, unsigned number,
                   enum results_stream stream)
{
    struct member *member = &run->members[number];
    bool behind = member->state == MEMBER_ENDED && !member->lost &&
                  results_expected(run->results, number, stream) <= member->last_seq[stream];

    if (behind) {
        expect(broker, run, member, stream);
    } else {
        member->expecting[stream] = false;
    }
}

void conduct_remind(struct broker *broker, struct run *run)
{
    uint64_t now_usec = clock_monotonic_usec();

    if (now_usec - run->reminded_usec < REMIND_USEC) {
        return;
    }
    run->reminded_usec = now_usec;
    for (unsigned i = 0; i < run->n_members; i++) {
        for (unsigned stream = 0; stream < STREAMS; stream++) {
            remind(broker, run, i, stream);
        }
    }
}
