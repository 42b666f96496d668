/* SPDX-License-Identifier: MPL-2.0 */
/* Patterns are glob(3)'s; directories are walked with nftw(3), which has no place for a context, so
 * the destination of the walk is a variable of this file. */
#include "include_files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#define MAX_FILES        10000
#define OPEN_DIRECTORIES 16

static struct walk {
    const char *directory; /* where to */
    size_t skip;           /* leading bytes of a walked path that are left out */
    unsigned files;
    struct error *error;
} walk;

/* Leaves errno alone. */
static bool is_directory(const char *path)
{
    struct stat status;
    int before = errno;
    bool is = stat(path, &status) == 0 && S_ISDIR(status.st_mode);

    errno = before;
    return is;
}

/* mkdir -p. */
static int make_directory(const char *path, struct error *error)
{
    _cleanup_free_ char *copy = strdup(path);

    if (!copy) {
        return error_set_errno(error, -ENOMEM, "cannot make %s", path);
    }
    for (char *slash = copy + (*copy ? 1 : 0);; slash++) {
        char end = *slash;
        if (end != '/' && end != '\0') {
            continue;
        }
        *slash = '\0';
        if (mkdir(copy, 0777) < 0 && !is_directory(copy)) {
            return error_set_errno(error, -errno, "cannot make the directory %s", copy);
        }
        if (end == '\0') {
            return 0;
        }
        *slash = '/';
    }
}

static int make_parent(char *path, struct error *error)
{
    char *slash = strrchr(path, '/');

    if (!slash || slash == path) {
        return 0;
    }
    *slash = '\0';
    int r = make_directory(path, error);
    *slash = '/';
    return r;
}

/* The whole file in one go or several; the same file twice is none of our business. */
static int copy_bytes(int from, int to, off_t size)
{
    while (size > 0) {
        ssize_t n = sendfile(to, from, NULL, (size_t)size);
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        if (n == 0) {
            return 0; /* it was shortened meanwhile */
        }
        size -= n > 0 ? n : 0;
    }
    return 0;
}

static int copy_file(const char *source, char *target, struct error *error)
{
    struct stat status, there;
    _cleanup_fd_ int from = open(source, O_RDONLY | O_CLOEXEC);

    if (from < 0 || fstat(from, &status) < 0) {
        return error_set_errno(error, -errno, "cannot read %s", source);
    }
    if (stat(target, &there) == 0 && there.st_ino == status.st_ino &&
        there.st_dev == status.st_dev) {
        return 0; /* --test-dir is where we are */
    }
    int r = make_parent(target, error);
    if (r < 0) {
        return r;
    }
    _cleanup_fd_ int to =
        open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, status.st_mode & 0777);
    r = to < 0 ? -errno : copy_bytes(from, to, status.st_size);
    return r < 0 ? error_set_errno(error, r, "cannot copy %s to %s", source, target) : 0;
}

static int visit(const char *path, const struct stat *status _unused_, int type,
                 struct FTW *position _unused_)
{
    _cleanup_free_ char *target = NULL;

    if (type == FTW_DNR) {
        return error_set_errno(walk.error, -EACCES, "cannot read the directory %s", path);
    }
    if (type != FTW_F) {
        return 0; /* directories are made for their files; links are not followed */
    }
    if (++walk.files > MAX_FILES) {
        return error_set(walk.error, -E2BIG, "--include-file names more than %d files", MAX_FILES);
    }
    if (asprintf(&target, "%s/%s", walk.directory, path + walk.skip) < 0) {
        target = NULL;
        return error_set_errno(walk.error, -ENOMEM, "cannot copy %s", path);
    }
    return copy_file(path, target, walk.error);
}

/* What a path is called in the test's directory: itself when it is below the current one. */
static size_t leading(const char *path)
{
    bool below = path[0] != '/' && strncmp(path, "../", 3) != 0 && !strstr(path, "/../");
    const char *slash = strrchr(path, '/');

    return below || !slash ? 0 : (size_t)(slash - path) + 1;
}

static int copy_match(const char *path)
{
    walk.skip = leading(path);
    int r = nftw(path, visit, OPEN_DIRECTORIES, FTW_PHYS);
    return r == -1 ? error_set_errno(walk.error, -errno, "cannot read %s", path) : r;
}

/* Calls `visit_match` (NULL: nothing) for what a pattern names. */
static int each_match(const char *pattern, int (*visit_match)(const char *path),
                      struct error *error)
{
    glob_t found;
    int r = 0, g = glob(pattern, GLOB_BRACE | GLOB_TILDE, NULL, &found);

    if (g == GLOB_NOMATCH) {
        return error_set(error, -ENOENT, "--include-file %s matches no file", pattern);
    }
    if (g != 0) {
        return error_set(error, -EIO, "cannot look for --include-file %s", pattern);
    }
    for (size_t i = 0; visit_match && r == 0 && i < found.gl_pathc; i++) {
        r = visit_match(found.gl_pathv[i]);
    }
    globfree(&found);
    return r;
}

int include_files_copy(const struct strlist *patterns, const char *directory, struct error *error)
{
    int r = 0;

    walk = (struct walk){.directory = directory, .error = error};
    for (size_t i = 0; r == 0 && i < patterns->count; i++) {
        r = each_match(patterns->items[i], NULL, error);
    }
    if (r == 0) { /* not before: a mistake leaves nothing behind */
        r = make_directory(directory, error);
    }
    for (size_t i = 0; r == 0 && i < patterns->count; i++) {
        r = each_match(patterns->items[i], copy_match, error);
    }
    return r;
}
