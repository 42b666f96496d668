/* SPDX-License-Identifier: MPL-2.0 */
/* An administrator who enables one more agent's socket shouldn't have to tell the broker. So its
 * directory is read whenever an agent is needed; it has a handful of files. */
#include "wake_find.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define IPC "ipc:///"

/* Where the last part of the path begins, or NULL. */
static const char *last_part(const char *address)
{
    return strncmp(address, IPC, strlen(IPC)) == 0 ? strrchr(address, '/') + 1 : NULL;
}

bool wake_is_pattern(const char *address)
{
    const char *name = last_part(address);

    return name && strpbrk(name, "*?[");
}

static bool is_socket(int directory, const char *name)
{
    struct stat status;

    return fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(status.st_mode);
}

static int add(struct strlist *list, const char *pattern, size_t folder_size, const char *name)
{
    _cleanup_free_ char *address = NULL;

    if (asprintf(&address, "%.*s%s", (int)folder_size, pattern, name) < 0) {
        address = NULL;
        return -ENOMEM;
    }
    return strlist_has(list, address) ? 0 : strlist_add(list, address);
}

int wake_find(const char *pattern, size_t max, struct strlist *list)
{
    const char *name = last_part(pattern), *path = pattern + strlen("ipc://");
    _cleanup_free_ char *folder = strndup(path, (size_t)(name - path));
    DIR *directory = folder ? opendir(folder) : NULL;
    int r = folder ? 0 : -ENOMEM;

    if (!directory) {
        return r;
    }
    for (struct dirent *entry; r == 0 && list->count < max && (entry = readdir(directory));) {
        if (fnmatch(name, entry->d_name, FNM_PERIOD) == 0 &&
            is_socket(dirfd(directory), entry->d_name)) {
            r = add(list, pattern, (size_t)(name - pattern), entry->d_name);
        }
    }
    (void)closedir(directory); /* read-only */
    return r;
}
