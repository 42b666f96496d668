/* SPDX-License-Identifier: MPL-2.0 */
/* Dates of cookies. No one format is in use, so the RFC gives an algorithm in place of a grammar:
 * cut the text into tokens, and let the first token that looks like a time, a day, a month, a year
 * be it. What names of days or zones are there is passed over. */
#include "worker/cookie_date.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"

struct date {
    bool has_time, has_day, has_month, has_year;
    unsigned hour, minute, second, day, month, year;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_delimiter(char c)
{
    return c == '\t' || (c >= 0x20 && c <= 0x2f) || (c >= 0x3b && c <= 0x40) ||
           (c >= 0x5b && c <= 0x60) || (c >= 0x7b && c <= 0x7e);
}

/* Reads a number of `least` to `most` digits at *at; false: there is none, or it has more digits.
 */
static bool take_number(const char **at, const char *end, unsigned least, unsigned most,
                        unsigned *ret)
{
    const char *c = *at;
    unsigned value = 0, digits = 0;

    for (; c < end && is_digit(*c) && digits < most; c++, digits++) {
        value = value * 10 + (unsigned)(*c - '0');
    }
    if (digits < least || (c < end && is_digit(*c))) {
        return false;
    }
    *at = c;
    *ret = value;
    return true;
}

static bool take_colon(const char **at, const char *end)
{
    if (*at == end || **at != ':') {
        return false;
    }
    (*at)++;
    return true;
}

static bool take_time(struct date *date, const char *at, const char *end)
{
    return take_number(&at, end, 1, 2, &date->hour) && take_colon(&at, end) &&
           take_number(&at, end, 1, 2, &date->minute) && take_colon(&at, end) &&
           take_number(&at, end, 1, 2, &date->second);
}

static bool take_month(struct date *date, const char *at, const char *end)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

    if (end - at < 3) {
        return false;
    }
    for (unsigned i = 0; i < 12; i++) {
        if (strncasecmp(at, names + (size_t)i * 3, 3) == 0) {
            date->month = i + 1;
            return true;
        }
    }
    return false;
}

static void take_token(struct date *date, const char *at, const char *end)
{
    if (!date->has_time && take_time(date, at, end)) {
        date->has_time = true;
    } else if (!date->has_day && take_number(&at, end, 1, 2, &date->day)) {
        date->has_day = true;
    } else if (!date->has_month && take_month(date, at, end)) {
        date->has_month = true;
    } else if (!date->has_year && take_number(&at, end, 2, 4, &date->year)) {
        date->has_year = true;
    }
}

static bool is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool is_valid(const struct date *date)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return date->has_time && date->has_day && date->has_month && date->has_year &&
           date->year >= 1601 && date->hour < 24 && date->minute < 60 && date->second < 60 &&
           date->day >= 1 &&
           date->day <= days[date->month - 1] + (date->month == 2 && is_leap(date->year) ? 1U : 0U);
}

/* Days from 1970-01-01 to a date that is not earlier. */
static uint64_t days_since_1970(const struct date *date)
{
    static const unsigned short before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    uint64_t years = date->year - 1;
    uint64_t days = years * 365 + years / 4 - years / 100 + years / 400 - 719162;

    return days + before[date->month - 1] + (date->month > 2 && is_leap(date->year)) + date->day -
           1;
}

int cookie_date_parse(const char *text, size_t size, uint64_t *ret)
{
    struct date date = {0};
    const char *end = text + size;

    for (const char *at = text; at < end;) {
        const char *begin = at;
        while (at < end && !is_delimiter(*at)) {
            at++;
        }
        if (at > begin) {
            take_token(&date, begin, at);
        } else {
            at++;
        }
    }
    if (date.has_year && date.year < 100) {
        date.year += date.year < 70 ? 2000 : 1900;
    }
    if (!is_valid(&date)) {
        return -EINVAL;
    }
    *ret = 0;
    if (date.year >= 1970) {
        uint64_t minutes = (days_since_1970(&date) * 24 + date.hour) * 60 + date.minute;
        *ret = (minutes * 60 + date.second) * USEC_PER_SEC;
    }
    return 0;
}
