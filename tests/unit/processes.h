/* SPDX-License-Identifier: MPL-2.0 */
/* For tests that start processes: waiting for events with a watchdog, and what must not be left. */
#ifndef LOADS_TESTS_UNIT_PROCESSES_H
#define LOADS_TESTS_UNIT_PROCESSES_H

#include <dirent.h>
#include <errno.h>
#include <ev.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/macros.h"

#define WATCHDOG_SEC 60.0

static void on_watchdog(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    *(bool *)timer->data = true;
}

/* Runs the loop until *done; fails when that doesn't come. */
static _unused_ void run_until(struct ev_loop *loop, const bool *done)
{
    bool expired = false;
    ev_timer watchdog;

    ev_now_update(loop);
    ev_timer_init(&watchdog, on_watchdog, WATCHDOG_SEC, 0);
    watchdog.data = &expired;
    ev_timer_start(loop, &watchdog);
    while (!*done && !expired) {
        ev_run(loop, EVRUN_ONCE);
    }
    ev_timer_stop(loop, &watchdog);
    assert_true(*done);
}

struct end_of_file {
    ev_io watcher;
    bool reached;
};

static void on_end_of_file(struct ev_loop *loop _unused_, ev_io *watcher, int events _unused_)
{
    char bytes[256];
    ((struct end_of_file *)watcher->data)->reached = read(watcher->fd, bytes, sizeof bytes) == 0;
}

/* Waits until nobody has the other end of a pipe any more. */
static _unused_ void run_until_closed(struct ev_loop *loop, int fd)
{
    struct end_of_file end = {0};

    ev_io_init(&end.watcher, on_end_of_file, fd, EV_READ);
    end.watcher.data = &end;
    ev_io_start(loop, &end.watcher);
    run_until(loop, &end.reached);
    ev_io_stop(loop, &end.watcher);
}

static _unused_ unsigned count_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(directory);
    while (readdir(directory)) {
        n++;
    }
    assert_int_equal(closedir(directory), 0);
    return n;
}

static _unused_ void assert_no_children(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

#endif
