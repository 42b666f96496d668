/* SPDX-License-Identifier: MPL-2.0 */
/* Archives that others send: whatever is in them, nothing is made outside of the directory they are
 * unpacked into, and no more than the limit in it. */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "run/archive.h"

#define LIMIT ((uint64_t)1 << 16)

static uint64_t found_bytes;
static unsigned found_outside;

static int visit(const char *path, const struct stat *status, int type, struct FTW *position)
{
    (void)position;
    if (type == FTW_F && S_ISREG(status->st_mode)) {
        found_bytes += (uint64_t)status->st_size;
        assert((status->st_mode & 07000) == 0);
    }
    if (type == FTW_SL) {
        char target[4096];
        ssize_t n = readlink(path, target, sizeof target - 1);
        assert(n > 0);
        target[n] = '\0';
        assert(target[0] != '/' && strcmp(target, "..") != 0 && strncmp(target, "../", 3) != 0);
    }
    return remove(path);
}

static int count_outside(const char *path, const struct stat *status, int type,
                         struct FTW *position)
{
    (void)path;
    (void)status;
    (void)type;
    found_outside += position->level > 0 ? 1 : 0;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char parent[] = "/tmp/loads-fuzz-XXXXXX", inside[sizeof parent + 4];
    struct error error = {0};

    assert(mkdtemp(parent));
    (void)snprintf(inside, sizeof inside, "%s/in", parent);
    assert(mkdir(inside, 0700) == 0);
    int r = archive_extract_bytes(data, size, inside, LIMIT, &error);
    assert(r == 0 || (r == -EBADMSG && error.text[0]) || (r == -E2BIG && error.text[0]));
    found_bytes = 0;
    found_outside = 0;
    assert(nftw(inside, visit, 16, FTW_DEPTH | FTW_PHYS) == 0);
    assert(found_bytes <= LIMIT);
    assert(nftw(parent, count_outside, 16, FTW_PHYS) == 0 && found_outside == 0);
    assert(rmdir(parent) == 0);
    return 0;
}
