/* SPDX-License-Identifier: MPL-2.0 */
/* Tests that take their worker down, or try to. Each iteration makes one request first, so that
 * what the target saw can be held against what is reported. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <loads/loads.h>

/* A crash shall be the kernel's, not one that a sanitizer sees coming. */
#define RAW __attribute__((noinline, no_sanitize("address", "undefined")))

static RAW void write_to_nowhere(void)
{
    volatile int *volatile nowhere = (volatile int *)8; /* to the compiler it could be anywhere */
    *nowhere = 1;
}

static RAW void divide_by_nothing(void)
{
#if defined(__x86_64__) || defined(__i386__)
    volatile int something = 7, nothing = 0;
    volatile int result = something / nothing;
    (void)result;
#else
    (void)raise(SIGFPE); /* dividing by zero is no fault here */
#endif
}

static RAW int dig(volatile char *above)
{
    volatile char room[1024];

    room[0] = above[0];
    return room[0] ? dig(room) + room[0] : 0; /* it never is 0 */
}

static RAW void overflow_stack(void)
{
    volatile char first[1] = {1};
    exit(dig(first)); /* which it never comes to */
}

/* The 38th of a hundred users, in its 4th iteration. */
static bool is_culprit(const loads_user *user)
{
    return loads_user_number(user) == 37 && loads_iteration(user) == 3;
}

static void get(loads_user *user)
{
    loads_assert_int_eq(loads_get(user, "/any")->status, 200);
}

#define CRASHING_TEST(name, crash)                                                                 \
    LOADS_TEST(TestCrash, name)                                                                    \
    {                                                                                              \
        get(user);                                                                                 \
        if (is_culprit(user)) {                                                                    \
            crash;                                                                                 \
            (void)loads_iteration(user); /* so that this frame stays below that of the crash */    \
        }                                                                                          \
    }

CRASHING_TEST(test_segv, write_to_nowhere())
CRASHING_TEST(test_abort, abort())
CRASHING_TEST(test_overflow, overflow_stack())
CRASHING_TEST(test_division, divide_by_nothing())
CRASHING_TEST(test_kill, (void)kill(getpid(), SIGKILL))
CRASHING_TEST(test_exit_3, exit(3))
CRASHING_TEST(test_exit_0, exit(0))
CRASHING_TEST(test__exit_3, _exit(3))
CRASHING_TEST(test__exit_0, _exit(0))

static void crash_deferred(void *argument)
{
    (void)argument;
    write_to_nowhere();
}

CRASHING_TEST(test_deferred, loads_defer(user, crash_deferred, NULL))

/* Three, and four, of which the supervisor bears three. */
LOADS_TEST(TestCrash, test_three)
{
    get(user);
    if (loads_iteration(user) % 3 == 0 && loads_iteration(user) < 9) {
        write_to_nowhere();
    }
}

LOADS_TEST(TestCrash, test_always)
{
    get(user);
    write_to_nowhere();
}

/* ---- no crash, but no good either ---- */

LOADS_TEST(TestAbuse, test_endless)
{
    get(user);
    for (volatile bool on = true; on;) {
    }
}

LOADS_TEST(TestAbuse, test_endless_and_deaf)
{
    (void)signal(SIGTERM, SIG_IGN);
    get(user);
    for (volatile bool on = true; on;) {
    }
}

LOADS_TEST(TestAbuse, test_closed_channel)
{
    get(user);
    if (is_culprit(user)) {
        (void)close(3);
        loads_sleep(user, 1000);
    }
}

/* All kinds of datagrams that the supervisor could take for messages. */
LOADS_TEST(TestAbuse, test_garbage)
{
    char bytes[4096];

    get(user);
    if (!is_culprit(user)) {
        return;
    }
    for (unsigned type = 0; type < 10; type++) {
        for (size_t size = 1; size <= sizeof bytes; size += size < 32 ? 1 : 509) {
            memset(bytes, 0xaa, sizeof bytes);
            memcpy(bytes, &type, sizeof type);
            if (type != 3) { /* "refused" ends the run, as it should */
                (void)!send(3, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
            }
        }
    }
}

/* A child that has all our descriptors and is there after us; its death ends it. */
LOADS_TEST(TestAbuse, test_fork)
{
    get(user);
    if (is_culprit(user)) {
        pid_t pid = fork();
        loads_assert_int_ge(pid, 0);
        if (pid == 0) {
            (void)pause();
            _exit(0);
        }
        loads_log(user, "child %d", (int)pid);
    }
}

LOADS_TEST(TestAbuse, test_fork_and_crash)
{
    get(user);
    if (is_culprit(user)) {
        pid_t pid = fork();
        loads_assert_int_ge(pid, 0);
        if (pid == 0) {
            (void)pause();
            _exit(0);
        }
        loads_log(user, "child %d", (int)pid);
        write_to_nowhere();
    }
}

LOADS_TEST(TestAbuse, test_signal_mask)
{
    sigset_t all;

    get(user);
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    get(user);
}

LOADS_TEST(TestAbuse, test_signal_mask_and_crash)
{
    sigset_t all;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    get(user);
    if (is_culprit(user)) {
        write_to_nowhere();
    }
}

/* Something is to happen to its worker, before the last iteration is over. */
LOADS_TEST(TestAbuse, test_waiting)
{
    const char *path = loads_iteration(user) < 9 ? "/delay/20" : "/held";
    loads_assert_int_eq(loads_get(user, path)->status, 200);
}
