/* SPDX-License-Identifier: MPL-2.0 */
/* The interpreter is the system's, which has the package python3-loads; where somebody works in a
 * virtual environment it is that one's, for which they have installed it. Dependencies go in front
 * of everything else that is installed, and only for this run. */
#include "python.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

#define SYSTEM_PYTHON   "/usr/bin/python3"
#define NO_PACKAGE      3 /* exit status of the program that looks for the package */
#define NO_TEST         3 /* of the one that looks for the test: it has written why */
#define MAX_TESTS_BYTES ((size_t)1 << 20)

static const char look_for_package[] =
    "import importlib.util, sys; sys.exit(0 if importlib.util.find_spec('loads') else 3)";

/* Runs Python with these arguments, to the first NULL. Like command_run(). */
static int run_python(const struct python *python, const char *directory,
                      const char *const arguments[], const struct command *how)
{
    _cleanup_(strlist_clear) struct strlist words = {0};
    struct command command = *how;
    int r = strlist_add(&words, python->program);

    for (; r == 0 && *arguments; arguments++) {
        r = strlist_add(&words, *arguments);
    }
    command.words = &words;
    command.directory = directory;
    return r < 0 ? r : command_run(&command);
}

static int find_program(struct python *python, struct error *error)
{
    const char *environment = getenv("VIRTUAL_ENV");
    int n = environment && *environment ? asprintf(&python->program, "%s/bin/python3", environment)
                                        : asprintf(&python->program, SYSTEM_PYTHON);

    if (n < 0) {
        python->program = NULL;
        return error_set_errno(error, -ENOMEM, "Python");
    }
    return access(python->program, X_OK) == 0
               ? 0
               : error_set(error, -ENOENT,
                           "there is no Python for the test (%s): install the package "
                           "python3-loads",
                           python->program);
}

/* The package `loads` of a build that isn't installed: ../python beside this program's directory.
 * NULL: there is none, or no memory, in which case it is missed afterwards. */
static char *find_build(void)
{
    _cleanup_free_ char *path = NULL;
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    self[MAX(n, (ssize_t)0)] = '\0';
    const char *slash = strrchr(self, '/');
    if (!slash || asprintf(&path, "%.*s/../python", (int)(slash - self), self) < 0) {
        path = NULL;
        return NULL;
    }
    return realpath(path, NULL);
}

/* What pip installs comes first, so that a version that was asked for is the one that is used. */
static int set_path(const struct python_options *options, struct python *python,
                    struct error *error)
{
    _cleanup_free_ char *build = find_build();
    const char *before = getenv("PYTHONPATH");
    const char *parts[] = {options->deps->count > 0 ? options->deps_dir : NULL, options->directory,
                           build, before && *before ? before : NULL};
    size_t size = 0;
    FILE *stream = open_memstream(&python->path, &size);

    if (!stream) {
        return error_set_errno(error, -ENOMEM, "Python");
    }
    for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
        if (parts[i]) {
            (void)fprintf(stream, "%s%s", size > 0 ? ":" : "", parts[i]); /* fclose() tells */
            (void)fflush(stream);
        }
    }
    if (fclose(stream) != 0 || setenv("PYTHONPATH", python->path, 1) < 0) {
        return error_set_errno(error, -ENOMEM, "Python");
    }
    return 0;
}

static int find_package(const struct python_options *options, const struct python *python,
                        struct error *error)
{
    const char *const arguments[] = {"-c", look_for_package, NULL};
    int r = run_python(python, options->directory, arguments, &(struct command){.mute = true});

    if (r == NO_PACKAGE) {
        return error_set(error, -ENOENT,
                         "%s has no package 'loads', which tests in Python need: install the "
                         "package python3-loads",
                         python->program);
    }
    if (r < 0) {
        return error_set_errno(error, r, "cannot run %s", python->program);
    }
    return r == 0 ? 0 : error_set(error, -ENOEXEC, "%s does not work", python->program);
}

/* ---- dependencies ---------------------------------------------------------------------------- */

static int has_pip(const struct python_options *options, const struct python *python,
                   struct error *error)
{
    const char *const arguments[] = {"-m", "pip", "--version", NULL};
    int r = run_python(python, options->directory, arguments, &(struct command){.mute = true});

    return r == 0 ? 0
                  : error_set(error, -ENOENT,
                              "--python-dep needs pip, which %s doesn't have: install the package "
                              "python3-pip",
                              python->program);
}

/* Its own words are on standard error. */
static int install_deps(const struct python_options *options, const struct python *python,
                        struct error *error)
{
    const char *arguments[16 + 1024] = {"-m",
                                        "pip",
                                        "install",
                                        "--quiet",
                                        "--target",
                                        options->deps_dir,
                                        "--no-input",
                                        "--disable-pip-version-check",
                                        "--no-warn-script-location",
                                        "--root-user-action=ignore"};
    size_t n = 10;

    if (options->deps->count == 0) {
        return 0;
    }
    int r = has_pip(options, python, error);
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < options->deps->count && n + 1 < ELEMENTSOF(arguments); i++) {
        arguments[n++] = options->deps->items[i];
    }
    r = run_python(python, options->directory, arguments, &(struct command){.mute = false});
    if (r < 0) {
        return error_set_errno(error, r, "cannot run pip");
    }
    return r == 0 ? 0
                  : error_set(error, -ENOEXEC,
                              "pip cannot install what the test needs (--python-dep %s%s)",
                              options->deps->items[0], options->deps->count > 1 ? " ..." : "");
}

/* ---- the test -------------------------------------------------------------------------------- */

struct output {
    const struct python_options *options;
    char *text;
    size_t size;
    FILE *stream;
    size_t n_importing; /* modules that it has begun with */
    bool in_line;
};

static void begin_importing(struct output *output)
{
    const struct python_options *options = output->options;

    if (options->importing && output->n_importing < options->sources->count) {
        options->importing(options->sources->items[output->n_importing++], options->context);
    }
}

/* An empty line: the next module. */
static void look_for_lines(const char *bytes, size_t size, struct output *output)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n' && !output->in_line) {
            begin_importing(output);
        }
        output->in_line = bytes[i] != '\n';
    }
}

static void keep(const void *bytes, size_t size, void *context)
{
    struct output *output = context;

    look_for_lines(bytes, size, output);
    if ((size_t)ftell(output->stream) + size <= MAX_TESTS_BYTES) {
        (void)fwrite(bytes, 1, size, output->stream); /* fclose() tells */
    }
}

static int read_tests(char *text, struct strlist *tests)
{
    char *rest;

    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        int r = strlist_add(tests, line);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* What came of it: `r` as of run_python(), and what it wrote. */
static int conclude(const struct python_options *options, const char *name, struct python *python,
                    int r, char *text, struct error *error)
{
    const struct mix *mix = options->mix;

    text += strspn(text, "\n");
    if (r == NO_TEST && *text) {
        text[strcspn(text, "\n")] = '\0';
        return error_set(error, -ENOENT, "%s", text);
    }
    if (r > 0) {
        return error_set(error, -ENOEXEC, "Python cannot use %s%s, as it says itself",
                         mix && mix->n > 1 ? "one of " : "", name);
    }
    r = r == 0 ? read_tests(text, &python->tests) : r;
    if (r < 0) {
        return error_set_errno(error, r, "cannot run %s", python->program);
    }
    return python->tests.count > 0
               ? 0
               : error_set(error, -ENOENT,
                           "%s has no tests: define one as a method test_... of a class that is "
                           "derived from loads.case.TestCase",
                           options->sources->items[0]);
}

/* Imports the modules; a traceback is on standard error. */
static int find_tests(const struct python_options *options, struct python *python,
                      struct error *error)
{
    const struct mix *mix = options->mix;
    const char *name = !mix ? options->module : mix->n > 1 ? mix->text : mix->tests[0].fqn.text;
    const char *arguments[3 + MIX_MAX_TESTS + 1] = {"-m", "loads.runner"};
    size_t n = 2;

    arguments[n++] = mix ? "--check" : "--list";
    for (unsigned i = 0; mix && i < mix->n; i++) {
        arguments[n++] = mix->tests[i].fqn.text;
    }
    if (!mix) {
        arguments[n++] = name;
    }
    struct output output = {.options = options};

    begin_importing(&output);
    output.stream = open_memstream(&output.text, &output.size);
    if (!output.stream) {
        return error_set_errno(error, -ENOMEM, "Python");
    }
    int r = run_python(python, options->directory, arguments,
                       &(struct command){.output = keep, .context = &output});
    int closed = fclose(output.stream) == 0 ? 0 : -ENOMEM;
    _cleanup_free_ char *text = output.text;
    return conclude(options, name, python, closed < 0 ? closed : r, text, error);
}

int python_prepare(const struct python_options *options, struct python *ret, struct error *error)
{
    int r = find_program(ret, error);

    if (r == 0) {
        r = set_path(options, ret, error);
    }
    if (r == 0) {
        r = find_package(options, ret, error);
    }
    if (r == 0) {
        r = install_deps(options, ret, error);
    }
    return r == 0 ? find_tests(options, ret, error) : r;
}

void python_clear(struct python *python)
{
    free(python->program);
    free(python->path);
    strlist_clear(&python->tests);
    *python = (struct python){.program = NULL};
}
