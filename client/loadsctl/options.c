/* SPDX-License-Identifier: MPL-2.0 */
/* A table for each verb, made of rows that several have. */
#include "options.h"

#include "base/parse.h"
#include "run/expire.h"

#define RESULTS "Results"
#define OTHER   "Other"

#define EVERYWHERE (CONF_FILE | CONF_ENVIRONMENT)
#define MAX_LIMIT  1000

#define FIELD(field_) .offset = offsetof(struct ctl_options, field_)

static int parse_limit(const char *text, void *field, struct error *error)
{
    return parse_unsigned(text, 1, MAX_LIMIT, field, error);
}

/* An option is read as a row: */
/* clang-format off */
static const struct conf_option common_rows[] = {
    {.name = "json", .kind = CONF_FLAG, FIELD(json), .group = OTHER,
     .help = "Answer in JSON, for programs."},
    {.name = "help", .letters = "h", .kind = CONF_FLAG, FIELD(help), .where = CONF_ALONE,
     .group = OTHER, .help = "Show this help and exit."},
};

static const struct conf_option optional_run_row[] = {
    {.name = "run", .kind = CONF_STRING, FIELD(run), .metavar = "RUN", .where = CONF_POSITIONAL,
     .group = "What",
     .help = "The id of a run, or its beginning; without it, the one that is on."},
};

static const struct conf_option run_row[] = {
    {.name = "run", .kind = CONF_STRING, FIELD(run), .metavar = "RUN", .where = CONF_POSITIONAL,
     .group = "What", .help = "The id of a run, or its beginning."},
};

static const struct conf_option show_rows[] = {
    {.name = "output", .kind = CONF_LIST, FIELD(outputs), .metavar = "NAME[=FILE]",
     .group = RESULTS, .help = "Report as html, json, csv and others instead; may be repeated."},
};

static const struct conf_option attach_rows[] = {
    {.name = "output", .kind = CONF_LIST, FIELD(outputs), .metavar = "NAME[=FILE]",
     .group = RESULTS, .help = "Report as stdout, html, json, csv and others; may be repeated."},
    {.name = "quiet", .letters = "q", .kind = CONF_FLAG, FIELD(quiet), .group = RESULTS,
     .help = "Show neither progress nor summary."},
};

static const struct conf_option submit_rows[] = {
    {.name = "attach", .kind = CONF_FLAG, FIELD(attach), .group = OTHER,
     .help = "Show the run until it is over."},
    {.name = "detach", .kind = CONF_FLAG, FIELD(detach), .where = EVERYWHERE, .group = OTHER,
     .help = "Leave the run alone, which is the default."},
    {.name = "config", .kind = CONF_STRING, FIELD(config), .metavar = "FILE",
     .where = CONF_NAMES_FILE | CONF_ENVIRONMENT, .group = OTHER,
     .help = "Read options from the section [loads] of an INI file."},
};

static const struct conf_option runs_rows[] = {
    {.name = "limit", .letters = "n", .kind = CONF_VALUE, FIELD(limit), .metavar = "N",
     .parse = parse_limit, .group = "What", .help = "How many, the newest first (default 20)."},
    {.name = "active", .kind = CONF_FLAG, FIELD(active), .group = "What",
     .help = "Only those that are on."},
};

static const struct conf_option logs_rows[] = {
    {.name = "agent", .kind = CONF_STRING, FIELD(agent), .metavar = "AGENT", .group = "What",
     .help = "Only what this agent wrote."},
};

static const struct conf_option agents_rows[] = {
    {.name = "agent", .kind = CONF_STRING, FIELD(agent), .metavar = "AGENT",
     .where = CONF_POSITIONAL, .group = "What", .help = "Show the workers of this agent."},
};

static const struct conf_option compare_rows[] = {
    {.name = "runs", .kind = CONF_LIST, FIELD(words), .metavar = "RUN OTHER",
     .where = CONF_POSITIONAL, .group = "What",
     .help = "The run, and the one that it is held against: ids, their beginnings, or baselines."},
    {.name = "fail-if", .kind = CONF_LIST, FIELD(fail_if), .metavar = "LIMIT", .group = "What",
     .help = "Exit with 99 if RUN differs by more, such as 'p95 +10%', and it is no chance; may be "
             "repeated."},
};

static const struct conf_option baseline_rows[] = {
    {.name = "words", .kind = CONF_LIST, FIELD(words), .metavar = "set|list|remove",
     .where = CONF_POSITIONAL, .group = "What",
     .help = "Give a run (with RUN) a name that others are held against; list those; or take one "
             "(with NAME) away."},
    {.name = "name", .kind = CONF_STRING, FIELD(name), .metavar = "NAME", .group = "What",
     .help = "Of set: the name, such as main."},
};

static const struct conf_option db_rows[] = {
    {.name = "action", .kind = CONF_STRING, FIELD(action), .metavar = "init|migrate|status|expire",
     .where = CONF_POSITIONAL, .group = "What",
     .help = "Make the tables (and role and database, where missing); bring them up to date; say "
             "how they are; or delete what is old."},
    {.name = "database", .kind = CONF_STRING, FIELD(database), .metavar = "CONNINFO",
     .where = CONF_SECRET, .group = "What",
     .help = "Which database, as a connection string of libpq's (default dbname=loads, or what "
             "PGDATABASE says)."},
    {.name = "older-than", .kind = CONF_VALUE, FIELD(older_than_days), .metavar = "DAYS",
     .parse = expire_parse_days, .group = "Of expire",
     .help = "Delete runs that ended, and lines of the audit that were written, more than so many "
             "days ago (default retention-days of the broker's configuration)."},
    {.name = "dry-run", .kind = CONF_FLAG, FIELD(dry_run), .group = "Of expire",
     .help = "Delete nothing, and say what would be."},
    {.name = "config", .kind = CONF_STRING, FIELD(broker_config), .metavar = "FILE",
     .group = "Of expire",
     .help = "The broker's configuration, for retention-days and database (default "
             "/etc/loads/broker.conf)."},
};

static const struct conf_option keygen_rows[] = {
    {.name = "name", .kind = CONF_LIST, FIELD(words), .metavar = "NAME",
     .where = CONF_POSITIONAL, .group = "What", .help = "What the key is called."},
    {.name = "file", .kind = CONF_STRING, FIELD(file), .metavar = "FILE", .group = "What",
     .help = "Where it is kept (default ~/.config/loads/key)."},
    {.name = "role", .kind = CONF_STRING, FIELD(role), .metavar = "ROLE", .group = "What",
     .help = "In the line for the broker: observe, run, admin or agent (default run)."},
};

static const struct conf_option key_rows[] = {
    {.name = "words", .kind = CONF_LIST, FIELD(words), .metavar = "add|remove|list",
     .where = CONF_POSITIONAL, .group = "What",
     .help = "Let a key in (with NAME ROLE PUBLICKEY, and for agents HOSTS, a pattern of host "
             "names); shut it out (with NAME); or show all."},
    {.name = "keys-dir", .kind = CONF_STRING, FIELD(keys_dir), .metavar = "DIR", .group = "What",
     .help = "Where the broker has them (default /etc/loads/keys.d)."},
};

static const struct conf_option trust_rows[] = {
    {.name = "words", .kind = CONF_LIST, FIELD(words), .metavar = "ADDRESS",
     .where = CONF_POSITIONAL, .group = "What",
     .help = "The broker's tcp address, and its public key behind it; without the key the broker is "
             "asked for it."},
    {.name = "file", .kind = CONF_STRING, FIELD(file), .metavar = "FILE", .group = "What",
     .help = "Where that is noted (default ~/.config/loads/known_brokers); for all users of this "
             "machine, /etc/loads/known_brokers."},
    {.name = "introduction", .kind = CONF_STRING, FIELD(introduction), .metavar = "ADDRESS",
     .group = "What",
     .help = "Where it is asked (default tcp, on the port before that of ADDRESS)."},
    {.name = "yes", .letters = "y", .kind = CONF_FLAG, FIELD(yes), .group = "What",
     .help = "Believe what it says, without a question."},
};

static const struct conf_option main_rows[] = {
    {.name = "help", .letters = "h", .kind = CONF_FLAG, FIELD(help), .where = CONF_ALONE,
     .group = OTHER, .help = "Show this help and exit."},
    {.name = "version", .kind = CONF_FLAG, FIELD(version), .where = CONF_ALONE, .group = OTHER,
     .help = "Show the version and exit."},
};
/* clang-format on */

#define PART(rows_) static const struct conf_rows rows_##_part = {rows_, ELEMENTSOF(rows_)}
PART(optional_run_row);
PART(run_row);
PART(attach_rows);
PART(show_rows);
PART(submit_rows);
PART(runs_rows);
PART(logs_rows);
PART(agents_rows);
PART(compare_rows);
PART(baseline_rows);
PART(db_rows);
PART(keygen_rows);
PART(key_rows);
PART(trust_rows);

#define BROKER                                                                                     \
    {                                                                                              \
        &broker_option_row, offsetof(struct ctl_options, broker)                                   \
    }
#define OWN(rows_)                                                                                 \
    {                                                                                              \
        &rows_##_part, 0                                                                           \
    }
#define PARTS(...)                                                                                 \
    (const struct conf_shared[])                                                                   \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            .rows = NULL                                                                           \
        }                                                                                          \
    }

/* What is common stands last, as in every --help. */
#define TABLE(verb_, usage_, summary_, ...)                                                        \
    {                                                                                              \
        .program = "loadsctl " verb_, .usage = usage_, .summary = summary_, .section = "loads",    \
        .options = common_rows, .count = ELEMENTSOF(common_rows), .shared = PARTS(__VA_ARGS__)     \
    }

const struct conf_table ctl_table = {.program = "loadsctl",
                                     .usage = "[OPTION...] VERB [ARGUMENT...]",
                                     .summary = "Starts runs on the agents of a broker and looks "
                                                "after them.",
                                     .section = "loads",
                                     .options = main_rows,
                                     .count = ELEMENTSOF(main_rows)};

const struct conf_table submit_table =
    TABLE("submit", "[OPTION...] FQN[:WEIGHT]...|URL",
          "Starts a run on agents, on one unless --agents says how many, and prints its id. Takes "
          "what loads-runner takes.",
          {&run_option_rows, offsetof(struct ctl_options, new_run)},
          {&output_option_rows, offsetof(struct ctl_options, new_run.output_options)},
          {&http_option_rows, offsetof(struct ctl_options, new_run.http)},
          {&submit_option_rows, offsetof(struct ctl_options, submit)},
          {&observer_run_rows, offsetof(struct ctl_options, submit.observers)}, OWN(submit_rows));

const struct conf_table attach_table =
    TABLE("attach", "[OPTION...] [RUN]",
          "Shows a run until it is over, and its summary; of one that is over, the summary.",
          OWN(optional_run_row), OWN(attach_rows),
          {&output_option_rows, offsetof(struct ctl_options, new_run.output_options)}, BROKER);

const struct conf_table detach_table = TABLE(
    "detach", "[OPTION...] [RUN]", "Asks the consoles that are attached to a run to let go of it.",
    OWN(optional_run_row), BROKER);

const struct conf_table stop_table =
    TABLE("stop", "[OPTION...] RUN",
          "Stops a run: no test starts any more, those that are on have their grace to end.",
          OWN(run_row), BROKER);

const struct conf_table purge_table =
    TABLE("purge", "[OPTION...]", "Stops all runs that are on.", BROKER);

const struct conf_table runs_table =
    TABLE("runs", "[OPTION...]", "Lists runs, also those that are over.", OWN(runs_rows), BROKER);

const struct conf_table show_table =
    TABLE("show", "[OPTION...] RUN", "Shows a run with its numbers up to now.", OWN(run_row),
          OWN(show_rows),
          {&output_option_rows, offsetof(struct ctl_options, new_run.output_options)}, BROKER);

const struct conf_table logs_table =
    TABLE("logs", "[OPTION...] RUN", "Shows what compilers and tests wrote.", OWN(run_row),
          OWN(logs_rows), BROKER);

const struct conf_table agents_table =
    TABLE("agents", "[OPTION...] [AGENT]", "Lists the agents, or the workers of one.",
          OWN(agents_rows), BROKER);

const struct conf_table ping_table =
    TABLE("ping", "[OPTION...]", "Shows the broker, its agents and what is running.", BROKER);

const struct conf_table health_check_table =
    TABLE("health-check", "[OPTION...]", "Runs an empty test on every free agent.", BROKER);

const struct conf_table delete_table =
    TABLE("delete", "[OPTION...] RUN", "Deletes a run that is over, with its results.",
          OWN(run_row), BROKER);

const struct conf_table compare_table =
    TABLE("compare", "[OPTION...] RUN OTHER",
          "Holds a run against another one and says what differs by more than chance.",
          OWN(compare_rows), BROKER);

const struct conf_table baseline_table =
    TABLE("baseline", "[OPTION...] set RUN --name NAME | list | remove NAME",
          "Gives runs names that others are held against. They are not deleted.",
          OWN(baseline_rows), BROKER);

const struct conf_table keygen_table =
    TABLE("keygen", "[OPTION...] NAME",
          "Makes a key for connections between machines, and prints the line for the broker.",
          OWN(keygen_rows));

const struct conf_table key_table =
    TABLE("key", "[OPTION...] add|remove|list [NAME ROLE PUBLICKEY [HOSTS]]",
          "On the broker's machine: says whose keys it takes.", OWN(key_rows));

const struct conf_table trust_table =
    TABLE("trust", "[OPTION...] ADDRESS [PUBLICKEY]",
          "From now on takes only who has this key for the broker at an address. Without a key the "
          "broker is asked for it, and you whether it is the right one.",
          OWN(trust_rows));

const struct conf_table db_table = TABLE(
    "db", "[OPTION...] init|migrate|status|expire",
    "Makes the tables for results in a PostgreSQL database, looks at them, or deletes what is "
    "old. Connects there itself, without the broker.",
    OWN(db_rows));
