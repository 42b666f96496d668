/* SPDX-License-Identifier: MPL-2.0 */
/* What can be known to be wrong is found in this order: options and files, the outputs, the broker.
 * So nothing is sent for a run that could not be shown. */
#include "remote/remote_run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "remote/address.h"
#include "remote/choose.h"
#include "remote/console.h"
#include "remote/console_report.h"
#include "remote/requests.h"
#include "remote/submit.h"
#include "shared/reports.h"

static void on_loop_error(const char *what)
{
    log_error("%s: %s", what, strerror(errno));
    _exit(EXIT_ABORTED);
}

enum exit_code remote_fail(const struct remote *remote, int result, const struct error *error)
{
    log_error("%s", error->text);
    return request_exit_code(remote->frontend, result);
}

enum exit_code remote_open(struct remote *remote, const char *option)
{
    _cleanup_free_ char *address = NULL;
    struct error error;

    *remote = (struct remote){.loop = NULL};
    ev_set_syserr_cb(on_loop_error); /* it would abort */
    int r = address_choose(option, &address, &error);
    if (r == 0) {
        remote->loop = ev_loop_new(EVFLAG_AUTO);
        r = remote->loop ? 0 : error_set(&error, -ENOMEM, "cannot make an event loop");
    }
    if (r == 0) {
        r = frontend_open(&remote->frontend, remote->loop, address, &error);
    }
    return r < 0 ? remote_fail(remote, r, &error) : EXIT_PASSED;
}

void remote_close(struct remote *remote)
{
    frontend_free(remote->frontend);
    if (remote->loop) {
        ev_loop_destroy(remote->loop);
    }
}

/* ---- starting ---- */

/* Every hit comes here at the end, from where the broker keeps it. */
static int check_reports(const struct reports *reports, const struct submit_options *submit,
                         struct error *error)
{
    return reports->wants_detail && !submit->save_hits
               ? error_set(error, -EINVAL,
                           "--output file, funkload and exec need every hit: with --agents, "
                           "give --save-hits, too")
               : 0;
}

static void print_submitted(const struct submitted *submitted, bool json)
{
    if (json) {
        _cleanup_free_ char *text = NULL;
        _cleanup_(json_decrefp) json_t *object =
            json_pack("{ssss}", "run_id", submitted->run_id, "state", submitted->state);
        if (object && wire_json_dump(object, &text) == 0) {
            (void)puts(text); /* main() looks at stdout */
        }
    } else {
        (void)puts(submitted->run_id); /* likewise */
    }
}

static enum exit_code attach(struct remote *remote, struct reports *reports, bool quiet,
                             const char *run_id)
{
    const struct console_options options = {
        .loop = remote->loop, .frontend = remote->frontend, .reports = reports, .quiet = quiet};

    return console_attach(&options, run_id);
}

static enum exit_code send_and_show(struct remote *remote, const struct submission *submission,
                                    struct reports *reports, bool quiet, bool detach, bool json)
{
    _cleanup_(submitted_clear) struct submitted submitted = {.run_id = NULL};
    struct error error;

    console_hold_signals();
    int r = submission_send(submission, remote->frontend, &submitted, &error);
    if (r < 0) {
        return remote_fail(remote, r, &error);
    }
    if (detach) {
        print_submitted(&submitted, json);
        return EXIT_PASSED;
    }
    if (!quiet) {
        log_notice("run %s on %zu agent%s", submitted.run_id, submitted.agents.count,
                   submitted.agents.count == 1 ? "" : "s");
    }
    return attach(remote, reports, quiet, submitted.run_id);
}

enum exit_code remote_run(const struct run_options *run, const struct submit_options *submit,
                          bool detach, bool json)
{
    _cleanup_(submission_clear) struct submission submission = {.request = NULL};
    _cleanup_(reports_clear) struct reports reports = {.count = 0};
    _cleanup_(remote_close) struct remote remote = {.loop = NULL};
    struct error error;

    int r = submission_make(&submission, run, submit, &error);
    if (r == 0 && !detach) {
        r = reports_open(&reports, &run->outputs, &run->output_options, run->quiet, &error);
    }
    if (r == 0) {
        r = check_reports(&reports, submit, &error);
    }
    if (r < 0) {
        log_error("%s", error.text);
        return EXIT_USAGE;
    }
    enum exit_code code = remote_open(&remote, submit->broker);
    if (code != EXIT_PASSED) {
        return code;
    }
    return send_and_show(&remote, &submission, &reports, run->quiet, detach, json);
}

/* ---- attaching ---- */

/* It keeps what the outputs need. */
static enum exit_code check_run(const struct remote *remote, const char *run_id,
                                const struct reports *reports)
{
    _cleanup_(snapshot_freep) struct snapshot *snapshot = NULL;
    struct error error;

    int r = request_snapshot(remote->frontend, run_id, &snapshot, &error);
    if (r < 0) {
        return remote_fail(remote, r, &error);
    }
    r = console_report_check(snapshot, reports, &error);
    if (r < 0) {
        log_error("%s", error.text);
    }
    return r < 0 ? EXIT_USAGE : EXIT_PASSED;
}

enum exit_code remote_attach(const char *broker, const char *run_id, const struct strlist *outputs,
                             const struct output_options *options, bool quiet)
{
    _cleanup_(reports_clear) struct reports reports = {.count = 0};
    _cleanup_(remote_close) struct remote remote = {.loop = NULL};
    _cleanup_free_ char *whole = NULL;
    struct error error;

    int r = reports_open(&reports, outputs, options, quiet, &error);
    if (r < 0) {
        log_error("%s", error.text);
        return EXIT_USAGE;
    }
    enum exit_code code = remote_open(&remote, broker);
    if (code == EXIT_PASSED) {
        code = choose_run(remote.frontend, run_id, &whole);
    }
    if (code == EXIT_PASSED && reports.wants_detail) {
        code = check_run(&remote, whole, &reports);
    }
    if (code != EXIT_PASSED) {
        return code;
    }
    console_hold_signals();
    return attach(&remote, &reports, quiet, whole);
}
