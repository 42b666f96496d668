/* SPDX-License-Identifier: MPL-2.0 */
/* What is old is deleted as the broker's configuration says, of which two keys matter here, or as
 * the command line says. The broker itself has nothing to do with it, and need not run. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "db.h"
#include "remote/status.h"
#include "run/expire.h"

#define BROKER_FILE "/etc/loads/broker.conf"

struct found {
    char *config, *database;
    uint64_t retention_days; /* 0: none */
};

#define FIELD(field_) .offset = offsetof(struct found, field_)

/* An option is read as a row: */
/* clang-format off */
static const struct conf_option rows[] = {
    {.name = "config", .kind = CONF_STRING, FIELD(config), .where = CONF_NAMES_FILE},
    {.name = "database", .kind = CONF_STRING, FIELD(database), .where = CONF_FILE | CONF_SECRET,
     .help = "As the broker's."},
    {.name = "retention-days", .kind = CONF_VALUE, FIELD(retention_days),
     .parse = expire_parse_retention, .where = CONF_FILE, .help = "As the broker's."},
};
/* clang-format on */

static const struct conf_table table = {
    .program = "loads-broker",
    .section = "broker",
    .file = BROKER_FILE,
    .directory = true,
    .partial = true,
    .options = rows,
    .count = ELEMENTSOF(rows),
};

static int read_config(const char *file, struct found *ret, struct error *error)
{
    /* They are only read. */
    char *arguments[] = {(char *)"loadsctl", (char *)"--config", (char *)file};

    return conf_parse(&table, file ? 3 : 1, arguments, ret, error);
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static enum exit_code tell(const struct ctl_options *options, uint64_t days,
                           const struct expired *expired)
{
    if (options->json) {
        _cleanup_(json_decrefp) json_t *document = json_pack(
            "{s:o, s:b, s:I, s:I}", "older_than_days",
            days > 0 ? json_integer((json_int_t)days) : json_null(), "dry_run", options->dry_run,
            "runs", (json_int_t)expired->runs, "audit_lines", (json_int_t)expired->audit_lines);
        if (!document) {
            log_error("no JSON: out of memory");
            return EXIT_ABORTED;
        }
        return status_print_json(document);
    }
    if (days == 0) {
        (void)printf("Nothing is deleted: %s has no retention-days\n",
                     options->broker_config ? options->broker_config : BROKER_FILE);
        return EXIT_PASSED;
    }
    (void)printf(
        "%" PRIu64 " run%s and %" PRIu64 " line%s of the audit older than %" PRIu64 " day%s %s\n",
        expired->runs, plural(expired->runs), expired->audit_lines, plural(expired->audit_lines),
        days, plural(days), options->dry_run ? "would be deleted" : "deleted");
    return EXIT_PASSED;
}

static enum exit_code expire_from(const struct ctl_options *options, const char *conninfo,
                                  uint64_t days)
{
    struct expired expired = {0};
    struct error error;

    if (days > 0) {
        int r = expire(conninfo, days, options->dry_run, &expired, &error);
        if (r < 0) {
            if (expired.runs + expired.audit_lines > 0 && !options->dry_run) {
                (void)tell(options, days, &expired); /* that is done, in any case */
            }
            return db_fail(r, &error);
        }
    }
    return tell(options, days, &expired);
}

enum exit_code db_expire(const struct ctl_options *options)
{
    const char *conninfo = db_conninfo(options);
    uint64_t days = options->older_than_days;
    struct found found = {0};
    struct error error;
    enum exit_code code = EXIT_USAGE;
    int r = 0;

    if (!conninfo || days == 0) {
        r = read_config(options->broker_config, &found, &error);
    }
    if (r == 0) {
        days = days > 0 ? days : found.retention_days;
        conninfo = conninfo ? conninfo : found.database ? found.database : "dbname=loads";
        if (days > 0 && strcmp(conninfo, "none") == 0) {
            log_notice("the broker has no database: nothing is stored that could be deleted");
            code = tell(options, days, &(struct expired){0});
        } else {
            code = expire_from(options, conninfo, days);
        }
    } else {
        log_error("%s", error.text);
    }
    conf_clear(&table, &found);
    return code;
}
