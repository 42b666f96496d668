/* SPDX-License-Identifier: MPL-2.0 */
/* Dates of cookies: what was read is a date that the C library writes, and that is read again as
 * the same. */
#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "fuzz.h"
#include "worker/cookie_date.h"

#define YEAR_10000 INT64_C(253402300800)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t usec = 77, again;
    char text[64];
    struct tm parts;
    int r = cookie_date_parse((const char *)data, size, &usec);

    if (r < 0) {
        assert(r == -EINVAL && usec == 77);
        return 0;
    }
    time_t seconds = (time_t)(usec / USEC_PER_SEC);
    assert(usec % USEC_PER_SEC == 0 && seconds < YEAR_10000);
    assert(gmtime_r(&seconds, &parts));
    size_t length = strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    assert(length > 0 && cookie_date_parse(text, length, &again) == 0 && again == usec);
    return 0;
}
