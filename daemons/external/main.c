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
#include "base/parse.h"
#include "external.h"
#include "run/channel.h"

struct options {
    bool help, version;
    char *run_dir, *agent_id;
    uint64_t serial, cycle, first_user, iterations;
};

static int parse_number(const char *text, void *field, struct error *error)
{
    return parse_unsigned(text, 0, UINT32_MAX, field, error);
}

#define ROW(name_, kind_, field_, metavar_, parse_, help_)                                         \
    {                                                                                              \
        .name = name_, .kind = kind_, .metavar = metavar_, .parse = parse_, .help = help_,         \
        .group = "Options", .offset = offsetof(struct options, field_)                             \
    }

static const struct conf_option rows[] = {
    ROW("run-dir", CONF_STRING, run_dir, "DIR", NULL, "The run's directory."),
    ROW("agent-id", CONF_STRING, agent_id, "ID", NULL, "The agent's id, for the test runner."),
    ROW("serial", CONF_VALUE, serial, "N", parse_number, "Which of the run's workers this is."),
    ROW("cycle", CONF_VALUE, cycle, "N", parse_number, "Which cycle it belongs to."),
    ROW("first-user", CONF_VALUE, first_user, "N", parse_number, "The number of its first user."),
    ROW("iterations", CONF_VALUE, iterations, "N", parse_number, "Of each user; 0: no bound."),
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

static const struct conf_table table = {
    .program = "loads-external",
    .usage = "[OPTION...]",
    .summary =
        "Runs the processes of a test runner. Started by loads-runner and loads-agent; not for "
        "use by hand.",
    .section = "loads",
    .options = rows,
    .count = ELEMENTSOF(rows),
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
        .run_dir = options->run_dir,
        .agent_id = options->agent_id ? options->agent_id : "local",
        .serial = (unsigned)options->serial,
        .cycle = (unsigned)options->cycle,
        .first_user = (unsigned)options->first_user,
        .iterations = (unsigned)options->iterations,
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
    } else if (!options.run_dir) {
        log_error("this program is started by loads-runner and loads-agent");
        status = 2;
    } else {
        status = run(&options);
    }
    conf_clear(&table, &options);
    return status;
}
