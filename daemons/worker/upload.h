/* SPDX-License-Identifier: MPL-2.0 */
/* The body of a request: in memory, or read from a file while it is sent, or given by the test then
 * (stream.h). */
#ifndef LOADS_WORKER_UPLOAD_H
#define LOADS_WORKER_UPLOAD_H

#include <stdint.h>
#include <sys/types.h>

#include "loads/loads.h"

#include "base/error.h"
#include "worker/arena.h"

struct upload {
    const char *bytes; /* NULL: none, or a file's */
    uint64_t size_bytes;
    const char *coding; /* NULL: as it is */
    bool from_test;     /* by .upload; its size is not known if 0 */
    bool from_file;
    int fd; /* of the file */
    uint64_t offset;
    int error; /* -errno of a read that failed */
};

/* What a request says. -EINVAL, or another -errno of a file, with a text. */
int upload_open(struct upload *upload, const loads_request *request, struct arena *arena,
                struct error *error) _must_check_;

/* There is none any more. Harmless when there was none. */
void upload_close(struct upload *upload);

bool upload_has_body(const struct upload *upload);

/* The next bytes of a file, from upload->offset on, which moves. -errno; also when the file is
 * shorter than it was. */
ssize_t upload_read(struct upload *upload, void *buffer, size_t size) _must_check_;

#endif
