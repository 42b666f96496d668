/* SPDX-License-Identifier: MPL-2.0 */
/* The program is looked for as execvp() will do it, so that a command with a mistake in it is
 * refused before anything starts, and not once for each user. */
#include "run/runner_command.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/words.h"

#define PLACE "{test}"

/* A copy of a word with the name of the test in its places. NULL: no memory. */
static char *fill_in(const char *word, const char *test)
{
    size_t size = 0;
    char *text = NULL;
    FILE *stream = open_memstream(&text, &size);

    if (!stream) {
        return NULL;
    }
    for (const char *place; (place = strstr(word, PLACE)); word = place + strlen(PLACE)) {
        (void)fprintf(stream, "%.*s%s", (int)(place - word), word, test); /* fclose() tells */
    }
    (void)fputs(word, stream);
    if (fclose(stream) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static int split_python(const struct run_spec *spec, struct strlist *list, struct error *error)
{
    const struct mix *mix = spec->mix;
    const char *const words[] = {spec->python, "-m", "loads.runner",
                                 spec->no_patching ? "--no-patching" : NULL,
                                 mix ? NULL : spec->fqn.text};
    int r = 0;

    for (size_t i = 0; r == 0 && i < ELEMENTSOF(words); i++) {
        r = words[i] ? strlist_add(list, words[i]) : 0;
    }
    for (unsigned i = 0; r == 0 && mix && i < mix->n; i++) {
        r = strlist_add(list, mix->tests[i].fqn.text);
    }
    return r < 0 ? error_set_errno(error, r, "cannot start Python") : 0;
}

int runner_command_split(const struct run_spec *spec, struct strlist *list, struct error *error)
{
    if (spec->python) {
        return split_python(spec, list, error);
    }
    _cleanup_(strlist_clear) struct strlist words = {0};
    int r = words_split(spec->test_runner, &words, error);

    if (r == 0 && words.count == 0) {
        r = error_set(error, -EINVAL, "it has no words");
    }
    for (size_t i = 0; r == 0 && i < words.count; i++) {
        _cleanup_free_ char *word = fill_in(words.items[i], spec->fqn.text);
        r = word ? strlist_add(list, word) : -ENOMEM;
        if (r < 0) {
            error_set_errno(error, r, "cannot split it");
        }
    }
    return r < 0 ? error_prefix(error, r, "--test-runner") : 0;
}

/* 0: it is a program; -EACCES: something else; -ENOENT. */
static int look_at(const char *path)
{
    struct stat status;

    if (stat(path, &status) < 0) {
        return -ENOENT;
    }
    return S_ISREG(status.st_mode) && access(path, X_OK) == 0 ? 0 : -EACCES;
}

/* The path of a name within a directory; of an absolute one, itself. */
static int look_in(const char *directory, size_t size, const char *name)
{
    char path[PATH_MAX];
    int n = name[0] == '/' ? snprintf(path, sizeof path, "%s", name)
                           : snprintf(path, sizeof path, "%.*s/%s", (int)size, directory, name);

    return n < 0 || n >= (int)sizeof path ? -ENOENT : look_at(path);
}

static int look_for(const char *name, const char *directory)
{
    const char *path = getenv("PATH");
    int result = -ENOENT;

    if (strchr(name, '/')) {
        return look_in(directory, strlen(directory), name);
    }
    for (const char *at = path ? path : "/usr/local/bin:/bin:/usr/bin"; *at;) {
        size_t size = strcspn(at, ":");
        int r = size > 0 ? look_in(at, size, name) : look_in(directory, strlen(directory), name);
        if (r == 0) {
            return 0;
        }
        result = r == -EACCES ? r : result;
        at += size + (at[size] == ':' ? 1 : 0);
    }
    return result;
}

int runner_command_check(const struct run_spec *spec, const char *directory, struct error *error)
{
    _cleanup_(strlist_clear) struct strlist words = {0};
    int r = runner_command_split(spec, &words, error);

    if (r < 0) {
        return r;
    }
    const char *name = words.items ? words.items[0] : "";
    r = look_for(name, directory);
    if (r == -EACCES) {
        return error_set(error, r, "--test-runner: '%s' is not executable", name);
    }
    return r < 0 ? error_set(error, r, "--test-runner: there is no command '%s'", name) : 0;
}

/* ---- the environment ------------------------------------------------------------------------- */

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* What the session of a test in C takes from the specification itself. Not on a command line, since
 * a URL may have a password in it. */
static int add_python(const struct run_spec *spec, struct strlist *list)
{
    char timeout[32];
    const char *const pairs[][2] = {
        {"PYTHONPATH", spec->python_path}, {"LOADS_SERVER_URL", spec->server_url},
        {"LOADS_CA_FILE", spec->ca_file},  {"LOADS_INSECURE", spec->insecure ? "1" : NULL},
        {"LOADS_TIMEOUT", timeout},        {"LOADS_SINGLE", spec->single ? "1" : NULL},
    };
    int r = 0;

    (void)snprintf(timeout, sizeof timeout, "%.6f", (double)spec->http_timeout_usec / 1e6);
    for (size_t i = 0; r == 0 && i < ELEMENTSOF(pairs); i++) {
        r = pairs[i][1] ? strlist_add_variable(list, pairs[i][0], pairs[i][1]) : 0;
    }
    return r;
}

int runner_command_environment(const struct run_spec *spec, struct strlist *list)
{
    int r = 0;

    for (char **at = environ; r == 0 && *at; at++) {
        bool ours = begins_with(*at, "LOADS_") || (spec->python && begins_with(*at, "PYTHONPATH="));
        r = ours ? 0 : strlist_add(list, *at);
    }
    return r == 0 && spec->python ? add_python(spec, list) : r;
}
