/* SPDX-License-Identifier: MPL-2.0 */
/* In one piece: what is compressed is in memory already, and what comes of it is hardly ever
 * larger. */
#include "worker/encode.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <zlib.h>

#define GZIP_WINDOW_BITS 31 /* zlib's way of asking for gzip's format */
#define MEMORY_LEVEL     8

int encode_body(const char *coding, const void *bytes, size_t size, struct arena *arena,
                const char **ret, size_t *ret_size, struct error *error)
{
    bool gzip = strcmp(coding, "gzip") == 0;
    z_stream stream = {.next_in = (Bytef *)bytes, .avail_in = (uInt)size};

    if (!gzip && strcmp(coding, "deflate") != 0) {
        return error_set(error, -EINVAL, ".compress is '%.60s', but neither gzip nor deflate",
                         coding);
    }
    if (size > UINT_MAX / 2) {
        return error_set(error, -EINVAL, "a body of %zu bytes is too long for .compress", size);
    }
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
                     gzip ? GZIP_WINDOW_BITS : MAX_WBITS, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return error_set_errno(error, -ENOMEM, "compressing a body");
    }
    uLong room = deflateBound(&stream, (uLong)size);
    char *coded = arena_alloc(arena, room);
    stream.next_out = (Bytef *)coded;
    stream.avail_out = (uInt)room;
    int result = coded ? deflate(&stream, Z_FINISH) : Z_MEM_ERROR;
    *ret = coded;
    *ret_size = stream.total_out;
    (void)deflateEnd(&stream); /* says whether all was taken, as deflate() has */
    return result == Z_STREAM_END ? 0 : error_set_errno(error, -ENOMEM, "compressing a body");
}
