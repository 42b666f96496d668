/* SPDX-License-Identifier: MPL-2.0 */
/* One run for each agent, so that one that fails keeps no other from showing that it is well. What
 * they get is the whole of what a run needs: an archive is unpacked, a module compiled, a worker
 * started. The runs are deleted afterwards, since nobody will ask for them. */
#include "remote/health.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "outputs/text.h"
#include "remote/fields.h"
#include "remote/pause.h"
#include "remote/remote_run.h"
#include "remote/requests.h"
#include "remote/status.h"
#include "run/archive.h"

#define MODULE    "loads_health_check"
#define TEST      MODULE ".HealthCheck.empty"
#define PAUSE_SEC 0.1
#define COLUMNS   1000
#define MAX_RUNS  1000

static const char source[] = "#include <loads/loads.h>\n"
                             "\n"
                             "LOADS_TEST(HealthCheck, empty)\n"
                             "{\n"
                             "    (void)user;\n"
                             "}\n";

/* ---- what is sent ----------------------------------------------------------------------------- */

static int write_source(char *path, struct error *error)
{
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        return error_set_errno(error, -errno, "cannot make a file in /tmp");
    }
    ssize_t n = write(fd, source, sizeof source - 1);
    int r = n == (ssize_t)sizeof source - 1 ? 0 : -EIO;
    close_fd(fd);
    return r < 0 ? error_set_errno(error, r, "cannot write %s", path) : 0;
}

static int make_archive(uint8_t **ret, size_t *ret_size, struct error *error)
{
    _cleanup_(file_list_clear) struct file_list files = {.count = 0};
    char path[] = "/tmp/loads-health-XXXXXX";

    int r = write_source(path, error);
    if (r == 0) {
        r = file_list_add(&files, path, MODULE ".c", error);
    }
    if (r == 0) {
        r = archive_make(&files, ARCHIVE_MAX_BYTES, ret, ret_size, error);
    }
    (void)unlink(path); /* it is in /tmp */
    return r;
}

/* ---- the agents ------------------------------------------------------------------------------- */

/* The entry of each agent in the report: {"agent_id", "result": "ok" …, "reason", "run_id"}. */
static int set(json_t *entry, const char *key, const char *text)
{
    return json_object_set_new(entry, key, json_string(text)) < 0 ? -ENOMEM : 0;
}

static int start_one(struct remote *remote, const char *agent_id, json_t *entry,
                     const struct frontend_bytes *archive, struct error *error)
{
    _cleanup_(json_decrefp) json_t *result = NULL;
    _cleanup_(json_decrefp) json_t *request =
        json_pack("{sss[s]s{sssisiss}}", "command", "CTRL_RUN", "agents", agent_id, "args", "fqn",
                  TEST, "users", 1, "hits", 1, "project_name", "health check");
    const char *run_id = NULL;

    if (!request) {
        return error_set_errno(error, -ENOMEM, "cannot ask the broker");
    }
    int r = frontend_ask(remote->frontend, request, archive, &result, error);
    if (r == -EREMOTEIO) {
        return set(entry, "result", "failed") < 0 || set(entry, "reason", error->text) < 0 ? -ENOMEM
                                                                                           : 0;
    }
    if (r == 0) {
        r = field_required_text(result, "run_id", &run_id, error);
    }
    return r < 0 ? r : set(entry, "run_id", run_id);
}

/* Starts a run on each free agent; others get their state as result. */
static int start_all(struct remote *remote, json_t *report, struct error *error)
{
    json_t *agents = json_object_get(frontend_ping(remote->frontend), "agents");
    _cleanup_free_ uint8_t *bytes = NULL;
    struct frontend_bytes archive;
    const char *id;
    json_t *agent;

    int r = make_archive(&bytes, &archive.size, error);
    archive.bytes = bytes;
    json_object_foreach(agents, id, agent)
    {
        const char *state = json_string_value(json_object_get(agent, "state"));
        json_t *entry = r == 0 ? json_pack("{ss}", "agent_id", id) : NULL;
        if (r == 0 && json_array_append_new(report, entry) < 0) {
            r = error_set_errno(error, -ENOMEM, "cannot check the agents");
        }
        if (r == 0 && state && strcmp(state, "free") == 0) {
            r = start_one(remote, id, entry, &archive, error);
        } else if (r == 0) {
            r = set(entry, "result", state ? state : "?");
        }
    }
    return r;
}

/* What became of one run, if it is over. */
static int note_end(json_t *report, const json_t *run)
{
    const char *run_id = json_string_value(json_object_get(run, "run_id"));
    const char *outcome = json_string_value(json_object_get(run, "outcome"));
    const char *trouble = json_string_value(json_object_get(run, "trouble"));
    size_t index;
    json_t *entry;
    int r = 0;

    json_array_foreach(report, index, entry)
    {
        const char *id = json_string_value(json_object_get(entry, "run_id"));
        if (!id || !run_id || !outcome || strcmp(id, run_id) != 0 ||
            json_object_get(entry, "result")) {
            continue;
        }
        bool passed = strcmp(outcome, "passed") == 0;
        r = set(entry, "result", passed ? "ok" : "failed");
        if (r == 0 && !passed) {
            r = set(entry, "reason", trouble ? trouble : outcome);
        }
    }
    return r;
}

static size_t count_open(const json_t *report)
{
    size_t index, count = 0;
    json_t *entry;

    json_array_foreach(report, index, entry)
    {
        count += !json_object_get(entry, "result");
    }
    return count;
}

/* Waits for all of them; who isn't done then doesn't answer. */
static int await_all(struct remote *remote, json_t *report, struct error *error)
{
    uint64_t end_usec = clock_monotonic_usec() + HEALTH_SEC * USEC_PER_SEC;
    int r = 0;

    while (r == 0 && count_open(report) > 0) {
        _cleanup_(json_decrefp) json_t *runs = NULL;
        size_t index;
        json_t *item;
        r = request_runs(remote->frontend, MAX_RUNS, false, &runs, error);
        json_array_foreach(runs, index, item)
        {
            r = r == 0 ? note_end(report, item) : r;
        }
        if (clock_monotonic_usec() > end_usec) {
            break;
        }
        if (r == 0 && count_open(report) > 0) {
            pause_loop(remote->loop, PAUSE_SEC);
        }
    }
    json_t *entry;
    size_t index;
    json_array_foreach(report, index, entry)
    {
        if (r == 0 && !json_object_get(entry, "result")) {
            r = set(entry, "result", "no answer");
        }
    }
    return r;
}

/* What can't be deleted stays, which does no harm. */
static void delete_all(struct remote *remote, json_t *report)
{
    size_t index;
    json_t *entry;

    json_array_foreach(report, index, entry)
    {
        const char *run_id = json_string_value(json_object_get(entry, "run_id"));
        const char *result = json_string_value(json_object_get(entry, "result"));
        _cleanup_(json_decrefp) json_t *ignored = NULL;
        struct error error;
        if (run_id && result && strcmp(result, "no answer") == 0) {
            (void)!request_stop(remote->frontend, run_id, true, &error);
        } else if (run_id) {
            (void)!request_simple(remote->frontend, "CTRL_DELETE_RUN", run_id, NULL, &ignored,
                                  &error);
        }
        (void)json_object_del(entry, "run_id"); /* not there for who wasn't free */
    }
}

/* ---- the report ------------------------------------------------------------------------------- */

static void put_entry(const json_t *entry)
{
    const char *id = json_string_value(json_object_get(entry, "agent_id"));
    const char *result = json_string_value(json_object_get(entry, "result"));
    const char *reason = json_string_value(json_object_get(entry, "reason"));

    (void)text_put(stdout, id, strlen(id), COLUMNS);
    (void)fputs(": ", stdout);
    (void)text_put(stdout, result, strlen(result), COLUMNS);
    (void)fputc('\n', stdout);
    if (reason) {
        text_put_lines(stdout, reason, 4, COLUMNS, 20);
    }
}

static enum exit_code print_report(const json_t *report, bool json)
{
    size_t ok = 0, bad = 0, index;
    json_t *entry;

    json_array_foreach(report, index, entry)
    {
        const char *result = json_string_value(json_object_get(entry, "result"));
        ok += strcmp(result, "ok") == 0;
        bad += strcmp(result, "failed") == 0 || strcmp(result, "no answer") == 0;
        if (!json) {
            put_entry(entry);
        }
    }
    enum exit_code code = json ? status_print_json(report) : EXIT_PASSED;
    if (ok + bad == 0) {
        log_error("no agent is free");
        return EXIT_ABORTED;
    }
    if (!json) {
        (void)printf("%zu of %zu agents can run tests\n", ok, ok + bad);
    }
    return bad > 0 ? EXIT_FAILED : code;
}

enum exit_code health_check(const char *broker, bool json)
{
    _cleanup_(remote_close) struct remote remote = {.loop = NULL};
    _cleanup_(json_decrefp) json_t *report = json_array();
    struct error error = {0};

    enum exit_code code = remote_open(&remote, broker);
    if (code != EXIT_PASSED) {
        return code;
    }
    int r = start_all(&remote, report, &error);
    if (r == 0) {
        r = await_all(&remote, report, &error);
    }
    delete_all(&remote, report);
    if (r < 0) {
        if (error.code == 0) {
            (void)error_set_errno(&error, r, "cannot check the agents");
        }
        return remote_fail(&remote, r, &error);
    }
    return print_report(report, json);
}
