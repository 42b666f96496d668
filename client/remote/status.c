/* SPDX-License-Identifier: MPL-2.0 */
/* What people read here, scripts read as well: the lines of the old loads-runner stay as they were.
 */
#include "remote/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "outputs/text.h"
#include "remote/fields.h"
#include "remote/pause.h"
#include "remote/remote_run.h"
#include "remote/requests.h"

#define COLUMNS         1000
#define PURGE_SEC       30
#define PURGE_PAUSE_SEC 0.1

enum exit_code status_print_json(const json_t *document)
{
    _cleanup_free_ char *text = NULL;

    if (wire_json_dump(document, &text) < 0) {
        log_error("out of memory");
        return EXIT_ABORTED;
    }
    (void)puts(text); /* main() looks at stdout */
    return EXIT_PASSED;
}

/* A text from elsewhere; failures stay with the stream. */
static void put(const char *text)
{
    (void)text_put(stdout, text, strlen(text), COLUMNS);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "?";
}

/* "- KEY: VALUE" each, by key: the broker's order is none. */
static void put_pairs(const char *title, json_t *object)
{
    _cleanup_free_ char *text = NULL;
    _cleanup_(json_decrefp) json_t *sorted = NULL;
    const char *key;
    json_t *value;

    (void)printf("%s:\n", title);
    text = json_dumps(object, JSON_SORT_KEYS);
    if (text && wire_json_load_any(text, strlen(text), &sorted, NULL) < 0) {
        sorted = NULL;
    }
    json_object_foreach(sorted, key, value)
    {
        (void)fputs("- ", stdout);
        put(key);
        (void)fputs(": ", stdout);
        put(json_is_string(value) ? json_string_value(value) : "?");
        (void)fputc('\n', stdout);
    }
}

static void put_agents(json_t *agents)
{
    size_t count = json_object_size(agents);
    const char *id;
    json_t *agent;

    (void)printf("%zu agent%s registered\n", count, count == 1 ? "" : "s");
    json_object_foreach(agents, id, agent)
    {
        (void)printf("  - %" JSON_INTEGER_FORMAT " on ",
                     json_integer_value(json_object_get(agent, "pid")));
        put(text_of(agent, "hostname"));
        (void)fputc('\n', stdout);
    }
}

static void put_runs(json_t *runs)
{
    const char *id;
    json_t *agents;

    if (json_object_size(runs) == 0) {
        (void)puts("Nothing is running right now");
        return;
    }
    (void)printf("We have %zu run(s) right now:\n", json_object_size(runs));
    json_object_foreach(runs, id, agents)
    {
        (void)fputs("  - ", stdout);
        put(id);
        (void)printf(" with %zu agent(s)\n", json_array_size(agents));
    }
}

static void put_database(const json_t *database)
{
    if (strcmp(text_of(database, "state"), "down") == 0) {
        (void)fputs("The database is away: ", stdout);
        put(text_of(database, "reason"));
        (void)fputc('\n', stdout);
    }
}

/* The runs that are on, by id. */
static int ask_active(struct remote *remote, json_t **ret, struct error *error)
{
    _cleanup_(json_decrefp) json_t *runs = NULL;
    int r = request_simple(remote->frontend, "CTRL_LIST_RUNS", NULL, NULL, &runs, error);

    if (r == 0 && !json_is_object(runs)) {
        r = error_set(error, -EBADMSG, "the broker's answer to CTRL_LIST_RUNS is not an object");
    }
    if (r == 0) {
        *ret = TAKE_PTR(runs);
    }
    return r;
}

enum exit_code status_ping(const char *broker, bool json)
{
    _cleanup_(remote_close) struct remote remote = {.loop = NULL};
    _cleanup_(json_decrefp) json_t *runs = NULL, *document = NULL;
    struct error error;

    enum exit_code code = remote_open(&remote, broker);
    if (code != EXIT_PASSED) {
        return code;
    }
    int r = ask_active(&remote, &runs, &error);
    bool unknown = r == -EREMOTEIO && strcmp(frontend_code(remote.frontend), "database") == 0;
    if (r < 0 && !unknown) {
        return remote_fail(&remote, r, &error);
    }
    const json_t *ping = frontend_ping(remote.frontend);
    if (json) {
        document = json_copy((json_t *)ping);
        if (!document || (runs && json_object_set(document, "runs", runs) < 0)) {
            log_error("out of memory");
            return EXIT_ABORTED;
        }
        return status_print_json(document);
    }
    (void)printf("Broker running on pid %" JSON_INTEGER_FORMAT "\n",
                 json_integer_value(json_object_get(ping, "pid")));
    if (json_object_get(ping, "public_key")) {
        (void)fputs("Its public key is ", stdout);
        put(text_of(ping, "public_key"));
        (void)fputc('\n', stdout);
    }
    put_agents(json_object_get(ping, "agents"));
    put_pairs("endpoints", json_object_get(ping, "endpoints"));
    put_database(json_object_get(ping, "database"));
    if (runs) { /* else it has not read them back from the database */
        put_runs(runs);
    }
    put_pairs("options", json_object_get(ping, "options"));
    return EXIT_PASSED;
}

/* ---- purging ---------------------------------------------------------------------------------- */

static int stop_all(struct remote *remote, json_t *runs, struct error *error)
{
    const char *id;
    json_t *agents;

    json_object_foreach(runs, id, agents)
    {
        int r = request_stop(remote->frontend, id, true, error);
        bool gone = r == -EREMOTEIO && strcmp(frontend_code(remote->frontend), "unknown-run") == 0;
        if (r < 0 && !gone) {
            return r;
        }
    }
    return 0;
}

/* How many of the runs are on. */
static int count_active(struct remote *remote, json_t *runs, size_t *ret, struct error *error)
{
    _cleanup_(json_decrefp) json_t *now = NULL;
    const char *id;
    json_t *agents;
    int r = ask_active(remote, &now, error);

    *ret = 0;
    json_object_foreach(runs, id, agents)
    {
        *ret += json_object_get(now, id) != NULL;
    }
    return r;
}

static enum exit_code await_end(struct remote *remote, json_t *runs, bool json)
{
    uint64_t end_usec = clock_monotonic_usec() + PURGE_SEC * USEC_PER_SEC;
    struct error error;
    size_t active;

    for (;;) {
        int r = count_active(remote, runs, &active, &error);
        if (r < 0) {
            return remote_fail(remote, r, &error);
        }
        if (active == 0) {
            break;
        }
        if (clock_monotonic_usec() > end_usec) {
            log_error("%zu run(s) were told to stop and are still on", active);
            return EXIT_ABORTED;
        }
        pause_loop(remote->loop, PURGE_PAUSE_SEC);
    }
    if (!json) {
        (void)puts("Purged.");
    }
    return EXIT_PASSED;
}

enum exit_code status_purge(const char *broker, bool json)
{
    _cleanup_(remote_close) struct remote remote = {.loop = NULL};
    _cleanup_(json_decrefp) json_t *runs = NULL;
    struct error error;

    enum exit_code code = remote_open(&remote, broker);
    if (code != EXIT_PASSED) {
        return code;
    }
    int r = ask_active(&remote, &runs, &error);
    if (r < 0) {
        return remote_fail(&remote, r, &error);
    }
    if (json) {
        code = status_print_json(runs);
    } else if (json_object_size(runs) == 0) {
        (void)puts("Nothing to purge.");
    } else {
        put_runs(runs);
    }
    (void)fflush(stdout); /* main() looks at stdout */
    r = stop_all(&remote, runs, &error);
    if (r < 0) {
        return remote_fail(&remote, r, &error);
    }
    return code == EXIT_PASSED && json_object_size(runs) > 0 ? await_end(&remote, runs, json)
                                                             : code;
}
