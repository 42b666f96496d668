/* SPDX-License-Identifier: MPL-2.0 */
/* What loads-runner understands beside the options of a run; --help, the configuration file, the
 * environment and the manual all follow these tables. */
#include "options.h"

#include <errno.h>

#define DISTRIBUTED "Runs on agents"
#define OTHER       "Other"

#define EVERYWHERE (CONF_FILE | CONF_ENVIRONMENT)

#define FIELD(field_) .offset = offsetof(struct runner_options, field_)

/* An option is read as a row: */
/* clang-format off */
static const struct conf_option rows[] = {
    {.name = "detach", .kind = CONF_FLAG, FIELD(detach), .where = EVERYWHERE, .group = DISTRIBUTED,
     .help = "Start the run, print its id and leave it alone."},
    {.name = "attach", .kind = CONF_STRING, FIELD(attach), .metavar = "RUN",
     .where = CONF_OPTIONAL, .group = DISTRIBUTED,
     .help = "Attach to a run instead of starting one: to the one that is on, or this one."},
    {.name = "ping-broker", .kind = CONF_FLAG, FIELD(ping_broker), .group = DISTRIBUTED,
     .help = "Show the broker, its agents and what is running, and exit."},
    {.name = "purge-broker", .kind = CONF_FLAG, FIELD(purge_broker), .group = DISTRIBUTED,
     .help = "Stop all runs that are on, and exit."},
    {.name = "health-check", .aliases = "check-cluster", .kind = CONF_FLAG, FIELD(health_check),
     .group = DISTRIBUTED, .help = "Run an empty test on every free agent, and exit."},

    {.name = "config", .kind = CONF_STRING, FIELD(config), .metavar = "FILE",
     .where = CONF_NAMES_FILE | CONF_ENVIRONMENT, .group = OTHER,
     .help = "Read options from the section [loads] of an INI file."},
    {.name = "debug-http", .kind = CONF_FLAG, FIELD(debug_http), .where = EVERYWHERE,
     .group = OTHER,
     .help = "Show what the first user sends and gets in its first iteration, as curl -v does."},
    {.name = "list", .kind = CONF_STRING, FIELD(list), .metavar = "MODULE", .group = OTHER,
     .help = "List the tests of a module and exit."},
    {.name = "help", .letters = "h", .kind = CONF_FLAG, FIELD(help), .where = CONF_ALONE,
     .group = OTHER, .help = "Show this help and exit."},
    {.name = "version", .kind = CONF_FLAG, FIELD(version), .where = CONF_ALONE, .group = OTHER,
     .help = "Show the version and exit."},
};
/* clang-format on */

static const struct conf_shared shared[] = {
    {&run_option_rows, offsetof(struct runner_options, run)},
    {&output_option_rows, offsetof(struct runner_options, run.output_options)},
    {&http_option_rows, offsetof(struct runner_options, run.http)},
    {&submit_option_rows, offsetof(struct runner_options, submit)},
    {&observer_run_rows, offsetof(struct runner_options, submit.observers)},
    {.rows = NULL},
};

const struct conf_table runner_table = {
    .program = "loads-runner",
    .usage = "[OPTION...] FQN[:WEIGHT]...|URL",
    .summary = "Runs a functional test as many virtual users at a time, as often or as long as "
               "asked for, and reports what the service made of it. With --agents it does so on "
               "the agents of a broker.",
    .section = "loads",
    .options = rows,
    .count = ELEMENTSOF(rows),
    .shared = shared,
};

/* What asks for something else than a new run. */
static int check_verbs(const struct runner_options *options, bool *ret_any, struct error *error)
{
    const struct {
        const char *name;
        bool given;
    } verbs[] = {
        {"list", options->list},
        {"attach", options->attach},
        {"ping-broker", options->ping_broker},
        {"purge-broker", options->purge_broker},
        {"health-check", options->health_check},
    };
    const char *first = NULL;

    for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
        if (verbs[i].given && first) {
            return error_set(error, -EINVAL, "--%s and --%s exclude each other", first,
                             verbs[i].name);
        }
        first = verbs[i].given ? verbs[i].name : first;
    }
    *ret_any = first;
    return 0;
}

static int check(const struct runner_options *options, struct error *error)
{
    bool on_agents = options->submit.agents > 0;

    if (on_agents && options->debug_http) {
        return error_set(error, -EINVAL,
                         "--debug-http is for a run here, without --agents: what it shows would be "
                         "kept in the run's log");
    }
    if (!on_agents && options->detach) {
        return error_set(error, -EINVAL, "--detach needs --agents: a run here can't be left alone");
    }
    if (!on_agents) {
        int r = submit_options_check_local(&options->submit, error);
        if (r < 0) {
            return r;
        }
    }
    return run_options_check(&options->run, on_agents, runner_table.program, error);
}

int runner_options_parse(int argc, char *argv[], struct runner_options *ret, struct error *error)
{
    bool no_run = false;

    *ret = (struct runner_options){.list = NULL};
    run_options_init(&ret->run);
    int r = conf_parse(&runner_table, argc, argv, ret, error);
    if (r < 0 || ret->help || ret->version) {
        return r;
    }
    r = check_verbs(ret, &no_run, error);
    return r < 0 || no_run ? r : check(ret, error);
}

void runner_options_clear(struct runner_options *options)
{
    conf_clear(&runner_table, options);
}
