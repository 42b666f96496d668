/* SPDX-License-Identifier: MPL-2.0 */
/* Looking at runs and agents: tables for people, the broker's own answers for programs. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "outputs/text.h"
#include "remote/console_report.h"
#include "remote/fields.h"
#include "remote/remote_run.h"
#include "remote/requests.h"
#include "remote/status.h"
#include "report/summary_json.h"
#include "verbs.h"

#define ID_LETTERS   8 /* of a run, in tables, where that is enough to tell it from others */
#define NAME_COLUMNS 60
#define LINE_COLUMNS 2000

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* A date in local time without its fraction, or "-". */
static const char *date_of(const json_t *run, const char *key, char text[static CLOCK_TEXT_BYTES])
{
    uint64_t usec;

    if (clock_parse_iso(text_of(run, key), &usec) < 0) {
        return "-";
    }
    clock_format_local(usec, text);
    text[strcspn(text, ".")] = '\0';
    return text;
}

/* ---- runs ------------------------------------------------------------------------------------- */

static size_t common_length(const char *a, const char *b)
{
    size_t n = 0;
    while (a[n] && a[n] == b[n]) {
        n++;
    }
    return n;
}

/* How many letters of its id tell each run of the list from all others. */
static size_t letters_needed(const json_t *runs)
{
    size_t needed = ID_LETTERS, i, j;
    json_t *one, *other;

    json_array_foreach(runs, i, one)
    {
        json_array_foreach(runs, j, other)
        {
            if (i != j) {
                size_t n = common_length(text_of(one, "run_id"), text_of(other, "run_id"));
                needed = MAX(needed, n + 1);
            }
        }
    }
    return needed;
}

static void put_run(const json_t *run, size_t letters)
{
    char started[CLOCK_TEXT_BYTES];
    const char *outcome = text_of(run, "outcome"), *name = text_of(run, "name");

    (void)printf("%-*.*s  ", (int)letters, (int)letters, text_of(run, "run_id"));
    text_put_padded(stdout, text_of(run, "state"), 10);
    text_put_padded(stdout, *outcome ? outcome : "-", 12);
    (void)printf("%-20s %6zu  ", date_of(run, "started", started),
                 json_array_size(json_object_get(run, "agents")));
    (void)text_put(stdout, name, strlen(name), NAME_COLUMNS);
    (void)fputc('\n', stdout);
}

enum exit_code verb_runs(const struct ctl_options *options)
{
    _cleanup_(remote_close) struct remote remote = {.loop = NULL};
    _cleanup_(json_decrefp) json_t *runs = NULL;
    struct error error;
    size_t index;
    json_t *run;

    enum exit_code code = remote_open(&remote, options->broker);
    if (code != EXIT_PASSED) {
        return code;
    }
    int r = request_runs(remote.frontend, (unsigned)options->limit, options->active, &runs, &error);
    if (r < 0) {
        return remote_fail(&remote, r, &error);
    }
    if (options->json) {
        return status_print_json(runs);
    }
    if (json_array_size(runs) == 0) {
        (void)puts(options->active ? "Nothing is running right now" : "There are no runs");
        return EXIT_PASSED;
    }
    size_t letters = letters_needed(runs);
    (void)printf("%-*s  %-10s%-12s%-20s %6s  %s\n", (int)letters, "RUN", "STATE", "OUTCOME",
                 "STARTED", "AGENTS", "TEST");
    json_array_foreach(runs, index, run)
    {
        put_run(run, letters);
    }
    return EXIT_PASSED;
}

/* ---- show ------------------------------------------------------------------------------------- */

static void put_line(const char *title, const char *text)
{
    if (text && *text) {
        (void)printf("%s: ", title);
        (void)text_put(stdout, text, strlen(text), LINE_COLUMNS);
        (void)fputc('\n', stdout);
    }
}

static void put_list(const char *title, const struct strlist *list)
{
    for (size_t i = 0; i < list->count; i++) {
        (void)fputs(i == 0 ? title : ",", stdout);
        (void)fputs(i == 0 ? ": " : " ", stdout);
        (void)text_put(stdout, list->items[i], strlen(list->items[i]), LINE_COLUMNS);
    }
    if (list->count > 0) {
        (void)fputc('\n', stdout);
    }
}

static void put_date(const char *title, uint64_t usec)
{
    char text[CLOCK_TEXT_BYTES];

    if (usec > 0) {
        put_line(title, clock_format_local(usec, text));
    }
}

static void print_run(const struct snapshot *snapshot)
{
    put_line("Run", snapshot->spec->run_id);
    put_line("Test", snapshot->name);
    put_line("State", snapshot->state);
    put_line("Outcome", snapshot->outcome);
    put_date("Submitted", snapshot->submitted_usec);
    put_date("Finished", snapshot->finished_usec);
    put_list("Agents", &snapshot->agents);
    if (snapshot->started_usec > 0) {
        (void)fputc('\n', stdout);
        (void)fflush(stdout); /* main() looks at stdout; what follows has a stream of its own */
        console_report_so_far(snapshot);
    } else {
        put_line("Trouble", snapshot->trouble);
    }
}

/* The broker's object of the run, and the numbers beside it. */
static enum exit_code print_run_json(const struct snapshot *snapshot, const json_t *result)
{
    _cleanup_(json_decrefp) json_t *document = json_copy(json_object_get(result, "run"));

    if (!document ||
        (snapshot->started_usec > 0 &&
         json_object_set_new(document, "summary", console_report_json(snapshot)) < 0)) {
        log_error("out of memory");
        return EXIT_ABORTED;
    }
    return status_print_json(document);
}

static enum exit_code report_run(const struct remote *remote, const struct snapshot *snapshot,
                                 const struct ctl_options *options)
{
    _cleanup_(reports_clear) struct reports reports = {.count = 0};
    struct error error;

    int r =
        reports_open(&reports, &options->outputs, &options->new_run.output_options, true, &error);
    if (r == 0) {
        r = console_report_check(snapshot, &reports, &error);
    }
    if (r < 0) {
        log_error("%s", error.text);
        return EXIT_USAGE;
    }
    return console_report_now(snapshot, remote->frontend, &reports);
}

enum exit_code verb_show(const struct ctl_options *options)
{
    _cleanup_(remote_close) struct remote remote = {.loop = NULL};
    _cleanup_(snapshot_freep) struct snapshot *snapshot = NULL;
    _cleanup_(json_decrefp) json_t *result = NULL;
    struct error error;

    if (!options->run) {
        log_error("which run? give its id, or the beginning of it; try 'loadsctl show --help'");
        return EXIT_USAGE;
    }
    enum exit_code code = remote_open(&remote, options->broker);
    if (code != EXIT_PASSED) {
        return code;
    }
    int r = request_simple(remote.frontend, "CTRL_SNAPSHOT", options->run, NULL, &result, &error);
    if (r == 0) {
        r = snapshot_decode(result, &snapshot, &error);
    }
    if (r < 0) {
        return remote_fail(&remote, r, &error);
    }
    assert(snapshot); /* it was decoded */
    if (options->outputs.count > 0) {
        return report_run(&remote, snapshot, options);
    }
    if (options->json) {
        return print_run_json(snapshot, result);
    }
    print_run(snapshot);
    return EXIT_PASSED;
}

/* ---- logs ------------------------------------------------------------------------------------- */

/* Each line behind who wrote it; -1 is nobody's worker. */
static void put_log(const json_t *entry)
{
    const char *agent = text_of(entry, "agent_id"), *text = text_of(entry, "text");
    json_int_t worker = json_integer_value(json_object_get(entry, "worker"));

    while (*text) {
        size_t size = strcspn(text, "\n");
        (void)text_put(stdout, agent, strlen(agent), LINE_COLUMNS);
        if (worker >= 0) {
            (void)printf("/%" JSON_INTEGER_FORMAT, worker);
        }
        (void)fputs(": ", stdout);
        (void)text_put(stdout, text, size, LINE_COLUMNS);
        (void)fputc('\n', stdout);
        text += size + (text[size] == '\n');
    }
}

enum exit_code verb_logs(const struct ctl_options *options)
{
    _cleanup_(remote_close) struct remote remote = {.loop = NULL};
    _cleanup_(json_decrefp) json_t *logs = NULL;
    struct error error;
    size_t index;
    json_t *entry;

    if (!options->run) {
        log_error("which run? give its id, or the beginning of it; try 'loadsctl logs --help'");
        return EXIT_USAGE;
    }
    enum exit_code code = remote_open(&remote, options->broker);
    if (code != EXIT_PASSED) {
        return code;
    }
    int r =
        request_simple(remote.frontend, "CTRL_LOGS", options->run, options->agent, &logs, &error);
    if (r < 0) {
        return remote_fail(&remote, r, &error);
    }
    if (options->json) {
        return status_print_json(logs);
    }
    json_array_foreach(logs, index, entry)
    {
        put_log(entry);
    }
    return EXIT_PASSED;
}

/* ---- agents ----------------------------------------------------------------------------------- */

static void put_agent(const json_t *agent)
{
    const char *run_id = text_of(agent, "run_id");

    text_put_padded(stdout, text_of(agent, "agent_id"), 24);
    (void)printf(" %8" JSON_INTEGER_FORMAT "  ", json_integer_value(json_object_get(agent, "pid")));
    text_put_padded(stdout, text_of(agent, "hostname"), 20);
    (void)fputc(' ', stdout);
    text_put_padded(stdout, text_of(agent, "state"), 8);
    (void)text_put(stdout, run_id, strlen(run_id), LINE_COLUMNS);
    (void)fputc('\n', stdout);
}

static void put_worker(const json_t *worker)
{
    (void)printf("%8" JSON_INTEGER_FORMAT " %8" JSON_INTEGER_FORMAT "  ",
                 json_integer_value(json_object_get(worker, "pid")),
                 json_integer_value(json_object_get(worker, "users")));
    text_put_padded(stdout, text_of(worker, "state"), 10);
    (void)text_put(stdout, text_of(worker, "run_id"), strlen(text_of(worker, "run_id")),
                   LINE_COLUMNS);
    (void)fputc('\n', stdout);
}

enum exit_code verb_agents(const struct ctl_options *options)
{
    _cleanup_(remote_close) struct remote remote = {.loop = NULL};
    _cleanup_(json_decrefp) json_t *result = NULL;
    const char *command = options->agent ? "CTRL_AGENT_STATUS" : "LIST", *key;
    struct error error;
    json_t *value;

    enum exit_code code = remote_open(&remote, options->broker);
    if (code != EXIT_PASSED) {
        return code;
    }
    int r = request_simple(remote.frontend, command, NULL, options->agent, &result, &error);
    if (r < 0) {
        return remote_fail(&remote, r, &error);
    }
    if (options->json) {
        return status_print_json(result);
    }
    if (json_object_size(result) == 0) {
        (void)puts(options->agent ? "It has no workers" : "There are no agents");
    } else if (options->agent) {
        (void)printf("%8s %8s  %-10s%s\n", "WORKER", "USERS", "STATE", "RUN");
    } else {
        (void)printf("%-24s %8s  %-20s %-8s%s\n", "AGENT", "PID", "HOST", "STATE", "RUN");
    }
    json_object_foreach(result, key, value)
    {
        if (options->agent) {
            put_worker(value);
        } else {
            put_agent(value);
        }
    }
    return EXIT_PASSED;
}
