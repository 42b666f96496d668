/* SPDX-License-Identifier: MPL-2.0 */
/* An exponential one is drawn by inversion. It has no longest time; ours has, since a user that
 * thinks for hours is no use to anybody: five of 100,000 are cut, which makes the average smaller
 * by as much. */
#include "base/distribution.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

#define MAX_TIME_BYTES 100 /* of one time's text */

static const struct {
    const char *name;
    unsigned times;
} kinds[] = {
    [DISTRIBUTION_CONSTANT] = {"constant", 1},
    [DISTRIBUTION_UNIFORM] = {"uniform", 2},
    [DISTRIBUTION_EXPONENTIAL] = {"exponential", 1},
};

static int check_time(double seconds, struct error *error)
{
    if (!(seconds >= 0 && seconds <= DISTRIBUTION_MAX_SEC)) { /* NaN is in no range */
        return error_set(error, -EINVAL, "%g is not a number of seconds from 0 to %.0f (366 days)",
                         seconds, DISTRIBUTION_MAX_SEC);
    }
    return 0;
}

int distribution_check(const struct distribution *distribution, struct error *error)
{
    if ((unsigned)distribution->kind >= ELEMENTSOF(kinds)) {
        return error_set(error, -EINVAL, "there is no such distribution");
    }
    int r = check_time(distribution->first_sec, error);
    if (r == 0 && distribution->kind == DISTRIBUTION_UNIFORM) {
        r = check_time(distribution->second_sec, error);
        if (r == 0 && distribution->first_sec > distribution->second_sec) {
            r = error_set(error, -EINVAL, "from %g to %g: the smaller one comes first",
                          distribution->first_sec, distribution->second_sec);
        }
    }
    return r;
}

/* The time at *text, up to a colon or the end; moves behind it. */
static int read_time(const char **text, double *ret_sec, struct error *error)
{
    char part[MAX_TIME_BYTES];
    size_t length = strcspn(*text, ":");
    uint64_t usec;

    if (length >= sizeof part) {
        return -EINVAL;
    }
    (void)snprintf(part, sizeof part, "%.*s", (int)length, *text); /* fits */
    int r = parse_duration(part, &usec, error);
    if (r == 0) {
        *ret_sec = (double)usec / 1e6;
        *text += length;
    }
    return r;
}

int distribution_parse(const char *text, struct distribution *ret, struct error *error)
{
    struct distribution found = {.kind = DISTRIBUTION_CONSTANT};
    size_t length = strcspn(text, ":");
    const char *rest = text;

    for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
        if (strlen(kinds[i].name) == length && memcmp(kinds[i].name, text, length) == 0) {
            found.kind = (enum distribution_kind)i;
            rest = text[length] == ':' ? text + length + 1 : text + length;
        }
    }
    int r = read_time(&rest, &found.first_sec, error);
    if (r == 0 && kinds[found.kind].times == 2 && *rest == ':') {
        rest++;
        r = read_time(&rest, &found.second_sec, error);
    } else if (r == 0 && kinds[found.kind].times == 2) {
        r = -EINVAL;
    }
    if (r < 0 || *rest) {
        return error_set(error, -EINVAL,
                         "'%.200s' is none of TIME, uniform:LOW:HIGH and exponential:MEAN, with "
                         "times such as 10, 1.5s or 500ms",
                         text);
    }
    r = distribution_check(&found, error);
    if (r == 0) {
        *ret = found;
    }
    return r;
}

uint64_t distribution_draw_usec(const struct distribution *distribution, struct prng *prng)
{
    double seconds = distribution->first_sec;

    if (distribution->kind == DISTRIBUTION_UNIFORM) {
        seconds += prng_double(prng) * (distribution->second_sec - distribution->first_sec);
    } else if (distribution->kind == DISTRIBUTION_EXPONENTIAL) {
        double factor = -log1p(-prng_double(prng));
        seconds *= MIN(factor, (double)DISTRIBUTION_EXPONENTIAL_MAX);
    }
    return (uint64_t)(seconds * 1e6 + 0.5);
}
