/* SPDX-License-Identifier: MPL-2.0 */
/* The numbers are what the supervisor counts with: no letters, no signs. */
#include "run/worker_share.h"

#include "base/parse.h"

static int parse_number(const char *text, void *field, struct error *error)
{
    uint64_t value;
    int r = parse_unsigned(text, 0, UINT32_MAX, &value, error);

    if (r == 0) {
        *(unsigned *)field = (unsigned)value;
    }
    return r;
}

#define GROUP "Share of a run"
#define NUMBER(name_, field_, help_)                                                               \
    {                                                                                              \
        .name = name_, .kind = CONF_VALUE, .metavar = "N", .parse = parse_number, .help = help_,   \
        .group = GROUP, .offset = offsetof(struct worker_share, field_)                            \
    }

static const struct conf_option rows[] = {
    {.name = "run-dir",
     .kind = CONF_STRING,
     .metavar = "DIR",
     .group = GROUP,
     .help = "The run's directory.",
     .offset = offsetof(struct worker_share, run_dir)},
    NUMBER("serial", serial, "Which of the run's workers this is."),
    NUMBER("cycle", cycle, "Which cycle it belongs to."),
    NUMBER("first-user", first_user, "The number of its first user."),
    NUMBER("iterations", iterations, "Of each user; 0: no bound."),
};

const struct conf_rows worker_share_rows = {rows, ELEMENTSOF(rows)};
