# SPDX-License-Identifier: MPL-2.0
"""Calls of the C library that would block the worker, and what is said of tests that do."""

import os
import re
import subprocess

import pytest

MODULE = """\
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <loads/loads.h>

static int inside, pair[2];
static bool waits;

static void __attribute__((constructor)) before_any_user(void)
{
    usleep(1);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0) {
        abort();
    }
}

/* As many as there are sleep at a time: the last one counts it. */
LOADS_TEST(Blocking, sleeps)
{
    if (++inside == 100) {
        loads_incr_counter(user, "all at once");
    }
    loads_assert_int_eq(sleep(1), 0);
    inside--;
}

LOADS_TEST(Blocking, held)
{
    if (++inside > 1) {
        loads_incr_counter(user, "at once");
    }
    usleep(150000);
    inside--;
}

/* User 0 polls for what user 1 writes. */
LOADS_TEST(Blocking, polls)
{
    struct pollfd fds[3] = {{.fd = -1}, {.fd = pair[0], .events = POLLIN}, {.fd = pair[0], .events = POLLOUT}};
    nfds_t n = loads_user_number(user) < 1000 ? 2 : 3; /* not known to the compiler */

    if (loads_user_number(user) > 0) {
        loads_assert(waits);
        loads_assert_int_eq(poll(fds, 2, 0), 0);
        loads_assert_int_eq(write(pair[1], "x", 1), 1);
        return;
    }
    waits = true;
    errno = 77;
    loads_assert_int_eq(poll(fds, n, -1), 1);
    loads_assert_int_eq(errno, 77);
    loads_assert_int_eq(fds[0].revents, 0);
    loads_assert_int_eq(fds[1].revents, POLLIN);
    loads_assert_int_eq(ppoll(fds, n + 1, NULL, NULL), 2);
    loads_assert_int_eq(fds[2].revents, POLLOUT);
    loads_incr_counter(user, "polled");
}

static void look_up(loads_user *user, const struct addrinfo *hints)
{
    struct addrinfo *list = NULL;
    loads_assert_int_eq(getaddrinfo("localhost", "8080", hints, &list), 0);
    for (struct addrinfo *a = list; a; a = a->ai_next) {
        struct sockaddr_in *address = (struct sockaddr_in *)a->ai_addr;
        loads_assert(a->ai_family == AF_INET || a->ai_family == AF_INET6);
        loads_assert_int_eq(ntohs(address->sin_port), 8080);
        if (a->ai_family == AF_INET) {
            loads_assert_int_eq(ntohl(address->sin_addr.s_addr), INADDR_LOOPBACK);
        }
    }
    loads_incr_counter(user, list->ai_canonname ? "canonical" : "plain");
    freeaddrinfo(list);
}

LOADS_TEST(Blocking, looks_up)
{
    struct addrinfo *list;
    look_up(user, NULL);
    look_up(user, &(struct addrinfo){.ai_family = AF_INET, .ai_socktype = SOCK_STREAM});
    look_up(user, &(struct addrinfo){.ai_family = AF_INET, .ai_flags = AI_CANONNAME});
    loads_assert_int_eq(getaddrinfo("no.such.invalid", NULL, NULL, &list), EAI_NONAME);
    loads_assert_int_ne(getaddrinfo("::1", NULL, &(struct addrinfo){.ai_family = AF_INET}, &list), 0);
}

static void *in_thread(void *argument)
{
    usleep(1);
    return poll(NULL, 0, 1) == 0 ? argument : NULL;
}

static void afterwards(void *argument)
{
    loads_user *user = argument;
    usleep(1);
    loads_log(user, "deferred is done");
}

LOADS_TEST(Blocking, own_thread)
{
    pthread_t thread;
    void *result = NULL;
    loads_assert_int_eq(pthread_create(&thread, NULL, in_thread, user), 0);
    loads_assert_int_eq(pthread_join(thread, &result), 0);
    loads_assert(result == user);
}

LOADS_TEST(Blocking, stays)
{
    loads_defer(user, afterwards, user);
    switch (loads_user_number(user)) {
    case 0:
        sleep(100000);
    case 1:
        (void)poll(&(struct pollfd){.fd = pair[0], .events = POLLIN}, 1, -1);
    default:
        clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &(struct timespec){.tv_sec = time(NULL) + 100000}, NULL);
    }
    loads_fail("it went on");
}
"""


@pytest.fixture
def blocking(runner):
    """blocking(TEST, ARGUMENTS): how it ran, all users in one worker unless told otherwise."""
    runner.write("blocking.c", MODULE)

    def run(test, *arguments):
        workers = () if "--workers" in arguments else ("--workers", "1")
        return runner.summarize(f"blocking.Blocking.{test}", *workers, *arguments)

    return run


def counters(ran):
    return {counter["name"]: counter["count"] for counter in ran.summary["counters"]}


def warnings(ran):
    return [line for line in ran.stderr.splitlines() if "held its worker" in line]


def test_all_users_sleep_at_once(blocking):
    ran = blocking("sleeps", "-u", "100")
    assert ran.code == 0 and ran.counts["Success"] == 100, ran
    assert counters(ran)["all at once"] == 1


def test_without_patching_they_hold_the_worker(blocking):
    ran = blocking("held", "-u", "2", "--hits", "2", "--no-patching")
    assert ran.code == 0 and ran.counts["Success"] == 4, ran
    counted = counters(ran)
    assert "at once" not in counted
    assert counted["(stalls)"] >= 4 and counted["(stalled milliseconds)"] >= 4 * 150
    assert re.search(r"^ +\(stalls\) +\d+$", ran.stdout, re.MULTILINE)
    (warning,) = warnings(ran)
    assert int(re.search(r"Blocking\.held held its worker for (\d+) ms", warning)[1]) >= 150


def test_a_run_warns_once_whatever_its_workers_and_cycles(blocking):
    ran = blocking("held", "-u", "2:4", "--workers", "2", "--no-patching")
    assert counters(ran)["(stalls)"] >= 6
    assert len(warnings(ran)) == 1, ran


def test_both_ways_have_their_own_place_in_the_cache(blocking):
    for arguments, at_once in (((), True), (("--no-patching",), False), ((), True)):
        assert ("at once" in counters(blocking("held", "-u", "2", *arguments))) == at_once


@pytest.mark.parametrize("flags", ["-O2", "-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"])
def test_one_polls_what_another_writes(blocking, flags):
    ran = blocking("polls", "-u", "2", "--cflags", flags)
    assert ran.code == 0 and ran.counts["Success"] == 2, ran
    assert counters(ran)["polled"] == 1


def test_names_are_looked_up(blocking):
    ran = blocking("looks_up", "-u", "10", "--hits", "3")
    assert ran.code == 0 and ran.counts["Success"] == 30, ran
    assert (counters(ran)["plain"], counters(ran)["canonical"]) == (60, 30)


def test_a_thread_of_the_test_waits_by_itself(blocking):
    ran = blocking("own_thread", "-u", "2")
    assert ran.code == 0 and ran.counts["Success"] == 2, ran


def test_who_waits_leaves_at_the_end(blocking):
    ran = blocking("stays", "-u", "3", "-d", "0.5", "--grace", "0")
    assert ran.counts["Errors"] == ran.counts["Failures"] == 0, ran
    assert ran.stderr.count("deferred is done") == 3


@pytest.mark.parametrize("arguments, at_once", [([], True), (["--no-patching"], False)])
def test_a_module_built_by_hand(build_dir, blocking, runner, tmp_path, arguments, at_once):
    install = ["cmake", "--install", str(build_dir), "--component", "devel"]
    subprocess.run(install, env={**os.environ, "DESTDIR": str(tmp_path / "root")}, check=True)
    (found,) = (tmp_path / "root").rglob("loads.pc")
    environment = {**os.environ, "PKG_CONFIG_PATH": str(found.parent),
                   "PKG_CONFIG_SYSROOT_DIR": str(tmp_path / "root")}
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "loads"], env=environment,
                           capture_output=True, text=True, check=True).stdout.split()
    assert any("--wrap=__ppoll_chk" in flag for flag in flags)
    source = runner.folder / "blocking.c"
    subprocess.run(["cc", "-O1", "-fPIC", "-shared", "-o", runner.folder / "blocking.so", source, *flags],
                   check=True)
    source.unlink()
    ran = blocking("held", "-u", "2", *arguments)
    assert ran.code == 0, ran
    assert ("at once" in counters(ran)) == at_once
