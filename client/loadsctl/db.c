/* SPDX-License-Identifier: MPL-2.0 */
/* What is done is lib/run/schema.c's; here it gets words, and an exit code that a script can tell
 * "there is something to do" from "nobody answers" by. */
#include "db.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/shown.h"
#include "base/suggest.h"
#include "loop/pq.h"
#include "outputs/text.h"
#include "remote/status.h"
#include "run/schema.h"

#define WHERE_BYTES 512
#define NAME_BYTES  256

const char *db_conninfo(const struct ctl_options *options)
{
    const char *database = getenv("PGDATABASE"), *service = getenv("PGSERVICE");

    if (options->database) {
        return options->database;
    }
    return (database && *database) || (service && *service) ? "" : NULL;
}

/* The broker's own database, unless something else is said. */
static const char *conninfo_of(const struct ctl_options *options)
{
    const char *conninfo = db_conninfo(options);

    return conninfo ? conninfo : "dbname=loads";
}

enum exit_code db_fail(int code, const struct error *error)
{
    log_error("%s", error->text);
    switch (-code) {
    case EINVAL:
        return EXIT_USAGE;
    case ECONNREFUSED:
    case ECONNRESET:
        return EXIT_NO_BROKER;
    case ENOMEM:
        return EXIT_ABORTED;
    default:
        return EXIT_FAILED;
    }
}

/* ---- status ---- */

struct judgement {
    const char *state;  /* for programs */
    const char *advice; /* for people */
};

static struct judgement judge(int version)
{
    if (version == schema_version()) {
        return (struct judgement){"current", "It is up to date"};
    }
    if (version > schema_version()) {
        return (struct judgement){"newer", "It is newer than this program: use a newer Loads"};
    }
    if (version > 0) {
        return (struct judgement){"older",
                                  "It is older than this program: run 'loadsctl db migrate'"};
    }
    return (struct judgement){"missing", "There are no tables of Loads: run 'loadsctl db init'"};
}

/* An object about the database. NULL: memory is out, or a name is not UTF-8. */
static json_t *describe(const char *conninfo, int version)
{
    char where[WHERE_BYTES], user[NAME_BYTES], database[NAME_BYTES];
    struct error error;

    if (pq_conninfo_where(conninfo, where, sizeof where, &error) < 0 ||
        pq_conninfo_names(conninfo, user, sizeof user, database, sizeof database, &error) < 0) {
        return NULL;
    }
    return json_pack("{s:s, s:s, s:s, s:i, s:i, s:s}", "database", database, "user", user, "where",
                     where, "version", version, "program_version", schema_version(), "state",
                     judge(version).state);
}

/* Prints an object, unless it could not be made. */
static enum exit_code print_json(const json_t *document)
{
    if (!document) {
        log_error("no JSON: memory is out, or the name of user, host or database is not UTF-8");
        return EXIT_ABORTED;
    }
    return status_print_json(document);
}

static void print_status(const char *where, int version)
{
    (void)text_put(stdout, where, strlen(where), WHERE_BYTES);
    (void)printf("\nSchema there: %s", version > 0 ? "version " : "none");
    if (version > 0) {
        (void)printf("%d", version);
    }
    (void)printf("\nSchema of this program: version %d\n%s\n", schema_version(),
                 judge(version).advice);
}

static enum exit_code status(const struct ctl_options *options)
{
    const char *conninfo = conninfo_of(options);
    char where[WHERE_BYTES];
    struct error error;
    int version = 0;
    int r = pq_conninfo_where(conninfo, where, sizeof where, &error);

    if (r == 0) {
        r = schema_status(conninfo, &version, &error);
    }
    if (r < 0) {
        return db_fail(r, &error);
    }
    if (options->json) {
        _cleanup_(json_decrefp) json_t *document = describe(conninfo, version);
        enum exit_code code = print_json(document);
        if (code != EXIT_PASSED) {
            return code;
        }
    } else {
        print_status(where, version);
    }
    return version == schema_version() ? EXIT_PASSED : EXIT_FAILED;
}

/* ---- init, migrate ---- */

/* What was done: said at once, since the next thing may take long; for programs at the end. */
struct doing {
    json_t *done; /* NULL: for people */
    bool failed;  /* for want of memory */
    unsigned count;
};

static void on_told(const char *text, void *context)
{
    struct doing *doing = context;

    doing->count++;
    if (doing->done) {
        doing->failed |= json_array_append_new(doing->done, json_string(text)) < 0;
        return;
    }
    (void)puts(text);
    (void)fflush(stdout); /* main() looks at stdout */
}

static enum exit_code tell_end(const char *conninfo, const char *where, const struct doing *doing)
{
    if (doing->done) {
        _cleanup_(json_decrefp) json_t *document = describe(conninfo, schema_version());
        bool whole =
            document && !doing->failed && json_object_set(document, "done", doing->done) == 0;
        return print_json(whole ? document : NULL);
    }
    (void)text_put(stdout, where, strlen(where), WHERE_BYTES);
    (void)printf(" %s version %d of the schema\n", doing->count > 0 ? "has now" : "has already",
                 schema_version());
    return EXIT_PASSED;
}

typedef int schema_verb(const char *conninfo, schema_told *told, void *context,
                        struct error *error);

static enum exit_code bring_up_to_date(const struct ctl_options *options, schema_verb *verb)
{
    _cleanup_(json_decrefp) json_t *done = options->json ? json_array() : NULL;
    const char *conninfo = conninfo_of(options);
    struct doing doing = {.done = done};
    char where[WHERE_BYTES];
    struct error error;

    if (options->json && !done) {
        return print_json(NULL);
    }
    int r = pq_conninfo_where(conninfo, where, sizeof where, &error);
    if (r == 0) {
        r = verb(conninfo, on_told, &doing, &error);
    }
    return r < 0 ? db_fail(r, &error) : tell_end(conninfo, where, &doing);
}

static enum exit_code init(const struct ctl_options *options)
{
    return bring_up_to_date(options, schema_init);
}

static enum exit_code migrate(const struct ctl_options *options)
{
    return bring_up_to_date(options, schema_migrate);
}

/* ---- which of them ---- */

static const struct {
    const char *name;
    enum exit_code (*run)(const struct ctl_options *options);
} actions[] = {{"init", init}, {"migrate", migrate}, {"status", status}, {"expire", db_expire}};

enum exit_code verb_db(const struct ctl_options *options)
{
    struct suggest suggest = {.word = options->action};
    char shown[SHOWN_BYTES];

    if (!options->action) {
        log_error(
            "what about the database? init, migrate, status or expire; try 'loadsctl db --help'");
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < ELEMENTSOF(actions); i++) {
        if (strcmp(options->action, actions[i].name) == 0) {
            if (actions[i].run != db_expire &&
                (options->older_than_days > 0 || options->dry_run || options->broker_config)) {
                log_error("--older-than, --dry-run and --config are of 'loadsctl db expire'");
                return EXIT_USAGE;
            }
            return actions[i].run(options);
        }
        suggest_consider(&suggest, actions[i].name);
    }
    if (suggest.nearest) {
        log_error("unknown action '%.200s' (did you mean '%s'?); try 'loadsctl db --help'",
                  shown_word(options->action, shown), suggest.nearest);
    } else {
        log_error(
            "unknown action '%.200s': init, migrate, status or expire; try 'loadsctl db --help'",
            shown_word(options->action, shown));
    }
    return EXIT_USAGE;
}
