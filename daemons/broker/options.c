/* SPDX-License-Identifier: MPL-2.0 */
/* One table says what loads-broker understands; --help, the configuration file and the manual
 * follow it. The environment has no say: LOADS_AGENTS and the like are meant for loads-runner. */
#include "options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/clock.h"
#include "base/parse.h"
#include "base/shown.h"
#include "local_users.h"
#include "loop/pq.h"
#include "run/addresses.h"
#include "run/expire.h"
#include "run/key_file.h"
#include "wake.h"

#define DEFAULT_DATABASE         "dbname=loads"
#define DEFAULT_OBSERVER_TIMEOUT (30 * USEC_PER_SEC)

#define SOCKETS "Where it listens"
#define RUNS    "Runs and results"
#define TOLD    "Observers' surroundings"
#define OTHER   "Other"

static const struct level {
    const char *word;
    int level;
} levels[] = {
    {"error", LOG_ERR}, {"warning", LOG_WARNING}, {"notice", LOG_NOTICE},
    {"info", LOG_INFO}, {"debug", LOG_DEBUG},
};

static int parse_level(const char *text, void *field, struct error *error)
{
    for (size_t i = 0; i < ELEMENTSOF(levels); i++) {
        if (strcmp(levels[i].word, text) == 0) {
            *(int *)field = levels[i].level;
            return 0;
        }
    }
    return error_set(error, -EINVAL, "'%.60s' is not error, warning, notice, info or debug", text);
}

static int parse_max_upload(const char *text, void *field, struct error *error)
{
    uint64_t bytes;
    int r = parse_size(text, &bytes, error);

    if (r == 0 && (bytes < 1024 || bytes > MAX_UPLOAD_BYTES)) {
        r = error_set(error, -EINVAL, "'%s' is not between 1K and 1G", text);
    }
    if (r == 0) {
        *(uint64_t *)field = bytes;
    }
    return r;
}

static int parse_observer_timeout(const char *text, void *field, struct error *error)
{
    uint64_t usec;
    int r = parse_duration(text, &usec, error);

    if (r == 0 && (usec < USEC_PER_SEC || usec > 600 * USEC_PER_SEC)) {
        r = error_set(error, -EINVAL, "'%s' is not between 1s and 10m", text);
    }
    if (r == 0) {
        *(uint64_t *)field = usec;
    }
    return r;
}

/* Who says which servers observers talk to. */
static int parse_observer_servers(const char *text, void *field, struct error *error)
{
    bool fixed = strcmp(text, "configured") == 0;

    if (!fixed && strcmp(text, "any") != 0) {
        return error_set(error, -EINVAL, "'%.60s' is neither any nor configured", text);
    }
    *(bool *)field = fixed;
    return 0;
}

static int check_callable(const char *text, void *field _unused_, struct error *error)
{
    int r = observer_check_name(text, error);
    return r == 0 && !observer_is_callable(text)
               ? error_set(error, -EINVAL, "'%.60s' is not module.callable", text)
               : r;
}

static int check_web_root(const char *text, void *field _unused_, struct error *error)
{
    return strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0
               ? 0
               : error_set(error, -EINVAL, "'%.200s' does not begin with http:// or https://",
                           text);
}

static int check_address(const char *text, void *field _unused_, struct error *error)
{
    if (strncmp(text, "tcp://", 6) != 0 && strncmp(text, "ipc://", 6) != 0) {
        return error_set(error, -EINVAL, "'%.200s' does not begin with tcp:// or ipc://", text);
    }
    return 0;
}

static int check_local_role(const char *text, void *field _unused_, struct error *error)
{
    return local_users_check(text, error);
}

static int check_some(const char *text, void *field _unused_, struct error *error)
{
    return *text ? 0 : error_set(error, -EINVAL, "is empty");
}

#define FIELD(field_) .offset = offsetof(struct broker_options, field_)

/* An option is read as a row: */
/* clang-format off */
static const struct conf_option rows[] = {
    {.name = "frontend", .kind = CONF_LIST, FIELD(frontend), .metavar = "ADDRESS",
     .parse = check_address, .where = CONF_FILE, .group = SOCKETS,
     .help = "For clients; may be repeated, as the three below (default "
             "ipc://DIRECTORY/frontend.sock)."},
    {.name = "backend", .kind = CONF_LIST, FIELD(backend), .metavar = "ADDRESS",
     .parse = check_address, .where = CONF_FILE, .group = SOCKETS,
     .help = "For agents: what they are to do (default ipc://DIRECTORY/backend.sock)."},
    {.name = "receiver", .kind = CONF_LIST, FIELD(receiver), .metavar = "ADDRESS",
     .parse = check_address, .where = CONF_FILE, .group = SOCKETS,
     .help = "For agents: results (default ipc://DIRECTORY/receiver.sock)."},
    {.name = "publisher", .kind = CONF_LIST, FIELD(publisher), .metavar = "ADDRESS",
     .parse = check_address, .where = CONF_FILE, .group = SOCKETS,
     .help = "For clients that watch runs (default ipc://DIRECTORY/publisher.sock)."},
    {.name = "key", .kind = CONF_STRING, FIELD(key), .metavar = "FILE", .parse = check_some,
     .where = CONF_FILE, .group = SOCKETS,
     .help = "The broker's own key, made by 'loadsctl keygen': a file, or a name alone of one of "
             "the service's credentials; with it tcp addresses take nobody who has not shown a "
             "key, and may be reached from other machines."},
    {.name = "introduction", .kind = CONF_LIST, FIELD(introduction), .metavar = "ADDRESS",
     .parse = check_address, .where = CONF_FILE, .group = SOCKETS,
     .help = "Where a broker with a key says its public part, and nothing else, to who doesn't know "
             "it yet, for 'loadsctl trust'; may be repeated (default nowhere)."},
    {.name = "keys-dir", .kind = CONF_STRING, FIELD(keys_dir), .metavar = "DIR",
     .parse = check_some, .where = CONF_FILE, .group = SOCKETS,
     .help = "Where files *.key say whose keys are taken and what each may do (default "
             KEYS_DIR ")."},
    {.name = "local-role", .kind = CONF_LIST, FIELD(local_roles), .metavar = "WHO:ROLE",
     .parse = check_local_role, .where = CONF_FILE, .group = SOCKETS,
     .help = "What a user of this machine (WHO), members of a group (@WHO) or all others (*) may do "
             "by a local socket: agent, observe, run or admin; may be repeated (default *:admin and "
             LOCAL_AGENT_USER ":agent)."},
    {.name = "allow-insecure", .kind = CONF_FLAG, FIELD(allow_insecure), .where = CONF_FILE,
     .group = SOCKETS,
     .help = "Listen on tcp addresses beyond loopback without a key, so that nobody is "
             "authenticated: whoever reaches them can run code on every agent."},

    {.name = "agents", .kind = CONF_LIST, FIELD(agents), .metavar = "ADDRESS",
     .parse = check_address, .where = CONF_FILE, .group = RUNS,
     .help = "Control sockets of agents that are woken when a run needs more of them than are "
             "there; may be repeated; the last part of an ipc path may be a pattern (default "
             "ipc://DIRECTORY/agent-*.sock)."},
    {.name = "database", .kind = CONF_STRING, FIELD(database), .metavar = "CONNINFO",
     .parse = check_some, .where = CONF_FILE | CONF_SECRET, .group = RUNS,
     .help = "The PostgreSQL database where results are stored, as a connection string of libpq's "
             "(default dbname=loads); none: nowhere, the broker has the last ones in memory."},
    {.name = "max-upload", .kind = CONF_VALUE, FIELD(max_upload_bytes), .metavar = "SIZE",
     .parse = parse_max_upload, .where = CONF_FILE, .group = RUNS,
     .help = "Of the files of a run (default 64M)."},
    {.name = "retention-days", .kind = CONF_VALUE, FIELD(retention_days), .metavar = "DAYS",
     .parse = expire_parse_retention, .where = CONF_FILE, .group = RUNS,
     .help = "How long runs are kept after their end, and lines of the audit, until 'loadsctl db "
             "expire' deletes them, which loads-expire.timer starts every day; none: for ever "
             "(default none)."},

    {.name = "observer-dir", .kind = CONF_STRING, FIELD(observer_dir), .metavar = "DIR",
     .parse = check_some, .where = CONF_FILE, .group = TOLD,
     .help = "Where programs are that runs may name as observers, before those that Loads brings "
             "along."},
    {.name = "observer-callable", .kind = CONF_LIST, FIELD(observer_callables),
     .metavar = "MODULE.NAME", .parse = check_callable, .where = CONF_FILE, .group = TOLD,
     .help = "A callable in Python that runs may name as an observer; may be repeated; needs "
             "python3-loads."},
    {.name = "observer-timeout", .kind = CONF_VALUE, FIELD(observer_timeout_usec),
     .metavar = "TIME", .parse = parse_observer_timeout, .where = CONF_FILE, .group = TOLD,
     .help = "How long an observer may take before it is ended (default 30s)."},
    {.name = "observer-servers", .kind = CONF_VALUE, FIELD(observer_servers_fixed),
     .metavar = "WHICH", .parse = parse_observer_servers, .where = CONF_FILE, .group = TOLD,
     .help = "Whether runs may name servers for observers: any (default), or only those that are "
             "configured here."},
    {.name = "observer-ca-file", .kind = CONF_STRING, FIELD(observer_ca_file), .metavar = "FILE",
     .parse = check_some, .where = CONF_FILE, .group = TOLD,
     .help = "Observers trust the certificates in this PEM file instead of the system's."},
    {.name = "web-root", .kind = CONF_STRING, FIELD(web_root), .metavar = "URL",
     .parse = check_web_root, .where = CONF_FILE, .group = TOLD,
     .help = "Where pages about runs are: what observers say has the link URL/runs/ID in it "
             "(default: no link)."},

    {.name = "config", .kind = CONF_STRING, FIELD(config), .metavar = "FILE",
     .where = CONF_NAMES_FILE, .group = OTHER,
     .help = "Read options from the section [broker] of this file, and of those in FILE.d, instead "
             "of " BROKER_FILE "."},
    {.name = "check", .kind = CONF_FLAG, FIELD(check), .group = OTHER,
     .help = "Say whether a broker answers at the frontend's addresses, and exit."},
    {.name = "log-level", .kind = CONF_VALUE, FIELD(log_level), .metavar = "LEVEL",
     .parse = parse_level, .where = CONF_FILE, .group = OTHER,
     .help = "What is logged: error, warning, notice, info or debug (default info)."},
    {.name = "help", .letters = "h", .kind = CONF_FLAG, FIELD(help), .where = CONF_ALONE,
     .group = OTHER, .help = "Show this help and exit."},
    {.name = "version", .kind = CONF_FLAG, FIELD(version), .where = CONF_ALONE, .group = OTHER,
     .help = "Show the version and exit."},
};
/* clang-format on */

static const struct conf_shared shared[] = {
    {&observer_broker_rows, offsetof(struct broker_options, observers)},
    {.rows = NULL},
};

const struct conf_table broker_table = {
    .program = "loads-broker",
    .usage = "[OPTION...]",
    .summary = "Routes load tests to agents, gathers what they count and shows it to who watches. "
               "DIRECTORY is /run/loads for a system service, else "
               "$XDG_RUNTIME_DIR/loads.",
    .section = "broker",
    .file = BROKER_FILE,
    .directory = true,
    .options = rows,
    .count = ELEMENTSOF(rows),
    .shared = shared,
};

const char *const broker_socket_names[BROKER_SOCKETS] = {"frontend", "backend", "receiver",
                                                         "publisher"};

struct strlist *broker_options_addresses(struct broker_options *options, const char *name)
{
    struct strlist *const lists[BROKER_SOCKETS] = {&options->frontend, &options->backend,
                                                   &options->receiver, &options->publisher};

    for (size_t i = 0; i < BROKER_SOCKETS; i++) {
        if (strcmp(broker_socket_names[i], name) == 0) {
            return lists[i];
        }
    }
    return NULL;
}

static int set_default_address(struct strlist *list, const char *name, struct error *error)
{
    _cleanup_free_ char *address = NULL;

    if (list->count > 0) {
        return 0;
    }
    int r = addresses_socket(name, &address, error);
    if (r < 0) {
        return r;
    }
    r = strlist_add(list, address);
    return r < 0 ? error_set_errno(error, r, "%s", name) : 0;
}

static int set_default_addresses(struct broker_options *options, struct error *error)
{
    for (size_t i = 0; i < BROKER_SOCKETS; i++) {
        const char *name = broker_socket_names[i];
        int r = set_default_address(broker_options_addresses(options, name), name, error);
        if (r < 0) {
            return r;
        }
    }
    return set_default_address(&options->agents, "agent-*", error);
}

/* A name alone is that of a credential, if systemd has any for us. */
static int find_key(struct broker_options *options, struct error *error)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    char *path;

    if (!options->key || strchr(options->key, '/') || !directory || !*directory) {
        return 0;
    }
    if (asprintf(&path, "%s/%s", directory, options->key) < 0) {
        return error_set_errno(error, -ENOMEM, "key");
    }
    free(options->key);
    options->key = path;
    return 0;
}

int broker_options_parse(int argc, char *const argv[], struct broker_options *ret,
                         struct error *error)
{
    *ret = (struct broker_options){.max_upload_bytes = DEFAULT_MAX_UPLOAD,
                                   .observer_timeout_usec = DEFAULT_OBSERVER_TIMEOUT,
                                   .log_level = LOG_INFO};
    int r = conf_parse(&broker_table, argc, argv, ret, error);
    if (r < 0 || ret->help || ret->version) {
        return r;
    }
    if (ret->agents.count > WAKE_MAX_ADDRESSES) {
        return error_set(error, -E2BIG, "agents: there are %zu addresses, of %d at most",
                         ret->agents.count, WAKE_MAX_ADDRESSES);
    }
    if (!ret->keys_dir) {
        ret->keys_dir = strdup(KEYS_DIR);
        if (!ret->keys_dir) {
            return error_set_errno(error, -ENOMEM, "keys-dir");
        }
    }
    if (!ret->database) {
        ret->database = strdup(DEFAULT_DATABASE);
        if (!ret->database) {
            return error_set_errno(error, -ENOMEM, "database");
        }
    }
    if (ret->introduction.count > 0 && !ret->key) {
        return error_set(error, -EINVAL, "introduction: there is no key that could be said");
    }
    r = find_key(ret, error);
    return r < 0 ? r : set_default_addresses(ret, error);
}

void broker_options_clear(struct broker_options *options)
{
    conf_clear(&broker_table, options);
}

static int list_text(const struct strlist *list, char **ret)
{
    size_t size = 1;
    for (size_t i = 0; i < list->count; i++) {
        size += strlen(list->items[i]) + 1;
    }
    char *text = calloc(1, size), *end = text;
    if (!text) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < list->count; i++) {
        end = stpcpy(stpcpy(end, i > 0 ? "\n" : ""), list->items[i]);
    }
    *ret = text;
    return 0;
}

static const char *level_word(int level)
{
    for (size_t i = 0; i < ELEMENTSOF(levels); i++) {
        if (levels[i].level == level) {
            return levels[i].word;
        }
    }
    return "";
}

int broker_option_text(const struct broker_options *options, const struct conf_option *option,
                       char **ret)
{
    const void *field = conf_row_field(&broker_table, option, (void *)options);
    char number[32], where[512];
    struct error error;
    const char *text = "";

    switch (option->kind) {
    case CONF_LIST:
        return list_text(field, ret);
    case CONF_STRING:
        text = *(char *const *)field ? *(char *const *)field : "";
        if (option->where & CONF_SECRET && strcmp(text, "none") != 0) {
            text = SHOWN_SECRET;
            if (field == &options->database && /* where that is may be known */
                pq_conninfo_where(options->database, where, sizeof where, &error) == 0) {
                text = where;
            }
        }
        if (option->where & CONF_URL) {
            *ret = shown_url_copy(text);
            return *ret ? 0 : -ENOMEM;
        }
        break;
    case CONF_FLAG:
        text = *(const bool *)field ? "yes" : "no";
        break;
    case CONF_VALUE:
        if (field == &options->log_level) {
            text = level_word(options->log_level);
        } else if (field == &options->observer_servers_fixed) {
            text = options->observer_servers_fixed ? "configured" : "any";
        } else if (field == &options->retention_days && options->retention_days == 0) {
            text = "none";
        } else {
            (void)snprintf(number, sizeof number, "%" PRIu64, *(const uint64_t *)field);
            text = number;
        }
        break;
    }
    *ret = strdup(text);
    return *ret ? 0 : -ENOMEM;
}
