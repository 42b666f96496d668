/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/daemon.h"

#define FIRST_FD 3 /* where systemd puts them */

static int clear_environment(void **state _unused_)
{
    static const char *const names[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
                                        "LISTEN_FDS",    "LISTEN_PID",    "LISTEN_FDNAMES"};
    for (size_t i = 0; i < ELEMENTSOF(names); i++) {
        assert_int_equal(unsetenv(names[i]), 0);
    }
    return 0;
}

/* A socket that the manager would listen on. */
static int listen_as_manager(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    (void)snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "loads-test-%d", getpid());
    socklen_t size =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(address.sun_path + 1));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    char name[sizeof address.sun_path];
    (void)snprintf(name, sizeof name, "@%s", address.sun_path + 1);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

static void assert_told(int fd, const char *text)
{
    char told[256];
    ssize_t size = recv(fd, told, sizeof told - 1, MSG_DONTWAIT);
    assert_true(size > 0);
    told[size] = '\0';
    assert_non_null(strstr(told, text));
}

static void test_notifies(void **state _unused_)
{
    _cleanup_fd_ int fd = listen_as_manager();
    daemon_notify("READY=1\nSTATUS=%d agents", 5);
    assert_told(fd, "READY=1\nSTATUS=5 agents");
    daemon_notify_reloading();
    assert_told(fd, "RELOADING=1\nMONOTONIC_USEC=");
}

static void assert_nothing_told(int fd)
{
    char told[256];
    assert_int_equal(recv(fd, told, sizeof told, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

/* What is the same, or comes too soon, is not told; what came too soon is when it comes again. */
static void test_status(void **state _unused_)
{
    _cleanup_fd_ int fd = listen_as_manager();
    struct daemon_status status = {.told_usec = 0};

    daemon_tell_status(&status, 5000000, "%d agents", 5);
    assert_told(fd, "STATUS=5 agents");
    daemon_tell_status(&status, 6000000, "%d agents", 5);
    assert_nothing_told(fd);
    daemon_tell_status(&status, 6500000, "%d agents", 6);
    assert_told(fd, "STATUS=6 agents");
    daemon_tell_status(&status, 7499999, "%d agents", 7);
    assert_nothing_told(fd);
    daemon_tell_status(&status, 7500000, "%d agents: why?\nREADY=1", 7);
    assert_told(fd, "STATUS=7 agents: why? READY=1");
    daemon_notify_ending(20);
    assert_told(fd, "EXTEND_TIMEOUT_USEC=20");
}

static void test_without_a_manager(void **state _unused_)
{
    _cleanup_(daemon_sockets_freep) struct daemon_sockets *sockets = NULL;
    struct error error;

    daemon_notify("READY=1");
    assert_int_equal(daemon_watchdog_usec(), 0);
    assert_int_equal(daemon_sockets_new(&sockets, &error), 0);
    assert_int_equal(daemon_sockets_take(sockets, "frontend"), -1);
    assert_int_equal(daemon_sockets_check(sockets, NULL, 0, &error), 0);
}

static void set_pid(const char *variable)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%d", getpid());
    assert_int_equal(setenv(variable, text, 1), 0);
}

static void test_watchdog(void **state _unused_)
{
    assert_int_equal(setenv("WATCHDOG_USEC", "3000000", 1), 0);
    set_pid("WATCHDOG_PID");
    assert_int_equal(daemon_watchdog_usec(), 3000000);
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* What the program has open at the numbers of passed sockets is put aside meanwhile. */
static void test_passed_sockets(void **state _unused_)
{
    struct daemon_sockets *sockets = NULL;
    struct error error;
    int aside[3];

    for (int i = 0; i < 3; i++) {
        aside[i] = fcntl(FIRST_FD + i, F_DUPFD_CLOEXEC, FIRST_FD + 10);
    }
    for (int i = 0; i < 3; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0 && dup2(fd, FIRST_FD + i) == FIRST_FD + i);
        if (fd != FIRST_FD + i) {
            close_fd(fd);
        }
    }
    assert_int_equal(setenv("LISTEN_FDS", "3", 1), 0);
    assert_int_equal(setenv("LISTEN_FDNAMES", "frontend:backend:frontend", 1), 0);
    set_pid("LISTEN_PID");
    assert_int_equal(daemon_sockets_new(&sockets, &error), 0);
    assert_int_equal(daemon_sockets_take(sockets, "frontend"), FIRST_FD);
    assert_int_equal(fcntl(FIRST_FD, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(
        daemon_sockets_check(sockets, (const char *const[]){"backend", "frontend"}, 2, &error), 0);
    assert_int_equal(
        daemon_sockets_check(sockets, (const char *const[]){"a", "b", "frontend"}, 3, &error),
        -EINVAL);
    assert_string_equal(error.text, "a socket called 'backend' was passed in, which is not called "
                                    "a, b or frontend");
    assert_int_equal(daemon_sockets_take(sockets, "frontend"), FIRST_FD + 2);
    assert_int_equal(daemon_sockets_take(sockets, "frontend"), -1);
    assert_null(daemon_sockets_free(sockets));
    assert_true(is_open(FIRST_FD) && !is_open(FIRST_FD + 1) && is_open(FIRST_FD + 2));
    for (int i = 0; i < 3; i++) {
        close_fd(FIRST_FD + i);
        if (aside[i] >= 0) {
            assert_int_equal(dup2(aside[i], FIRST_FD + i), FIRST_FD + i);
            close_fd(aside[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_notifies, clear_environment),
        cmocka_unit_test_teardown(test_status, clear_environment),
        cmocka_unit_test_setup(test_without_a_manager, clear_environment),
        cmocka_unit_test_teardown(test_watchdog, clear_environment),
        cmocka_unit_test_teardown(test_passed_sockets, clear_environment),
    };
    return cmocka_run_group_tests(tests, clear_environment, NULL);
}
