/* SPDX-License-Identifier: MPL-2.0 */
/* Calls that wait for a user, under the names that modules are linked with. The user is this
 * test's: it has no coroutine, and while it waits the loop turns. */
#include "test.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "worker/blocking.h"
#include "worker/blocking_lookup.h"

unsigned __wrap_sleep(unsigned seconds);
int __wrap_usleep(useconds_t usec);
int __wrap_nanosleep(const struct timespec *request, struct timespec *remain);
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *request,
                           struct timespec *remain);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_msec);
int __wrap_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                 const sigset_t *mask);
int __wrap___poll_chk(struct pollfd *fds, nfds_t n, int timeout_msec, size_t size);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret);

static struct ev_loop *loop;
static struct run_spec spec;
static struct worker worker;
static struct loads_user user;
static unsigned waits; /* how often it was suspended */
static bool awake, elsewhere, forked;
static jmp_buf leaving;
static void (*meanwhile)(void); /* called once when it is suspended */

struct loads_user *user_current(void)
{
    return &user;
}

bool user_stack_contains(const struct loads_user *who _unused_, const void *address _unused_)
{
    return !elsewhere;
}

bool user_is_forked(void)
{
    return forked;
}

void user_wake(struct loads_user *who _unused_)
{
    awake = true;
}

int user_wait(struct loads_user *who)
{
    void (*act)(void) = meanwhile;

    waits++;
    meanwhile = NULL;
    awake = false;
    errno = 99; /* other users' */
    if (act) {
        act();
    }
    while (!awake && !who->cancelled) {
        ev_run(loop, EVRUN_ONCE);
    }
    return who->cancelled ? -ECANCELED : 0;
}

static void on_time(struct ev_loop *of _unused_, ev_timer *timer _unused_, int events _unused_)
{
    awake = true;
}

int user_wait_until(struct loads_user *who, uint64_t until_usec)
{
    uint64_t now = clock_monotonic_usec();

    ev_now_update(loop);
    ev_timer_init(&who->sleep, on_time, until_usec > now ? (double)(until_usec - now) / 1e6 : 0, 0);
    ev_timer_start(loop, &who->sleep);
    int r = user_wait(who);
    ev_timer_stop(loop, &who->sleep);
    return r;
}

void user_leave(struct loads_user *who _unused_)
{
    longjmp(leaving, 1);
}

static void cancel(void)
{
    user.cancelled = true;
}

static int set_up(void **state _unused_)
{
    loop = ev_loop_new(EVFLAG_AUTO);
    assert_non_null(loop);
    spec = (struct run_spec){.no_patching = false};
    worker = (struct worker){.loop = loop, .spec = &spec};
    user = (struct loads_user){.worker = &worker};
    waits = 0;
    elsewhere = forked = false;
    meanwhile = NULL;
    return resolver_new(&worker.resolver, loop, USEC_PER_SEC, NULL);
}

static int tear_down(void **state _unused_)
{
    resolver_free(worker.resolver);
    ev_loop_destroy(loop);
    return 0;
}

/* ---- sleeping -------------------------------------------------------------------------------- */

static struct timespec later(clockid_t clock, long nsec)
{
    struct timespec time;

    assert_int_equal(clock_gettime(clock, &time), 0);
    time.tv_nsec += nsec;
    time.tv_sec += time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return time;
}

static void test_sleeps_suspend(void **state _unused_)
{
    const struct timespec some = {.tv_nsec = 2000001};
    uint64_t before = clock_monotonic_usec();

    errno = 5;
    assert_int_equal(__wrap_sleep(0), 0);
    assert_int_equal(__wrap_usleep(2000), 0);
    assert_int_equal(__wrap_nanosleep(&some, NULL), 0);
    assert_int_equal(__wrap_clock_nanosleep(CLOCK_REALTIME, 0, &some, NULL), 0);
    assert_int_equal(errno, 5);
    assert_true(clock_monotonic_usec() - before >= 6002);
    assert_true(waits >= 4);
}

static void test_absolute_times(void **state _unused_)
{
    static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI};

    for (size_t i = 0; i < ELEMENTSOF(clocks); i++) {
        struct timespec until = later(clocks[i], 3000000), now;
        assert_int_equal(__wrap_clock_nanosleep(clocks[i], TIMER_ABSTIME, &until, NULL), 0);
        now = later(clocks[i], 0);
        assert_true(now.tv_sec > until.tv_sec ||
                    (now.tv_sec == until.tv_sec && now.tv_nsec >= until.tv_nsec));
        assert_int_equal(__wrap_clock_nanosleep(clocks[i], TIMER_ABSTIME, &until, NULL), 0);
        assert_int_equal(
            __wrap_clock_nanosleep(clocks[i], TIMER_ABSTIME, &(struct timespec){0}, NULL), 0);
    }
}

static void test_wrong_times_are_refused_as_ever(void **state _unused_)
{
    static const struct timespec wrong[] = {
        {.tv_nsec = 1000000000}, {.tv_nsec = -1}, {.tv_sec = -1}};

    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        errno = 0;
        assert_int_equal(__wrap_nanosleep(&wrong[i], NULL), -1);
        assert_int_equal(errno, EINVAL);
        assert_int_equal(__wrap_clock_nanosleep(CLOCK_MONOTONIC, 0, &wrong[i], NULL), EINVAL);
        assert_int_equal(__wrap_ppoll(NULL, 0, &wrong[i], NULL), -1);
        assert_int_equal(errno, EINVAL);
    }
    assert_int_equal(
        __wrap_clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &(struct timespec){0}, NULL), EINVAL);
    assert_int_equal(waits, 0);
}

static void test_times_without_end(void **state _unused_)
{
    const struct timespec most = {.tv_sec = INT64_MAX, .tv_nsec = 999999999};

    assert_true(blocking_usec(&most) > 60LL * 365 * 86400 * USEC_PER_SEC);
    assert_int_equal(blocking_usec(&(struct timespec){.tv_sec = 1, .tv_nsec = 1}), 1000001);
    meanwhile = cancel;
    if (setjmp(leaving) == 0) {
        __wrap_nanosleep(&most, NULL);
        fail();
    }
    assert_int_equal(waits, 1);
}

/* ---- who may wait ---------------------------------------------------------------------------- */

static void test_others_call_the_original(void **state _unused_)
{
    static bool *const flags[] = {&elsewhere, &forked, &user.leaving, &user.cancelled,
                                  &spec.no_patching};
    struct addrinfo *list = NULL;

    for (size_t i = 0; i < ELEMENTSOF(flags); i++) {
        assert_ptr_equal(blocking_user(), &user);
        *flags[i] = true;
        assert_null(blocking_user());
        assert_int_equal(__wrap_usleep(1), 0);
        assert_int_equal(__wrap_sleep(0), 0);
        assert_int_equal(__wrap_poll(NULL, 0, 1), 0);
        assert_int_equal(__wrap_getaddrinfo("localhost", NULL, NULL, &list), 0);
        freeaddrinfo(list);
        *flags[i] = false;
    }
    assert_int_equal(waits, 0);
}

/* ---- descriptors ----------------------------------------------------------------------------- */

static int ends[2];

static void write_there(void)
{
    assert_int_equal(write(ends[1], "x", 1), 1);
}

static void close_there(void)
{
    ends[1] = close_fd(ends[1]);
}

static void open_pair(void)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

static void close_pair(void)
{
    close_fd(ends[0]);
    close_fd(ends[1]);
}

static void test_poll_waits(void **state _unused_)
{
    struct pollfd fds[] = {{.fd = -1, .events = POLLIN, .revents = 1}, {.events = POLLIN}};

    open_pair();
    fds[1].fd = ends[0];
    meanwhile = write_there;
    errno = 5;
    assert_int_equal(__wrap___poll_chk(fds, 2, -1, sizeof fds), 1);
    assert_int_equal(errno, 5);
    assert_int_equal(fds[0].revents, 0);
    assert_int_equal(fds[1].revents, POLLIN);
    assert_int_equal(waits, 1);
    assert_int_equal(__wrap_poll(fds, 2, -1), 1); /* at once */
    assert_int_equal(waits, 1);
    close_pair();
}

static void test_poll_hears_that_the_other_end_is_closed(void **state _unused_)
{
    struct pollfd fds[] = {{.events = 0}, {.events = POLLRDHUP}};

    open_pair();
    fds[0].fd = fds[1].fd = ends[0];
    meanwhile = close_there;
    assert_int_equal(__wrap_poll(fds, 2, -1), 2);
    assert_int_equal(fds[0].revents, POLLHUP);
    assert_int_equal(fds[1].revents, POLLHUP | POLLRDHUP);
    close_pair();
}

static void test_poll_with_one_descriptor_twice(void **state _unused_)
{
    struct pollfd fds[] = {{.events = POLLPRI}, {.events = POLLIN}, {.events = POLLOUT}};

    open_pair();
    fds[0].fd = fds[1].fd = fds[2].fd = ends[0];
    meanwhile = write_there;
    assert_int_equal(__wrap_poll(fds, 2, -1), 1);
    assert_int_equal(fds[1].revents, POLLIN);
    assert_int_equal(waits, 1);
    assert_int_equal(__wrap_poll(fds, 3, -1), 2);
    assert_int_equal(fds[2].revents, POLLOUT);
    close_pair();
}

static void test_poll_refuses_a_closed_descriptor(void **state _unused_)
{
    struct pollfd fds[] = {{.events = POLLIN}};

    open_pair();
    fds[0].fd = ends[0];
    close_pair();
    assert_int_equal(__wrap_poll(fds, 1, -1), 1);
    assert_int_equal(fds[0].revents, POLLNVAL);
}

static void test_poll_ends_in_time(void **state _unused_)
{
    struct pollfd fds[] = {{.events = POLLIN}};
    uint64_t before = clock_monotonic_usec();

    open_pair();
    fds[0].fd = ends[0];
    assert_int_equal(__wrap_poll(fds, 1, 2), 0);
    assert_true(clock_monotonic_usec() - before >= 2000);
    assert_true(waits >= 1);
    waits = 0;
    assert_int_equal(__wrap_poll(fds, 1, 0), 0);
    assert_true(waits >= 1); /* others go on while it asks again and again */
    assert_int_equal(__wrap_ppoll(NULL, 0, &(struct timespec){.tv_nsec = 1}, NULL), 0);
    close_pair();
}

static int highest(void)
{
    int fd = dup(0);
    close_fd(fd);
    return fd;
}

static void test_who_leaves_poll_holds_nothing(void **state _unused_)
{
    struct pollfd fds[] = {{.events = POLLIN}};

    open_pair();
    fds[0].fd = ends[0];
    int before = highest();
    meanwhile = cancel;
    if (setjmp(leaving) == 0) {
        __wrap_poll(fds, 1, 1000000);
        fail();
    }
    assert_int_equal(highest(), before);
    close_pair();
}

static volatile sig_atomic_t signals;

static void on_signal(int number _unused_)
{
    signals++;
}

static void test_a_signal_that_waits_ends_ppoll(void **state _unused_)
{
    struct pollfd fds[] = {{.events = POLLIN}};
    sigset_t none, one, before;

    open_pair();
    fds[0].fd = ends[0];
    sigemptyset(&none);
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    (void)signal(SIGUSR1, on_signal);
    assert_int_equal(sigprocmask(SIG_BLOCK, &one, &before), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(__wrap_ppoll(fds, 1, NULL, &none), -1);
    assert_int_equal(errno, EINTR);
    assert_int_equal(signals, 1);
    assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
    (void)signal(SIGUSR1, SIG_DFL);
    close_pair();
}

/* ---- names ----------------------------------------------------------------------------------- */

static void assert_loopback(const struct addrinfo *hints)
{
    struct addrinfo *list = NULL;

    errno = 5;
    assert_int_equal(__wrap_getaddrinfo("localhost", "80", hints, &list), 0);
    assert_int_equal(errno, 5);
    assert_non_null(list);
    for (struct addrinfo *a = list; a; a = a->ai_next) {
        assert_int_equal(ntohs(((struct sockaddr_in *)a->ai_addr)->sin_port), 80);
        assert_true(!hints || hints->ai_family == AF_UNSPEC || a->ai_family == hints->ai_family);
        assert_true(!hints || !(hints->ai_flags & AI_CANONNAME) || list->ai_canonname);
    }
    freeaddrinfo(list);
}

static void test_lookups_suspend(void **state _unused_)
{
    assert_loopback(NULL);
    assert_int_equal(waits, 1);
    assert_loopback(&(struct addrinfo){.ai_family = AF_INET}); /* it is known */
    assert_int_equal(waits, 1);
    assert_loopback(&(struct addrinfo){.ai_family = AF_INET, .ai_flags = AI_CANONNAME});
    assert_int_equal(waits, 2);
}

static void leave_lookup(int flags)
{
    struct addrinfo *list = NULL;

    meanwhile = cancel;
    if (setjmp(leaving) == 0) {
        __wrap_getaddrinfo("localhost", NULL, &(struct addrinfo){.ai_flags = flags}, &list);
        fail();
    }
    user.cancelled = false;
}

static void test_who_leaves_a_lookup_holds_nothing(void **state _unused_)
{
    leave_lookup(0);
    leave_lookup(AI_CANONNAME);
    assert_int_equal(waits, 2);
    assert_loopback(NULL); /* the resolver still answers */
}

static void test_lookups_that_fail(void **state _unused_)
{
    struct addrinfo *list = NULL;

    assert_int_equal(__wrap_getaddrinfo("", NULL, NULL, &list), EAI_NONAME);
    assert_int_equal(__wrap_getaddrinfo(NULL, NULL, NULL, &list), EAI_NONAME);
    assert_int_equal(
        __wrap_getaddrinfo("localhost", NULL, &(struct addrinfo){.ai_family = 12345}, &list),
        EAI_FAMILY);
    assert_int_equal(__wrap_getaddrinfo("localhost", "no such service", NULL, &list), EAI_SERVICE);
    assert_null(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sleeps_suspend, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_absolute_times, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_times_are_refused_as_ever, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_times_without_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_others_call_the_original, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_poll_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_poll_hears_that_the_other_end_is_closed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_poll_with_one_descriptor_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_poll_refuses_a_closed_descriptor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_poll_ends_in_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_leaves_poll_holds_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_signal_that_waits_ends_ppoll, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lookups_suspend, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_leaves_a_lookup_holds_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lookups_that_fail, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
