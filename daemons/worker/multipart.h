/* SPDX-License-Identifier: MPL-2.0 */
/* Bodies of type multipart/form-data (RFC 7578), as browsers send forms with files. */
#ifndef LOADS_WORKER_MULTIPART_H
#define LOADS_WORKER_MULTIPART_H

#include "loads/loads.h"

#include "arena.h"
#include "base/error.h"
#include "base/prng.h"

#define MULTIPART_MAX_BYTES ((size_t)1 << 30) /* of a body */
#define MULTIPART_MAX_PARTS ((size_t)10000)

struct multipart {
    char *body;
    size_t size;
    char *content_type; /* a header line, with the boundary */
};

/* Puts parts (LOADS_PARTS) together in the arena, and reads the files that they name. The boundary
 * follows from `prng` and occurs nowhere else in the body. -ENOMEM; -EINVAL, -EFBIG, or why a file
 * can't be read, with a text. */
int multipart_compose(struct arena *arena, const loads_part *parts, struct prng *prng,
                      struct multipart *ret, struct error *error) _must_check_;

/* The type of a file, by the end of its name: as browsers guess it. */
const char *multipart_type(const char *filename);

/* A path's last part. */
const char *multipart_filename(const char *path);

#endif
