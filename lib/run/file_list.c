/* SPDX-License-Identifier: MPL-2.0 */
/* Patterns are glob(3)'s; directories are walked with nftw(3), which has no place for a context, so
 * what the walk adds to is a variable of this file. */
#include "run/file_list.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#define OPEN_DIRECTORIES 16

static struct walk {
    struct file_list *list;
    size_t skip; /* leading bytes of a walked path that are no part of its name */
    struct error *error;
} walk;

/* ---- the list -------------------------------------------------------------------------------- */

void file_list_clear(struct file_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].path);
        free(list->items[i].name);
    }
    free(list->items);
    strmap_free(list->names);
    *list = (struct file_list){.items = NULL};
}

static int make_room(struct file_list *list)
{
    if (!list->names && strmap_new(&list->names) < 0) {
        return -ENOMEM;
    }
    if (list->count < list->room) {
        return 0;
    }
    size_t room = list->room > 0 ? 2 * list->room : 16;
    struct file_list_item *items = realloc(list->items, room * sizeof *items);
    if (!items) {
        return -ENOMEM;
    }
    list->items = items;
    list->room = room;
    return 0;
}

static int add(struct file_list *list, const char *path, const char *name,
               const struct stat *status, struct error *error)
{
    if (list->names && strmap_get(list->names, name, strlen(name))) {
        return 0;
    }
    if (list->count == FILE_LIST_MAX) {
        return error_set(error, -E2BIG, "--include-file names more than %d files", FILE_LIST_MAX);
    }
    struct file_list_item item = {.path = strdup(path),
                                  .name = strdup(name),
                                  .mode = status->st_mode & 0777,
                                  .size_bytes = status->st_size};
    if (!item.path || !item.name || make_room(list) < 0 ||
        strmap_put(list->names, name, strlen(name), list) < 0) {
        free(item.path);
        free(item.name);
        return error_set_errno(error, -ENOMEM, "cannot take %s along", path);
    }
    list->items[list->count++] = item;
    return 0;
}

int file_list_add(struct file_list *list, const char *path, const char *name, struct error *error)
{
    struct stat status;

    if (stat(path, &status) < 0) {
        return error_set_errno(error, -errno, "cannot read %s", path);
    }
    return add(list, path, name, &status, error);
}

/* ---- patterns -------------------------------------------------------------------------------- */

static int visit(const char *path, const struct stat *status, int type,
                 struct FTW *position _unused_)
{
    if (type == FTW_DNR) {
        return error_set_errno(walk.error, -EACCES, "cannot read the directory %s", path);
    }
    if (type != FTW_F || !S_ISREG(status->st_mode)) {
        return 0; /* directories are made for their files; links are not followed */
    }
    const char *name = path + walk.skip;
    while (strncmp(name, "./", 2) == 0) {
        name += 2;
    }
    return add(walk.list, path, name, status, walk.error);
}

/* What of a path is no part of its name: nothing when it is below the current directory. */
static size_t leading(const char *path)
{
    bool below = path[0] != '/' && strncmp(path, "../", 3) != 0 && !strstr(path, "/../");
    const char *slash = strrchr(path, '/');

    return below || !slash ? 0 : (size_t)(slash - path) + 1;
}

static int add_match(const char *path)
{
    size_t size = strlen(path);
    _cleanup_free_ char *name = strdup(path);

    if (!name) {
        return error_set_errno(walk.error, -ENOMEM, "cannot take %s along", path);
    }
    while (size > 1 && name[size - 1] == '/') { /* "data/" is "data" */
        name[--size] = '\0';
    }
    if (strcmp(name, "..") == 0 || (size > 2 && strcmp(name + size - 3, "/..") == 0)) {
        return error_set(walk.error, -EINVAL,
                         "--include-file %s: name the directory, it needs a name there, too", path);
    }
    walk.skip = leading(name);
    int r = nftw(name, visit, OPEN_DIRECTORIES, FTW_PHYS);
    return r == -1 ? error_set_errno(walk.error, -errno, "cannot read %s", path) : r;
}

static int add_pattern(const char *pattern, struct error *error)
{
    glob_t found;
    int r = 0, g = glob(pattern, GLOB_BRACE | GLOB_TILDE, NULL, &found);

    if (g == GLOB_NOMATCH) {
        return error_set(error, -ENOENT, "--include-file %s matches no file", pattern);
    }
    if (g != 0) {
        return error_set(error, -EIO, "cannot look for --include-file %s", pattern);
    }
    for (size_t i = 0; r == 0 && i < found.gl_pathc; i++) {
        r = add_match(found.gl_pathv[i]);
    }
    globfree(&found);
    return r;
}

int file_list_add_patterns(struct file_list *list, const struct strlist *patterns,
                           struct error *error)
{
    int r = 0;

    walk = (struct walk){.list = list, .error = error};
    for (size_t i = 0; r == 0 && i < patterns->count; i++) {
        r = add_pattern(patterns->items[i], error);
    }
    return r;
}

/* ---- copying --------------------------------------------------------------------------------- */

/* Leaves errno alone. */
static bool is_directory(const char *path)
{
    struct stat status;
    int before = errno;
    bool is = stat(path, &status) == 0 && S_ISDIR(status.st_mode);

    errno = before;
    return is;
}

int make_directories(const char *path, struct error *error)
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
    int r = make_directories(path, error);
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

int file_list_copy(const struct file_list *list, const char *directory, struct error *error)
{
    int r = make_directories(directory, error);

    for (size_t i = 0; r == 0 && i < list->count; i++) {
        _cleanup_free_ char *target = NULL;
        if (asprintf(&target, "%s/%s", directory, list->items[i].name) < 0) {
            target = NULL;
            return error_set_errno(error, -ENOMEM, "cannot copy %s", list->items[i].path);
        }
        r = copy_file(list->items[i].path, target, error);
    }
    return r;
}
