/* SPDX-License-Identifier: MPL-2.0 */
/* libarchive reads, writes and, asked to, refuses what leads out of a directory; the limits and
 * what kinds of entries there may be are ours. It writes relative to the working directory, and
 * takes names in the encoding of the locale, which is made UTF-8 meanwhile. */
#include "run/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK_BYTES ((size_t)64 << 10)
#define EXTRACT_FLAGS                                                                              \
    (ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_SECURE_NODOTDOT |                           \
     ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS | ARCHIVE_EXTRACT_UNLINK | ARCHIVE_EXTRACT_PERM)

static void free_readerp(struct archive **archive)
{
    if (*archive) {
        (void)archive_read_free(*archive); /* nothing to be done about it */
    }
}

static void free_writerp(struct archive **archive)
{
    if (*archive) {
        (void)archive_write_free(*archive); /* as above: what matters was asked at the close */
    }
}

static void free_entryp(struct archive_entry **entry)
{
    archive_entry_free(*entry);
}

static int fail(struct archive *archive, const char *what, struct error *error)
{
    int number = archive_errno(archive);
    const char *words = archive_error_string(archive);

    return error_set(error, number == ENOMEM ? -ENOMEM : -EBADMSG, "%s: %s", what,
                     words ? words : "something is wrong with it");
}

/* ---- making ---------------------------------------------------------------------------------- */

struct bytes {
    uint8_t *data;
    size_t size, room, max;
    int result; /* -errno: nothing more is taken */
};

static int make_room(struct bytes *bytes, size_t size)
{
    if (size > bytes->max - bytes->size) {
        return -E2BIG;
    }
    if (bytes->size + size > bytes->room) {
        size_t room = MIN(bytes->max, MAX(2 * bytes->room, bytes->size + size));
        uint8_t *grown = realloc(bytes->data, room);
        if (!grown) {
            return -ENOMEM;
        }
        bytes->data = grown;
        bytes->room = room;
    }
    return 0;
}

/* libarchive's way of writing to a growing buffer. It loses its compressor's memory when a write
 * fails, so none does: what comes after an error goes nowhere. */
static la_ssize_t on_write(struct archive *archive _unused_, void *context, const void *data,
                           size_t size)
{
    struct bytes *bytes = context;

    bytes->result = bytes->result < 0 ? bytes->result : make_room(bytes, size);
    if (bytes->result < 0) {
        return (la_ssize_t)size;
    }
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    return (la_ssize_t)size;
}

/* Exactly as many bytes as were announced: a file that has grown is cut, one that was cut is an
 * error. */
static int write_content(struct archive *archive, int fd, const struct file_list_item *item,
                         struct error *error)
{
    char block[BLOCK_BYTES];
    off_t left = item->size_bytes;

    while (left > 0) {
        ssize_t n = read(fd, block, (size_t)MIN(left, (off_t)sizeof block));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return error_set(error, n < 0 ? -errno : -EIO, "cannot read %s: %s", item->path,
                             n < 0 ? strerror(errno) : "it has become shorter");
        }
        if (archive_write_data(archive, block, (size_t)n) < 0) {
            return fail(archive, item->path, error);
        }
        left -= n;
    }
    return 0;
}

static int write_item(struct archive *archive, const struct file_list_item *item,
                      struct error *error)
{
    _cleanup_(free_entryp) struct archive_entry *entry = archive_entry_new();
    _cleanup_fd_ int fd = open(item->path, O_RDONLY | O_CLOEXEC);

    if (!entry) {
        return error_set_errno(error, -ENOMEM, "cannot pack %s", item->path);
    }
    if (fd < 0) {
        return error_set_errno(error, -errno, "cannot read %s", item->path);
    }
    archive_entry_set_pathname(entry, item->name);
    archive_entry_set_filetype(entry, S_IFREG);
    archive_entry_set_perm(entry, item->mode);
    archive_entry_set_size(entry, item->size_bytes);
    if (archive_write_header(archive, entry) != ARCHIVE_OK) {
        return fail(archive, item->path, error);
    }
    return write_content(archive, fd, item, error);
}

static int write_all(struct archive *archive, const struct file_list *list, struct bytes *bytes,
                     struct error *error)
{
    int r = 0;

    if (archive_write_set_format_pax_restricted(archive) != ARCHIVE_OK ||
        archive_write_add_filter_gzip(archive) != ARCHIVE_OK ||
        archive_write_open(archive, bytes, NULL, on_write, NULL) != ARCHIVE_OK) {
        return fail(archive, "cannot pack the test's files", error);
    }
    for (size_t i = 0; r == 0 && bytes->result == 0 && i < list->count; i++) {
        r = write_item(archive, &list->items[i], error);
    }
    if (r == 0 && archive_write_close(archive) != ARCHIVE_OK) {
        r = fail(archive, "cannot pack the test's files", error);
    }
    return r;
}

/* Names are bytes here and UTF-8 there. */
static locale_t enter_utf8(locale_t *ret_before)
{
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);

    *ret_before = utf8 ? uselocale(utf8) : (locale_t)0;
    return utf8; /* without it names that are no ASCII are refused */
}

static void leave_utf8(locale_t utf8, locale_t before)
{
    if (utf8) {
        (void)uselocale(before); /* it was in use: it can't fail */
        freelocale(utf8);
    }
}

/* What no agent would unpack isn't packed. */
static int check_size(const struct file_list *list, struct error *error)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < list->count; i++) {
        sum += (uint64_t)list->items[i].size_bytes;
        if (sum > ARCHIVE_MAX_UNPACKED) {
            return error_set(error, -E2BIG,
                             "the test's files are too large: they have more than %ju MiB",
                             (uintmax_t)(ARCHIVE_MAX_UNPACKED >> 20));
        }
    }
    return 0;
}

int archive_make(const struct file_list *list, size_t max_bytes, uint8_t **ret, size_t *ret_size,
                 struct error *error)
{
    struct bytes bytes = {.max = max_bytes};
    _cleanup_(free_writerp) struct archive *archive = archive_write_new();
    locale_t before, utf8;

    if (!archive) {
        return error_set_errno(error, -ENOMEM, "cannot pack the test's files");
    }
    int r = check_size(list, error);
    if (r < 0) {
        return r;
    }
    utf8 = enter_utf8(&before);
    r = write_all(archive, list, &bytes, error);
    leave_utf8(utf8, before);
    if (bytes.result == -E2BIG) {
        r = error_set(error, -E2BIG,
                      "the test's files are too large: packed they take more than %zu MiB",
                      max_bytes >> 20);
    } else if (bytes.result < 0) {
        r = error_set_errno(error, bytes.result, "cannot pack the test's files");
    }
    if (r < 0) {
        bytes.result = r; /* freeing the archive writes its rest */
        free(TAKE_PTR(bytes.data));
        return r;
    }
    *ret = bytes.data;
    *ret_size = bytes.size;
    return 0;
}

/* ---- unpacking ------------------------------------------------------------------------------- */

struct unpacking {
    struct archive *from, *to;
    uint64_t left_bytes, max_bytes;
};

/* A symbolic link may point to what is below its own directory. */
static bool stays_inside(const char *target)
{
    if (target[0] == '\0' || target[0] == '/') {
        return false;
    }
    for (const char *part = target; part; part = strchr(part, '/')) {
        part += *part == '/' ? 1 : 0;
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0')) {
            return false;
        }
    }
    return true;
}

static int check_entry(struct archive_entry *entry, const char *name, struct error *error)
{
    const char *target = archive_entry_symlink(entry);

    if (archive_entry_hardlink(entry)) {
        return error_set(error, -EBADMSG, "%s is a hard link, which is not taken", name);
    }
    switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
    case AE_IFDIR:
        return 0;
    case AE_IFLNK:
        return target && stays_inside(target)
                   ? 0
                   : error_set(error, -EBADMSG, "%s is a link that leads out of the directory",
                               name);
    default:
        return error_set(error, -EBADMSG, "%s is neither a file nor a directory", name);
    }
}

static int refuse_size(const struct unpacking *u, const char *name, struct error *error)
{
    return error_set(error, -E2BIG, "%s is too large: the files may have %ju MiB together", name,
                     (uintmax_t)(u->max_bytes >> 20));
}

static int copy_content(struct unpacking *u, const char *name, struct error *error)
{
    const void *block;
    size_t size;
    la_int64_t offset;
    int r;

    while ((r = archive_read_data_block(u->from, &block, &size, &offset)) == ARCHIVE_OK) {
        /* A hole makes a file as long as bytes would. */
        if (offset < 0 || (uint64_t)offset > u->max_bytes || size > u->left_bytes) {
            return refuse_size(u, name, error);
        }
        u->left_bytes -= size;
        if (archive_write_data_block(u->to, block, size, offset) < ARCHIVE_WARN) {
            return fail(u->to, name, error);
        }
    }
    return r == ARCHIVE_EOF ? 0 : fail(u->from, name, error);
}

static int unpack_entry(struct unpacking *u, struct archive_entry *entry, struct error *error)
{
    const char *name = archive_entry_pathname(entry);

    if (!name || !*name) {
        return error_set(error, -EBADMSG, "an entry of the archive has no name that can be read");
    }
    int r = check_entry(entry, name, error);
    if (r < 0) {
        return r;
    }
    if (archive_entry_size_is_set(entry) && (uint64_t)archive_entry_size(entry) > u->left_bytes) {
        return refuse_size(u, name, error);
    }
    archive_entry_unset_size(entry); /* a file gets as long as what comes for it */
    bool directory = archive_entry_filetype(entry) == AE_IFDIR;
    mode_t needed = directory ? 0700 : 0600;
    archive_entry_set_perm(entry, (archive_entry_perm(entry) & 0777) | needed);
    if (archive_write_header(u->to, entry) < ARCHIVE_WARN) {
        return fail(u->to, name, error);
    }
    if (archive_entry_filetype(entry) == AE_IFREG) {
        r = copy_content(u, name, error);
    }
    if (r == 0 && archive_write_finish_entry(u->to) < ARCHIVE_WARN) {
        r = fail(u->to, name, error);
    }
    return r;
}

static int unpack_all(struct unpacking *u, struct error *error)
{
    struct archive_entry *entry;

    for (unsigned n = 0;; n++) {
        int r = archive_read_next_header(u->from, &entry);
        if (r == ARCHIVE_EOF) {
            return 0;
        }
        if (r < ARCHIVE_WARN) {
            return fail(u->from, "the archive", error);
        }
        if (n == FILE_LIST_MAX) {
            return error_set(error, -E2BIG, "the archive has more than %d entries", FILE_LIST_MAX);
        }
        r = unpack_entry(u, entry, error);
        if (r < 0) {
            return r;
        }
    }
}

static struct archive *new_reader(void)
{
    struct archive *archive = archive_read_new();

    if (archive) { /* each says only that it needs a helper program, which it then does without */
        (void)archive_read_support_format_tar(archive);
        (void)archive_read_support_format_zip(archive);
        (void)archive_read_support_filter_gzip(archive);
        (void)archive_read_support_filter_xz(archive);
        (void)archive_read_support_filter_zstd(archive);
    }
    return archive;
}

/* From a file (a path), or from memory. */
static int extract(const char *path, const void *bytes, size_t size, const char *directory,
                   uint64_t max_unpacked_bytes, struct error *error)
{
    _cleanup_(free_readerp) struct archive *from = new_reader();
    _cleanup_(free_writerp) struct archive *to = archive_write_disk_new();
    _cleanup_fd_ int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct unpacking u = {from, to, max_unpacked_bytes, max_unpacked_bytes};

    if (!from || !to) {
        return error_set_errno(error, -ENOMEM, "cannot unpack the test's files");
    }
    int r = path ? archive_read_open_filename(from, path, BLOCK_BYTES)
                 : archive_read_open_memory(from, bytes, size);
    if (r != ARCHIVE_OK) {
        return fail(from, "the archive of the test's files", error);
    }
    if (archive_write_disk_set_options(to, EXTRACT_FLAGS) != ARCHIVE_OK) {
        return fail(to, "cannot unpack the test's files", error);
    }
    if (here < 0 || chdir(directory) < 0) {
        return error_set_errno(error, -errno, "cannot unpack into %s", directory);
    }
    r = unpack_all(&u, error);
    if (archive_write_close(to) < ARCHIVE_WARN && r == 0) {
        r = fail(to, directory, error);
    }
    if (fchdir(here) < 0 && r == 0) {
        r = error_set_errno(error, -errno, "cannot go back from %s", directory);
    }
    return r;
}

static int extract_as_utf8(const char *path, const void *bytes, size_t size, const char *directory,
                           uint64_t max_unpacked_bytes, struct error *error)
{
    locale_t before, utf8 = enter_utf8(&before);
    int r = extract(path, bytes, size, directory, max_unpacked_bytes, error);

    leave_utf8(utf8, before);
    return r;
}

int archive_extract(const char *path, const char *directory, uint64_t max_unpacked_bytes,
                    struct error *error)
{
    return extract_as_utf8(path, NULL, 0, directory, max_unpacked_bytes, error);
}

int archive_extract_bytes(const void *bytes, size_t size, const char *directory,
                          uint64_t max_unpacked_bytes, struct error *error)
{
    return extract_as_utf8(NULL, bytes, size, directory, max_unpacked_bytes, error);
}
