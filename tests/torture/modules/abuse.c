/* SPDX-License-Identifier: MPL-2.0 */
/* Tests that do to their worker what no test should. Each iteration makes one request first, so
 * that what the target saw can be held against what is reported. Of each run's users the first one
 * does it, in its third iteration, unless the test's name says otherwise. */
#define _GNU_SOURCE /* pipe2() */
#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <loads/loads.h>

/* A crash shall be the kernel's, not one that a sanitizer sees coming. */
#define RAW __attribute__((noinline, no_sanitize("address", "undefined")))

static bool is_culprit(const loads_user *user)
{
    return loads_user_number(user) == 0 && loads_iteration(user) == 2;
}

static void get(loads_user *user)
{
    loads_assert_int_eq(loads_get(user, "/any")->status, 200);
}

#define ABUSE(name, abuse)                                                                         \
    LOADS_TEST(TestAbuse, name)                                                                    \
    {                                                                                              \
        get(user);                                                                                 \
        if (is_culprit(user)) {                                                                    \
            abuse;                                                                                 \
            (void)loads_iteration(user); /* so that this frame stays below that of the crash */    \
        }                                                                                          \
    }

/* ---- memory
 * -------------------------------------------------------------------------------------- */

static RAW void follow_null(void)
{
    volatile int *volatile nowhere = NULL;
    *nowhere = 1;
}

ABUSE(test_null, follow_null())

static RAW void take_much(void)
{
    volatile char *room = alloca((size_t)10 << 20);
    room[0] = 1;
}

ABUSE(test_alloca, take_much())

/* Half of all mappings but the program's first ones, by a seed, and how far it came in a file: what
 * is taken away may be anything, and often is what is needed to say so. */
static RAW void unmap_some(unsigned seed)
{
    char line[512], permissions[8];
    struct {
        uintptr_t low, high;
    } ranges[1024];
    size_t n = 0;
    FILE *maps = fopen("/proc/self/maps", "re");

    while (maps && n < 1024 && fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx %7s", &ranges[n].low, &ranges[n].high, permissions) == 3 &&
            ranges[n].high - ranges[n].low < ((uintptr_t)1 << 36)) { /* not a sanitizer's shadow */
            n++;
        }
    }
    for (int i = 0; n > 0 && i < 4; i++) {
        seed = seed * 1103515245 + 12345;
        size_t which = seed / 65536 % n;
        (void)munmap((void *)ranges[which].low, ranges[which].high - ranges[which].low);
    }
}

ABUSE(test_unmap, unmap_some((unsigned)atoi(getenv("UNMAP_SEED"))))

/* ---- ways out
 * ------------------------------------------------------------------------------------ */

static jmp_buf elsewhere;
static bool has_elsewhere;

static RAW void jump(void)
{
    longjmp(elsewhere, 1);
}

/* Into the stack of another user, who waits for something. */
LOADS_TEST(TestAbuse, test_longjmp)
{
    get(user);
    if (loads_user_number(user) == 1 && loads_iteration(user) == 0) {
        if (setjmp(elsewhere) == 0) {
            has_elsewhere = true;
            loads_sleep(user, 0.5);
        }
        get(user);
    } else if (is_culprit(user) && has_elsewhere) {
        jump();
    }
}

ABUSE(test_pthread_exit, pthread_exit(NULL))

static void *exit_alone(void *nothing)
{
    return nothing;
}

static void *wait_for_ever(void *nothing)
{
    for (;;) {
        (void)pause();
    }
    return nothing;
}

/* The worker's own thread goes, another one of its process stays. */
static void leave_thread_behind(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, wait_for_ever, NULL) == 0) {
        pthread_exit(NULL);
    }
}

ABUSE(test_pthread_exit_not_alone, leave_thread_behind())

/* ---- threads
 * ------------------------------------------------------------------------------------- */

static void do_nothing(void *nothing)
{
    (void)nothing;
}

/* All of the API that does something, from where it can't. */
static void *use_api(void *argument)
{
    loads_user *user = argument;
    loads_response *res = loads_get(user, "/never");

    (void)loads_header(res, "Date");
    (void)loads_post(user, "/never", .json = "{}", .may_fail = true);
    loads_session_reset(user);
    loads_sleep(user, 1000);
    loads_incr_counter(user, "never");
    loads_defer(user, do_nothing, NULL);
    (void)loads_alloc(user, 100000);
    (void)loads_printf(user, "%s", "never");
    loads_log(user, "a thread may say something");
    (void)loads_server_url(user);
    (void)loads_cycle(user);
    (void)loads_json_string(res, "a");
    loads_assert_int_eq(1, 2);
    loads_assert_str_eq("a", "b");
    loads_fail("never");
    return NULL;
}

/* While its user waits for the thread, and while it is away. */
LOADS_TEST(TestAbuse, test_threads)
{
    pthread_t threads[8];

    get(user);
    for (int i = 0; i < 8; i++) {
        loads_assert_int_eq(pthread_create(&threads[i], NULL, i % 2 ? use_api : exit_alone, user),
                            0);
    }
    get(user);
    for (int i = 0; i < 8; i++) {
        loads_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
}

/* ---- pipes and signals
 * --------------------------------------------------------------------------- */

static int write_to_closed_pipe(void)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0 || close(ends[0]) < 0) {
        return -1;
    }
    ssize_t n = write(ends[1], "x", 1);
    int code = errno;
    (void)close(ends[1]);
    return n < 0 ? code : 0;
}

LOADS_TEST(TestAbuse, test_closed_pipe)
{
    get(user);
    loads_assert_int_eq(write_to_closed_pipe(), EPIPE);
}

static void write_with_default_signals(void)
{
    (void)signal(SIGPIPE, SIG_DFL);
    (void)write_to_closed_pipe();
}

ABUSE(test_closed_pipe_and_signal, write_with_default_signals())

static void block_all(void)
{
    sigset_t all;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
}

static void __attribute__((noinline)) loop_for_ever(void)
{
    for (volatile bool on = true; on;) {
    }
}

ABUSE(test_endless, loop_for_ever())
ABUSE(test_endless_and_blocked, (block_all(), loop_for_ever()))
ABUSE(test_endless_elsewhere, (void)read(socket(AF_UNIX, SOCK_DGRAM, 0), &(char){0}, 1))

/* ---- limits
 * -------------------------------------------------------------------------------------- */

static void set_limit(int resource, rlim_t soft)
{
    struct rlimit limit;

    loads_assert_int_eq(getrlimit(resource, &limit), 0);
    limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
    loads_assert_int_eq(setrlimit(resource, &limit), 0);
}

LOADS_TEST(TestAbuse, test_raised_limits)
{
    get(user);
    set_limit(RLIMIT_NOFILE, RLIM_INFINITY);
    set_limit(RLIMIT_STACK, RLIM_INFINITY);
    set_limit(RLIMIT_CORE, 0);
    set_limit(RLIMIT_FSIZE, RLIM_INFINITY);
    loads_session_reset(user);
    get(user);
}

/* No connection can be made any more: an error each, until somebody gives the limit back. */
LOADS_TEST(TestAbuse, test_no_descriptors)
{
    get(user);
    if (loads_iteration(user) > 0) {
        set_limit(RLIMIT_NOFILE, 3);
        loads_session_reset(user);
        loads_response *res = loads_get(user, "/any", .may_fail = true);
        set_limit(RLIMIT_NOFILE, RLIM_INFINITY);
        loads_assert_str_contains(res->error, "out of file descriptors (limit 3)");
    }
}

/* ---- children
 * ------------------------------------------------------------------------------------ */

/* A child that writes to all that it got from its parent but the standard streams. */
static void scribble(void)
{
    static const unsigned words[32] = {1, 2, 3};

    for (int fd = 3; fd < 100; fd++) {
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        bool internet = getpeername(fd, (struct sockaddr *)&address, &size) == 0 &&
                        address.ss_family == AF_INET;
        if (!internet) { /* the target is no part of this */
            (void)!write(fd, words, sizeof words);
        }
    }
}

LOADS_TEST(TestAbuse, test_scribbling_child)
{
    get(user);
    if (is_culprit(user)) {
        pid_t pid = fork();
        loads_assert_int_ge(pid, 0);
        if (pid == 0) {
            scribble();
            _exit(0);
        }
        loads_assert_int_eq(waitpid(pid, NULL, 0), pid);
    }
}

/* A child that takes itself for the worker: it goes on with the test. */
LOADS_TEST(TestAbuse, test_child_goes_on)
{
    get(user);
    if (is_culprit(user)) {
        loads_assert_int_ge(fork(), 0);
    }
    get(user);
}

/* The same, but what it does next is return. */
LOADS_TEST(TestAbuse, test_child_returns)
{
    get(user);
    if (is_culprit(user)) {
        loads_assert_int_ge(fork(), 0);
    }
}

LOADS_TEST(TestAbuse, test_child_exits)
{
    get(user);
    if (is_culprit(user) && fork() == 0) {
        exit(0);
    }
}

LOADS_TEST(TestAbuse, test_child_crashes)
{
    get(user);
    if (is_culprit(user) && fork() == 0) {
        follow_null();
    }
}

LOADS_TEST(TestAbuse, test_child_fails)
{
    get(user);
    if (is_culprit(user) && fork() == 0) {
        loads_fail("a child that a test made");
    }
}
