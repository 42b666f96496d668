/* SPDX-License-Identifier: MPL-2.0 */
/* Both directories are claimed as run_dir.h says, so that those of an agent that was killed are
 * taken away by the next one. What is in a --test-dir stays: somebody asked for it there. */
#include "run_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "run/file_list.h"
#include "run/run_dir.h"

struct run_files {
    char *shared, *fresh, *test_dir, *archive, *python_dir;
    int shared_claim, fresh_claim;
    int fd; /* of the archive that is being written; -1: it isn't */
    uint64_t written;
};

static int claim(const char *path, int *ret, struct error *error)
{
    int fd = run_dir_claim(path, error);

    if (fd < 0) {
        return fd;
    }
    *ret = fd;
    run_dir_sweep(path);
    return 0;
}

static int make_fresh(struct run_files *files, const char *work_dir, struct error *error)
{
    int r = run_dir_make_in(work_dir, &files->fresh, error);

    if (r == 0) {
        r = claim(files->fresh, &files->fresh_claim, error);
    }
    if (r == 0) {
        files->python_dir = run_dir_file(files->fresh, "python");
        r = files->python_dir ? 0 : error_set_errno(error, -ENOMEM, "cannot use %s", files->fresh);
    }
    return r;
}

static int make_test_dir(struct run_files *files, const char *test_dir, const char *agent_id,
                         struct error *error)
{
    _cleanup_free_ char *path =
        test_dir ? run_dir_file(test_dir, "%s", agent_id) : run_dir_file(files->fresh, "test");

    int r = path ? make_directories(path, error)
                 : error_set_errno(error, -ENOMEM, "cannot make the test's directory");
    if (r < 0) {
        return r;
    }
    files->test_dir = realpath(path, NULL);
    return files->test_dir ? 0 : error_set_errno(error, -errno, "cannot use %s", path);
}

int run_files_new(struct run_files **ret, const char *test_dir, const char *agent_id,
                  const char *work_dir, struct error *error)
{
    _cleanup_(run_files_freep) struct run_files *files = calloc(1, sizeof *files);

    if (!files) {
        return error_set_errno(error, -ENOMEM, "cannot make the run's directories");
    }
    files->shared_claim = files->fresh_claim = files->fd = -1;
    int r = run_dir_make(&files->shared, error);
    if (r == 0) {
        r = claim(files->shared, &files->shared_claim, error);
    }
    if (r == 0) {
        r = make_fresh(files, work_dir, error);
    }
    if (r == 0) {
        r = make_test_dir(files, test_dir, agent_id, error);
    }
    if (r == 0) {
        *ret = TAKE_PTR(files);
    }
    return r;
}

struct run_files *run_files_free(struct run_files *files)
{
    if (files) {
        run_files_drop_archive(files);
        run_dir_remove_all(files->shared);
        run_dir_remove_all(files->fresh);
        close_fd(files->shared_claim);
        close_fd(files->fresh_claim);
        free(files->test_dir);
        free(files->python_dir);
        free(files);
    }
    return NULL;
}

const char *run_files_shared(const struct run_files *files)
{
    return files->shared;
}

const char *run_files_test_dir(const struct run_files *files)
{
    return files->test_dir;
}

const char *run_files_python_dir(const struct run_files *files)
{
    return files->python_dir;
}

/* ---- the archive ----------------------------------------------------------------------------- */

const char *run_files_archive(const struct run_files *files)
{
    return files->archive;
}

/* Beside the files, not in memory; under a name that no test's file has. */
int run_files_open_archive(struct run_files *files, struct error *error)
{
    files->archive = run_dir_file(files->test_dir, ".loads-archive-%d", (int)getpid());
    if (!files->archive) {
        return error_set_errno(error, -ENOMEM, "cannot keep the run's files");
    }
    (void)unlink(files->archive); /* of a process that was killed and had our number */
    files->fd = open(files->archive, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return files->fd < 0 ? error_set_errno(error, -errno, "cannot write %s", files->archive) : 0;
}

int run_files_write(struct run_files *files, const void *bytes, size_t size, struct error *error)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = write(files->fd, (const char *)bytes + done, size - done);
        if (n < 0 && errno != EINTR) {
            return error_set_errno(error, -errno, "cannot write the run's files to %s",
                                   files->archive);
        }
        done += n > 0 ? (size_t)n : 0;
    }
    files->written += size;
    return 0;
}

uint64_t run_files_written(const struct run_files *files)
{
    return files->written;
}

void run_files_drop_archive(struct run_files *files)
{
    files->fd = close_fd(files->fd);
    if (files->archive) {
        (void)unlink(files->archive); /* it goes with its directory, at the latest */
        free(files->archive);
        files->archive = NULL;
    }
}
