/* SPDX-License-Identifier: MPL-2.0 */
/* Bodies of type multipart/form-data, in one piece of memory: sizes are added up first, then parts
 * are written, files read to where they belong, and at last, since now it is known what it must not
 * occur in, the boundary is chosen and put into its places.
 *
 * Names in the parts' headers are escaped as the HTML standard says: a quote is %22, a line end %0D
 * and %0A, all other bytes stay. */
#include "worker/multipart.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define BOUNDARY_BYTES ((size_t)41) /* "loads-boundary-" and digits */

const char *multipart_filename(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *multipart_type(const char *filename)
{
    static const char *const types[][2] = {
        {"avif", "image/avif"},     {"bmp", "image/bmp"},       {"css", "text/css"},
        {"csv", "text/csv"},        {"gif", "image/gif"},       {"gz", "application/gzip"},
        {"htm", "text/html"},       {"html", "text/html"},      {"jpeg", "image/jpeg"},
        {"jpg", "image/jpeg"},      {"js", "text/javascript"},  {"json", "application/json"},
        {"mp3", "audio/mpeg"},      {"mp4", "video/mp4"},       {"pdf", "application/pdf"},
        {"png", "image/png"},       {"svg", "image/svg+xml"},   {"txt", "text/plain"},
        {"wav", "audio/wav"},       {"webm", "video/webm"},     {"webp", "image/webp"},
        {"xml", "application/xml"}, {"zip", "application/zip"},
    };
    const char *dot = strrchr(filename, '.');

    for (size_t i = 0; dot && i < ELEMENTSOF(types); i++) {
        if (strcasecmp(dot + 1, types[i][0]) == 0) {
            return types[i][1];
        }
    }
    return "application/octet-stream";
}

/* A part with all that it was not told. */
struct piece {
    const loads_part *part;
    const char *filename, *type; /* NULL: it is no file */
    size_t size;
    int fd;          /* -1: it is in memory */
    size_t boundary; /* where in the body it goes */
};

struct composition {
    struct arena *arena;
    struct piece *pieces;
    size_t count;
    char *body;
    size_t used; /* of the body; without one this is only counted */
    struct error *error;
};

static void put(struct composition *c, const void *bytes, size_t size)
{
    if (c->body) {
        memcpy(c->body + c->used, bytes, size);
    }
    c->used += size;
}

static void put_text(struct composition *c, const char *text)
{
    put(c, text, strlen(text));
}

static void put_escaped(struct composition *c, const char *text)
{
    for (; *text; text++) {
        const char *escaped = *text == '"'    ? "%22"
                              : *text == '\r' ? "%0D"
                              : *text == '\n' ? "%0A"
                                              : NULL;
        if (escaped) {
            put_text(c, escaped);
        } else {
            put(c, text, 1);
        }
    }
}

/* Room for a boundary, in which no boundary can be found. */
static size_t put_boundary(struct composition *c)
{
    static const char nothing[BOUNDARY_BYTES];
    size_t at;

    put_text(c, "--");
    at = c->used;
    put(c, nothing, sizeof nothing);
    return at;
}

static int read_file(struct composition *c, const struct piece *piece)
{
    size_t left = piece->size;

    while (c->body && left > 0) {
        ssize_t n = read(piece->fd, c->body + c->used + (piece->size - left), left);
        if (n == 0) {
            return error_set(c->error, -EIO, "%s became shorter while it was read",
                             piece->part->path);
        }
        if (n < 0 && errno != EINTR) {
            return error_set_errno(c->error, -errno, "can't read %s", piece->part->path);
        }
        left -= n > 0 ? (size_t)n : 0;
    }
    c->used += piece->size;
    return 0;
}

static int put_piece(struct composition *c, struct piece *piece)
{
    piece->boundary = put_boundary(c);
    put_text(c, "\r\nContent-Disposition: form-data; name=\"");
    put_escaped(c, piece->part->name);
    if (piece->filename) {
        put_text(c, "\"; filename=\"");
        put_escaped(c, piece->filename);
    }
    put_text(c, "\"\r\n");
    if (piece->type) {
        put_text(c, "Content-Type: ");
        put_text(c, piece->type);
        put_text(c, "\r\n");
    }
    put_text(c, "\r\n");
    if (piece->fd >= 0) {
        int r = read_file(c, piece);
        if (r < 0) {
            return r;
        }
    } else if (piece->size > 0) {
        put(c, piece->part->value, piece->size);
    }
    put_text(c, "\r\n");
    return 0;
}

static int put_all(struct composition *c, size_t *ret_last)
{
    c->used = 0;
    for (size_t i = 0; i < c->count; i++) {
        int r = put_piece(c, &c->pieces[i]);
        if (r < 0) {
            return r;
        }
    }
    *ret_last = put_boundary(c);
    put_text(c, "--\r\n");
    return 0;
}

/* ---- what there is --------------------------------------------------------------------------- */

static int open_file(struct composition *c, struct piece *piece)
{
    const char *path = piece->part->path;
    struct stat status;

    /* It may be a pipe in which nothing comes. */
    piece->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (piece->fd < 0 || fstat(piece->fd, &status) < 0) {
        return error_set_errno(c->error, -errno, "can't read %s", path);
    }
    if (!S_ISREG(status.st_mode)) {
        return error_set(c->error, -EINVAL, "can't read %s: it is no file", path);
    }
    if ((uint64_t)status.st_size > MULTIPART_MAX_BYTES) {
        return error_set(c->error, -EFBIG, "%s is larger than %zu MiB", path,
                         MULTIPART_MAX_BYTES >> 20);
    }
    piece->size = (size_t)status.st_size;
    return 0;
}

static int look_at(struct composition *c, struct piece *piece, const loads_part *part)
{
    *piece = (struct piece){.part = part, .fd = -1, .filename = part->filename, .type = part->type};
    if (!part->name) {
        return error_set(c->error, -EINVAL, "a part without a name");
    }
    if (part->path && part->value) {
        return error_set(c->error, -EINVAL, "part '%.100s' has both a value and a path",
                         part->name);
    }
    if (part->type && strpbrk(part->type, "\r\n")) {
        return error_set(c->error, -EINVAL, "the type of part '%.100s' has a line end in it",
                         part->name);
    }
    if (part->path && !part->filename) {
        piece->filename = multipart_filename(part->path);
    }
    if (piece->filename && !part->type) {
        piece->type = multipart_type(piece->filename);
    }
    if (part->path) {
        return open_file(c, piece);
    }
    piece->size = part->size > 0 || !part->value ? part->size : strlen(part->value);
    if (piece->size > 0 && !part->value) {
        return error_set(c->error, -EINVAL, "part '%.100s' has a size, but no value", part->name);
    }
    return 0;
}

static bool is_end(const loads_part *part)
{
    return !part->name && !part->value && !part->path && !part->filename && !part->type;
}

static int look_at_all(struct composition *c, const loads_part *parts)
{
    size_t count = 0;

    while (!is_end(&parts[count])) {
        if (++count > MULTIPART_MAX_PARTS) {
            return error_set(c->error, -EINVAL,
                             "more than %zu parts: does the list end as LOADS_PARTS() ends it?",
                             MULTIPART_MAX_PARTS);
        }
    }
    c->pieces = arena_alloc(c->arena, count * sizeof *c->pieces);
    if (!c->pieces) {
        return error_set_errno(c->error, -ENOMEM, "can't put %zu parts together", count);
    }
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        int r = look_at(c, &c->pieces[i], &parts[i]);
        c->count = i + 1; /* so that its file is closed */
        if (r < 0) {
            return r;
        }
        total += MIN(c->pieces[i].size, MULTIPART_MAX_BYTES + 1);
        if (total > MULTIPART_MAX_BYTES) {
            return error_set(c->error, -EFBIG, "the parts are larger than %zu MiB together",
                             MULTIPART_MAX_BYTES >> 20);
        }
    }
    return 0;
}

static void close_all(struct composition *c)
{
    for (size_t i = 0; i < c->count; i++) {
        c->pieces[i].fd = close_fd(c->pieces[i].fd);
    }
}

/* ---- the boundary ---------------------------------------------------------------------------- */

/* One that isn't in the body yet: the first one that is tried, unless somebody wants it otherwise.
 */
static void choose_boundary(const struct composition *c, struct prng *prng,
                            char ret[static BOUNDARY_BYTES + 1])
{
    do {
        (void)snprintf(ret, BOUNDARY_BYTES + 1, "loads-boundary-%013" PRIx64 "%013" PRIx64,
                       prng_next(prng) >> 12, prng_next(prng) >> 12);
    } while (memmem(c->body, c->used, ret, BOUNDARY_BYTES));
}

static int finish(struct composition *c, size_t last, struct prng *prng, struct multipart *ret)
{
    char boundary[BOUNDARY_BYTES + 1];

    choose_boundary(c, prng, boundary);
    for (size_t i = 0; i < c->count; i++) {
        memcpy(c->body + c->pieces[i].boundary, boundary, BOUNDARY_BYTES);
    }
    memcpy(c->body + last, boundary, BOUNDARY_BYTES);
    c->body[c->used] = '\0';
    char *type = arena_printf(c->arena, "Content-Type: multipart/form-data; boundary=%s", boundary);
    if (!type) {
        return error_set_errno(c->error, -ENOMEM, "can't put parts together");
    }
    *ret = (struct multipart){c->body, c->used, type};
    return 0;
}

int multipart_compose(struct arena *arena, const loads_part *parts, struct prng *prng,
                      struct multipart *ret, struct error *error)
{
    struct composition c = {.arena = arena, .error = error};
    size_t last = 0;
    int r = look_at_all(&c, parts);

    if (r == 0) {
        r = put_all(&c, &last);
    }
    if (r == 0) {
        c.body = arena_alloc(arena, c.used + 1);
        r = c.body
                ? put_all(&c, &last)
                : error_set_errno(error, -ENOMEM, "can't put parts of %zu bytes together", c.used);
    }
    close_all(&c);
    return r < 0 ? r : finish(&c, last, prng, ret);
}
