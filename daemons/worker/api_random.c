/* SPDX-License-Identifier: MPL-2.0 */
/* loads/loads.h: random numbers, think time and pacing. Numbers can also be had while an iteration
 * ends, since what asks for them may be a loop. */
#include <inttypes.h>
#include <stdio.h>

#include "call.h"
#include "pace.h"
#include "user.h"

_Static_assert(LOADS_CONSTANT_ == (int)DISTRIBUTION_CONSTANT &&
                   LOADS_UNIFORM_ == (int)DISTRIBUTION_UNIFORM &&
                   LOADS_EXPONENTIAL_ == (int)DISTRIBUTION_EXPONENTIAL,
               "the public names are the same");

static void misused(const char *file, int line, loads_user *user, const char *text)
    __attribute__((noreturn));
static void misused(const char *file, int line, loads_user *user, const char *text)
{
    call_fail(user, ERROR_KIND_ERROR, "argument", file, line, text);
}

int64_t loads_random_int_(const char *file, int line, loads_user *user, int64_t low, int64_t high)
{
    char text[200];

    if (low > high && call_allowed(user)) {
        (void)snprintf(text, sizeof text,
                       "loads_random_int(user, %" PRId64 ", %" PRId64
                       "): the smaller number comes first",
                       low, high);
        misused(file, line, user, text);
    }
    return low <= high && call_owned(user) ? prng_between(&user->prng, low, high) : low;
}

double loads_random_double(loads_user *user)
{
    return call_owned(user) ? prng_double(&user->prng) : 0;
}

/* A time of a distribution; the iteration ends when it is none. */
static uint64_t draw(const char *file, int line, loads_user *user, const char *function,
                     loads_distribution given)
{
    struct distribution distribution = {(enum distribution_kind)given.kind_, given.first_,
                                        given.second_};
    struct error error;

    if (distribution_check(&distribution, &error) < 0) {
        char text[300];
        (void)snprintf(text, sizeof text, "%s: %.200s", function, error.text);
        misused(file, line, user, text);
    }
    return distribution_draw_usec(&distribution, &user->prng);
}

void loads_think_(const char *file, int line, loads_user *user, loads_distribution distribution)
{
    if (call_allowed(user)) {
        uint64_t usec = draw(file, line, user, "loads_think", distribution);
        if (user_sleep(user, (double)usec / 1e6) < 0) {
            user_leave(user);
        }
    }
}

void loads_pace_(const char *file, int line, loads_user *user, loads_distribution distribution)
{
    if (call_allowed(user)) {
        pace_set(user, draw(file, line, user, "loads_pace", distribution));
    }
}
