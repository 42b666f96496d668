/* SPDX-License-Identifier: MPL-2.0 */
/* The table of verbs, and those that are one request. */
#include "verbs.h"

#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "db.h"
#include "keys.h"
#include "remote/choose.h"
#include "remote/health.h"
#include "remote/remote_run.h"
#include "remote/requests.h"
#include "remote/status.h"

static enum exit_code verb_submit(const struct ctl_options *options)
{
    struct error error;

    if (options->attach && options->detach) {
        log_error("--attach and --detach exclude each other");
        return EXIT_USAGE;
    }
    if (options->attach && options->json) {
        log_error("--json prints the id of a run that is left alone; --output json is for the "
                  "results of one that is attached to");
        return EXIT_USAGE;
    }
    if (run_options_check(&options->new_run, true, submit_table.program, &error) < 0) {
        log_error("%s", error.text);
        return EXIT_USAGE;
    }
    return remote_run(&options->new_run, &options->submit, !options->attach, options->json);
}

static enum exit_code verb_attach(const struct ctl_options *options)
{
    char json[] = "json", *items[] = {json, NULL};
    const struct strlist as_json = {.items = items, .count = 1};

    return remote_attach(options->broker, options->run,
                         options->json && options->outputs.count == 0 ? &as_json
                                                                      : &options->outputs,
                         &options->new_run.output_options, options->quiet);
}

static enum exit_code verb_purge(const struct ctl_options *options)
{
    return status_purge(options->broker, options->json);
}

static enum exit_code verb_ping(const struct ctl_options *options)
{
    return status_ping(options->broker, options->json);
}

static enum exit_code verb_health_check(const struct ctl_options *options)
{
    return health_check(options->broker, options->json);
}

/* A command about a run, which `choose` may find out. */
static enum exit_code simple(const struct ctl_options *options, const char *command,
                             const char *done)
{
    _cleanup_(remote_close) struct remote remote = {.loop = NULL};
    _cleanup_(json_decrefp) json_t *result = NULL;
    _cleanup_free_ char *run_id = NULL;
    struct error error;

    enum exit_code code = remote_open(&remote, options->broker);
    if (code == EXIT_PASSED) {
        code = choose_run(remote.frontend, options->run, &run_id);
    }
    if (code != EXIT_PASSED) {
        return code;
    }
    int r = request_simple(remote.frontend, command, run_id, NULL, &result, &error);
    if (r < 0) {
        return remote_fail(&remote, r, &error);
    }
    if (options->json) {
        return status_print_json(result);
    }
    (void)printf("%s %s.\n", done, run_id); /* main() looks at stdout */
    return EXIT_PASSED;
}

static enum exit_code verb_detach(const struct ctl_options *options)
{
    return simple(options, "CTRL_DETACH_RUN", "Asked the consoles to let go of");
}

static enum exit_code need_run(const char *verb)
{
    log_error("which run? give its id, or the beginning of it; try 'loadsctl %s --help'", verb);
    return EXIT_USAGE;
}

static enum exit_code verb_stop(const struct ctl_options *options)
{
    return options->run ? simple(options, "CTRL_STOP_RUN", "Stopping") : need_run("stop");
}

static enum exit_code verb_delete(const struct ctl_options *options)
{
    return options->run ? simple(options, "CTRL_DELETE_RUN", "Deleted") : need_run("delete");
}

const struct verb verbs[] = {
    {"submit", "start a run and leave it alone", &submit_table, verb_submit},
    {"attach", "show a run until it is over", &attach_table, verb_attach},
    {"detach", "ask attached consoles to let go of a run", &detach_table, verb_detach},
    {"stop", "stop a run", &stop_table, verb_stop},
    {"purge", "stop all runs that are on", &purge_table, verb_purge},
    {"runs", "list runs", &runs_table, verb_runs},
    {"show", "show a run and its numbers", &show_table, verb_show},
    {"logs", "show what compilers and tests wrote", &logs_table, verb_logs},
    {"agents", "list agents, or the workers of one", &agents_table, verb_agents},
    {"ping", "show the broker", &ping_table, verb_ping},
    {"health-check", "run an empty test on every free agent", &health_check_table,
     verb_health_check},
    {"compare", "hold a run against another one", &compare_table, verb_compare},
    {"baseline", "name runs that others are held against", &baseline_table, verb_baseline},
    {"delete", "delete a run and its results", &delete_table, verb_delete},
    {"db", "make the tables of results in PostgreSQL, look at them, or delete what is old",
     &db_table, verb_db},
    {"keygen", "make a key for connections between machines", &keygen_table, verb_keygen},
    {"key", "say whose keys the broker takes", &key_table, verb_key},
    {"trust", "believe a broker by its key", &trust_table, verb_trust},
    {.name = NULL},
};
