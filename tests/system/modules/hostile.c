/* SPDX-License-Identifier: MPL-2.0 */
/* Texts that mean harm to whoever writes them into a page, a log, a table: for test_formats.py. */
#include <loads/loads.h>

/* Markup, quotes, ends of scripts and comments, a terminal's escapes, line ends that are none of
 * C's, letters that turn a line around, bytes that are no UTF-8, an emoji. */
#define HOSTILE                                                                                    \
    "</script><img src=x onerror=alert(1)>&amp;<!-- ]]> \"double\" 'single' \\back `tick` ${x} "   \
    "%s \x1b[31mred\x07 \xe2\x80\xa8 \xe2\x80\xae \xe2\x80\x8f \xff\xc3\x28 \xf0\x9f\x98\x80 "     \
    "a,b;c\td|e"

LOADS_TEST(Hostile, test_names)
{
    loads_get(user, "/any/name", .name = HOSTILE);
    loads_get(user, "/status/404", .name = "line\nbreak");
    loads_get(user, "/any/formula", .name = "=1+1"); /* what a table of figures would compute */
    loads_incr_counter(user, HOSTILE);
}

LOADS_TEST(Hostile, test_failure)
{
    loads_get(user, "/any/before");
    loads_fail("%s", HOSTILE);
}
