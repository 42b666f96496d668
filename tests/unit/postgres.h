/* SPDX-License-Identifier: MPL-2.0 */
/* A PostgreSQL of a test's own, for C: in a temporary directory, on a socket there and on a
 * loopback address of its own, ended by the kernel when the test is gone. As root it runs as the
 * user postgres, or nobody. Roles: `postgres` needs no password, others do over TCP; `guest` has
 * one in any case. Clients wait for a server that starts by trying again. */
#ifndef LOADS_TESTS_UNIT_POSTGRES_H
#define LOADS_TESTS_UNIT_POSTGRES_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/macros.h"

struct postgres {
    char folder[32];
    char address[32]; /* 127.x.y.z */
    char programs[256];
    pid_t pid; /* 0: it doesn't run */
};

/* The folder of initdb and postgres: $LOADS_POSTGRES_BIN, Debian's newest, or Fedora's. */
static void postgres_find(struct postgres *server)
{
    const char *named = getenv("LOADS_POSTGRES_BIN");
    glob_t found = {0};

    if (!named && glob("/usr/lib/postgresql/*/bin", 0, NULL, &found) == 0) {
        named = found.gl_pathv[found.gl_pathc - 1];
    }
    (void)snprintf(server->programs, sizeof server->programs, "%s", named ? named : "/usr/bin");
    globfree(&found);
}

/* Starts a program of PostgreSQL's in the server's folder; what it says goes to the file `log`. */
static pid_t postgres_spawn(const struct postgres *server, const char *program,
                            const char *const *arguments)
{
    char path[320], log[64], user[32] = "", group[32] = "";
    const char *argv[32] = {"setpriv", "--pdeathsig", "INT"};
    const struct passwd *owner = getpwnam("postgres") ? getpwnam("postgres") : getpwnam("nobody");
    posix_spawn_file_actions_t actions;
    extern char **environ;
    unsigned n = 3;
    pid_t pid;

    if (geteuid() == 0) {
        (void)snprintf(user, sizeof user, "--reuid=%u", owner->pw_uid);
        (void)snprintf(group, sizeof group, "--regid=%u", owner->pw_gid);
        argv[n++] = user;
        argv[n++] = group;
        argv[n++] = "--clear-groups";
        assert_int_equal(chown(server->folder, owner->pw_uid, owner->pw_gid), 0);
    }
    (void)snprintf(path, sizeof path, "%s/%s", server->programs, program);
    (void)snprintf(log, sizeof log, "%s/log", server->folder);
    argv[n++] = path;
    while (*arguments) {
        argv[n++] = *arguments++;
    }
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_addchdir_np(&actions, server->folder), 0);
    assert_int_equal(
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0644), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, 1, 2), 0);
    assert_int_equal(posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ), 0);
    assert_int_equal(posix_spawn_file_actions_destroy(&actions), 0);
    return pid;
}

static void postgres_wait(const struct postgres *server, pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0) {
        char command[64];
        (void)snprintf(command, sizeof command, "%s/log", server->folder);
        FILE *log = fopen(command, "re");
        for (int c; log && (c = getc(log)) != EOF;) {
            (void)putchar(c);
        }
        (void)(log && fclose(log));
    }
    assert_int_equal(status, 0);
}

/* Starts it, again after postgres_stop(). */
static void postgres_start(struct postgres *server)
{
    char listen[64];
    (void)snprintf(listen, sizeof listen, "listen_addresses=%s", server->address);
    const char *arguments[] = {"-D", "data",
                               "-k", server->folder,
                               "-c", listen,
                               "-c", "fsync=off",
                               "-c", "full_page_writes=off",
                               "-c", "synchronous_commit=off",
                               "-c", "max_connections=20",
                               "-c", "shared_buffers=32MB",
                               "-c", "lc_messages=C",
                               NULL};

    server->pid = postgres_spawn(server, "postgres", arguments);
}

/* SIGINT: its clients' connections end, then it does; SIGQUIT: at once, as in a crash. */
static void postgres_stop(struct postgres *server, int signal_number)
{
    int status;

    assert_int_equal(kill(server->pid, signal_number), 0);
    assert_int_equal(waitpid(server->pid, &status, 0), server->pid);
    server->pid = 0;
}

static void postgres_make(struct postgres *server)
{
    const char *arguments[] = {"-D",         "data",         "-U",
                               "postgres",   "--auth=trust", "--encoding=UTF8",
                               "--locale=C", "--no-sync",    NULL};
    char path[64];

    *server = (struct postgres){.folder = "/tmp/loads-pg-XXXXXX"};
    assert_non_null(mkdtemp(server->folder));
    (void)snprintf(server->address, sizeof server->address, "127.%u.%u.%u",
                   100u + ((unsigned)getpid() >> 16 & 63), (unsigned)getpid() >> 8 & 255,
                   1u + ((unsigned)getpid() & 127));
    postgres_find(server);
    postgres_wait(server, postgres_spawn(server, "initdb", arguments));
    (void)snprintf(path, sizeof path, "%s/data/pg_hba.conf", server->folder);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs("local all guest scram-sha-256\nlocal all all trust\n"
                      "host all postgres all trust\nhost all all all scram-sha-256\n",
                      file) > 0);
    assert_int_equal(fclose(file), 0);
    postgres_start(server);
}

static int postgres_unlink(const char *path, const struct stat *status _unused_, int type _unused_,
                           struct FTW *ftw _unused_)
{
    return remove(path);
}

static void postgres_remove(struct postgres *server)
{
    if (server->pid > 0) {
        postgres_stop(server, SIGINT);
    }
    assert_int_equal(nftw(server->folder, postgres_unlink, 16, FTW_DEPTH | FTW_PHYS), 0);
}

#endif
