/* SPDX-License-Identifier: MPL-2.0 */
/* loads-external: started by loads-runner and loads-agent in the place of loads-worker, for tests
 * that another program executes (--test-runner). */
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/conf.h"
#include "base/log.h"
#include "external.h"
#include "run/channel.h"
#include "run/worker_share.h"

struct options {
    bool help, version;
    char *agent_id;
    struct worker_share share;
};

static const struct conf_option rows[] = {
    {.name = "agent-id",
     .kind = CONF_STRING,
     .metavar = "ID",
     .group = "Options",
     .help = "The agent's id, for the test runner.",
     .offset = offsetof(struct options, agent_id)},
    {.name = "help",
     .letters = "h",
     .kind = CONF_FLAG,
     .where = CONF_ALONE,
     .group = "Options",
     .help = "Show this help.",
     .offset = offsetof(struct options, help)},
    {.name = "version",
     .kind = CONF_FLAG,
     .where = CONF_ALONE,
     .group = "Options",
     .help = "Show the version.",
     .offset = offsetof(struct options, version)},
};

static const struct conf_shared shared[] = {
    {&worker_share_rows, offsetof(struct options, share)},
    {.rows = NULL},
};

static const struct conf_table table = {
    .program = "loads-external",
    .usage = "[OPTION...]",
    .summary =
        "Runs the processes of a test runner. Started by loads-runner and loads-agent; not for "
        "use by hand.",
    .section = "loads",
    .options = rows,
    .count = ELEMENTSOF(rows),
    .shared = shared,
};

/* Each process takes three descriptors here. */
static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* then what there is has to do */
    }
}

static int run(const struct options *options)
{
    _cleanup_(external_freep) struct external *external = NULL;
    struct error error = {0};
    struct external_options external_options = {
        .share = &options->share,
        .agent_id = options->agent_id ? options->agent_id : "local",
    };

    log_over_progress();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a supervisor that dies leaves no worker behind */
    (void)signal(SIGPIPE,
                 SIG_IGN); /* nobody reads what processes print: that is no reason to end */
    raise_limit();
    if (external_new(&external, &external_options, &error) < 0) {
        if (channel_refuse(CHANNEL_FD, error.text) < 0) {
            log_error("%s", error.text);
        }
        return EXIT_FAILURE;
    }
    external_run(external);
    return EXIT_SUCCESS;
}

int main(int argc, char *argv[])
{
    struct options options = {0};
    struct error error = {0};
    int status = EXIT_SUCCESS;

    log_open("loads-external", LOG_INFO);
    if (conf_parse(&table, argc, argv, &options, &error) < 0) {
        log_error("%s", error.text);
        status = 2;
    } else if (options.help) {
        conf_print_help(&table, stdout);
    } else if (options.version) {
        (void)puts("loads-external " LOADS_VERSION);
    } else if (!options.share.run_dir) {
        log_error("this program is started by loads-runner and loads-agent");
        status = 2;
    } else {
        status = run(&options);
    }
    conf_clear(&table, &options);
    return status;
}
