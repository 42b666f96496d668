/* SPDX-License-Identifier: MPL-2.0 */
/* Archives of ours travel; evil ones, which are made here, do no harm. */
#include "test.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>

#include "run/archive.h"
#include "temporary_dir.h"

#define ROOM ((size_t)1 << 20)

struct entry {
    const char *name;
    unsigned type; /* AE_IFREG, … */
    const char *content, *link;
    mode_t mode;
};

static char packed[ROOM];

/* An archive of some entries, in `packed`; its size. */
static size_t pack(const struct entry *entries, size_t n, bool zip)
{
    struct archive *archive = archive_write_new();
    size_t used = 0;

    assert_int_equal(zip ? archive_write_set_format_zip(archive)
                         : archive_write_set_format_pax(archive),
                     ARCHIVE_OK);
    assert_int_equal(archive_write_open_memory(archive, packed, ROOM, &used), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++) {
        struct archive_entry *entry = archive_entry_new();
        size_t size = entries[i].content ? strlen(entries[i].content) : 0;
        archive_entry_set_pathname(entry, entries[i].name);
        archive_entry_set_filetype(entry, entries[i].type);
        archive_entry_set_perm(entry, entries[i].mode ? entries[i].mode : 0644);
        archive_entry_set_size(entry, (la_int64_t)size);
        if (entries[i].type == AE_IFLNK) {
            archive_entry_set_symlink(entry, entries[i].link);
        } else if (entries[i].link) {
            archive_entry_set_hardlink(entry, entries[i].link);
        }
        assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
        if (size > 0) {
            assert_int_equal(archive_write_data(archive, entries[i].content, size), size);
        }
        archive_entry_free(entry);
    }
    assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
    archive_write_free(archive);
    return used;
}

static int set_up(void **state)
{
    return enter_temporary_dir(state) == 0 && mkdir("in", 0755) == 0 ? 0 : -1;
}

static void test_there_and_back(void **state _unused_)
{
    struct file_list list = {.items = NULL};
    uint8_t *bytes = NULL;
    size_t size;
    struct stat status;

    write_file("example.c", "int main;", 0644);
    write_file("run.sh", "#!/bin/sh", 0755);
    write_file("empty", "", 0444);
    assert_int_equal(file_list_add(&list, "example.c", "path/to/example.c", NULL), 0);
    assert_int_equal(file_list_add(&list, "run.sh", "caf\xc3\xa9.sh", NULL), 0);
    assert_int_equal(file_list_add(&list, "empty", "empty", NULL), 0);
    assert_int_equal(archive_make(&list, ARCHIVE_MAX_BYTES, &bytes, &size, NULL), 0);
    assert_int_equal(archive_extract_bytes(bytes, size, "in", ARCHIVE_MAX_UNPACKED, NULL), 0);
    check_file("in/path/to/example.c", "int main;");
    check_file("in/caf\xc3\xa9.sh", "#!/bin/sh");
    check_file("in/empty", "");
    assert_int_equal(stat("in/caf\xc3\xa9.sh", &status), 0);
    assert_int_equal(status.st_mode & 07777, 0755);
    free(bytes);
    file_list_clear(&list);
}

static void test_from_a_file(void **state _unused_)
{
    static const struct entry entries[] = {{.name = "a/b.py", .type = AE_IFREG, .content = "b"}};

    for (int zip = 0; zip <= 1; zip++) {
        size_t size = pack(entries, 1, zip);
        int fd = open("archive", O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
        assert_int_equal(write(fd, packed, size), size);
        close_fd(fd);
        assert_int_equal(archive_extract("archive", "in", ARCHIVE_MAX_UNPACKED, NULL), 0);
        check_file("in/a/b.py", "b");
        assert_int_equal(remove("in/a/b.py"), 0);
    }
    assert_int_equal(archive_extract("no-such", "in", 1, NULL), -EBADMSG);
    assert_int_equal(archive_extract("archive", "no-such", 1, NULL), -ENOENT);
}

/* Nothing of these gets where it wants to, and what they are is said. */
static void test_evil(void **state _unused_)
{
    static const struct {
        struct entry entries[3];
        size_t n;
        const char *text;
    } rows[] = {
        {{{.name = "../out", .type = AE_IFREG, .content = "x"}}, 1, "'..'"},
        {{{.name = "a/../../out", .type = AE_IFREG, .content = "x"}}, 1, "'..'"},
        {{{.name = "/tmp/loads-test-out", .type = AE_IFREG, .content = "x"}}, 1, "absolute"},
        {{{.name = "link", .type = AE_IFLNK, .link = "/etc/passwd"}}, 1, "leads out"},
        {{{.name = "link", .type = AE_IFLNK, .link = "../out"}}, 1, "leads out"},
        {{{.name = "link", .type = AE_IFLNK, .link = "a/../../out"}}, 1, "leads out"},
        {{{.name = "link", .type = AE_IFLNK, .link = ".."}}, 1, "leads out"},
        {{{.name = "a", .type = AE_IFREG, .content = "x"},
          {.name = "b", .type = AE_IFREG, .link = "a"}},
         2,
         "hard link"},
        {{{.name = "pipe", .type = AE_IFIFO}}, 1, "neither a file nor a directory"},
        {{{.name = "device", .type = AE_IFCHR}}, 1, "neither a file nor a directory"},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        struct error error = {0};
        char directory[32];
        (void)snprintf(directory, sizeof directory, "in/%zu", i);
        assert_int_equal(mkdir(directory, 0755), 0);
        size_t size = pack(rows[i].entries, rows[i].n, false);
        int r = archive_extract_bytes(packed, size, directory, ARCHIVE_MAX_UNPACKED, &error);
        if (r != -EBADMSG || !strstr(error.text, rows[i].text)) {
            fail_msg("row %zu: %d, %s", i, r, error.text);
        }
    }
    assert_int_equal(access("out", F_OK), -1);
    assert_int_equal(access("in/out", F_OK), -1);
    assert_int_equal(access("/tmp/loads-test-out", F_OK), -1);
}

static void test_modes(void **state _unused_)
{
    static const struct entry entries[] = {
        {.name = "setuid", .type = AE_IFREG, .content = "x", .mode = 06755},
        {.name = "closed", .type = AE_IFDIR, .mode = 0001},
        {.name = "closed/inside", .type = AE_IFREG, .content = "x", .mode = 0100},
        {.name = "good", .type = AE_IFLNK, .link = "closed/inside"}};
    struct stat status;

    size_t size = pack(entries, ELEMENTSOF(entries), false);
    assert_int_equal(archive_extract_bytes(packed, size, "in", ARCHIVE_MAX_UNPACKED, NULL), 0);
    assert_int_equal(stat("in/setuid", &status), 0);
    assert_int_equal(status.st_mode & 07777, 0755);
    assert_int_equal(stat("in/good", &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
}

/* What is there is replaced, not written through. */
static void test_over_a_link(void **state _unused_)
{
    static const struct entry entries[] = {{.name = "a", .type = AE_IFREG, .content = "new"}};

    write_file("outside", "old", 0644);
    assert_int_equal(symlink("../outside", "in/a"), 0);
    size_t size = pack(entries, 1, false);
    assert_int_equal(archive_extract_bytes(packed, size, "in", ARCHIVE_MAX_UNPACKED, NULL), 0);
    check_file("outside", "old");
    check_file("in/a", "new");
}

/* Nor through a link that the archive itself brought: that makes room for a directory. */
static void test_through_a_link(void **state _unused_)
{
    static const struct entry entries[] = {{.name = "d", .type = AE_IFDIR, .mode = 0755},
                                           {.name = "link", .type = AE_IFLNK, .link = "d"},
                                           {.name = "link/x", .type = AE_IFREG, .content = "x"}};

    size_t size = pack(entries, ELEMENTSOF(entries), false);
    assert_int_equal(archive_extract_bytes(packed, size, "in", ARCHIVE_MAX_UNPACKED, NULL), 0);
    check_file("in/link/x", "x");
    assert_int_equal(access("in/d/x", F_OK), -1);
}

static void test_limits(void **state _unused_)
{
    static const struct entry entries[] = {{.name = "a", .type = AE_IFREG, .content = "12345"},
                                           {.name = "b", .type = AE_IFREG, .content = "67890"}};
    struct file_list list = {.items = NULL};
    struct error error = {0};
    uint8_t *bytes = NULL;

    size_t size = pack(entries, 2, false);
    assert_int_equal(archive_extract_bytes(packed, size, "in", 10, NULL), 0);
    assert_int_equal(archive_extract_bytes(packed, size, "in", 9, &error), -E2BIG);
    assert_non_null(strstr(error.text, "b is too large"));
    size = pack(entries, 2, true);
    assert_int_equal(archive_extract_bytes(packed, size, "in", 9, NULL), -E2BIG);
    write_file("x", "x", 0644);
    assert_int_equal(file_list_add(&list, "x", "x", NULL), 0);
    assert_int_equal(archive_make(&list, 10, &bytes, &size, &error), -E2BIG);
    assert_non_null(strstr(error.text, "too large"));
    assert_int_equal(remove("x"), 0);
    assert_int_equal(archive_make(&list, 10, &bytes, &size, &error), -ENOENT);
    assert_non_null(strstr(error.text, "cannot read x"));
    assert_null(bytes);
    file_list_clear(&list);
}

static void test_too_many_entries(void **state _unused_)
{
    struct file_list list = {.items = NULL};
    struct archive *archive = archive_write_new();
    size_t used = 0;
    char *large = malloc(16 * ROOM);

    assert_non_null(large);
    assert_int_equal(archive_write_set_format_ustar(archive), ARCHIVE_OK);
    assert_int_equal(archive_write_open_memory(archive, large, 16 * ROOM, &used), ARCHIVE_OK);
    for (unsigned i = 0; i <= FILE_LIST_MAX; i++) {
        struct archive_entry *entry = archive_entry_new();
        archive_entry_set_pathname(entry, "the-same"); /* one file is enough */
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_size(entry, 0);
        assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
        archive_entry_free(entry);
    }
    archive_write_close(archive);
    archive_write_free(archive);
    assert_int_equal(archive_extract_bytes(large, used, "in", ARCHIVE_MAX_UNPACKED, NULL), -E2BIG);
    free(large);
    file_list_clear(&list);
}

static void test_garbage(void **state _unused_)
{
    struct error error = {0};

    assert_int_equal(archive_extract_bytes("garbage", 7, "in", 100, &error), -EBADMSG);
    assert_non_null(strstr(error.text, "archive"));
    assert_int_equal(archive_extract_bytes("", 0, "in", 100, NULL), -EBADMSG);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, leave_temporary_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_there_and_back), CASE(test_from_a_file),      CASE(test_evil),
        CASE(test_modes),          CASE(test_over_a_link),      CASE(test_through_a_link),
        CASE(test_limits),         CASE(test_too_many_entries), CASE(test_garbage),
    };
    return cmocka_run_group_tests_name("archive", tests, NULL, NULL);
}
