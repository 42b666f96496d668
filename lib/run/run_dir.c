/* SPDX-License-Identifier: MPL-2.0 */
/* Where the files of a run live. Only plain files are ever made in it, so removing needs no walk.
 */
#include "run/run_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int run_dir_make(char **ret, struct error *error)
{
    const char *parents[] = {getenv("XDG_RUNTIME_DIR"), "/dev/shm", getenv("TMPDIR"), "/tmp"};
    int r = -ENOENT;

    for (size_t i = 0; i < ELEMENTSOF(parents); i++) {
        _cleanup_free_ char *path = NULL;
        if (!parents[i] || parents[i][0] != '/') {
            continue;
        }
        if (asprintf(&path, "%s/loads-run-XXXXXX", parents[i]) < 0) {
            path = NULL;
            return error_set_errno(error, -ENOMEM, "cannot make a directory for the run");
        }
        if (mkdtemp(path)) {
            *ret = TAKE_PTR(path);
            return 0;
        }
        r = -errno;
    }
    return error_set_errno(error, r,
                           "cannot make a directory for the run: set TMPDIR to a place "
                           "that can be written to");
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
