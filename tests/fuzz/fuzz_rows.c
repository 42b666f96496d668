/* SPDX-License-Identifier: MPL-2.0 */
/* Files of rows: the first byte says which kind. Whatever a file that is accepted has in it, each
 * of its rows can be read, as many values as there are columns, and CSV that is written from them
 * is read as the same. */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/csv.h"
#include "fuzz.h"
#include "run/data_file.h"

#define MAX_ROWS 200 /* that are looked into */

/* Memory of one row. */
struct memory {
    void *pieces[4000];
    size_t count;
};

static void *allocate(void *context, size_t size)
{
    struct memory *memory = context;

    if (memory->count == ELEMENTSOF(memory->pieces)) {
        return NULL;
    }
    void *piece = malloc(size); /* exactly so much */
    assert(piece);
    memory->pieces[memory->count++] = piece;
    return piece;
}

static void forget(struct memory *memory)
{
    while (memory->count > 0) {
        free(memory->pieces[--memory->count]);
    }
}

/* Values in quotes, with commas between. */
static void check_written(const struct data_row *row)
{
    size_t room = 1;
    for (size_t i = 0; i < row->count; i++) {
        room += 2 * strlen(row->values[i]) + 3;
    }
    _cleanup_free_ char *written = malloc(room);
    _cleanup_free_ char **values = calloc(row->count + 1, sizeof *values);
    assert(written && values);
    char *at = written;
    for (size_t i = 0; i < row->count; i++) {
        *at++ = '"';
        for (const char *c = row->values[i]; *c; c++) {
            if (*c == '"') {
                *at++ = '"';
            }
            *at++ = *c;
        }
        *at++ = '"';
        *at++ = ',';
    }
    at[-1] = '\n';
    int n = csv_split(written, (size_t)(at - written), ',', values, row->count);
    assert(n == (int)row->count);
    for (size_t i = 0; i < row->count; i++) {
        assert(strcmp(values[i], row->values[i]) == 0);
    }
}

static void check_row(const struct data_file *file, uint64_t number, bool json)
{
    struct memory memory = {.count = 0};
    struct data_row row;
    struct error error;

    int r = data_file_read(file, number, allocate, &memory, &row, &error);
    assert(r == 0 || (json && (r == -EBADMSG || r == -ENOMEM)));
    assert(data_file_line(file, number) >= number + 1);
    if (r < 0) {
        check_error(r, &error);
    } else {
        assert(row.number == number && row.text && strlen(row.text) <= DATA_FILE_MAX_ROW_BYTES);
        assert(json || row.count >= 1);
        for (size_t i = 0; i < row.count; i++) {
            assert(row.names[i] && row.values[i]);
        }
        if (!json) {
            check_written(&row);
        }
    }
    forget(&memory);
}

/* A path of that ending to the bytes. */
static int make_file(const uint8_t *data, size_t size, bool json, char path[static 64])
{
    int fd = memfd_create("rows", MFD_CLOEXEC);

    assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    (void)snprintf(path, 64, "/proc/self/fd/%d", fd);
    if (json) { /* by a link, since the name tells */
        char target[64];
        (void)snprintf(target, sizeof target, "%s", path);
        (void)snprintf(path, 64, "/tmp/fuzz-rows-%d.jsonl", (int)getpid());
        (void)unlink(path); /* of a process that was killed */
        assert(symlink(target, path) == 0);
    }
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(data_file_freep) struct data_file *file = NULL;
    struct error error;
    char path[64];

    if (size == 0) {
        return 0;
    }
    bool json = data[0] == 'j';
    int fd = make_file(data + 1, size - 1, json, path);
    int r = data_file_open(&file, path, data[0] == ';' ? ';' : ',', NULL, NULL, &error);
    if (json) {
        assert(unlink(path) == 0);
    }
    if (r < 0) {
        assert(r == -EBADMSG && !file);
        check_error(r, &error);
    } else {
        assert(data_file_count(file) >= 1 && data_file_count(file) <= size);
        for (uint64_t i = 0; i < MIN(data_file_count(file), (uint64_t)MAX_ROWS); i++) {
            check_row(file, i, json);
        }
    }
    (void)close(fd); /* nothing to lose */
    return 0;
}
