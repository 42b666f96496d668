/* SPDX-License-Identifier: MPL-2.0 */
/* Where the files of a run live.
 *
 * Who is killed can't remove its directory, and it may lie in memory. So a run holds a lock on a
 * file in it, which the kernel drops with the process, and the next run removes what is no longer
 * locked. The file gets its name when it is locked already: there is no moment at which a directory
 * that is being made looks like one that was left. */
#include "run/run_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define PREFIX "loads-run-"
#define CLAIM  "claim"

#define MAX_DEPTH 256 /* of folders that are removed: one descriptor each */

int run_dir_make_in(const char *parent, char **ret, struct error *error)
{
    _cleanup_free_ char *path = NULL;

    if (asprintf(&path, "%s/" PREFIX "XXXXXX", parent) < 0) {
        path = NULL;
        return error_set_errno(error, -ENOMEM, "cannot make a directory for the run");
    }
    if (!mkdtemp(path)) {
        return error_set_errno(error, -errno, "cannot make a directory for the run in %s", parent);
    }
    *ret = TAKE_PTR(path);
    return 0;
}

int run_dir_make(char **ret, struct error *error)
{
    const char *parents[] = {getenv("XDG_RUNTIME_DIR"), "/dev/shm", getenv("TMPDIR"), "/tmp"};
    int r = -ENOENT;

    for (size_t i = 0; i < ELEMENTSOF(parents); i++) {
        if (!parents[i] || parents[i][0] != '/') {
            continue;
        }
        r = run_dir_make_in(parents[i], ret, error);
        if (r == 0 || r == -ENOMEM) {
            return r;
        }
    }
    return error_set_errno(error, r,
                           "cannot make a directory for the run: set TMPDIR to a place "
                           "that can be written to");
}

int run_dir_claim(const char *path, struct error *error)
{
    _cleanup_free_ char *unlocked = run_dir_file(path, CLAIM ".new");
    _cleanup_free_ char *name = run_dir_file(path, CLAIM);

    if (!unlocked || !name) {
        return error_set_errno(error, -ENOMEM, "cannot claim %s", path);
    }
    _cleanup_fd_ int fd = open(unlocked, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || rename(unlocked, name) < 0) {
        return error_set_errno(error, -errno, "cannot claim %s", path);
    }
    return TAKE_FD(fd);
}

static bool is_left(int parent, const char *name)
{
    struct stat status;
    _cleanup_fd_ int directory = openat(parent, name, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (directory < 0 || fstat(directory, &status) < 0 || status.st_uid != geteuid()) {
        return false;
    }
    _cleanup_fd_ int claim =
        openat(directory, CLAIM, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return claim >= 0 && flock(claim, LOCK_EX | LOCK_NB) == 0;
}

void run_dir_sweep(const char *path)
{
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *parent = slash ? strndup(path, (size_t)(slash - path) + 1) : NULL;
    DIR *directory = parent ? opendir(parent) : NULL;

    if (!directory) {
        return;
    }
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 &&
            is_left(dirfd(directory), entry->d_name)) {
            run_dir_remove_all(run_dir_file(parent, "%s", entry->d_name));
        }
    }
    (void)closedir(directory); /* read-only */
}

char *run_dir_remove(char *path)
{
    DIR *directory = path ? opendir(path) : NULL;

    if (directory) {
        for (struct dirent *entry; (entry = readdir(directory));) {
            if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
                (void)unlinkat(dirfd(directory), entry->d_name, 0); /* rmdir() will tell */
            }
        }
        (void)closedir(directory); /* read-only */
        (void)rmdir(path);         /* what a test left in it stays */
    }
    free(path);
    return NULL;
}

/* Empties the directory that a descriptor is of, and closes it. What doesn't go stays: rmdir() will
 * tell. */
static void empty(int fd, unsigned depth)
{
    DIR *directory = fdopendir(fd);

    if (!directory) {
        close_fd(fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(directory));) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
            unlinkat(dirfd(directory), name, 0) == 0) {
            continue;
        }
        int inner = depth < MAX_DEPTH ? openat(dirfd(directory), name,
                                               O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                                      : -1;
        if (inner >= 0) {
            empty(inner, depth + 1);
        }
        (void)unlinkat(dirfd(directory), name, AT_REMOVEDIR);
    }
    (void)closedir(directory); /* read-only */
}

char *run_dir_remove_all(char *path)
{
    int fd = path ? open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;

    if (fd >= 0) {
        empty(fd, 0);
        (void)rmdir(path); /* it may be another user's by now */
    }
    free(path);
    return NULL;
}

char *run_dir_file(const char *path, const char *format, ...)
{
    _cleanup_free_ char *name = NULL;
    char *file = NULL;
    va_list arguments;

    va_start(arguments, format);
    int n = vasprintf(&name, format, arguments);
    va_end(arguments);
    if (n < 0) {
        name = NULL;
        return NULL;
    }
    return asprintf(&file, "%s/%s", path, name) < 0 ? NULL : file;
}
