/* SPDX-License-Identifier: MPL-2.0 */
/* Requests: what goes into them, and that the result has the type that the rest counts on. */
#include "remote/requests.h"

#include <errno.h>
#include <string.h>

static int no_memory(struct error *error)
{
    return error_set_errno(error, -ENOMEM, "cannot ask the broker");
}

static int set_text(json_t *request, const char *key, const char *text)
{
    return text ? json_object_set_new(request, key, json_string(text)) : 0;
}

int request_simple(struct frontend *frontend, const char *command, const char *run_id,
                   const char *agent_id, json_t **ret, struct error *error)
{
    _cleanup_(json_decrefp) json_t *request = json_object();

    if (set_text(request, "command", command) < 0 || set_text(request, "run_id", run_id) < 0 ||
        set_text(request, "agent_id", agent_id) < 0) {
        return no_memory(error);
    }
    return frontend_ask(frontend, request, NULL, ret, error);
}

int request_snapshot(struct frontend *frontend, const char *run_id, struct snapshot **ret,
                     struct error *error)
{
    _cleanup_(json_decrefp) json_t *result = NULL;
    int r = request_simple(frontend, "CTRL_SNAPSHOT", run_id, NULL, &result, error);

    if (r == 0) {
        r = snapshot_decode(result, ret, error);
        r = r < 0 ? error_prefix(error, r, "the broker's answer to CTRL_SNAPSHOT") : 0;
    }
    return r;
}

int request_stop(struct frontend *frontend, const char *run_id, bool at_once, struct error *error)
{
    _cleanup_(json_decrefp) json_t *request =
        json_pack("{ssss}", "command", "CTRL_STOP_RUN", "run_id", run_id);
    _cleanup_(json_decrefp) json_t *result = NULL;

    if (!request || (at_once && json_object_set_new(request, "grace_usec", json_integer(0)) < 0)) {
        return no_memory(error);
    }
    return frontend_ask(frontend, request, NULL, &result, error);
}

int request_runs(struct frontend *frontend, unsigned limit, bool active, json_t **ret,
                 struct error *error)
{
    _cleanup_(json_decrefp) json_t *request =
        json_pack("{sssisb}", "command", "CTRL_RUNS", "limit", (int)limit, "active", (int)active);
    _cleanup_(json_decrefp) json_t *result = NULL;

    if (!request) {
        return no_memory(error);
    }
    int r = frontend_ask(frontend, request, NULL, &result, error);
    if (r == 0 && !json_is_array(result)) {
        r = error_set(error, -EBADMSG, "the broker's answer to CTRL_RUNS is not a list");
    }
    if (r == 0) {
        *ret = TAKE_PTR(result);
    }
    return r;
}

enum exit_code request_exit_code(const struct frontend *frontend, int result)
{
    static const char *const usage[] = {"usage",         "bad-request",     "unknown-command",
                                        "unknown-run",   "too-large",       "ambiguous-run",
                                        "unknown-agent", "active-run",      "not-comparable",
                                        "baseline-run",  "unknown-baseline"};

    if (result == -EHOSTUNREACH || result == -EBADMSG) {
        return EXIT_NO_BROKER;
    }
    if (result != -EREMOTEIO || !frontend) {
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < ELEMENTSOF(usage); i++) {
        if (strcmp(frontend_code(frontend), usage[i]) == 0) {
            return EXIT_USAGE;
        }
    }
    return EXIT_ABORTED;
}
