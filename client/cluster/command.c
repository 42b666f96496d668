/* SPDX-License-Identifier: MPL-2.0 */
/* It is looked for before anything is started: a typing error needs no database. */
#include "command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* What execvp() would say of a path. */
static int judge(const char *path)
{
    struct stat status;

    if (stat(path, &status) < 0) {
        return -errno;
    }
    return S_ISREG(status.st_mode) && access(path, X_OK) == 0 ? 0 : -EACCES;
}

static int look_for(const char *name)
{
    const char *path = getenv("PATH");
    int result = -ENOENT;

    if (strchr(name, '/')) {
        return judge(name);
    }
    for (const char *at = path ? path : "/bin:/usr/bin", *end; at; at = *end ? end + 1 : NULL) {
        _cleanup_free_ char *file = NULL;
        end = at + strcspn(at, ":");
        if (asprintf(&file, "%.*s/%s", end > at ? (int)(end - at) : 1, end > at ? at : ".", name) <
            0) {
            file = NULL;
            return -ENOMEM;
        }
        int r = judge(file);
        if (r == 0) {
            return 0;
        }
        /* A directory that is closed to us hides nothing that we could run. */
        result = access(file, F_OK) == 0 ? r : result;
    }
    return result;
}

int command_choose(struct command *ret, char *const *argv, struct error *error)
{
    const char *shell = getenv("SHELL");

    *ret = (struct command){.shell = {shell && *shell ? shell : "/bin/sh"}};
    ret->argv = argv ? (const char *const *)argv : ret->shell;
    ret->end_signal = argv ? SIGTERM : SIGHUP; /* a shell for people ignores SIGTERM */
    int r = look_for(ret->argv[0]);
    if (r == -ENOENT && !strchr(ret->argv[0], '/')) {
        return error_set(error, r, "there is no command '%s' in $PATH", ret->argv[0]);
    }
    return r < 0 ? error_set_errno(error, r, "cannot run %s", ret->argv[0]) : 0;
}

int command_failure_code(int r)
{
    return r == -ENOENT || r == -ENOTDIR ? COMMAND_NOT_FOUND : COMMAND_NOT_EXECUTABLE;
}

int command_exit_code(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
