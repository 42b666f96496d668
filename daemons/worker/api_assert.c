/* SPDX-License-Identifier: MPL-2.0 */
/* Assertions of loads/loads.h: each makes one sentence with both values, and leaves. Long values
 * are cut, so that a page of HTML doesn't become an error message. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "call.h"

#define MAX_MESSAGE_BYTES 2000
#define MAX_VALUE_BYTES   200

static _printf_(3, 0) void fail_with(const char *file, int line, const char *format,
                                     va_list arguments)
{
    char message[MAX_MESSAGE_BYTES];
    loads_user *user = call_user();

    if (user) {
        (void)vsnprintf(message, sizeof message, format, arguments); /* cut is fine */
        call_fail(user, ERROR_KIND_FAILURE, "assertion", file, line, message);
    }
}

void loads_fail_at_(const char *file, int line, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fail_with(file, line, format, arguments);
    va_end(arguments);
}

void loads_assert_near_(const char *file, int line, const char *what, double actual,
                        double expected, double tolerance)
{
    if (!(fabs(actual - expected) <= tolerance)) { /* NaN is near nothing */
        loads_fail_at_(file, line, "%s is %g, expected %g ± %g", what, actual, expected, tolerance);
    }
}

/* A string as a person reads it: in quotes, cut; NULL without. */
static const char *quote(const char *text, char buffer[static MAX_VALUE_BYTES + 8])
{
    if (!text) {
        return "NULL";
    }
    size_t size = strnlen(text, MAX_VALUE_BYTES + 1);
    (void)snprintf(buffer, MAX_VALUE_BYTES + 8, "\"%.*s%s\"", MAX_VALUE_BYTES, text,
                   size > MAX_VALUE_BYTES ? "…" : "");
    return buffer;
}

void loads_assert_str_(const char *file, int line, const char *what, enum loads_str_ how,
                       const char *actual, const char *expected)
{
    char a[MAX_VALUE_BYTES + 8], b[MAX_VALUE_BYTES + 8];
    bool equal = actual == expected || (actual && expected && strcmp(actual, expected) == 0);
    bool contains = actual && expected && strstr(actual, expected);

    switch (how) {
    case LOADS_STR_EQ_:
        if (!equal) {
            loads_fail_at_(file, line, "%s is %s, expected %s", what, quote(actual, a),
                           quote(expected, b));
        }
        break;
    case LOADS_STR_NE_:
        if (equal) {
            loads_fail_at_(file, line, "%s is %s, expected another", what, quote(actual, a));
        }
        break;
    case LOADS_STR_CONTAINS_:
        if (!contains) {
            loads_fail_at_(file, line, "%s lacks %s: it is %s", what, quote(expected, b),
                           quote(actual, a));
        }
        break;
    case LOADS_STR_LACKS_:
        if (contains) {
            loads_fail_at_(file, line, "%s contains %s: it is %s", what, quote(expected, b),
                           quote(actual, a));
        }
        break;
    }
}

void loads_assert_mem_(const char *file, int line, const char *what, const void *actual,
                       const void *expected, size_t size)
{
    const unsigned char *a = actual, *b = expected;

    for (size_t i = 0; i < size; i++) {
        if (a[i] != b[i]) {
            loads_fail_at_(file, line, "%s differs at byte %zu: 0x%02x, expected 0x%02x", what, i,
                           a[i], b[i]);
            return;
        }
    }
}
