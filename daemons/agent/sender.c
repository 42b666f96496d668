/* SPDX-License-Identifier: MPL-2.0 */
/* What could not be sent now stays where it is: somebody pumps again soon, and after a new
 * connection all is told anyway. So failures to send are nobody's business. */
#include "sender.h"

#include <errno.h>
#include <string.h>

void sender_rewind(struct sender *sender, struct run *run)
{
    memset(sender, 0, sizeof *sender);
    outbox_rewind(run_queue(run));
    if (run_details(run)) {
        outbox_rewind(run_details(run));
    }
}

int sender_expect(struct sender *sender, struct outbox_queue *queue, uint64_t seq)
{
    memset(sender, 0, sizeof *sender);
    return outbox_expect(queue, seq);
}

static int send_prints(struct run *run, struct link *link)
{
    struct run_log_piece piece;
    int r = 0;

    while (r == 0 && run_log_next(run_printed(run), &piece)) {
        struct agent_message message = {.type = AGENT_LOG,
                                        .run_id = run_id(run),
                                        .source = run_source(run),
                                        .worker = piece.worker,
                                        .text = piece.text};
        r = link_send(link, &message, NULL, 0);
        if (r == 0) {
            run_log_advance(run_printed(run));
        }
    }
    return r;
}

/* The names that were not told yet: `counts` has how many there are of each kind. Malloc'ed. */
static struct agent_name *new_names(const struct sender *sender, struct names *names,
                                    unsigned counts[static NAME_KINDS], size_t *ret_count)
{
    size_t n = 0;

    for (unsigned kind = 0; kind < NAME_KINDS; kind++) {
        counts[kind] = MAX(names_count(names, kind), sender->names[kind]);
        n += counts[kind] - sender->names[kind];
    }
    struct agent_name *list = calloc(MAX(n, (size_t)1), sizeof *list);
    *ret_count = 0;
    for (unsigned kind = 0; list && kind < NAME_KINDS; kind++) {
        for (unsigned id = sender->names[kind]; id < counts[kind]; id++) {
            list[(*ret_count)++] =
                (struct agent_name){.kind = kind, .id = id, .text = names_text(names, kind, id)};
        }
    }
    return list;
}

static int send_item(struct sender *sender, struct run *run, struct link *link,
                     enum agent_message_type type, const struct outbox_item *item)
{
    struct names *names = run_names(run);
    unsigned counts[NAME_KINDS];
    struct agent_message message = {
        .type = type, .run_id = run_id(run), .source = run_source(run), .seq = item->seq};
    _cleanup_free_ struct agent_name *list = new_names(sender, names, counts, &message.n_names);

    if (!list) {
        return -ENOMEM;
    }
    message.names = list;
    for (unsigned kind = 0; kind < NAME_KINDS; kind++) {
        message.overflows[kind] = MIN(names_overflows(names, kind), (uint64_t)INT64_MAX);
    }
    int r = link_send(link, &message, item->bytes, item->size);
    if (r == 0) {
        memcpy(sender->names, counts, sizeof counts);
    }
    return r;
}

static int send_queue(struct sender *sender, struct run *run, struct link *link,
                      enum agent_message_type type, struct outbox_queue *queue)
{
    struct outbox_item item;
    int r = 0;

    while (r == 0 && outbox_next(queue, &item)) {
        r = send_item(sender, run, link, type, &item);
        if (r == 0) {
            outbox_advance(queue);
        }
    }
    return r;
}

void sender_pump(struct sender *sender, struct run *run, struct link *link)
{
    if (!link_is_up(link)) {
        return;
    }
    int r = send_prints(run, link);
    if (r == 0) {
        r = send_queue(sender, run, link, AGENT_RESULTS, run_queue(run));
    }
    if (r == 0 && run_details(run)) {
        (void)!send_queue(sender, run, link, AGENT_DETAIL, run_details(run));
    }
}

void sender_tell_state(struct run *run, struct link *link)
{
    struct agent_message message = {.run_id = run_id(run), .cycle = run_cycle(run)};
    struct run_end end;

    run_end(run, &end);
    message.reason = end.reason;
    message.result = end.result;
    switch (run_state(run)) {
    case RUN_READY:
        message.type = AGENT_READY;
        break;
    case RUN_FAILED:
        message.type = AGENT_FAILED;
        break;
    case RUN_ENDED:
        message.type = AGENT_ENDED;
        message.last_seq = outbox_last_seq(run_queue(run));
        message.last_detail_seq = run_details(run) ? outbox_last_seq(run_details(run)) : 0;
        message.detail_lost = end.detail_lost;
        message.active_usec = end.active_usec;
        message.cpu_usec = end.usage.cpu_usec;
        message.memory_peak_bytes = end.usage.memory_peak_bytes;
        message.interrupted = end.interrupted;
        break;
    default:
        return;
    }
    (void)!link_send(link, &message, NULL, 0); /* told again on the next connection */
}
