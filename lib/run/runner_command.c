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

int runner_command_split(const struct run_spec *spec, struct strlist *list, struct error *error)
{
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
