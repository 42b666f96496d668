/* SPDX-License-Identifier: MPL-2.0 */
/* The rows that loads-runner and loadsctl submit have in common: what to run, how much, how it is
 * built, what becomes of the results. */
#include "shared/run_options.h"

#include <errno.h>
#include <string.h>
#include <systemd/sd-id128.h>

#include "base/clock.h"
#include "base/distribution.h"
#include "base/shown.h"
#include "loop/url.h"
#include "metrics/threshold.h"

#define DEFAULT_GRACE_USEC   UINT64_C(5000000)
#define DEFAULT_TIMEOUT_USEC UINT64_C(30000000)
#define DEFAULT_STACK_BYTES  (UINT64_C(256) << 10)
#define DEFAULT_STALL_USEC   UINT64_C(30000000)
#define MIN_STALL_USEC       UINT64_C(100000)

#define TEST    "What to run"
#define LOAD    "How much"
#define BUILD   "The test's module"
#define RESULTS "Results"

#define EVERYWHERE (CONF_FILE | CONF_ENVIRONMENT)

static int parse_numbers_field(const char *text, void *field, struct error *error)
{
    return parse_numbers(text, field, error);
}

static int parse_duration_field(const char *text, void *field, struct error *error)
{
    return parse_duration(text, field, error);
}

/* A time that must be longer than none. */
static int parse_some_duration(const char *text, void *field, struct error *error)
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

static int parse_stall_timeout(const char *text, void *field, struct error *error)
{
    uint64_t usec;
    int r = parse_duration(text, &usec, error);

    if (r == 0 && usec > 0 && usec < MIN_STALL_USEC) {
        r = error_set(error, -EINVAL, "'%s' is less than 100ms and not 0", text);
    }
    if (r == 0) {
        *(uint64_t *)field = usec;
    }
    return r;
}

static int parse_workers(const char *text, void *field, struct error *error)
{
    return parse_unsigned(text, 1, SPEC_MAX_WORKERS, field, error);
}

static int parse_seed(const char *text, void *field, struct error *error)
{
    return parse_unsigned(text, 1, SPEC_MAX_SEED, field, error);
}

static int check_threshold(const char *text, void *field _unused_, struct error *error)
{
    struct threshold threshold;
    return threshold_parse(text, &threshold, error);
}

static int check_pace(const char *text, void *field _unused_, struct error *error)
{
    struct distribution pace;
    return distribution_parse(text, &pace, error);
}

static int parse_stack_size(const char *text, void *field, struct error *error)
{
    uint64_t bytes;
    int r = parse_size(text, &bytes, error);

    if (r == 0 && (bytes < SPEC_MIN_STACK_BYTES || bytes > SPEC_MAX_STACK_BYTES)) {
        r = error_set(error, -EINVAL, "'%s' is not between 16K and 1G", text);
    }
    if (r == 0) {
        *(uint64_t *)field = bytes;
    }
    return r;
}

static int check_tag(const char *text, void *field _unused_, struct error *error)
{
    size_t length;
    int r = parse_key_value(text, &length, error);
    return r < 0 ? r : run_spec_check_text(text, SPEC_MAX_TAG_BYTES, error);
}

static int check_dep(const char *text, void *field _unused_, struct error *error)
{
    return run_spec_check_dep(text, error);
}

/* Who takes care of the users of a test runner: "each" of its processes has one, or it has all. */
static int parse_runner_users(const char *text, void *field, struct error *error)
{
    bool self = strcmp(text, "self") == 0;

    if (!self && strcmp(text, "each") != 0) {
        return error_set(error, -EINVAL, "'%s' is neither self nor each", text);
    }
    *(bool *)field = self;
    return 0;
}

/* What the run's specification can carry. */
static int check_words(const char *text, void *field _unused_, struct error *error)
{
    return *text ? run_spec_check_text(text, SPEC_MAX_WORDS_BYTES, error) : 0;
}

static int check_name(const char *text, void *field _unused_, struct error *error)
{
    return run_spec_check_text(text, SPEC_MAX_NAME_BYTES, error);
}

/* Of a directory or file: all but nothing. */
static int check_path(const char *text, void *field _unused_, struct error *error)
{
    return *text ? 0 : error_set(error, -EINVAL, "is empty");
}

/* The workers would refuse it, too, but by then a run has started. */
static int check_url(const char *text, void *field _unused_, struct error *error)
{
    _cleanup_(url_cache_freep) struct url_cache *cache = NULL;
    const struct url *url;
    char shown[SHOWN_BYTES];

    if (!fqn_is_url(text)) {
        return error_set(error, -EINVAL, "'%s' is not a URL such as http://localhost:8000",
                         shown_url(text, shown));
    }
    int r = url_cache_new(&cache, 1);
    if (r < 0) {
        return error_set_errno(error, r, "cannot look at '%s'", shown_url(text, shown));
    }
    r = url_get(cache, NULL, text, &url, error);
    if (r == 0) {
        url_unref(url);
    }
    return r;
}

#define FIELD(field_) .offset = offsetof(struct run_options, field_)

/* An option is read as a row: */
/* clang-format off */
static const struct conf_option rows[] = {
    {.name = "fqn", .aliases = "fqdn", .kind = CONF_STRING, FIELD(fqn), .metavar = "FQN",
     .where = EVERYWHERE | CONF_POSITIONAL | CONF_WORDS | CONF_URL, .group = TEST,
     .help = "The test, path.to.module.Suite.test, or several, each with its weight as in "
             "a.S.browse:8 b.T.buy:2, or a URL to get again and again."},
    {.name = "server-url", .kind = CONF_STRING, FIELD(server_url), .metavar = "URL",
     .parse = check_url, .where = EVERYWHERE | CONF_URL, .group = TEST,
     .help = "What relative URLs in the test are relative to."},
    {.name = "test-runner", .kind = CONF_STRING, FIELD(test_runner), .metavar = "CMD",
     .parse = check_words, .where = EVERYWHERE, .group = TEST,
     .help = "Execute the test by this command, in which {test} is its name, as a shell splits it."},
    {.name = "test-runner-users", .kind = CONF_VALUE, FIELD(test_runner_self), .metavar = "WHO",
     .parse = parse_runner_users, .where = EVERYWHERE, .group = TEST,
     .help = "Start the command for each user, or with self once for all (default each)."},

    {.name = "no-patching", .kind = CONF_FLAG, FIELD(no_patching), .where = EVERYWHERE,
     .group = TEST, .help = "Leave the test's calls that block as they are."},

    {.name = "users", .letters = "u", .kind = CONF_VALUE, FIELD(users), .metavar = "N[:N...]",
     .parse = parse_numbers_field, .where = EVERYWHERE, .group = LOAD,
     .help = "Virtual users at a time; 10:20:30 runs cycles one after the other (default 1)."},
    {.name = "hits", .letters = "c", .kind = CONF_VALUE, FIELD(hits), .metavar = "N[:N...]",
     .parse = parse_numbers_field, .where = EVERYWHERE, .group = LOAD,
     .help = "How often each user executes the test; several values make cycles (default 1)."},
    {.name = "duration", .letters = "d", .kind = CONF_VALUE, FIELD(duration_usec),
     .metavar = "TIME", .parse = parse_some_duration, .where = EVERYWHERE, .group = LOAD,
     .help = "Execute it for so long in each cycle, instead of --hits: 90, 1m30s."},
    {.name = "grace", .kind = CONF_VALUE, FIELD(grace_usec), .metavar = "TIME",
     .parse = parse_duration_field, .where = EVERYWHERE, .group = LOAD,
     .help = "How long executions that are on may go on at the end (default 5s)."},
    {.name = "timeout", .kind = CONF_VALUE, FIELD(timeout_usec), .metavar = "TIME",
     .parse = parse_some_duration, .where = EVERYWHERE, .group = LOAD,
     .help = "For a request that says none of its own (default 30s)."},
    {.name = "stall-timeout", .kind = CONF_VALUE, FIELD(stall_timeout_usec), .metavar = "TIME",
     .parse = parse_stall_timeout, .where = EVERYWHERE, .group = LOAD,
     .help = "End what a test, or loading it, has kept busy for so long (default 30s, 0: never)."},
    {.name = "external-process-timeout", .kind = CONF_VALUE, FIELD(external_timeout_usec),
     .metavar = "TIME", .parse = parse_some_duration, .where = EVERYWHERE, .group = LOAD,
     .help = "End a test runner's process after so long per hit, or after --duration (default 2s)."},
    {.name = "pace", .kind = CONF_STRING, FIELD(pace), .metavar = "TIME", .parse = check_pace,
     .where = EVERYWHERE, .group = LOAD,
     .help = "A user's iterations begin so far apart: 10, uniform:5:15, exponential:10."},
    {.name = "seed", .kind = CONF_VALUE, FIELD(seed), .metavar = "N", .parse = parse_seed,
     .where = EVERYWHERE, .group = LOAD,
     .help = "Makes all random choices those of another run, whose summary told it."},
    {.name = "workers", .kind = CONF_VALUE, FIELD(workers), .metavar = "N",
     .parse = parse_workers, .where = EVERYWHERE, .group = LOAD,
     .help = "Processes that share the users (default: one per core, never more than users)."},

    {.name = "test-dir", .kind = CONF_STRING, FIELD(test_dir), .metavar = "DIR",
     .parse = check_path, .where = EVERYWHERE, .group = BUILD,
     .help = "Run the test in this directory, which is made if it isn't there."},
    {.name = "include-file", .kind = CONF_LIST, FIELD(include_files), .metavar = "PATTERN",
     .parse = check_path, .where = EVERYWHERE, .group = BUILD,
     .help = "Files and directories the test needs, copied to --test-dir; may be repeated."},
    {.name = "cflags", .kind = CONF_STRING, FIELD(cflags), .metavar = "FLAGS",
     .parse = check_words, .where = EVERYWHERE, .group = BUILD,
     .help = "More flags for the compiler, as a shell splits them."},
    {.name = "libs", .kind = CONF_STRING, FIELD(libs), .metavar = "FLAGS",
     .parse = check_words, .where = EVERYWHERE, .group = BUILD, .help = "More libraries for the compiler, such as -lm."},
    {.name = "python-dep", .kind = CONF_LIST, FIELD(python_deps), .metavar = "NAME",
     .parse = check_dep, .where = EVERYWHERE, .group = BUILD,
     .help = "Install it by pip for a test in Python: NAME==1.2, or a wheel; may be repeated."},
    {.name = "stack-size", .kind = CONF_VALUE, FIELD(stack_size_bytes), .metavar = "SIZE",
     .parse = parse_stack_size, .where = EVERYWHERE, .group = BUILD,
     .help = "Of each user's stack (default 256K)."},

    {.name = "output", .kind = CONF_LIST, FIELD(outputs), .metavar = "NAME[=FILE]",
     .where = EVERYWHERE, .group = RESULTS,
     .help = "Report as stdout, html, json, csv, junit, prometheus, hdr, file (every hit), funkload, "
             "exec:PROGRAM or null; may be repeated."},
    {.name = "quiet", .letters = "q", .kind = CONF_FLAG, FIELD(quiet), .where = EVERYWHERE,
     .group = RESULTS, .help = "Show neither progress nor summary."},
    {.name = "threshold", .kind = CONF_LIST, FIELD(thresholds), .metavar = "RULE",
     .parse = check_threshold, .where = EVERYWHERE, .group = RESULTS,
     .help = "What must hold, such as 'p95 < 200ms' or 'errors < 1%, stop'; may be repeated."},
    {.name = "tag", .kind = CONF_LIST, FIELD(tags), .metavar = "KEY=VALUE", .parse = check_tag,
     .where = EVERYWHERE, .group = RESULTS, .help = "Kept with the results; may be repeated."},
    {.name = "project-name", .kind = CONF_STRING, FIELD(project_name), .metavar = "NAME",
     .parse = check_name, .where = EVERYWHERE, .group = RESULTS, .help = "Kept with the results."},
    {.name = "user-id", .kind = CONF_STRING, FIELD(user_id), .metavar = "NAME",
     .parse = check_name, .where = EVERYWHERE, .group = RESULTS,
     .help = "Who runs it; kept with the results."},
};
/* clang-format on */

const struct conf_rows run_option_rows = {rows, ELEMENTSOF(rows)};

void run_options_init(struct run_options *options)
{
    *options = (struct run_options){
        .grace_usec = DEFAULT_GRACE_USEC,
        .timeout_usec = DEFAULT_TIMEOUT_USEC,
        .stack_size_bytes = DEFAULT_STACK_BYTES,
        .stall_timeout_usec = DEFAULT_STALL_USEC,
        .external_timeout_usec = SPEC_EXTERNAL_TIMEOUT_USEC,
    };
    output_options_init(&options->output_options);
    http_options_init(&options->http);
}

int run_options_check(const struct run_options *options, bool on_agents, const char *program,
                      struct error *error)
{
    if (!options->fqn) {
        return error_set(error, -EINVAL,
                         "nothing to run: name a test, such as example.TestWebSite.test_es, or a "
                         "URL; try '%s --help'",
                         program);
    }
    const char *more = strchr(options->fqn, '\n');
    if (more && (options->test_runner || fqn_is_url(options->fqn))) {
        char shown[SHOWN_BYTES];
        return error_set(error, -EINVAL, "unexpected argument '%.200s'; try '%s --help'",
                         shown_word(more + 1, shown), program);
    }
    if (options->test_runner && fqn_is_url(options->fqn)) {
        return error_set(error, -EINVAL,
                         "--test-runner is given the name of a test; a URL needs none");
    }
    if (fqn_is_url(options->fqn)) {
        int r = check_url(options->fqn, NULL, error);
        if (r < 0) {
            return r;
        }
    }
    if (options->python_deps.count > 0 && (options->test_runner || fqn_is_url(options->fqn))) {
        return error_set(error, -EINVAL, "--python-dep is for tests in Python");
    }
    if (options->pace && options->test_runner) {
        return error_set(error, -EINVAL, "--pace is for tests in C and for URLs");
    }
    if (options->hits.count > 0 && options->duration_usec > 0) {
        return error_set(error, -EINVAL,
                         "--hits and --duration exclude each other: say how often, or how long");
    }
    if (options->include_files.count > 0 && !options->test_dir && !on_agents) {
        return error_set(error, -EINVAL, "--include-file needs --test-dir, where the files go");
    }
    return 0;
}

static int copy_string(char **ret, const char *text)
{
    *ret = text ? strdup(text) : NULL;
    return text && !*ret ? -ENOMEM : 0;
}

/* Nothing counts as none. */
static int copy_words(char **ret, const char *text)
{
    return copy_string(ret, text && *text ? text : NULL);
}

static int copy_strings(const struct run_options *options, struct run_spec *spec)
{
    if (copy_string(&spec->server_url, options->server_url) < 0 ||
        copy_string(&spec->user_id, options->user_id) < 0 ||
        copy_string(&spec->project_name, options->project_name) < 0 ||
        copy_words(&spec->pace, options->pace) < 0 ||
        copy_words(&spec->cflags, options->cflags) < 0 ||
        copy_words(&spec->libs, options->libs) < 0 ||
        copy_words(&spec->test_runner, options->test_runner) < 0) {
        return -ENOMEM;
    }
    int r = strlist_add_all(&spec->tags, options->tags.items, options->tags.count);
    return r < 0 ? r
                 : strlist_add_all(&spec->thresholds, options->thresholds.items,
                                   options->thresholds.count);
}

/* Files by their absolute paths. */
static int find_deps(const struct strlist *deps, struct strlist *list, struct error *error)
{
    for (size_t i = 0; i < deps->count; i++) {
        const char *dep = deps->items[i];
        bool is_file = run_spec_dep_is_file(dep);
        _cleanup_free_ char *path = is_file ? realpath(dep, NULL) : NULL;
        if (is_file && !path) {
            return error_set_errno(error, -errno, "cannot read --python-dep %s", dep);
        }
        if (strlist_add(list, path ? path : dep) < 0) {
            return error_set_errno(error, -ENOMEM, "cannot describe the run");
        }
    }
    return 0;
}

int run_options_spec(const struct run_options *options, struct run_spec **ret, struct error *error)
{
    static const struct number_list one = {.values = {1}, .count = 1};
    _cleanup_(run_spec_freep) struct run_spec *spec = NULL;
    sd_id128_t id;

    int r = run_spec_new(&spec);
    if (r == 0) {
        r = copy_strings(options, spec);
    }
    if (r < 0) {
        return error_set_errno(error, r, "cannot describe the run");
    }
    r = sd_id128_randomize(&id);
    if (r < 0) {
        return error_set_errno(error, r, "cannot give the run an id");
    }
    (void)sd_id128_to_uuid_string(id, spec->run_id); /* can't fail with room for one */
    spec->seed = options->seed;
    r = spec->seed > 0 ? 0 : run_spec_choose_seed(spec);
    if (r < 0) {
        return error_set_errno(error, r, "cannot choose a seed");
    }
    spec->users = options->users.count > 0 ? options->users : one;
    if (options->duration_usec == 0) {
        spec->hits = options->hits.count > 0 ? options->hits : one;
    }
    spec->duration_usec = options->duration_usec;
    spec->grace_usec = options->grace_usec;
    spec->http_timeout_usec = options->timeout_usec;
    spec->stack_size_bytes = options->stack_size_bytes;
    spec->stall_timeout_usec = options->stall_timeout_usec;
    spec->workers = options->workers;
    spec->no_patching = options->no_patching;
    if (spec->test_runner) {
        spec->test_runner_self = options->test_runner_self;
        spec->external_timeout_usec = MAX(options->external_timeout_usec, USEC_PER_MSEC);
    }
    r = find_deps(&options->python_deps, &spec->python_deps, error);
    if (r < 0) {
        return r;
    }
    r = http_options_spec(&options->http, spec, error);
    if (r < 0) {
        return r;
    }
    if (fqn_is_url(options->fqn)) {
        r = copy_string(&spec->url, options->fqn);
    } else {
        r = run_spec_set_fqn(spec, options->fqn, error);
    }
    if (r < 0) {
        return r == -ENOMEM ? error_set_errno(error, r, "cannot describe the run") : r;
    }
    *ret = TAKE_PTR(spec);
    return 0;
}
