/* SPDX-License-Identifier: MPL-2.0 */
/* The table, and what it can't say: everything behind "--" is the command's, options too. */
#include "options.h"

#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "base/shown.h"

static int parse_agents(const char *text, void *field, struct error *error)
{
    return parse_unsigned(text, 1, CLUSTER_MAX_AGENTS, field, error);
}

#define OPTIONS "Options"

#define FIELD(field_) .offset = offsetof(struct cluster_options, field_)

/* An option is read as a row: */
/* clang-format off */
static const struct conf_option rows[] = {
    {.name = "agents", .kind = CONF_VALUE, FIELD(agents), .metavar = "N", .parse = parse_agents,
     .where = CONF_POSITIONAL, .group = OPTIONS,
     .help = "How many agents, 1 to 1000."},
    {.name = "temporary", .kind = CONF_FLAG, FIELD(temporary), .group = OPTIONS,
     .help = "With a database of its own, which is gone at the end."},
    {.name = "help", .letters = "h", .kind = CONF_FLAG, FIELD(help), .where = CONF_ALONE,
     .group = OPTIONS, .help = "Show this help and exit."},
    {.name = "version", .kind = CONF_FLAG, FIELD(version), .where = CONF_ALONE,
     .group = OPTIONS, .help = "Show the version and exit."},
};
/* clang-format on */

const struct conf_table cluster_table = {
    .program = "loads-cluster",
    .usage = "[OPTION...] N [-- COMMAND [ARGUMENT...]]",
    .summary = "Starts PostgreSQL, a broker and N agents on this machine, for you alone, and runs "
               "the command (or a shell) in which loads-runner -a, loadsctl and psql find them. "
               "When it ends, so do they.",
    .options = rows,
    .count = ELEMENTSOF(rows),
};

/* The command hides its own, and everybody could look at them here. */
static int take_command(int count, char *arguments[], struct cluster_options *options,
                        struct error *error)
{
    if (count == 0 || !*arguments[0]) {
        return error_set(error, -EINVAL, "no command stands behind '--'");
    }
    int r = strlist_add_all(&options->words, arguments, (size_t)count);
    if (r < 0) {
        return error_set_errno(error, r, "cannot start");
    }
    options->command = options->words.items;
    for (int i = 1; i < count; i++) {
        shown_word_blot(arguments[i]);
    }
    return 0;
}

int cluster_options_parse(int argc, char *argv[], struct cluster_options *ret, struct error *error)
{
    int ours = 1;

    *ret = (struct cluster_options){.agents = 0};
    while (ours < argc && strcmp(argv[ours], "--") != 0) {
        ours++;
    }
    int r = conf_parse(&cluster_table, ours, argv, ret, error);
    if (r < 0 || ret->help || ret->version) {
        return r;
    }
    if (ret->agents == 0) {
        return error_set(error, -EINVAL, "how many agents? 'loads-cluster 5' starts five");
    }
    return ours < argc ? take_command(argc - ours - 1, argv + ours + 1, ret, error) : 0;
}

void cluster_options_clear(struct cluster_options *options)
{
    conf_clear(&cluster_table, options);
    strlist_clear(&options->words);
}
