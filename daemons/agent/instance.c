/* SPDX-License-Identifier: MPL-2.0 */
/* A lock on a file in the directory of the sockets, which the kernel drops with the process; its
 * number is written into it for who finds it taken. */
#include "instance.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "run/file_list.h"
#include "run/run_dir.h"

int instance_check(const char *name, struct error *error)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char)name[i]) && !strchr("-_.", name[i])) {
            length = 0;
        }
    }
    if (length == 0 || length > INSTANCE_MAX_BYTES || name[0] == '.') {
        return error_set(error, -EINVAL,
                         "'%.80s' is not an instance: letters, digits, '-', '_' and '.' are, up "
                         "to %d",
                         name, INSTANCE_MAX_BYTES);
    }
    return 0;
}

/* Who has the file locked, 0: not known. */
static long holder(int fd)
{
    char text[24] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    return n > 0 ? strtol(text, NULL, 10) : 0;
}

static int take(const char *directory, const char *name, int *ret_lock, struct error *error)
{
    _cleanup_free_ char *path = run_dir_file(directory, "agent-%s.lock", name);
    _cleanup_fd_ int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    char text[24];

    if (fd < 0) {
        return error_set_errno(error, path ? -errno : -ENOMEM, "cannot use %s",
                               path ? path : directory);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        return errno != EWOULDBLOCK
                   ? error_set_errno(error, -errno, "cannot lock %s", path)
                   : error_set(error, -EBUSY,
                               "agent %s of this machine is running already, as process %ld", name,
                               holder(fd));
    }
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n) {
        return error_set_errno(error, -errno, "cannot write %s", path);
    }
    *ret_lock = TAKE_FD(fd);
    return 0;
}

int instance_take(const char *directory, const char *wanted, char **ret_name, int *ret_lock,
                  struct error *error)
{
    char number[16];
    const char *name = wanted ? wanted : number;
    int lock = -1;

    int r = make_directories(directory, error);
    if (r < 0) {
        return r;
    }
    r = -EBUSY;
    for (unsigned i = 1; r == -EBUSY && i <= (wanted ? 1u : INSTANCE_MAX); i++) {
        (void)snprintf(number, sizeof number, "%u", i);
        r = take(directory, name, &lock, error);
    }
    if (r < 0) {
        return r;
    }
    *ret_name = strdup(name);
    if (!*ret_name) {
        close_fd(lock);
        return error_set_errno(error, -ENOMEM, "cannot start");
    }
    *ret_lock = lock;
    return 0;
}
