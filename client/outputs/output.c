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

#include "outputs/exec.h"
#include "outputs/types.h"

/* For a line per hit: few and large writes. */
#define DETAIL_BUFFER_BYTES (256 << 10)

#define FILE_OPTION(field) .wants_file = true, .filename = offsetof(struct output_options, field)

/* clang-format off */
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
        .name = "html",
        .help = "a page with charts",
        .wants_timeline = true,
        FILE_OPTION(html_filename),
        .end = html_end,
    },
    {
        .name = "json",
        .help = "the summary as a JSON object",
        FILE_OPTION(json_filename),
        .end = json_end,
    },
    {
        .name = "csv",
        .help = "a line per second",
        .wants_timeline = true,
        FILE_OPTION(csv_filename),
        .end = csv_end,
    },
    {
        .name = "junit",
        .help = "a case per test, as XML",
        FILE_OPTION(junit_filename),
        .end = junit_end,
    },
    {
        .name = "prometheus",
        .help = "the numbers of the summary as metrics",
        FILE_OPTION(prometheus_filename),
        .end = prometheus_end,
    },
    {
        .name = "hdr",
        .help = "the latencies as a log of HdrHistogram",
        .wants_timeline = true,
        FILE_OPTION(hdr_filename),
        .end = hdr_end,
    },
    {
        .name = "file",
        .help = "every hit and test event as a line of JSON",
        .wants_detail = true,
        FILE_OPTION(file_filename),
        .begin = file_begin,
        .detail = file_detail,
    },
    {
        .name = "funkload",
        .help = "every hit and test as XML of FunkLoad",
        .wants_detail = true,
        FILE_OPTION(funkload_filename),
        .begin = funkload_begin,
        .detail = funkload_detail,
        .end = funkload_end,
        .release = funkload_release,
    },
    {
        .name = "exec",
        .help = "what file has, to a program",
        .wants_detail = true,
        .wants_program = true,
        .begin = file_begin,
        .detail = file_detail,
    },
    {0},
};
/* clang-format on */

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
    if (output->exec) {
        return exec_failure(output->exec, error);
    }
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

static int open_descriptor(struct output *output)
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
    return 0;
}

static int open_stream(struct output *output)
{
    int r = 0;

    if (output->exec) {
        output->file = exec_stream(output->exec);
        r = output->file ? 0 : -ENOMEM;
    } else {
        r = open_descriptor(output);
    }
    if (r < 0) {
        return r;
    }
    if (output->type->wants_detail) {
        output->buffer = malloc(DETAIL_BUFFER_BYTES);
        if (!output->buffer) {
            return -ENOMEM;
        }
        (void)setvbuf(output->file, output->buffer, _IOFBF, DETAIL_BUFFER_BYTES); /* only advice */
    }
    return 0;
}

/* What stands behind the name, from '=' or ':' on, makes sense. */
static int check_rest(const struct output_type *type, const char *rest, const char *argument,
                      struct error *error)
{
    if (type->wants_program) {
        return *rest == ':' ? 0
                            : error_set(error, -EINVAL,
                                        "output %s: name the program behind it, as in %s:PROGRAM",
                                        type->name, type->name);
    }
    if (*rest == ':') {
        return error_set(error, -EINVAL, "output %s: is not written to a program: '%s'", type->name,
                         argument);
    }
    if (*rest && !type->wants_file) {
        return error_set(error, -EINVAL, "output %s: is not written to a file: '%s'", type->name,
                         argument);
    }
    if (*rest && rest[1] == '\0') {
        return error_set(error, -EINVAL, "output %s: the name of the file is missing behind '='",
                         type->name);
    }
    return 0;
}

static int set_path(struct output *output, const char *rest)
{
    const char *path = *rest ? rest + 1 : NULL;

    if (!path && output->type->wants_file && output->options) {
        path = *(char *const *)((const char *)output->options + output->type->filename);
    }
    if (!path || strcmp(path, "-") == 0) {
        return 0;
    }
    output->path = strdup(path);
    return output->path ? 0 : -ENOMEM;
}

int output_open(struct output **ret, const char *argument, const struct output_options *options,
                struct error *error)
{
    size_t name_size = strcspn(argument, "=:");
    const char *rest = argument + name_size;
    const struct output_type *type;

    int r = find_type(argument, name_size, &type, error);
    if (r == 0) {
        r = check_rest(type, rest, argument, error);
    }
    if (r < 0) {
        return r;
    }
    _cleanup_(output_freep) struct output *output = calloc(1, sizeof *output);
    if (!output) {
        return error_set_errno(error, -ENOMEM, "output %s", type->name);
    }
    output->type = type;
    output->options = options;
    if (type->wants_program) {
        r = exec_start(&output->exec, rest + 1,
                       options ? options->exec_timeout_usec : OUTPUT_EXEC_TIMEOUT_USEC, error);
        if (r < 0) {
            return r;
        }
    } else if (set_path(output, rest) < 0) {
        return error_set_errno(error, -ENOMEM, "output %s", type->name);
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

bool output_writes_to_stdout(const struct output *output)
{
    return output->file && !output->path && !output->exec;
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

    if (!output->path) { /* or it is a program's pipe */
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

int output_takes_detail(struct output *output, bool *ret, struct error *error)
{
    *ret = true;
    if (output->broken || !output->exec) {
        return 0;
    }
    int r = exec_takes_more(output->exec, ret);
    return r < 0 ? settle(output, exec_failure(output->exec, error)) : 0;
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
    if (output->broken) {
        return 0;
    }
    if (r < 0) {
        return settle(output, failed(output, r, error));
    }
    return output->exec ? settle(output, exec_end(output->exec, error)) : 0;
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
        exec_free(output->exec);
        free(output->buffer);
        free(output->path);
        if (output->type->release) {
            output->type->release(output->data);
        } else {
            free(output->data);
        }
        free(output);
    }
    return NULL;
}
