/* SPDX-License-Identifier: MPL-2.0 */
/* loads-runner: load tests from the command line. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "local_run.h"
#include "options.h"
#include "remote/health.h"
#include "remote/remote_run.h"
#include "remote/status.h"

/* Every user takes a descriptor or more: use all that we may. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* then what there is has to do */
    }
}

static enum exit_code run(const struct runner_options *options)
{
    const char *broker = options->submit.broker;

    if (options->list) {
        return local_list(&options->run, options->list);
    }
    if (options->ping_broker) {
        return status_ping(broker, false);
    }
    if (options->purge_broker) {
        return status_purge(broker, false);
    }
    if (options->health_check) {
        return health_check(broker, false);
    }
    if (options->attach) {
        return remote_attach(broker, options->attach, &options->run.outputs,
                             &options->run.output_options, options->run.quiet);
    }
    if (options->submit.agents > 0) {
        return remote_run(&options->run, &options->submit, options->detach, false);
    }
    raise_descriptor_limit();
    return local_run(&options->run, options->debug_http);
}

int main(int argc, char *argv[])
{
    struct runner_options options;
    struct error error = {0};
    enum exit_code code = EXIT_PASSED;

    log_open("loads-runner", LOG_NOTICE);
    (void)signal(SIGPIPE, SIG_IGN); /* an output whose reader went away is an error, not our end */
    int r = runner_options_parse(argc, argv, &options, &error);
    conf_hide_arguments(&runner_table, argc, argv);
    if (r < 0) {
        log_error("%s", error.text);
        code = EXIT_USAGE;
    } else if (options.help) {
        conf_print_help(&runner_table, stdout);
    } else if (options.version) {
        (void)puts("loads-runner " LOADS_VERSION);
    } else {
        code = run(&options);
    }
    runner_options_clear(&options);
    if ((ferror(stdout) || fflush(stdout) != 0) && code == EXIT_PASSED) {
        log_error("cannot write to standard output: %s", strerror(errno));
        code = EXIT_FAILED;
    }
    return (int)code;
}
