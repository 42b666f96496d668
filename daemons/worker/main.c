/* SPDX-License-Identifier: MPL-2.0 */
/* loads-worker: started by loads-runner and loads-agent, not by people. With --prepare or --list it
 * readies a module (with --archive alone, a test's files) and reports on standard output; otherwise
 * it runs its share of a run's users. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/conf.h"
#include "base/log.h"
#include "module.h"
#include "prepare.h"
#include "run/archive.h"
#include "run/channel.h"
#include "run/worker_share.h"
#include "wire/json.h"
#include "wire/mix.h"
#include "worker.h"

struct options {
    bool help, version, no_patching;
    char *prepare, *list, *archive, *test_dir, *cflags, *libs, *temporary_dir, *python_dir;
    struct strlist python_deps;
    struct worker_share share;
};

#define ROW(name_, kind_, field_, metavar_, parse_, help_)                                         \
    {                                                                                              \
        .name = name_, .kind = kind_, .metavar = metavar_, .parse = parse_, .help = help_,         \
        .group = "Options", .offset = offsetof(struct options, field_)                             \
    }

static const struct conf_option rows[] = {
    ROW("prepare", CONF_STRING, prepare, "FQN", NULL,
        "Find or compile the modules of tests and report."),
    ROW("list", CONF_STRING, list, "MODULE", NULL, "The same, for all tests of a module."),
    ROW("archive", CONF_STRING, archive, "FILE", NULL,
        "Unpack the test's files into its directory first."),
    ROW("test-dir", CONF_STRING, test_dir, "DIR", NULL, "Where modules are looked for."),
    ROW("cflags", CONF_STRING, cflags, "FLAGS", NULL, "More flags for the compiler."),
    ROW("libs", CONF_STRING, libs, "FLAGS", NULL, "More libraries for the compiler."),
    ROW("no-patching", CONF_FLAG, no_patching, NULL, NULL, "Leave calls that block as they are."),
    ROW("temporary-dir", CONF_STRING, temporary_dir, "DIR", NULL,
        "Where to compile without a cache."),
    ROW("python-dep", CONF_LIST, python_deps, "NAME", NULL, "Install it by pip for a Python test."),
    ROW("python-dir", CONF_STRING, python_dir, "DIR", NULL, "Where to install that."),
    {.name = "help",
     .letters = "h",
     .kind = CONF_FLAG,
     .where = CONF_ALONE,
     .group = "Options",
     .help = "Show this help.",
     .offset = offsetof(struct options, help)},
    {.name = "version",
     .kind = CONF_FLAG,
     .where = CONF_ALONE,
     .group = "Options",
     .help = "Show the version.",
     .offset = offsetof(struct options, version)},
};

static const struct conf_shared shared[] = {
    {&worker_share_rows, offsetof(struct options, share)},
    {.rows = NULL},
};

static const struct conf_table table = {
    .program = "loads-worker",
    .usage = "[OPTION...]",
    .summary = "Runs virtual users. Started by loads-runner and loads-agent; not for use by hand.",
    .section = "loads",
    .options = rows,
    .count = ELEMENTSOF(rows),
    .shared = shared,
};

/* ---- preparing ------------------------------------------------------------------------------- */

static void note_test(const struct loads_test *test, void *context)
{
    json_t *tests = context;
    (void)json_array_append_new(
        tests, json_sprintf("%s.%s (%s:%d)", test->suite, test->name, test->file, test->line));
}

/* For a test that needs files and no module. */
static int unpack(const struct options *options, struct error *error)
{
    return archive_extract(options->archive, options->test_dir ? options->test_dir : ".",
                           ARCHIVE_MAX_UNPACKED, error);
}

/* Says that a module is loaded now, which may never end: whoever waits for us counts the time. */
static void announce(const char *source, void *context)
{
    FILE *report = context;
    json_t *json = json_pack("{ss}", "loading", source);

    (void)json_dumpf(json, report, JSON_COMPACT); /* fclose() tells */
    json_decref(json);
    (void)fputc('\n', report);
    (void)fflush(report);
}

/* Loads a module and looks for the tests that are of it. Those that it has are noted. */
static int look_at(const struct options *options, const char *path, const char *source,
                   const struct mix *mix, unsigned number, json_t *tests, struct error *error)
{
    const struct loads_test *test;
    struct module *module;
    int r = module_load(path, source, &module, error);

    for (unsigned i = 0; r == 0 && options->prepare && i < mix->n; i++) {
        if (mix->tests[i].module == number) {
            r = module_find(module, &mix->tests[i].fqn, source, &test, error);
        }
    }
    if (r == 0) {
        module_each(module, note_test, tests);
    }
    return r;
}

static int look_at_all(const struct options *options, FILE *report,
                       const struct prepared_modules *modules, json_t *tests, struct error *error)
{
    struct mix mix = {.n = 0};
    int r = options->prepare ? mix_parse(options->prepare, &mix, error) : 0;

    for (unsigned i = 0; r == 0 && i < modules->paths.count; i++) {
        announce(modules->sources.items[i], report);
        r = look_at(options, modules->paths.items[i], modules->sources.items[i], &mix, i, tests,
                    error);
    }
    return r;
}

static int prepare(const struct options *options, FILE *report, struct prepared_modules *modules,
                   json_t *tests, struct error *error)
{
    struct prepare_options prepare_options = {
        .fqn = options->prepare,
        .module = options->list,
        .archive = options->archive,
        .test_dir = options->test_dir,
        .cflags = options->cflags,
        .libs = options->libs,
        .no_patching = options->no_patching,
        .temporary_dir = options->temporary_dir,
        .python_deps = &options->python_deps,
        .python_dir = options->python_dir,
        .importing = announce,
        .context = report,
    };

    if (!options->prepare && !options->list) {
        return unpack(options, error);
    }
    int r = prepare_modules(&prepare_options, modules, error);
    return r < 0 ? r : look_at_all(options, report, modules, tests, error);
}

static json_t *make_report(const struct prepared_modules *modules, json_t *tests)
{
    const struct python *python = &modules->python;
    json_t *paths = json_array();

    for (size_t i = 0; i < modules->paths.count; i++) {
        (void)json_array_append_new(paths, json_string(modules->paths.items[i]));
    }
    if (!python->program) {
        return json_pack("{so sO}", "module_paths", paths, "tests", tests);
    }
    for (size_t i = 0; i < python->tests.count; i++) {
        (void)json_array_append_new(tests, json_string(python->tests.items[i]));
    }
    return json_pack("{so ss ss sO}", "module_paths", paths, "python", python->program,
                     "python_path", python->path, "tests", tests);
}

/* The report goes to what was standard output; what a constructor prints goes to standard error. */
static int report_preparation(const struct options *options)
{
    _cleanup_(prepared_modules_clear) struct prepared_modules modules = {.paths = {0}};
    json_auto_t *tests = json_array();
    struct error error = {0};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* what loads a module may never return */
    int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    FILE *report = fd >= 0 ? fdopen(fd, "w") : NULL;

    if (!report || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        log_error("cannot report: %s", strerror(errno));
        return EXIT_FAILURE;
    }
    int r = prepare(options, report, &modules, tests, &error);
    json_t *json = r < 0 ? json_pack("{ss}", "error", error.text) : make_report(&modules, tests);
    bool good = json_dumpf(json, report, JSON_COMPACT) == 0;
    json_decref(json);
    good = fclose(report) == 0 && good;
    return r < 0 ? 2 : good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- running --------------------------------------------------------------------------------- */

static int run(const struct options *options)
{
    _cleanup_(worker_freep) struct worker *worker = NULL;
    struct error error = {0};

    log_over_progress();
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* what a test prints is seen when it is printed */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a supervisor that dies leaves no worker behind */
    (void)signal(SIGPIPE, SIG_IGN); /* writing to a closed connection is an error, not an end */
    if (worker_new(&worker, &options->share, &error) < 0) {
        if (channel_refuse(CHANNEL_FD, error.text) < 0) {
            log_error("%s", error.text);
        }
        return EXIT_FAILURE;
    }
    worker_run(worker);
    return EXIT_SUCCESS;
}

int main(int argc, char *argv[])
{
    struct options options = {0};
    struct error error = {0};
    int status;

    log_open("loads-worker", LOG_INFO);
    if (conf_parse(&table, argc, argv, &options, &error) < 0) {
        log_error("%s", error.text);
        status = 2;
    } else if (options.help) {
        conf_print_help(&table, stdout);
        status = EXIT_SUCCESS;
    } else if (options.version) {
        (void)puts("loads-worker " LOADS_VERSION);
        status = EXIT_SUCCESS;
    } else if (options.prepare || options.list || options.archive) {
        status = report_preparation(&options);
    } else if (options.share.run_dir) {
        status = run(&options);
    } else {
        log_error("nothing to do: this program is started by loads-runner");
        status = 2;
    }
    conf_clear(&table, &options);
    return status;
}
