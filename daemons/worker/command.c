/* SPDX-License-Identifier: MPL-2.0 */
/* Starting a compiler. posix_spawn() rather than fork(): it reports a missing program by its return
 * value and is safe beside whatever threads a library may have. The child gets default signals, an
 * empty stdin, and no descriptor of ours but stderr (all others close on exec). */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

static int add_files(posix_spawn_file_actions_t *actions, const struct command *command, int output)
{
    int r = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    if (r == 0) {
        r = output >= 0 ? posix_spawn_file_actions_adddup2(actions, output, 1)
                        : posix_spawn_file_actions_addopen(actions, 1, "/dev/null", O_WRONLY, 0);
    }
    if (r == 0 && command->mute) {
        r = posix_spawn_file_actions_addopen(actions, 2, "/dev/null", O_WRONLY, 0);
    }
    if (r == 0) {
        r = posix_spawn_file_actions_addchdir_np(actions, command->directory);
    }
    return -r;
}

static int set_signals(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    (void)sigemptyset(&none); /* these two can't fail */
    (void)sigfillset(&all);
    int r = posix_spawnattr_setsigmask(attributes, &none);
    if (r == 0) {
        r = posix_spawnattr_setsigdefault(attributes, &all);
    }
    if (r == 0) {
        r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    return -r;
}

static int start(const struct command *command, int output, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;

    int r = -posix_spawn_file_actions_init(&actions);
    if (r < 0) {
        return r;
    }
    r = -posix_spawnattr_init(&attributes);
    if (r < 0) {
        (void)posix_spawn_file_actions_destroy(&actions); /* can't fail */
        return r;
    }
    r = add_files(&actions, command, output);
    if (r == 0) {
        r = set_signals(&attributes);
    }
    if (r == 0) {
        char **words = command->words->items;
        r = -posix_spawnp(ret, words[0], &actions, &attributes, words, environ);
    }
    (void)posix_spawnattr_destroy(&attributes); /* can't fail */
    (void)posix_spawn_file_actions_destroy(&actions);
    return r;
}

/* Reads to the end even if nobody wants it: the child must not block. */
static int read_output(const struct command *command, int fd)
{
    char buffer[16384];
    for (;;) {
        ssize_t n = read(fd, buffer, sizeof buffer);
        if (n > 0) {
            command->output(buffer, (size_t)n, command->context);
        } else if (n == 0) {
            return 0;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
}

static int await(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return -errno;
        }
    }
    return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

int command_run(const struct command *command)
{
    _cleanup_fd_ int ours = -1, theirs = -1;
    pid_t pid = -1;

    if (command->output) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0) {
            return -errno;
        }
        ours = ends[0];
        theirs = ends[1];
    }
    int r = start(command, theirs, &pid);
    if (r < 0) {
        return r;
    }
    close_fd(TAKE_FD(theirs));
    if (command->output) {
        r = read_output(command, ours);
        close_fd(TAKE_FD(ours));
    }
    int status = await(pid);
    return r < 0 ? r : status;
}
