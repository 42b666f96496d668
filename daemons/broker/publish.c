/* SPDX-License-Identifier: MPL-2.0 */
/* One message for all who watch a run, however many they are. */
#include "publish.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "report.h"

#define SILENCE_USEC (900 * USEC_PER_MSEC) /* something is said once a second at least */

/* Takes `json` over; NULL: there is no memory, and it is as good as lost on the way. */
static void publish(struct broker *broker, const struct run *run, json_t *json)
{
    json_auto_t *message = json;
    _cleanup_free_ char *text = NULL;

    if (message && wire_json_dump(message, &text) == 0) {
        /* Lost, too, if there is no room. */
        (void)!mq_socket_send_text(broker->publisher, run->run_id, strlen(run->run_id), text, NULL,
                                   0);
    }
}

void publish_live(struct broker *broker, struct run *run)
{
    uint64_t now_usec = clock_monotonic_usec();

    if (!run->has_news && now_usec - run->published_usec < SILENCE_USEC) {
        return;
    }
    run->has_news = false;
    run->published_usec = now_usec;
    run->number++;
    publish(broker, run, report_live(run, now_usec));
}

void publish_log(struct broker *broker, const struct run *run, const struct member *member,
                 int worker, const char *text)
{
    publish(broker, run,
            json_pack("{ss ss ss si ss}", "data_type", "log", "run_id", run->run_id, "agent_id",
                      member->agent_id, "worker", worker, "text", text));
}

void publish_problem(struct broker *broker, const struct run *run, const struct member *member,
                     const char *format, ...)
{
    char text[ERROR_TEXT_BYTES];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments); /* cut is fine */
    va_end(arguments);
    publish(broker, run,
            json_pack("{ss ss ss* ss}", "data_type", "problem", "run_id", run->run_id, "agent_id",
                      member ? member->agent_id : NULL, "text", text));
}

void publish_detach(struct broker *broker, const struct run *run)
{
    publish(broker, run, json_pack("{ss ss}", "data_type", "detach", "run_id", run->run_id));
}

void publish_end(struct broker *broker, const struct run *run)
{
    publish(broker, run,
            json_pack("{ss ss ss ss* ss*}", "data_type", "run-finished", "run_id", run->run_id,
                      "state", run_state_word(run->state), "outcome", run->outcome, "trouble",
                      run->trouble));
}
