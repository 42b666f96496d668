/* SPDX-License-Identifier: MPL-2.0 */
/* Compiled modules, kept. A file's name is its key; behind the shared object stand a mark and a sum
 * of key and content, which the dynamic loader doesn't look at: one file, put in place by one
 * rename(), is either whole or known not to be, whatever a full disk or a lost machine left. Two
 * that write the same key at once write the same thing. */
#include "cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static const char mark[8] = {'L', 'O', 'A', 'D', 'S', 's', 'o', '1'};

#define SEAL_BYTES       (sizeof mark + HASH_BYTES)
#define TEMPORARY_PREFIX "new."

/* ---- the directory ---- */

static bool is_safe(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid() &&
           !(status.st_mode & (S_IWGRP | S_IWOTH)) && access(path, W_OK | X_OK) == 0;
}

/* Makes a directory and those above it. */
static void make_directories(const char *path)
{
    _cleanup_free_ char *copy = strdup(path);
    for (char *slash = copy; slash; *slash = '/') {
        slash = strchr(slash + 1, '/');
        if (!slash) {
            break;
        }
        *slash = '\0';
        (void)mkdir(copy, 0700); /* what is missing in the end is_safe() finds */
    }
    (void)mkdir(path, 0700);
}

/* 1: *ret is usable, 0: it isn't, or there is no `base`; its path is added to the text. */
static int try_directory(const char *base, const char *below, char **ret, char *tried, size_t size)
{
    _cleanup_free_ char *path = NULL;

    if (!base || base[0] != '/') {
        return 0;
    }
    if (asprintf(&path, "%s%s", base, below) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    make_directories(path);
    if (is_safe(path)) {
        *ret = TAKE_PTR(path);
        return 1;
    }
    size_t used = strlen(tried);
    (void)snprintf(tried + used, size - used, "%s%s", used ? ", " : "", path); /* cut is fine */
    return 0;
}

int cache_directory(const char *temporary_dir, char **ret, struct error *error)
{
    char tried[1024] = "";

    const char *home = getenv("HOME");
    int r = try_directory(getenv("XDG_CACHE_HOME"), "/loads", ret, tried, sizeof tried);
    if (r == 0 && home && access(home, F_OK) == 0) { /* a home is not ours to make */
        r = try_directory(home, "/.cache/loads", ret, tried, sizeof tried);
    }
    if (r == 0) {
        r = try_directory(temporary_dir, "", ret, tried, sizeof tried);
    }
    if (r < 0) {
        return error_set_errno(error, r, "cache of compiled modules");
    }
    if (r == 0) {
        return error_set(
            error, -EACCES,
            "no place to put a compiled module (%s): set XDG_CACHE_HOME to a directory "
            "that belongs to you and that nobody else can write to",
            *tried ? tried : "neither XDG_CACHE_HOME nor HOME names one");
    }
    return 0;
}

/* ---- seals ---- */

static int read_fully(int fd, void *buffer, size_t size, off_t offset)
{
    for (char *to = buffer; size > 0;) {
        ssize_t n = pread(fd, to, size, offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? -errno : -EIO;
        }
        to += n;
        offset += n;
        size -= (size_t)n;
    }
    return 0;
}

/* The sum of a key and the first `size` bytes of a file. */
static int sum_of(int fd, const char *key, off_t size, unsigned char sum[static HASH_BYTES])
{
    _cleanup_(hash_freep) struct hash *hash = NULL;
    char buffer[16384];

    int r = hash_new(&hash);
    if (r < 0) {
        return r;
    }
    hash_add_text(hash, key);
    for (off_t offset = 0; offset < size;) {
        size_t piece = (size_t)MIN(size - offset, (off_t)sizeof buffer);
        r = read_fully(fd, buffer, piece, offset);
        if (r < 0) {
            return r;
        }
        hash_add(hash, buffer, piece);
        offset += (off_t)piece;
    }
    return hash_finish(hash, sum);
}

/* 1: the file ends in the right seal; 0: it doesn't. */
static int is_whole(int fd, const char *key)
{
    unsigned char seal[SEAL_BYTES], sum[HASH_BYTES];
    struct stat status;

    if (fstat(fd, &status) < 0) {
        return -errno;
    }
    if (!S_ISREG(status.st_mode) || status.st_size <= (off_t)SEAL_BYTES) {
        return 0;
    }
    off_t size = status.st_size - (off_t)SEAL_BYTES;
    int r = read_fully(fd, seal, sizeof seal, size);
    if (r == 0) {
        r = sum_of(fd, key, size, sum);
    }
    if (r < 0) {
        return r;
    }
    return memcmp(seal, mark, sizeof mark) == 0 && memcmp(seal + sizeof mark, sum, sizeof sum) == 0;
}

static int write_seal(const char *path, const char *key)
{
    unsigned char seal[SEAL_BYTES];
    struct stat status;

    _cleanup_fd_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &status) < 0) {
        return -errno;
    }
    memcpy(seal, mark, sizeof mark);
    int r = sum_of(fd, key, status.st_size, seal + sizeof mark);
    if (r < 0) {
        return r;
    }
    ssize_t n = pwrite(fd, seal, sizeof seal, status.st_size);
    return n < 0 ? -errno : n == (ssize_t)sizeof seal ? 0 : -ENOSPC;
}

/* ---- files ---- */

static int path_of(const char *directory, const char *key, char **ret)
{
    char *path;
    if (asprintf(&path, "%s/%s.so", directory, key) < 0) {
        return -ENOMEM;
    }
    *ret = path;
    return 0;
}

int cache_find(const char *directory, const char *key, char **ret)
{
    static const struct timespec used_now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
    _cleanup_free_ char *path = NULL;

    int r = path_of(directory, key, &path);
    if (r < 0) {
        return r;
    }
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return 0;
    }
    r = is_whole(fd, key);
    if (r == -ENOMEM) {
        return r;
    }
    if (r != 1) {
        return 0; /* spoilt, or unreadable: it is made again */
    }
    (void)futimens(fd, used_now); /* failing, it is dropped early: no harm */
    *ret = TAKE_PTR(path);
    return 1;
}

int cache_begin(const char *directory, char **ret)
{
    _cleanup_free_ char *path = NULL;
    if (asprintf(&path, "%s/" TEMPORARY_PREFIX "XXXXXX", directory) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    close_fd(fd);
    *ret = TAKE_PTR(path);
    return 0;
}

/* Drops files of ours that were not used for long; nothing else. */
static void drop_old(const char *directory)
{
    struct timespec now;
    DIR *dir = opendir(directory);
    if (!dir) {
        return;
    }
    (void)clock_gettime(CLOCK_REALTIME, &now); /* can't fail for this clock */
    for (struct dirent *entry; (entry = readdir(dir));) {
        const char *name = entry->d_name;
        bool temporary = strncmp(name, TEMPORARY_PREFIX, strlen(TEMPORARY_PREFIX)) == 0;
        bool module = strspn(name, "0123456789abcdef") == HASH_HEX_BYTES - 1 &&
                      strcmp(name + HASH_HEX_BYTES - 1, ".so") == 0;
        struct stat status;
        if ((temporary || module) && fstatat(dirfd(dir), name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            MAX(status.st_atime, status.st_mtime) < now.tv_sec - CACHE_MAX_AGE_SEC) {
            (void)unlinkat(dirfd(dir), name, 0); /* somebody else was first: fine */
        }
    }
    (void)closedir(dir); /* only read from */
}

int cache_commit(const char *directory, const char *temporary, const char *key, char **ret)
{
    _cleanup_free_ char *path = NULL;

    int r = path_of(directory, key, &path);
    if (r == 0) {
        r = write_seal(temporary, key);
    }
    if (r == 0 && rename(temporary, path) < 0) {
        r = -errno;
    }
    if (r == 0) {
        drop_old(directory);
        *ret = TAKE_PTR(path);
    }
    return r;
}
