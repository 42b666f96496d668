/* SPDX-License-Identifier: MPL-2.0 */
/* All of these are made by the supervisor before the worker is started. */
#include "run/worker_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "run/run_dir.h"

static int read_spec(const char *run_dir, struct run_spec **ret, struct error *error)
{
    _cleanup_free_ char *path = run_dir_file(run_dir, "spec.json");
    _cleanup_free_ char *text = NULL;
    struct stat status;
    _cleanup_fd_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (fd < 0 || fstat(fd, &status) < 0) {
        return error_set_errno(error, path ? -errno : -ENOMEM, "cannot read the specification");
    }
    if (status.st_size > SPEC_MAX_BYTES) {
        return error_set(error, -E2BIG, "the specification has %jd bytes",
                         (intmax_t)status.st_size);
    }
    text = malloc((size_t)status.st_size + 1);
    if (!text) {
        return error_set_errno(error, -ENOMEM, "cannot read the specification");
    }
    ssize_t n = read(fd, text, (size_t)status.st_size);
    if (n != status.st_size) {
        return error_set_errno(error, n < 0 ? -errno : -EIO, "cannot read the specification");
    }
    text[n] = '\0';
    return run_spec_decode(text, (size_t)n, ret, error);
}

int worker_files_open(struct worker_files *ret, const char *run_dir, unsigned serial,
                      struct error *error)
{
    struct worker_files files = {NULL, NULL, NULL};
    _cleanup_free_ char *area = run_dir_file(run_dir, "worker-%u", serial);
    _cleanup_free_ char *names = run_dir_file(run_dir, "names");

    if (!area || !names) {
        return error_set_errno(error, -ENOMEM, "cannot open the run's files");
    }
    int r = read_spec(run_dir, &files.spec, error);
    if (r == 0) {
        r = names_file_open(&files.names, names, error);
    }
    if (r == 0) {
        r = area_open(&files.area, area, error);
    }
    if (r < 0) {
        worker_files_close(&files);
        return r;
    }
    *ret = files;
    return 0;
}

void worker_files_close(struct worker_files *files)
{
    area_free(files->area);
    names_file_free(files->names);
    run_spec_free(files->spec);
    *files = (struct worker_files){NULL, NULL, NULL};
}
