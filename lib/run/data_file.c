/* SPDX-License-Identifier: MPL-2.0 */
/* The file isn't mapped: one that somebody shortens meanwhile would take the process with it. What
 * is read again and again is in the kernel's cache anyway.
 *
 * Lines of rows are for messages alone. Only that of every LINE_STEPth row is kept, the rest is
 * counted when it is needed. */
#include "run/data_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/csv.h"
#include "wire/json_row.h"

#define PIECE_BYTES ((size_t)256 << 10)
#define LINE_STEP   1024
#define BOM         "\xEF\xBB\xBF"

struct data_file {
    int fd;
    char *path;
    bool json;
    char separator;
    uint64_t size_bytes;
    uint64_t *offsets; /* of rows */
    uint64_t *lines;   /* before every LINE_STEPth */
    size_t count, room;
    char *header; /* CSV: the bytes that `names` are in */
    char **names;
    size_t columns;
};

/* ---- looking through ---- */

static int add_row(struct data_file *file, uint64_t offset, uint64_t lines, struct error *error)
{
    if (file->count == file->room) {
        size_t room = file->room > 0 ? 2 * file->room : LINE_STEP;
        uint64_t *offsets = realloc(file->offsets, room * sizeof *offsets);
        if (offsets) {
            file->offsets = offsets;
        }
        uint64_t *steps = realloc(file->lines, room / LINE_STEP * sizeof *steps);
        if (steps) {
            file->lines = steps;
        }
        if (!offsets || !steps) {
            return error_set_errno(error, -ENOMEM, "%zu rows", file->count);
        }
        file->room = room;
    }
    if (file->count % LINE_STEP == 0) {
        file->lines[file->count / LINE_STEP] = lines;
    }
    file->offsets[file->count++] = offset;
    return 0;
}

static int too_long(uint64_t lines, struct error *error)
{
    return error_set(error, -EBADMSG,
                     "line %" PRIu64 ": a row of more than %d bytes begins there (is a quote not "
                     "closed?)",
                     lines + 1, DATA_FILE_MAX_ROW_BYTES);
}

static int on_csv_row(const struct csv_scan *scan, void *context, struct error *error)
{
    struct data_file *file = context;

    if (scan->offset - scan->row_offset > DATA_FILE_MAX_ROW_BYTES) {
        return too_long(scan->row_lines, error);
    }
    if (file->columns == 0) {
        if (scan->values > DATA_FILE_MAX_COLUMNS) {
            return error_set(error, -EBADMSG, "line %" PRIu64 ": %zu columns, of %d at most",
                             scan->row_lines + 1, scan->values, DATA_FILE_MAX_COLUMNS);
        }
        file->columns = scan->values;
    } else if (scan->values != file->columns) {
        return error_set(
            error, -EBADMSG, "line %" PRIu64 ": %zu value%s, but there %s %zu column%s",
            scan->row_lines + 1, scan->values, scan->values == 1 ? "" : "s",
            file->columns == 1 ? "is" : "are", file->columns, file->columns == 1 ? "" : "s");
    }
    return add_row(file, scan->row_offset, scan->row_lines, error);
}

/* Lines of JSON, as they come in pieces. */
struct line_scan {
    uint64_t offset, line_offset, lines;
    bool blank; /* nothing but blanks so far */
};

static int json_line_over(struct data_file *file, struct line_scan *scan, struct error *error)
{
    int r = 0;

    if (!scan->blank) {
        r = scan->offset - scan->line_offset > DATA_FILE_MAX_ROW_BYTES
                ? error_set(error, -EBADMSG, "line %" PRIu64 ": is longer than %d bytes",
                            scan->lines + 1, DATA_FILE_MAX_ROW_BYTES)
                : add_row(file, scan->line_offset, scan->lines, error);
    }
    scan->lines++;
    return r;
}

static int scan_json(struct data_file *file, struct line_scan *scan, const char *bytes, size_t size,
                     struct error *error)
{
    while (size > 0) {
        const char *end = memchr(bytes, '\n', size);
        size_t length = end ? (size_t)(end - bytes) : size, n = end ? length + 1 : length;
        for (size_t i = 0; scan->blank && i < length; i++) {
            scan->blank = bytes[i] == ' ' || bytes[i] == '\t' || bytes[i] == '\r';
        }
        scan->offset += length;
        if (end) {
            int r = json_line_over(file, scan, error);
            if (r < 0) {
                return r;
            }
            scan->offset++;
            scan->line_offset = scan->offset;
            scan->blank = true;
        }
        bytes += n;
        size -= n;
    }
    return 0;
}

static ssize_t read_at(const struct data_file *file, char *bytes, size_t size, uint64_t offset)
{
    ssize_t n;

    do {
        n = pread(file->fd, bytes, size, (off_t)offset);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static int look_through(struct data_file *file, void (*turn)(void *context), void *context,
                        struct error *error)
{
    _cleanup_free_ char *piece = malloc(PIECE_BYTES);
    if (!piece) {
        return error_set_errno(error, -ENOMEM, "cannot read it");
    }
    ssize_t n = read_at(file, piece, sizeof BOM - 1, 0);
    uint64_t begin =
        n == sizeof BOM - 1 && memcmp(piece, BOM, sizeof BOM - 1) == 0 ? sizeof BOM - 1 : 0;
    struct csv_scan csv = {
        .separator = file->separator, .offset = begin, .found = on_csv_row, .context = file};
    struct line_scan lines = {.offset = begin, .line_offset = begin, .blank = true};
    int r = 0;

    for (uint64_t at = begin; r == 0; at += (uint64_t)n) {
        n = read_at(file, piece, PIECE_BYTES, at);
        if (n <= 0) {
            file->size_bytes = at;
            break;
        }
        r = file->json ? scan_json(file, &lines, piece, (size_t)n, error)
                       : csv_scan_bytes(&csv, piece, (size_t)n, error);
        if (r == 0 && !file->json && csv.state != CSV_ROW &&
            csv.offset - csv.row_offset > DATA_FILE_MAX_ROW_BYTES) {
            r = too_long(csv.row_lines, error);
        }
        if (turn) {
            turn(context);
        }
    }
    if (r == 0 && n < 0) {
        return error_set_errno(error, (int)n, "cannot read it");
    }
    if (r == 0) {
        r = file->json ? json_line_over(file, &lines, error) : csv_scan_end(&csv, error);
    }
    return r;
}

/* ---- the header ---- */

static void *allocate_here(void *context _unused_, size_t size)
{
    return malloc(size);
}

static int no_names(struct error *error)
{
    return error_set(error, -EBADMSG,
                     "is empty; a first line with the names of the columns is expected");
}

static int check_names(const struct data_file *file, struct error *error)
{
    for (size_t i = 0; i < file->columns; i++) {
        for (size_t j = 0; j < i; j++) {
            if (file->names[i][0] && strcmp(file->names[i], file->names[j]) == 0) {
                return error_set(error, -EBADMSG,
                                 "line %" PRIu64 ": two columns are called '%.100s'",
                                 file->lines[0] + 1, file->names[i]);
            }
        }
    }
    return 0;
}

/* The bytes from a row's offset on that it surely fits in, with room for a NUL. */
static int read_row(const struct data_file *file, uint64_t number,
                    void *(*allocate)(void *context, size_t size), void *context, char **ret,
                    size_t *ret_size)
{
    uint64_t offset = file->offsets[number];
    uint64_t end = number + 1 < file->count ? file->offsets[number + 1] : file->size_bytes;
    size_t size = (size_t)MIN(end - offset, (uint64_t)DATA_FILE_MAX_ROW_BYTES + 2);
    char *bytes = allocate(context, size + 1);

    if (!bytes) {
        return -ENOMEM;
    }
    ssize_t n = read_at(file, bytes, size, offset);
    if (n != (ssize_t)size) {
        return n < 0 ? (int)n : -EBADMSG;
    }
    bytes[size] = '\0';
    *ret = bytes;
    *ret_size = size;
    return 0;
}

/* The first row is no row, but the names. */
static int take_header(struct data_file *file, struct error *error)
{
    size_t size = 0;

    if (file->count == 0) {
        return no_names(error);
    }
    file->names = calloc(file->columns, sizeof *file->names);
    int r = file->names ? read_row(file, 0, allocate_here, NULL, &file->header, &size) : -ENOMEM;
    if (r == 0 && csv_split(file->header, size, file->separator, file->names, file->columns) !=
                      (int)file->columns) {
        r = -EBADMSG;
    }
    return r < 0 ? error_set_errno(error, r, "cannot read it") : check_names(file, error);
}

/* ---- opening ---- */

static bool is_json(const char *path)
{
    static const char *const endings[] = {".json", ".jsonl", ".ndjson"};
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot && i < ELEMENTSOF(endings); i++) {
        if (strcasecmp(dot, endings[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int missing(const char *path, int code, struct error *error)
{
    _cleanup_free_ char *here = getcwd(NULL, 0);

    if (code == -ENOENT && path[0] != '/' && here) {
        return error_set(error, code,
                         "%s: it isn't there, in the test's directory %s (--include-file takes "
                         "files there)",
                         path, here);
    }
    return error_set_errno(error, code, "%s: cannot read it", path);
}

int data_file_open(struct data_file **ret, const char *path, char separator,
                   void (*turn)(void *context), void *context, struct error *error)
{
    _cleanup_(data_file_freep) struct data_file *file = calloc(1, sizeof *file);
    struct stat status;

    if (!file) {
        return error_set_errno(error, -ENOMEM, "%s", path);
    }
    file->fd =
        open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* of a FIFO, too: it isn't waited for */
    if (file->fd < 0 || fstat(file->fd, &status) < 0) {
        return missing(path, -errno, error);
    }
    if (!S_ISREG(status.st_mode)) {
        return error_set(error, -EINVAL, "%s: it is no regular file", path);
    }
    file->path = strdup(path);
    file->json = is_json(path);
    file->separator = separator;
    int r = file->path ? look_through(file, turn, context, error) : -ENOMEM;
    if (r == 0 && !file->json) {
        r = take_header(file, error);
    }
    if (r < 0) {
        return file->path ? error_prefix(error, r, "%s", path)
                          : error_set_errno(error, r, "%s", path);
    }
    if (data_file_count(file) == 0) {
        return error_set(error, -EBADMSG, "%s: there are no rows in it", path);
    }
    *ret = TAKE_PTR(file);
    return 0;
}

struct data_file *data_file_free(struct data_file *file)
{
    if (file) {
        close_fd(file->fd);
        free(file->path);
        free(file->offsets);
        free(file->lines);
        free(file->header);
        free(file->names);
        free(file);
    }
    return NULL;
}

/* ---- rows ---- */

/* What stands before the rows proper. */
static size_t header_rows(const struct data_file *file)
{
    return file->json ? 0 : 1;
}

uint64_t data_file_count(const struct data_file *file)
{
    return file->count - MIN(file->count, header_rows(file));
}

uint64_t data_file_line(const struct data_file *file, uint64_t number)
{
    uint64_t index = number + header_rows(file), step = index / LINE_STEP;
    uint64_t at = file->offsets[step * LINE_STEP], line = file->lines[step] + 1;
    char bytes[1024];

    while (at < file->offsets[index]) {
        ssize_t n = read_at(file, bytes, MIN(sizeof bytes, file->offsets[index] - at), at);
        for (ssize_t i = 0; i < n; i++) {
            line += bytes[i] == '\n' ? 1 : 0;
        }
        if (n <= 0) {
            break; /* it was shortened: it is about there */
        }
        at += (uint64_t)n;
    }
    return line;
}

/* Behind the last byte of a row that isn't part of a line end. */
static size_t without_line_ends(const char *bytes, size_t size)
{
    while (size > 0 && (bytes[size - 1] == '\r' || bytes[size - 1] == '\n')) {
        size--;
    }
    return size;
}

static int read_csv(const struct data_file *file, char *bytes, size_t size,
                    void *(*allocate)(void *context, size_t size), void *context,
                    struct data_row *row)
{
    char *text = allocate(context, size + 1);
    char **values = allocate(context, file->columns * sizeof *values);

    if (!text || !values) {
        return -ENOMEM;
    }
    memcpy(text, bytes, size);
    text[without_line_ends(text, size)] = '\0';
    if (csv_split(bytes, size, file->separator, values, file->columns) != (int)file->columns) {
        return -EBADMSG;
    }
    row->text = text;
    row->count = file->columns;
    row->names = (const char *const *)file->names;
    row->values = (const char *const *)values;
    return 0;
}

static int read_json(const struct data_file *file, uint64_t number, char *bytes, size_t size,
                     void *(*allocate)(void *context, size_t size), void *context,
                     struct data_row *ret, struct error *error)
{
    struct json_row row;

    const char *end = memchr(bytes, '\n', size); /* blank lines may follow */
    size = without_line_ends(bytes, end ? (size_t)(end - bytes) : size);
    bytes[size] = '\0';
    int r = json_row_read(bytes, size, allocate, context, &row, error);
    if (r < 0) {
        return error_prefix(error, r, "%s: line %" PRIu64, file->path,
                            data_file_line(file, number));
    }
    ret->text = bytes;
    ret->count = row.count;
    ret->names = row.names;
    ret->values = row.values;
    return 0;
}

int data_file_read(const struct data_file *file, uint64_t number,
                   void *(*allocate)(void *context, size_t size), void *context,
                   struct data_row *ret, struct error *error)
{
    struct data_row row = {.number = number};
    char *bytes = NULL;
    size_t size = 0;

    int r = read_row(file, number + header_rows(file), allocate, context, &bytes, &size);
    if (r == 0 && file->json) {
        r = read_json(file, number, bytes, size, allocate, context, &row, error);
        if (r < 0) {
            return r;
        }
    } else if (r == 0) {
        r = read_csv(file, bytes, size, allocate, context, &row);
    }
    if (r == -EBADMSG) {
        return error_set(error, r, "%s: it was changed while it was in use", file->path);
    }
    if (r < 0) {
        return error_set_errno(error, r, "%s: cannot read it", file->path);
    }
    *ret = row;
    return 0;
}
