/* SPDX-License-Identifier: MPL-2.0 */
/* A line per step of a run, each of which can be read alone and begins with the run's id, for who
 * sees no fields. The last one has the numbers that people ask for first, computed as for every
 * report. */
#include "story.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/figure.h"
#include "keep.h"
#include "metrics/summary.h"

#define MAX_TEXT_BYTES ERROR_TEXT_BYTES
#define MAX_NAMED      5  /* agents in a line */
#define MAX_NUMBERS    10 /* of a list */

struct text {
    char bytes[MAX_TEXT_BYTES];
    size_t used;
};

static _printf_(2, 3) void add(struct text *text, const char *format, ...)
{
    size_t room = sizeof text->bytes - text->used;
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(text->bytes + text->used, room, format, arguments); /* cut is fine */
    va_end(arguments);
    text->used += MIN((size_t)MAX(length, 0), room - 1);
}

/* ---- who, and what ---------------------------------------------------------------------------- */

static void add_numbers(struct text *text, const char *name, const struct number_list *list)
{
    for (unsigned i = 0; i < list->count && i < MAX_NUMBERS; i++) {
        add(text, "%s%" PRIu32, i == 0 ? name : ":", list->values[i]);
    }
    add(text, "%s", list->count > MAX_NUMBERS ? ":..." : "");
}

/* The test, or the URL without the password that may stand in it. */
static void add_name(struct text *text, const struct run *run)
{
    const char *name = run->name, *scheme = run->spec->url ? strstr(name, "://") : NULL;
    const char *host = scheme ? scheme + strlen("://") : NULL;
    const char *at = host ? memrchr(host, '@', strcspn(host, "/?#")) : NULL;

    if (at) {
        add(text, "%.*s%s", (int)(host - name), name, at + 1);
    } else {
        add(text, "%s", name);
    }
}

static void add_wish(struct text *text, const struct run *run)
{
    const struct run_spec *spec = run->spec;

    add_name(text, run);
    add_numbers(text, ", users ", &spec->users);
    add_numbers(text, ", hits ", &spec->hits);
    if (spec->duration_usec > 0) {
        add(text, ", duration %g s", (double)spec->duration_usec / 1e6);
    }
    add(text, ", %u agent%s", run->n_agents, run->n_agents == 1 ? "" : "s");
}

static void add_agents(struct text *text, const struct run *run)
{
    for (unsigned i = 0; i < run->n_members && i < MAX_NAMED; i++) {
        add(text, "%s%s", i == 0 ? "" : ", ", run->members[i].agent_id);
    }
    if (run->n_members > MAX_NAMED) {
        add(text, " and %u more", run->n_members - MAX_NAMED);
    }
}

void story_submitted(const struct run *run, const struct caller *caller)
{
    char name[CALLER_TEXT_BYTES];
    struct text text = {.used = 0};

    add_wish(&text, run);
    broker_event(EVENT_RUN_SUBMITTED, run->run_id, NULL, "run %s: submitted by %s: %s%s",
                 run->run_id, authority_describe(caller, name), text.bytes,
                 run->n_members == 0 ? ", for which it waits" : "");
}

void story_stopped(const struct run *run, const struct caller *caller)
{
    char name[CALLER_TEXT_BYTES];

    broker_event(EVENT_RUN_STOPPED, run->run_id, NULL, "run %s: %s asks for its end", run->run_id,
                 authority_describe(caller, name));
}

/* ---- how it goes ------------------------------------------------------------------------------ */

static struct summary *summarize(const struct run *run)
{
    struct summary *summary = NULL;

    /* Without memory the line has no numbers. */
    if (run->results && run->begun > 0) {
        (void)!summary_new(&summary, results_totals(run->results), results_names(run->results),
                           (double)run->active_usec / 1e6);
    }
    return summary;
}

static void add_summary(struct text *text, const struct summary *summary)
{
    char hits[FIGURE_BYTES], duration[FIGURE_BYTES], rate[FIGURE_BYTES], average[FIGURE_BYTES],
        p95[FIGURE_BYTES];

    add(text, ": %s hits in %s (%s/s)", figure_whole(summary->hits, hits),
        figure_seconds(summary->duration_sec, duration),
        figure_rounded(summary->hits_per_sec, rate));
    if (summary->hits > 0) {
        add(text, ", average %s, p95 %s", figure_usec(summary->latency.average_usec, average),
            figure_usec((double)summary->latency.p95_usec, p95));
    }
    add(text, "; requests without an answer: %" PRIu64 ", failures: %" PRIu64 ", errors: %" PRIu64,
        summary->request_errors, summary->failures, summary->errors);
}

/* "finished, passed: …". */
static void add_state(struct text *text, const struct run *run, const struct summary *summary)
{
    const char *word = run_state_word(run->state);
    bool is_news = run->outcome && strcmp(run->outcome, word) != 0;

    if (run->state == RUN_PREPARING || run->state == RUN_RUNNING) {
        add(text, run->state == RUN_RUNNING ? "started on " : "is prepared by ");
        add_agents(text, run);
        return;
    }
    add(text, "%s%s%s", word, is_news ? ", " : "", is_news ? run->outcome : "");
    if (summary) {
        add_summary(text, summary);
    }
    if (run->trouble) {
        add(text, "%s%s", summary ? "; " : ": ", run->trouble);
    }
}

static void log_end(const struct run *run, const struct summary *summary, enum log_event event,
                    const char *text)
{
    char numbers[5][24];
    const uint64_t values[] = {summary ? summary->hits : 0, summary ? summary->request_errors : 0,
                               summary ? summary->failures : 0, summary ? summary->errors : 0,
                               run->active_usec};

    for (size_t i = 0; i < ELEMENTSOF(values); i++) {
        (void)snprintf(numbers[i], sizeof numbers[i], "%" PRIu64, values[i]); /* it fits */
    }
    const struct log_field fields[] = {
        {"RUN_ID", run->run_id},       {"OUTCOME", run->outcome},      {"HITS", numbers[0]},
        {"FAILURES", numbers[2]},      {"REQUEST_ERRORS", numbers[1]}, {"ERRORS", numbers[3]},
        {"DURATION_USEC", numbers[4]},
    };
    log_event(event, fields, ELEMENTSOF(fields), "run %s: %s", run->run_id, text);
}

static void log_state(const struct run *run, const struct summary *summary, const char *text)
{
    switch (run->state) {
    case RUN_RUNNING:
        broker_event(EVENT_RUN_STARTED, run->run_id, NULL, "run %s: %s", run->run_id, text);
        break;
    case RUN_FINISHED:
        log_end(run, summary, EVENT_RUN_FINISHED, text);
        break;
    case RUN_FAILED:
        log_end(run, summary, EVENT_RUN_FAILED, text);
        break;
    case RUN_ABORTED:
        log_end(run, summary, EVENT_RUN_ABORTED, text);
        break;
    case RUN_QUEUED: /* said when it was submitted */
        break;
    default:
        broker_log(LOG_INFO, run->run_id, NULL, "run %s: %s", run->run_id, text);
        break;
    }
}

void story_state(struct broker *broker, const struct run *run)
{
    _cleanup_(summary_freep) struct summary *summary =
        run_state_is_over(run->state) ? summarize(run) : NULL;
    struct text text = {.used = 0};
    char details[64];

    add_state(&text, run, summary);
    log_state(run, summary, text.bytes);
    (void)snprintf(details, sizeof details, "{\"state\": \"%s\"}", run_state_word(run->state));
    keep_event(broker, run, NULL, "state", details, "%s", text.bytes);
}

void story_breached(struct broker *broker, const struct run *run)
{
    broker_event(EVENT_RUN_STOPPED, run->run_id, NULL, "run %s: stopped, as this does not hold: %s",
                 run->run_id, run->stopped_for);
    keep_event(broker, run, NULL, "threshold", NULL, "stopped, as this does not hold: %s",
               run->stopped_for);
}

void story_tell(struct broker *broker, const struct run *run, const struct member *member,
                enum log_event event, const char *kind, const char *format, ...)
{
    char text[MAX_TEXT_BYTES];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments); /* cut is fine */
    va_end(arguments);
    broker_event(event, run->run_id, member->agent_id, "run %s: %s", run->run_id, text);
    keep_event(broker, run, member, kind, NULL, "%s", text);
}
