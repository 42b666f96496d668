/* SPDX-License-Identifier: MPL-2.0 */
/* The rows of the outputs' own options. They may stand in a configuration file whatever outputs a
 * run has, so one of an output that isn't asked for means nothing. */
#include "outputs/options.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/parse.h"

#define OUTPUTS "Outputs"

#define EVERYWHERE (CONF_FILE | CONF_ENVIRONMENT)

#define MAX_TITLE_BYTES  200
#define MAX_PREFIX_BYTES 60

static int check_path(const char *text, void *field _unused_, struct error *error)
{
    return *text ? 0 : error_set(error, -EINVAL, "is empty");
}

static int check_title(const char *text, void *field _unused_, struct error *error)
{
    return strlen(text) <= MAX_TITLE_BYTES
               ? 0
               : error_set(error, -EINVAL, "is longer than %d bytes", MAX_TITLE_BYTES);
}

/* What every name of a metric begins with, and so a name itself. */
static int check_prefix(const char *text, void *field _unused_, struct error *error)
{
    bool good = *text && !isdigit((unsigned char)*text) && strlen(text) <= MAX_PREFIX_BYTES;

    for (const char *c = text; good && *c; c++) {
        good = isascii((unsigned char)*c) && (isalnum((unsigned char)*c) || *c == '_');
    }
    return good ? 0
                : error_set(error, -EINVAL,
                            "'%.100s' is no beginning of a metric's name: letters, digits and _, "
                            "and no digit first",
                            text);
}

static int parse_timeout(const char *text, void *field, struct error *error)
{
    uint64_t usec;
    int r = parse_duration(text, &usec, error);

    if (r == 0 && usec == 0) {
        r = error_set(error, -EINVAL, "'%s' is no time at all", text);
    }
    if (r == 0) {
        *(uint64_t *)field = usec;
    }
    return r;
}

#define FIELD(field_) .offset = offsetof(struct output_options, field_)

#define FILENAME(name_, field_)                                                                    \
    {                                                                                              \
        .name = "output-" name_ "-filename", .kind = CONF_STRING, FIELD(field_),                   \
        .metavar = "FILE", .parse = check_path, .where = EVERYWHERE, .group = OUTPUTS,             \
        .help = "Where --output " name_ " writes to if it says no file."                           \
    }

/* An option is read as a row: */
/* clang-format off */
static const struct conf_option rows[] = {
    FILENAME("csv", csv_filename),
    {.name = "output-exec-timeout", .kind = CONF_VALUE, FIELD(exec_timeout_usec),
     .metavar = "TIME", .parse = parse_timeout, .where = EVERYWHERE, .group = OUTPUTS,
     .help = "How long the program of --output exec may neither read nor end (default 10s)."},
    FILENAME("file", file_filename),
    FILENAME("funkload", funkload_filename),
    FILENAME("hdr", hdr_filename),
    FILENAME("html", html_filename),
    {.name = "output-html-title", .kind = CONF_STRING, FIELD(html_title), .metavar = "TEXT",
     .parse = check_title, .where = EVERYWHERE, .group = OUTPUTS,
     .help = "The page's heading (default: what is tested)."},
    FILENAME("json", json_filename),
    FILENAME("junit", junit_filename),
    {.name = "output-junit-suite", .kind = CONF_STRING, FIELD(junit_suite), .metavar = "NAME",
     .parse = check_title, .where = EVERYWHERE, .group = OUTPUTS,
     .help = "The name of the suite (default: what is tested)."},
    FILENAME("prometheus", prometheus_filename),
    {.name = "output-prometheus-prefix", .kind = CONF_STRING, FIELD(prometheus_prefix),
     .metavar = "NAME", .parse = check_prefix, .where = EVERYWHERE, .group = OUTPUTS,
     .help = "What the metrics' names begin with (default loads_)."},
};
/* clang-format on */

const struct conf_rows output_option_rows = {rows, ELEMENTSOF(rows)};

void output_options_init(struct output_options *options)
{
    *options = (struct output_options){.exec_timeout_usec = OUTPUT_EXEC_TIMEOUT_USEC};
}
