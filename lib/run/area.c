/* SPDX-License-Identifier: MPL-2.0 */
/* The files that processes of one run share. They are sparse: address space is taken for the
 * largest tally there can be, storage only for what is used, and always by posix_fallocate() before
 * it is touched, so that a full disk is an error message and not a SIGBUS. */
#include "run/area.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define AREA_MAGIC  UINT64_C(0x3161657261736c)
#define FIRST_PAGES 256u /* of the pool of a buffer: 512 KiB */
#define RING_BYTES  ((size_t)4 << 20)
#define PAGE_BYTES  ((size_t)4096)

/* A page behind the tally, which comes first so that it can reach all else in the same mapping.
 * Written by the supervisor before the worker exists. */
struct area_header {
    uint64_t magic;
    uint32_t n_users;
    uint32_t detail;
    uint64_t turned_usec; /* the worker's */
};

static size_t round_up(size_t size)
{
    return (size + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

static size_t users_bytes(uint32_t n_users)
{
    return round_up((size_t)n_users * sizeof(uint64_t));
}

static size_t ring_bytes(bool detail)
{
    return detail ? round_up(detail_ring_size_bytes(RING_BYTES)) : 0;
}

static int back(int fd, size_t offset, size_t size, struct error *error)
{
    int r;

    do { /* a signal can cut it short */
        r = -posix_fallocate(fd, (off_t)offset, (off_t)size);
    } while (r == -EINTR);
    return r == 0 ? 0
                  : error_set_errno(error, r,
                                    "no room for %zu KiB in the run's directory (set TMPDIR or "
                                    "XDG_RUNTIME_DIR to a larger one)",
                                    size / 1024);
}

static uint8_t *map(int fd, size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static struct area_header *header_of(const struct area *area)
{
    return (struct area_header *)(area->memory + area->header_offset_bytes);
}

static uint64_t *users_of(const struct area *area)
{
    return (uint64_t *)(area->memory + area->header_offset_bytes + PAGE_BYTES);
}

static void *ring_of(const struct area *area)
{
    return area->memory + area->header_offset_bytes + PAGE_BYTES + users_bytes(area->n_users);
}

/* Fills in where everything lies. */
static void lay_out(struct area *area, uint32_t n_users, bool detail)
{
    tally_layout(&area->layout);
    area->n_users = n_users;
    area->header_offset_bytes = round_up(area->layout.size_bytes);
    area->size_bytes =
        area->header_offset_bytes + PAGE_BYTES + users_bytes(n_users) + ring_bytes(detail);
}

static size_t pages_bytes(const struct area *area, unsigned pages)
{
    return (size_t)pages * area->layout.page_bytes;
}

static int back_pools(struct area *area, unsigned from, unsigned to, struct error *error)
{
    for (int b = 0; b < 2; b++) {
        int r = back(area->fd, area->layout.pool_offset_bytes[b] + pages_bytes(area, from),
                     pages_bytes(area, to - from), error);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int area_create(struct area **ret, const char *path, uint32_t n_users, bool detail,
                struct error *error)
{
    _cleanup_(area_freep) struct area *area = calloc(1, sizeof *area);
    if (!area) {
        return error_set_errno(error, -ENOMEM, "cannot make %s", path);
    }
    lay_out(area, n_users, detail);
    area->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (area->fd < 0 || ftruncate(area->fd, (off_t)area->size_bytes) < 0) {
        return error_set_errno(error, -errno, "cannot make %s", path);
    }
    int r = back(area->fd, 0, area->layout.head_bytes, error);
    if (r == 0) {
        r = back(area->fd, area->header_offset_bytes, area->size_bytes - area->header_offset_bytes,
                 error);
    }
    if (r == 0) {
        r = back_pools(area, 0, FIRST_PAGES, error);
    }
    if (r < 0) {
        return r;
    }
    area->memory = map(area->fd, area->size_bytes);
    if (!area->memory) {
        return error_set_errno(error, -errno, "cannot map %s", path);
    }
    *header_of(area) =
        (struct area_header){.magic = AREA_MAGIC, .n_users = n_users, .detail = detail};
    area->users = users_of(area);
    area->turned_usec = &header_of(area)->turned_usec;
    *ret = TAKE_PTR(area);
    return 0;
}

int area_open(struct area **ret, const char *path, struct error *error)
{
    _cleanup_(area_freep) struct area *area = calloc(1, sizeof *area);
    struct area_header header;
    struct stat status;

    if (!area) {
        return error_set_errno(error, -ENOMEM, "cannot open %s", path);
    }
    /* A process that a test forks may write to all that it inherited: with O_APPEND that ends up
     * behind what is mapped. */
    area->fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
    if (area->fd < 0 || fstat(area->fd, &status) < 0) {
        return error_set_errno(error, -errno, "cannot open %s", path);
    }
    tally_layout(&area->layout);
    if (pread(area->fd, &header, sizeof header, (off_t)round_up(area->layout.size_bytes)) !=
            sizeof header ||
        header.magic != AREA_MAGIC) {
        return error_set(error, -EINVAL, "%s is not the file of a worker", path);
    }
    lay_out(area, header.n_users, header.detail);
    if ((uint64_t)status.st_size != area->size_bytes) {
        return error_set(error, -EINVAL, "%s has another version's size", path);
    }
    area->memory = map(area->fd, area->size_bytes);
    if (!area->memory) {
        return error_set_errno(error, -errno, "cannot map %s", path);
    }
    area->users = users_of(area);
    area->turned_usec = &header_of(area)->turned_usec;
    int r = tally_new(&area->tally, area->memory, area->size_bytes, FIRST_PAGES);
    if (r == 0 && header.detail) {
        r = detail_ring_new(&area->ring, ring_of(area), RING_BYTES);
    }
    if (r < 0) {
        return error_set_errno(error, r, "cannot use %s", path);
    }
    *ret = TAKE_PTR(area);
    return 0;
}

int area_attach(struct area *area)
{
    size_t with_ring =
        area->header_offset_bytes + PAGE_BYTES + users_bytes(area->n_users) + ring_bytes(true);

    int r = area->tally ? 0 : tally_attach(&area->tally, area->memory, area->size_bytes);
    if (r == 0 && area->size_bytes == with_ring && !area->ring) {
        r = detail_ring_attach(&area->ring, ring_of(area), detail_ring_size_bytes(RING_BYTES));
    }
    return r;
}

int area_make_room(struct area *area, struct error *error)
{
    if (!tally_pages_wanted(area->tally)) {
        return 0;
    }
    unsigned from = tally_pages(area->tally);
    unsigned to = MIN(from * 2, area->layout.max_pages);
    int r = back_pools(area, from, to, error);
    if (r == 0) {
        tally_pages_backed(area->tally, to);
    }
    return r;
}

struct area *area_free(struct area *area)
{
    if (area) {
        tally_free(area->tally);
        detail_ring_free(area->ring);
        if (area->memory) {
            (void)munmap(area->memory, area->size_bytes); /* our own mapping: can't fail */
        }
        close_fd(area->fd);
        free(area);
    }
    return NULL;
}

static int names_file_map(struct names_file *file, int fd, struct error *error)
{
    file->size_bytes = names_size_bytes();
    file->memory = map(fd, file->size_bytes);
    return file->memory ? 0 : error_set_errno(error, -errno, "cannot map the run's names");
}

int names_file_create(struct names_file **ret, const char *path, struct error *error)
{
    _cleanup_(names_file_freep) struct names_file *file = calloc(1, sizeof *file);
    _cleanup_fd_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 || !file) {
        return error_set_errno(error, fd < 0 ? -errno : -ENOMEM, "cannot make %s", path);
    }
    int r = back(fd, 0, names_size_bytes(), error);
    if (r < 0) {
        return r;
    }
    r = names_file_map(file, fd, error);
    if (r < 0) {
        return r;
    }
    r = names_new(&file->names, file->memory, file->size_bytes);
    if (r < 0) {
        return error_set_errno(error, r, "cannot format %s", path);
    }
    *ret = TAKE_PTR(file);
    return 0;
}

int names_file_open(struct names_file **ret, const char *path, struct error *error)
{
    _cleanup_(names_file_freep) struct names_file *file = calloc(1, sizeof *file);
    _cleanup_fd_ int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat status;

    if (fd < 0 || !file || fstat(fd, &status) < 0) {
        return error_set_errno(error, file ? -errno : -ENOMEM, "cannot open %s", path);
    }
    if ((uint64_t)status.st_size != names_size_bytes()) {
        return error_set(error, -EINVAL, "%s has another version's size", path);
    }
    int r = names_file_map(file, fd, error);
    if (r < 0) {
        return r;
    }
    r = names_attach(&file->names, file->memory, file->size_bytes);
    if (r < 0) {
        return error_set_errno(error, r, "cannot use %s", path);
    }
    *ret = TAKE_PTR(file);
    return 0;
}

struct names_file *names_file_free(struct names_file *file)
{
    if (file) {
        names_free(file->names);
        if (file->memory) {
            (void)munmap(file->memory, file->size_bytes); /* our own mapping: can't fail */
        }
        free(file);
    }
    return NULL;
}
