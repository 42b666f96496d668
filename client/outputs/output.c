/* SPDX-License-Identifier: MPL-2.0 */
/* The table of outputs, and what they have in common: where they write to, and what happens when
 * that fails.
 *
 * A run is worth more than its report: an output that can't write says so once and is left alone
 * from then on, while the others and the run go on. So everything is written through functions
 * here, and a type only has to return what went wrong.
 *
 * Standard output is written through a stream and a descriptor of its own, so that a failure to
 * write is seen by this output when its last byte is gone, not by whoever ends the process. */
#include "outputs/output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "outputs/types.h"

/* For a line per hit: few and large writes. */
#define DETAIL_BUFFER_BYTES (256 << 10)

const struct output_type output_types[] = {
    {
        .name = "stdout",
        .help = "the summary as text, on standard output",
        .end = stdout_end,
    },
    {
        .name = "null",
        .help = "nothing",
    },
    {
        .name = "json",
        .help = "the summary as a JSON object",
        .wants_file = true,
        .end = json_end,
    },
    {
        .name = "file",
        .help = "every hit and test event as a line of JSON",
        .wants_detail = true,
        .wants_file = true,
        .begin = file_begin,
        .detail = file_detail,
    },
    {0},
};

/* ---- opening ---- */

static int find_type(const char *name, size_t size, const struct output_type **ret,
                     struct error *error)
{
    char known[256] = "";

    for (const struct output_type *type = output_types; type->name; type++) {
        if (strlen(type->name) == size && memcmp(type->name, name, size) == 0) {
            *ret = type;
            return 0;
        }
        size_t used = strlen(known);
        (void)snprintf(known + used, sizeof known - used, "%s%s", used > 0 ? ", " : "", type->name);
    }
    return error_set(error, -EINVAL, "there is no output '%.*s'; there are: %s",
                     (int)MIN(size, (size_t)60), name, known);
}

static int failed(const struct output *output, int code, struct error *error)
{
    return error_set_errno(error, code, "output %s: can't write %s%s%s", output->type->name,
                           output->path ? "'" : "", output->path ? output->path : "standard output",
                           output->path ? "'" : "");
}

/* Not truncated yet: until the run starts, an older file may be worth keeping. One that is made is
 * taken away again if the run doesn't start. */
static int open_file(struct output *output)
{
    const int flags = O_WRONLY | O_CLOEXEC | O_NOCTTY;
    int fd = open(output->path, flags);

    if (fd < 0 && errno == ENOENT) {
        fd = open(output->path, flags | O_CREAT | O_EXCL, 0666);
        output->made = fd >= 0;
    }
    if (fd < 0 && errno == EEXIST) { /* since a moment ago, or a link to nowhere */
        fd = open(output->path, flags | O_CREAT, 0666);
    }
    return fd;
}

static int open_stream(struct output *output)
{
    _cleanup_fd_ int fd =
        output->path ? open_file(output) : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) {
        return -errno;
    }
    output->file = fdopen(fd, "w");
    if (!output->file) {
        return -errno;
    }
    TAKE_FD(fd);
    if (output->type->wants_detail) {
        output->buffer = malloc(DETAIL_BUFFER_BYTES);
        if (!output->buffer) {
            return -ENOMEM;
        }
        (void)setvbuf(output->file, output->buffer, _IOFBF, DETAIL_BUFFER_BYTES); /* only advice */
    }
    return 0;
}

int output_open(struct output **ret, const char *argument, struct error *error)
{
    const char *path = strchr(argument, '=');
    size_t name_size = path ? (size_t)(path - argument) : strlen(argument);
    const struct output_type *type;

    int r = find_type(argument, name_size, &type, error);
    if (r < 0) {
        return r;
    }
    if (path && !type->wants_file) {
        return error_set(error, -EINVAL, "output %s: is not written to a file: '%s'", type->name,
                         argument);
    }
    if (path && path[1] == '\0') {
        return error_set(error, -EINVAL, "output %s: the name of the file is missing behind '='",
                         type->name);
    }
    _cleanup_(output_freep) struct output *output = calloc(1, sizeof *output);
    if (!output) {
        return error_set_errno(error, -ENOMEM, "output %s", type->name);
    }
    output->type = type;
    if (path && strcmp(path + 1, "-") != 0) {
        output->path = strdup(path + 1);
        if (!output->path) {
            return error_set_errno(error, -ENOMEM, "output %s", type->name);
        }
    }
    if (type->begin || type->detail || type->end) {
        r = open_stream(output);
        if (r < 0) {
            return failed(output, r, error);
        }
    }
    *ret = TAKE_PTR(output);
    return 0;
}

bool output_shares_file(const struct output *output, const struct output *other)
{
    struct stat ours, theirs;

    return output->path && other->path && fstat(fileno(output->file), &ours) == 0 &&
           fstat(fileno(other->file), &theirs) == 0 && S_ISREG(ours.st_mode) &&
           ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

/* ---- writing ---- */

int output_check(struct output *output, struct error *error)
{
    if (!ferror_unlocked(output->file)) {
        return 0;
    }
    return failed(output, errno > 0 ? -errno : -EIO, error);
}

/* Only what a file can lose: a terminal, a pipe or a device has no old contents. A file that
 * standard output was sent to belongs to who did that. */
static int truncate_file(struct output *output, struct error *error)
{
    struct stat status;

    if (!output->path) {
        return 0;
    }
    if (fstat(fileno(output->file), &status) < 0 ||
        (S_ISREG(status.st_mode) && ftruncate(fileno(output->file), 0) < 0)) {
        return failed(output, -errno, error);
    }
    return 0;
}

/* What the verbs have in common: a failure is told once. */
static int settle(struct output *output, int result)
{
    output->broken = output->broken || result < 0;
    return result;
}

int output_begin(struct output *output, const struct output_run *run, struct error *error)
{
    if (output->broken || !output->file) {
        return 0;
    }
    output->made = false;
    int r = truncate_file(output, error);
    if (r == 0 && output->type->begin) {
        r = output->type->begin(output, run, error);
    }
    return settle(output, r);
}

int output_detail(struct output *output, const struct output_run *run, const struct detail *detail,
                  struct error *error)
{
    if (output->broken || !output->type->detail) {
        return 0;
    }
    return settle(output, output->type->detail(output, run, detail, error));
}

int output_end(struct output *output, const struct output_run *run, const struct summary *summary,
               struct error *error)
{
    if (output->broken || !output->file) {
        return 0;
    }
    int r = output->type->end ? output->type->end(output, run, summary, error) : 0;
    if (r == 0) {
        (void)fflush(output->file); /* a failure stays with the stream */
        r = output_check(output, error);
    }
    return settle(output, r);
}

int output_close(struct output *output, struct error *error)
{
    if (!output->file) {
        return 0;
    }
    int r = fclose(TAKE_PTR(output->file)) == 0 ? 0 : -errno;
    if (r == 0 || output->broken) {
        return 0;
    }
    return settle(output, failed(output, r, error));
}

struct output *output_free(struct output *output)
{
    if (output) {
        if (output->made) {
            (void)unlink(output->path); /* empty; failing, it does no harm */
        }
        if (output->file) {
            (void)fclose(output->file); /* who wants to know calls output_close() */
        }
        free(output->buffer);
        free(output->path);
        free(output->data);
        free(output);
    }
    return NULL;
}
