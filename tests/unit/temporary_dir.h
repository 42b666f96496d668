/* SPDX-License-Identifier: MPL-2.0 */
/* For tests that make files: a directory of their own that is the current one meanwhile. */
#ifndef LOADS_TESTS_UNIT_TEMPORARY_DIR_H
#define LOADS_TESTS_UNIT_TEMPORARY_DIR_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/macros.h"

static char temporary_dir[64];

static int enter_temporary_dir(void **state _unused_)
{
    (void)snprintf(temporary_dir, sizeof temporary_dir, "/tmp/loads-test-XXXXXX");
    return mkdtemp(temporary_dir) && chdir(temporary_dir) == 0 ? 0 : -1;
}

static int remove_path(const char *path, const struct stat *status _unused_, int type _unused_,
                       struct FTW *position _unused_)
{
    return remove(path);
}

static int leave_temporary_dir(void **state _unused_)
{
    return chdir("/") == 0 && nftw(temporary_dir, remove_path, 16, FTW_DEPTH | FTW_PHYS) == 0 ? 0
                                                                                              : -1;
}

static _unused_ void write_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, mode);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close_fd(fd);
}

static _unused_ void check_file(const char *path, const char *text)
{
    char bytes[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        fail_msg("%s isn't there", path);
    }
    ssize_t n = read(fd, bytes, sizeof bytes);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(bytes, text, strlen(text));
    close_fd(fd);
}

#endif
