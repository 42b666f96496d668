/* SPDX-License-Identifier: MPL-2.0 */
/* Preloaded into a program, makes one of its allocations fail: the n-th since its libraries were
 * ready, wherever it comes from, and all after it if asked to. So what a program does without
 * memory is tried at each place that there is, without changing the program.
 *
 *   FAIL_ALLOCATION_REPORT  file that gets the number of allocations at the end, and a line
 * "failed" at once when one was made to fail FAIL_ALLOCATION_AT      n, from 1; none, or 0: just
 * count FAIL_ALLOCATION_ALL     set: all from then on
 *
 * The program's children are left alone: the environment is cleaned before main(), of what
 * sanitizers are told, too. What copies strings and arrays is here as well, since a sanitizer's own
 * versions don't come by malloc(). And so is signal(), by which the test framework would make a
 * crash look like a test that failed. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* What is asked for before the real functions are found, which nobody gives back. */
#define EARLY_BYTES 4096

static void *(*next_malloc)(size_t size);
static void *(*next_calloc)(size_t n, size_t size);
static void *(*next_realloc)(void *pointer, size_t size);
static int (*next_memalign)(void **ret, size_t alignment, size_t size);
static sighandler_t (*next_signal)(int number, sighandler_t handler);
static _Alignas(16) char early[EARLY_BYTES];
static size_t early_used;
static bool searching;

static atomic_bool armed;
static atomic_ulong count;
static unsigned long fail_at;
static bool fail_all;
static int report = -1;
static pid_t owner;

static void find_functions(void)
{
    if (next_realloc || searching) {
        return;
    }
    searching = true;
    *(void **)&next_malloc = dlsym(RTLD_NEXT, "malloc");
    *(void **)&next_calloc = dlsym(RTLD_NEXT, "calloc");
    *(void **)&next_memalign = dlsym(RTLD_NEXT, "posix_memalign");
    *(void **)&next_signal = dlsym(RTLD_NEXT, "signal");
    *(void **)&next_realloc = dlsym(RTLD_NEXT, "realloc");
    searching = false;
}

/* Zeroed, and never given out again. */
static void *take_early(size_t size)
{
    size_t rounded = (size + 15) / 16 * 16;

    if (rounded < size || rounded > sizeof early - early_used) {
        abort();
    }
    void *memory = early + early_used;
    early_used += rounded;
    return memory;
}

static bool fails(void)
{
    if (!atomic_load(&armed)) {
        return false;
    }
    unsigned long n = atomic_fetch_add(&count, 1) + 1;
    if (fail_at == 0 || n < fail_at || (n > fail_at && !fail_all)) {
        return false;
    }
    if (n == fail_at && report >= 0) {
        (void)!write(report, "failed\n", 7); /* then it seems not to have failed */
    }
    errno = ENOMEM;
    return true;
}

/* ---- what is replaced
 * ----------------------------------------------------------------------------- */

EXPORT void *malloc(size_t size)
{
    find_functions();
    if (searching) {
        return take_early(size);
    }
    return fails() ? NULL : next_malloc(size);
}

EXPORT void *calloc(size_t n, size_t size)
{
    find_functions();
    if (searching) {
        return take_early(n * size); /* the dynamic loader's own */
    }
    return fails() ? NULL : next_calloc(n, size);
}

EXPORT void *realloc(void *pointer, size_t size)
{
    find_functions();
    if (searching) {
        return take_early(size);
    }
    return size > 0 && fails() ? NULL : next_realloc(pointer, size);
}

EXPORT void *reallocarray(void *pointer, size_t n, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(pointer, bytes);
}

EXPORT int posix_memalign(void **ret, size_t alignment, size_t size)
{
    find_functions();
    return fails() ? ENOMEM : next_memalign(ret, alignment, size);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    void *memory = NULL;
    int r = posix_memalign(&memory, alignment < sizeof(void *) ? sizeof(void *) : alignment, size);

    if (r != 0) {
        errno = r;
    }
    return r == 0 ? memory : NULL;
}

EXPORT char *strndup(const char *text, size_t max)
{
    size_t size = strnlen(text, max);
    char *copy = malloc(size + 1);

    if (copy) {
        memcpy(copy, text, size);
        copy[size] = '\0';
    }
    return copy;
}

EXPORT char *strdup(const char *text)
{
    return strndup(text, SIZE_MAX - 1);
}

/* <string.h> of some versions makes strdup() this one. */
EXPORT char *__strdup(const char *text);
EXPORT char *__strdup(const char *text)
{
    return strdup(text);
}

/* Of a process that the program forked it's none of our business. */
EXPORT sighandler_t signal(int number, sighandler_t handler)
{
    bool crash = number == SIGSEGV || number == SIGABRT || number == SIGBUS || number == SIGFPE ||
                 number == SIGILL;

    find_functions();
    return crash && atomic_load(&armed) && getpid() == owner ? SIG_DFL
                                                             : next_signal(number, handler);
}

/* ---- begin and end
 * -------------------------------------------------------------------------------- */

/* The preloaded library is set up last, so libraries have what they need for themselves. */
__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FAIL_ALLOCATION_REPORT");
    const char *at = getenv("FAIL_ALLOCATION_AT");

    find_functions();
    if (!path) {
        return;
    }
    report = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    fail_at = at ? strtoul(at, NULL, 10) : 0;
    fail_all = getenv("FAIL_ALLOCATION_ALL") != NULL;
    owner = getpid();
    (void)unsetenv("FAIL_ALLOCATION_REPORT"); /* can't fail for such a name; so the others */
    (void)unsetenv("FAIL_ALLOCATION_AT");
    (void)unsetenv("LD_PRELOAD");
    (void)unsetenv("ASAN_OPTIONS"); /* what is read of it has been */
    (void)unsetenv("UBSAN_OPTIONS");
    atomic_store(&armed, true);
}

__attribute__((destructor)) static void end(void)
{
    char text[32];

    if (atomic_exchange(&armed, false) && getpid() == owner && report >= 0) {
        int n = snprintf(text, sizeof text, "%lu\n", atomic_load(&count));
        (void)!write(report, text, (size_t)n); /* then the number is missing, which is seen */
    }
}
