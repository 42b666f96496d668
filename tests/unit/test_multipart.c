/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "temporary_dir.h"
#include "worker/multipart.h"

struct fixture {
    struct arena_pool *pool;
    struct arena arena;
    struct prng prng;
    struct error error;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    assert_int_equal(arena_pool_new(&f->pool), 0);
    arena_init(&f->arena, f->pool);
    prng_seed(&f->prng, 7);
    *state = f;
    return enter_temporary_dir(state);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    arena_reset(&f->arena);
    arena_pool_free(f->pool);
    free(f);
    return leave_temporary_dir(state);
}

static struct multipart compose(struct fixture *f, const loads_part *parts)
{
    struct multipart multipart;

    if (multipart_compose(&f->arena, parts, &f->prng, &multipart, &f->error) < 0) {
        fail_msg("%s", f->error.text);
    }
    assert_int_equal(multipart.body[multipart.size], '\0');
    return multipart;
}

static const char *boundary_of(const struct multipart *multipart)
{
    static const char begin[] = "Content-Type: multipart/form-data; boundary=";

    assert_memory_equal(multipart->content_type, begin, strlen(begin));
    return multipart->content_type + strlen(begin);
}

/* The body with "B" for its boundary. */
static const char *readable(struct fixture *f, const struct multipart *multipart)
{
    const char *boundary = boundary_of(multipart);
    char *text = arena_alloc(&f->arena, multipart->size + 1), *to = text;

    assert_non_null(text);
    for (const char *c = multipart->body; c < multipart->body + multipart->size;) {
        if (strncmp(c, boundary, strlen(boundary)) == 0) {
            c += strlen(boundary);
            *to++ = 'B';
        } else {
            *to++ = *c++;
        }
    }
    *to = '\0';
    return text;
}

static void test_parts(void **state)
{
    struct multipart multipart =
        compose(*state, LOADS_PARTS({.name = "title", .value = "Sunset"}, {.name = "empty"},
                                    {.name = "note", .value = "a\nb", .type = "text/plain"},
                                    {.name = "photo", .value = "abc", .filename = "a.PNG"},
                                    {.name = "none", .filename = ""}));

    assert_string_equal(readable(*state, &multipart),
                        "--B\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nSunset\r\n"
                        "--B\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n"
                        "--B\r\nContent-Disposition: form-data; name=\"note\"\r\n"
                        "Content-Type: text/plain\r\n\r\na\nb\r\n"
                        "--B\r\nContent-Disposition: form-data; name=\"photo\"; "
                        "filename=\"a.PNG\"\r\nContent-Type: image/png\r\n\r\nabc\r\n"
                        "--B\r\nContent-Disposition: form-data; name=\"none\"; filename=\"\"\r\n"
                        "Content-Type: application/octet-stream\r\n\r\n\r\n"
                        "--B--\r\n");
}

static void test_no_parts(void **state)
{
    static const loads_part none;
    struct multipart multipart = compose(*state, &none);

    assert_string_equal(readable(*state, &multipart), "--B--\r\n");
}

static void test_escapes(void **state)
{
    struct multipart multipart = compose(
        *state,
        LOADS_PARTS({.name = "a\"b\r\nc\\d%", .value = "", .filename = "\xc3\xa4\"\n.txt"}));

    assert_non_null(strstr(multipart.body, "name=\"a%22b%0D%0Ac\\d%\"; "
                                           "filename=\"\xc3\xa4%22%0A.txt\"\r\n"
                                           "Content-Type: text/plain\r\n"));
}

static void test_bytes(void **state)
{
    struct multipart multipart = compose(
        *state, LOADS_PARTS({.name = "a", .value = "x\0y\r\n--", .size = 7, .filename = "b.bin"}));
    const char *body = strstr(multipart.body, "\r\n\r\n");

    assert_non_null(body);
    assert_memory_equal(body + 4, "x\0y\r\n--\r\n--loads-", 17);
}

static void test_boundary(void **state)
{
    struct fixture *f = *state;
    struct multipart one = compose(f, LOADS_PARTS({.name = "a", .value = "b"}));
    struct multipart two = compose(f, LOADS_PARTS({.name = "a", .value = "b"}));
    const char *first = boundary_of(&one);

    assert_string_not_equal(first, boundary_of(&two));

    /* The same numbers, but now the first boundary is in the way. */
    prng_seed(&f->prng, 7);
    struct multipart three = compose(f, LOADS_PARTS({.name = "a", .value = first}));
    assert_string_equal(boundary_of(&three), boundary_of(&two));
    prng_seed(&f->prng, 7);
    struct multipart four = compose(f, LOADS_PARTS({.name = first, .value = "a"}));
    assert_string_equal(boundary_of(&four), boundary_of(&two));

    prng_seed(&f->prng, 7);
    struct multipart same = compose(f, LOADS_PARTS({.name = "a", .value = "b"}));
    assert_string_equal(boundary_of(&same), first);
}

static void test_files(void **state)
{
    struct fixture *f = *state;

    write_file("a.csv", "1,2", 0600);
    write_file("none", "", 0600);
    struct multipart multipart =
        compose(f, LOADS_PARTS({.name = "a", .path = "a.csv"}, {.name = "b", .path = "./none"},
                               {.name = "c", .path = "a.csv", .filename = "c.txt", .type = "x/y"}));

    assert_string_equal(readable(f, &multipart),
                        "--B\r\nContent-Disposition: form-data; name=\"a\"; filename=\"a.csv\"\r\n"
                        "Content-Type: text/csv\r\n\r\n1,2\r\n"
                        "--B\r\nContent-Disposition: form-data; name=\"b\"; filename=\"none\"\r\n"
                        "Content-Type: application/octet-stream\r\n\r\n\r\n"
                        "--B\r\nContent-Disposition: form-data; name=\"c\"; filename=\"c.txt\"\r\n"
                        "Content-Type: x/y\r\n\r\n1,2\r\n--B--\r\n");
}

static void check_refused(struct fixture *f, const loads_part *parts, int code, const char *words)
{
    struct multipart multipart;

    assert_int_equal(multipart_compose(&f->arena, parts, &f->prng, &multipart, &f->error), code);
    if (!strstr(f->error.text, words)) {
        fail_msg("'%s' is said instead of '%s'", f->error.text, words);
    }
}

static void test_bad_parts(void **state)
{
    struct fixture *f = *state;

    write_file("large", "", 0600);
    assert_int_equal(mkfifo("pipe", 0600), 0);
    assert_int_equal(truncate("large", (off_t)MULTIPART_MAX_BYTES + 1), 0);
    check_refused(f, LOADS_PARTS({.value = "b"}), -EINVAL, "a part without a name");
    check_refused(f, LOADS_PARTS({.name = "a", .value = "b", .path = "c"}), -EINVAL,
                  "part 'a' has both a value and a path");
    check_refused(f, LOADS_PARTS({.name = "a", .type = "b\r\nX: y"}), -EINVAL, "a line end");
    check_refused(f, LOADS_PARTS({.name = "a", .size = 3}), -EINVAL, "a size, but no value");
    check_refused(f, LOADS_PARTS({.name = "a", .path = "/nowhere/b.txt"}), -ENOENT,
                  "can't read /nowhere/b.txt: No such file or directory");
    check_refused(f, LOADS_PARTS({.name = "a", .path = "."}), -EINVAL, "it is no file");
    check_refused(f, LOADS_PARTS({.name = "a", .path = "pipe"}), -EINVAL, "it is no file");
    check_refused(f, LOADS_PARTS({.name = "a", .path = "large"}), -EFBIG,
                  "is larger than 1024 MiB");
    check_refused(f,
                  LOADS_PARTS({.name = "a", .value = "b", .size = MULTIPART_MAX_BYTES},
                              {.name = "c", .value = "d", .size = SIZE_MAX}),
                  -EFBIG, "larger than 1024 MiB together");
}

static void test_endless(void **state)
{
    struct fixture *f = *state;
    size_t size = (MULTIPART_MAX_PARTS + 1) * sizeof(loads_part);
    loads_part *parts = arena_alloc(&f->arena, size);

    assert_non_null(parts);
    for (size_t i = 0; i <= MULTIPART_MAX_PARTS; i++) {
        parts[i] = (loads_part){.name = "a"};
    }
    check_refused(f, parts, -EINVAL, "more than 10000 parts");
}

static void test_types(void **state _unused_)
{
    assert_string_equal(multipart_type("a.JPG"), "image/jpeg");
    assert_string_equal(multipart_type("a.tar.gz"), "application/gzip");
    assert_string_equal(multipart_type("a.unknown"), "application/octet-stream");
    assert_string_equal(multipart_type("png"), "application/octet-stream");
    assert_string_equal(multipart_type(""), "application/octet-stream");
    assert_string_equal(multipart_filename("/a/b.c"), "b.c");
    assert_string_equal(multipart_filename("b.c"), "b.c");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_parts),     TEST(test_no_parts), TEST(test_escapes),
        TEST(test_bytes),     TEST(test_boundary), TEST(test_files),
        TEST(test_bad_parts), TEST(test_endless),  cmocka_unit_test(test_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
