/* SPDX-License-Identifier: MPL-2.0 */
/* Every stretch between a user's resuming and its suspending is timed. What was too long becomes
 * two counters, since those add up over workers, agents and cycles and reach every output as they
 * are; the longest wouldn't. They are recorded at the end of the iteration, when the user may wait
 * for room; the stretch that ends there is noted first. */
#include "stall.h"

#include <fcntl.h>
#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "record.h"
#include "run/run_dir.h"

#define COUNTER_STALLS "(stalls)"
#define COUNTER_TIME   "(stalled milliseconds)"

/* Whether no other worker of the run has said it on this machine. If that can't be known, none has.
 */
static bool is_first(const struct loads_user *user)
{
    _cleanup_free_ char *path =
        run_dir_file(user->worker->share.run_dir, "stalled-%s", user->test->name);
    if (!path) {
        return true;
    }
    _cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd >= 0 || access(path, F_OK) < 0;
}

static void say(const struct loads_user *user, uint64_t held_usec)
{
    log_warning(
        "%s held its worker for %" PRIu64 " ms, in which no other user of the worker went "
        "on: have it wait in calls that let others go on (loads_sleep(), or sleep(), poll() "
        "and getaddrinfo() without --no-patching), compute less, or use more --workers; "
        "further stalls are only counted",
        user->test->name, held_usec / 1000);
}

void stall_begin_second(struct worker *worker)
{
    worker->run_delay_usec = clock_run_delay_usec();
}

/* A busy machine keeps us waiting for a processor, which is no test's fault: at most so much of
 * what has passed since the second began. */
static uint64_t waited_usec(const struct worker *worker)
{
    return clock_run_delay_usec() - worker->run_delay_usec;
}

void stall_begin(struct loads_user *user)
{
    user->resumed_usec = clock_monotonic_usec();
}

void stall_note(struct loads_user *user)
{
    struct worker *worker = user->worker;
    uint64_t now = clock_monotonic_usec(), held = now - user->resumed_usec;

    user->resumed_usec = now;
    if (held <= STALL_USEC || held <= STALL_USEC + waited_usec(worker)) {
        return;
    }
    user->stalls++;
    user->stalled_usec += held;
    uint32_t bit = UINT32_C(1) << (user->test - worker->tests);
    if (!(worker->said_stalls & bit)) {
        worker->said_stalls |= bit;
        if (is_first(user)) {
            say(user, held);
        }
    }
}

void stall_record(struct loads_user *user)
{
    stall_note(user);
    if (user->stalls == 0) {
        return;
    }
    unsigned stalls = user->stalls;
    uint64_t stalled_usec = user->stalled_usec;
    user->stalls = 0; /* recording may suspend */
    user->stalled_usec = 0;
    record_counter(user, COUNTER_STALLS, stalls);
    record_counter(user, COUNTER_TIME, (int64_t)(stalled_usec / 1000));
}
