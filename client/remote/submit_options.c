/* SPDX-License-Identifier: MPL-2.0 */
/* Rows of the options of runs on agents. */
#include "remote/submit_options.h"

#include <errno.h>
#include <string.h>

#include "base/parse.h"

#define DISTRIBUTED "Runs on agents"

#define EVERYWHERE (CONF_FILE | CONF_ENVIRONMENT)

static int parse_agents(const char *text, void *field, struct error *error)
{
    return parse_unsigned(text, 1, SUBMIT_MAX_AGENTS, field, error);
}

static int parse_on_agent_loss(const char *text, void *field, struct error *error)
{
    enum on_agent_loss *policy = field;

    if (strcmp(text, "continue") == 0) {
        *policy = AGENT_LOSS_CONTINUE;
    } else if (strcmp(text, "abort") == 0) {
        *policy = AGENT_LOSS_ABORT;
    } else {
        return error_set(error, -EINVAL, "'%s' is neither 'continue' nor 'abort'", text);
    }
    return 0;
}

#define FIELD(field_) .offset = offsetof(struct submit_options, field_)

/* An option is read as a row: */
/* clang-format off */
static const struct conf_option rows[] = {
    {.name = "agents", .letters = "a", .kind = CONF_VALUE, FIELD(agents), .metavar = "N",
     .parse = parse_agents, .where = EVERYWHERE, .group = DISTRIBUTED,
     .help = "Run on so many agents of a broker, each with all the users and hits."},
    {.name = "broker", .letters = "b", .kind = CONF_STRING, FIELD(broker), .metavar = "ADDRESS",
     .where = EVERYWHERE, .group = DISTRIBUTED,
     .help = "Where the broker is (default: on this machine)."},
    {.name = "queue", .kind = CONF_FLAG, FIELD(queue), .where = EVERYWHERE, .group = DISTRIBUTED,
     .help = "Wait for agents if too few are free."},
    {.name = "on-agent-loss", .kind = CONF_VALUE, FIELD(on_agent_loss), .metavar = "POLICY",
     .parse = parse_on_agent_loss, .where = EVERYWHERE, .group = DISTRIBUTED,
     .help = "When an agent is lost: continue without it (default) or abort the run."},
    {.name = "save-hits", .kind = CONF_FLAG, FIELD(save_hits), .where = EVERYWHERE,
     .group = DISTRIBUTED, .help = "Keep every single hit and test event in the database."},
};

static const struct conf_option broker_row[] = {
    {.name = "broker", .letters = "b", .kind = CONF_STRING, .offset = 0, .metavar = "ADDRESS",
     .where = CONF_ENVIRONMENT, .group = "Other",
     .help = "Where the broker is (default: on this machine)."},
};
/* clang-format on */

const struct conf_rows submit_option_rows = {rows, ELEMENTSOF(rows)};
const struct conf_rows broker_option_row = {broker_row, ELEMENTSOF(broker_row)};

int submit_options_check_local(const struct submit_options *options, struct error *error)
{
    const char *given = options->queue ? "queue" : options->save_hits ? "save-hits" : NULL;

    if (options->on_agent_loss != AGENT_LOSS_DEFAULT) {
        given = "on-agent-loss";
    }
    if (options->observers.names.count > 0) {
        return error_set(
            error, -EINVAL,
            "--observer needs --agents: observers are the broker's, and hear of runs on "
            "agents");
    }
    return given ? error_set(error, -EINVAL, "--%s needs --agents: it is for runs on agents", given)
                 : 0;
}
