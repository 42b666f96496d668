/* SPDX-License-Identifier: MPL-2.0 */
/* Addresses to names, on objects of our own: with debug information, without, and on what is no
 * object at all. */
#include "test.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "processes.h"
#include "run/symbolize.h"

/* Lines of symbolize_object.c */
#define FIRST_LINE 6
#define LOGIN_LINE 11

/* The offset of a function in an object, which stays loaded: valgrind gives up where one is loaded
 * again that libdw has read. */
static uint64_t offset_of(const char *object, const char *function)
{
    Dl_info info;
    void *handle = dlopen(object, RTLD_NOW);

    assert_non_null(handle);
    void *address = dlsym(handle, function);
    assert_non_null(address);
    assert_true(dladdr(address, &info));
    return (uint64_t)((uintptr_t)address - (uintptr_t)info.dli_fbase);
}

static void test_with_debug_information(void **state _unused_)
{
    struct place place;

    assert_true(symbolize(OBJECT, offset_of(OBJECT, "symbolize_first"), &place));
    assert_string_equal(place.function, "symbolize_first");
    assert_string_equal(place.file, "symbolize_object.c");
    assert_int_equal(place.line, FIRST_LINE);
    assert_true(symbolize(OBJECT, offset_of(OBJECT, "loads_body_Shop_login"), &place));
    assert_string_equal(place.function, "Shop_login"); /* as the test's author wrote it */
    assert_int_equal(place.line, LOGIN_LINE);
}

static void test_without_debug_information(void **state _unused_)
{
    struct place place;

    assert_true(symbolize(PLAIN_OBJECT, offset_of(PLAIN_OBJECT, "symbolize_first"), &place));
    assert_string_equal(place.function, "symbolize_first");
    assert_string_equal(place.file, "");
    assert_int_equal(place.line, 0);
}

static void assert_nothing(const char *object, uint64_t offset)
{
    struct place place;

    memset(&place, 0xff, sizeof place);
    assert_false(symbolize(object, offset, &place));
    assert_string_equal(place.function, "");
    assert_string_equal(place.file, "");
    assert_int_equal(place.line, 0);
}

static void test_nothing_there(void **state _unused_)
{
    unsigned n = count_descriptors();

    assert_nothing(OBJECT, UINT64_MAX);
    assert_nothing(OBJECT, UINT64_C(1) << 40);
    assert_nothing("/nonexistent.so", 0);
    assert_nothing("", 0);
    assert_nothing("/", 0);
    assert_nothing("/proc/self/status", 0);
    assert_int_equal(count_descriptors(), n);
}

/* A scribbled name may be that of anything; opening a pipe would wait for a writer. */
static void test_pipe(void **state _unused_)
{
    char directory[] = "/tmp/test-symbolize-XXXXXX", path[100];

    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/pipe", directory);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_nothing(path, 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
}

/* An object that was cut off anywhere is refused or believed in part, never a crash of ours. */
static void test_truncated_objects(void **state _unused_)
{
    char directory[] = "/tmp/test-symbolize-XXXXXX", path[100];
    static char bytes[200000];
    struct place place;
    FILE *file = fopen(OBJECT, "re");

    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    assert_true(feof(file));
    assert_int_equal(fclose(file), 0);
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/object", directory);
    uint64_t offset = offset_of(OBJECT, "symbolize_first");
    for (size_t cut = 0; cut < size; cut += cut / 8 + 13) {
        file = fopen(path, "we");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, cut, file), cut);
        assert_int_equal(fclose(file), 0);
        (void)symbolize(path, offset, &place);
        assert_true(memchr(place.function, '\0', sizeof place.function));
        assert_true(memchr(place.file, '\0', sizeof place.file));
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
}

/* ---- a whole crash --------------------------------------------------------------------------- */

static char *paths[] = {(char *)"/other.so", (char *)OBJECT, NULL};
static const struct strlist modules = {.items = paths, .count = 2};

struct report {
    char message[512], where[256], traceback[6000];
};

static void add_frame(struct message_crash *crash, const char *object, uint64_t offset)
{
    struct crash_frame *frame = &crash->frames[crash->n_frames++];
    frame->offset = offset;
    (void)snprintf(frame->object, sizeof frame->object, "%s", object);
}

static void report(const struct message_crash *crash, struct report *ret)
{
    symbolize_crash(crash, &modules, 256 << 10, ret->message, sizeof ret->message, ret->where,
                    sizeof ret->where, ret->traceback, sizeof ret->traceback);
}

/* The place is the innermost one in the test's module, not in a library that it called. */
static void test_crash(void **state _unused_)
{
    struct message_crash crash = {.signal = SIGSEGV, .user = 3, .address = 0x10};
    struct report r;

    assert_true(strlen(OBJECT) < sizeof crash.frames[0].object);
    add_frame(&crash, PLAIN_OBJECT, offset_of(PLAIN_OBJECT, "symbolize_first"));
    add_frame(&crash, "/nonexistent/lib.so", 0xabc);
    add_frame(&crash, OBJECT, offset_of(OBJECT, "loads_body_Shop_login"));
    add_frame(&crash, OBJECT, offset_of(OBJECT, "symbolize_first"));
    add_frame(&crash, "", 0x7f0000001234);
    report(&crash, &r);
    assert_string_equal(r.message, "Segmentation fault at address 0x10 in Shop_login "
                                   "(symbolize_object.c:11)");
    assert_string_equal(r.where, "symbolize_object.c:11");
    assert_string_equal(r.traceback, "  symbolize_first (symbolize_plain.so)\n"
                                     "  ?? (lib.so+0xabc)\n"
                                     "  Shop_login (symbolize_object.c:11)\n"
                                     "  symbolize_first (symbolize_object.c:6)\n"
                                     "  ?? (+0x7f0000001234)\n");
}

/* A recursion is told once, and what called the test's function is no news. */
static void test_traceback_is_short(void **state _unused_)
{
    struct message_crash crash = {.signal = SIGSEGV, .stack_overflow = 1};
    uint64_t first = offset_of(OBJECT, "symbolize_first");
    struct report r;

    for (unsigned i = 0; i < 40; i++) {
        add_frame(&crash, OBJECT, first);
    }
    add_frame(&crash, OBJECT, offset_of(OBJECT, "loads_body_Shop_login"));
    add_frame(&crash, "/somewhere/loads-worker", 0x10);
    add_frame(&crash, OBJECT, first);
    report(&crash, &r);
    assert_string_equal(r.traceback, "  symbolize_first (symbolize_object.c:6)\n"
                                     "  (and 39 times more)\n"
                                     "  Shop_login (symbolize_object.c:11)\n");
}

static void test_crash_elsewhere(void **state _unused_)
{
    struct message_crash crash = {.signal = SIGABRT, .user = -1};
    struct report r;

    report(&crash, &r);
    assert_string_equal(r.message, "Aborted");
    assert_string_equal(r.where, "");
    assert_string_equal(r.traceback, "");
    add_frame(&crash, PLAIN_OBJECT, offset_of(PLAIN_OBJECT, "symbolize_first"));
    report(&crash, &r);
    assert_string_equal(r.message, "Aborted");
    assert_string_equal(r.where, "");
}

/* A module without debug information: its function is known, its line isn't made up. */
static void test_crash_in_plain_module(void **state _unused_)
{
    struct message_crash crash = {.signal = SIGFPE};
    char *path[] = {(char *)PLAIN_OBJECT, NULL};
    const struct strlist plain = {.items = path, .count = 1};
    struct report r;

    add_frame(&crash, PLAIN_OBJECT, offset_of(PLAIN_OBJECT, "loads_body_Shop_login"));
    symbolize_crash(&crash, &plain, 256 << 10, r.message, sizeof r.message, r.where, sizeof r.where,
                    r.traceback, sizeof r.traceback);
    assert_string_equal(r.message, "Floating point exception in Shop_login (symbolize_plain.so)");
    assert_string_equal(r.where, "");
}

static void test_stack_overflow(void **state _unused_)
{
    struct message_crash crash = {.signal = SIGSEGV, .stack_overflow = 1};
    struct report r;

    add_frame(&crash, OBJECT, offset_of(OBJECT, "symbolize_first"));
    report(&crash, &r);
    assert_string_equal(r.message, "stack overflow in symbolize_first (symbolize_object.c:6): a "
                                   "user's stack is 256 KiB, more with --stack-size");
}

static void test_thread_exit(void **state _unused_)
{
    struct message_crash crash = {.signal = SIGABRT, .thread_exit = 1};
    struct report r;

    add_frame(&crash, "/lib/libc.so.6", 0x1000);
    report(&crash, &r);
    assert_string_equal(r.message,
                        "a test ended the worker's thread: it must not call pthread_exit()");
}

/* Numbers that make no sense, and more text than there is room for. */
static void test_lies(void **state _unused_)
{
    struct message_crash crash = {.signal = -12345, .user = INT32_MIN};
    struct report r;
    char message[5], where[3], traceback[10];

    report(&crash, &r);
    assert_true(strlen(r.message) > 0);
    while (crash.n_frames < CRASH_MAX_FRAMES) {
        add_frame(&crash, OBJECT, offset_of(OBJECT, "symbolize_first"));
    }
    symbolize_crash(&crash, &modules, 0, message, sizeof message, where, sizeof where, traceback,
                    sizeof traceback);
    assert_int_equal(strlen(message), sizeof message - 1);
    assert_string_equal(where, "sy");
    assert_string_equal(traceback, "  symboli");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_with_debug_information),
        cmocka_unit_test(test_without_debug_information),
        cmocka_unit_test(test_nothing_there),
        cmocka_unit_test(test_pipe),
        cmocka_unit_test(test_truncated_objects),
        cmocka_unit_test(test_crash),
        cmocka_unit_test(test_traceback_is_short),
        cmocka_unit_test(test_crash_elsewhere),
        cmocka_unit_test(test_crash_in_plain_module),
        cmocka_unit_test(test_stack_overflow),
        cmocka_unit_test(test_thread_exit),
        cmocka_unit_test(test_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
