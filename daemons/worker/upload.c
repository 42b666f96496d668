/* SPDX-License-Identifier: MPL-2.0 */
/* A file's length is what it is when the request is made: it stands in a header before the first
 * byte is read. */
#include "worker/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/encode.h"

static int open_file(struct upload *upload, const char *path, struct error *error)
{
    struct stat status;
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &status) < 0) {
        return error_set_errno(error, -errno, "cannot read .body_file %s", path);
    }
    if (!S_ISREG(status.st_mode)) {
        return error_set(error, -EINVAL, ".body_file %s is not a file", path);
    }
    upload->from_file = true;
    upload->fd = TAKE_FD(fd);
    upload->size_bytes = (uint64_t)status.st_size;
    return 0;
}

int upload_open(struct upload *upload, const loads_request *request, struct arena *arena,
                struct error *error)
{
    const char *bytes = request->json ? request->json : request->body;

    *upload = (struct upload){.fd = -1};
    if (request->upload) {
        if (request->body_file || bytes || request->compress) {
            return error_set(error, -EINVAL, ".upload stands beside %s: it is sent as it is, alone",
                             request->body_file || bytes ? "another body" : ".compress");
        }
        upload->from_test = true;
        upload->size_bytes = request->upload_size;
        return 0;
    }
    if (request->body_file && (bytes || request->compress)) {
        return error_set(error, -EINVAL, ".body_file stands beside %s: it is sent as it is, alone",
                         bytes ? "another body" : ".compress");
    }
    if (request->body_file) {
        return open_file(upload, request->body_file, error);
    }
    if (!bytes) {
        return 0;
    }
    size_t size = request->body_size ? request->body_size : strlen(bytes);
    if (request->compress) {
        int r = encode_body(request->compress, bytes, size, arena, &bytes, &size, error);
        if (r < 0) {
            return r;
        }
        upload->coding = request->compress;
    }
    upload->bytes = bytes;
    upload->size_bytes = size;
    return 0;
}

void upload_close(struct upload *upload)
{
    if (upload->from_file) {
        close_fd(upload->fd);
    }
    *upload = (struct upload){.fd = -1, .error = upload->error};
}

bool upload_has_body(const struct upload *upload)
{
    return upload->bytes || upload->from_file || upload->from_test;
}

ssize_t upload_read(struct upload *upload, void *buffer, size_t size)
{
    uint64_t left = upload->size_bytes - MIN(upload->offset, upload->size_bytes);
    size_t wanted = (size_t)MIN((uint64_t)size, left);

    if (wanted == 0) {
        return 0;
    }
    ssize_t n = pread(upload->fd, buffer, wanted, (off_t)upload->offset);
    if (n <= 0) {
        upload->error = n < 0 ? -errno : -ENODATA;
        return upload->error;
    }
    upload->offset += (uint64_t)n;
    return n;
}
