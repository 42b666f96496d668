/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "worker/cookie_date.h"

/* 1994-11-06 08:49:37 UTC */
#define SOME_DATE (UINT64_C(784111777) * USEC_PER_SEC)

static void test_forms(void **state _unused_)
{
    static const char *const forms[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "06 Nov 1994 08:49:37",
        "1994 nov 6 8:49:37",
        "08:49:37 6 NOVEMBER 94",
        "Sun,06/Nov/1994;08:49:37",
        "6-Nov-1994 08:49:37 +0200",
        "\t06th of Nov 1994, 08:49:37", /* digits, then something else: a day */
        "Sun, 06 Nov 1994 08:49:37.123 GMT",
        "Sun, 06 Nov 1994 08:49:37Z",
    };

    for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
        uint64_t date = 1;
        assert_int_equal(cookie_date_parse(forms[i], strlen(forms[i]), &date), 0);
        assert_true(date == SOME_DATE);
    }
}

static void test_bad(void **state _unused_)
{
    static const char *const bad[] = {
        "",
        " ",
        "never",
        "0",
        "Sun, 06 Nov 1994",
        "06 Nov 08:49:37",
        "06 1994 08:49:37",
        "Nov 1994 08:49:37",
        "00 Nov 1994 08:49:37",
        "32 Jan 1994 08:49:37",
        "31 Nov 1994 08:49:37",
        "29 Feb 1900 00:00:00",
        "29 Feb 2023 00:00:00",
        "06 Nov 1994 24:00:00",
        "06 Nov 1994 08:60:37",
        "06 Nov 1994 08:49:60",
        "06 Nov 1600 08:49:37",
        "06 Nov 19944 08:49:37",
        "06 Nov 1994 08:49",
        "06 Nov 1994 008:49:37",
        "06 No 1994 08:49:37",
    };
    uint64_t date = 7;

    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        assert_int_equal(cookie_date_parse(bad[i], strlen(bad[i]), &date), -EINVAL);
    }
    assert_int_equal(cookie_date_parse(NULL, 0, &date), -EINVAL);
    assert_true(date == 7);
}

static void test_years(void **state _unused_)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Thu, 01 Jan 1970 00:00:01 GMT", 1},
        {"31 Dec 1969 23:59:59", 0},
        {"01 Jan 1601 00:00:00", 0},
        {"01 Jan 70 00:00:00", 0},
        {"01 Jan 00 00:00:00", 946684800},
        {"01 Jan 69 00:00:00", 3124224000},
        {"31 Dec 99 00:00:00", 946598400},
        {"29 Feb 2000 12:00:00", 951825600},
        {"29 Feb 2024 00:00:00", 1709164800},
        {"19 Jan 2038 03:14:08", 2147483648},
        {"31 Dec 9999 23:59:59", 253402300799},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        uint64_t date = 7;
        assert_int_equal(cookie_date_parse(cases[i].text, strlen(cases[i].text), &date), 0);
        assert_true(date == (uint64_t)cases[i].seconds * USEC_PER_SEC);
    }
}

/* Every day of four centuries, as the C library sees it. */
static void test_all_days(void **state _unused_)
{
    for (time_t day = 0; day < 150000; day++) {
        time_t want = day * 86400 + day % 86400;
        struct tm parts;
        char text[64];
        uint64_t date = 0;
        assert_non_null(gmtime_r(&want, &parts));
        size_t size = strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
        assert_int_equal(cookie_date_parse(text, size, &date), 0);
        assert_true(date == (uint64_t)want * USEC_PER_SEC);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_years),
        cmocka_unit_test(test_all_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
