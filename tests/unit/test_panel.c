/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "outputs/text.h"
#include "shared/panel.h"

static locale_t utf8;

static int make_locale(void **state _unused_)
{
    utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    return utf8 ? 0 : -1;
}

static int free_locale(void **state _unused_)
{
    freelocale(utf8);
    return 0;
}

static struct progress_numbers usual(void)
{
    struct progress_numbers numbers = {
        .done = 0.25,
        .hits = 12345,
        .errors = 1,
        .failures = 0,
        .users = 100,
        .cycles = 1,
        .elapsed_sec = 63.4,
        .has_recent = true,
        .recent = {.hits_per_sec = 1234.4, .p50_usec = 412, .p95_usec = 45600, .p99_usec = 1020000},
        .last_error = "connect: connection refused",
    };
    for (unsigned i = 0; i < RECENT_TREND_SEC; i++) {
        numbers.recent.trend_usec[numbers.recent.n_trend++] = i % 9 * 1000;
    }
    return numbers;
}

/* As large as numbers get, and a text that wants to harm. */
static struct progress_numbers hostile(void)
{
    struct progress_numbers numbers = {
        .done = 0.999,
        .hits = UINT64_MAX,
        .errors = UINT64_MAX,
        .failures = UINT64_MAX,
        .users = UINT32_MAX,
        .cycle = UINT32_MAX - 1,
        .cycles = UINT32_MAX,
        .elapsed_sec = 1e300,
        .agents = UINT32_MAX,
        .lost = 3,
        .has_recent = true,
        .recent = {.hits_per_sec = 1e300,
                   .p50_usec = UINT64_MAX,
                   .p95_usec = UINT64_MAX,
                   .p99_usec = UINT64_MAX,
                   .n_trend = UINT32_MAX},
    };
    for (unsigned i = 0; i < RECENT_TREND_SEC; i++) {
        numbers.recent.trend_usec[i] = UINT64_MAX - i;
    }
    while (strlen(numbers.last_error) + 32 < sizeof numbers.last_error) {
        (void)strcat(numbers.last_error,
                     "\x1b[2J\x1b]0;x\x07\r\n\xe2\x80\xae\xff\xf0\x9f\x98\x80日本\xcc\x81");
    }
    return numbers;
}

/* A line without colours, of which it may have some. */
static const char *bare(const char *line, bool colours, char text[static PANEL_LINE_BYTES])
{
    char *to = text;

    for (; *line; line++) {
        if (*line == '\x1b' && colours) {
            size_t size = strspn(line + 1, "[0123456789;");
            assert_int_equal(line[1 + size], 'm');
            line += 1 + size;
        } else {
            *to++ = *line;
        }
    }
    *to = '\0';
    return text;
}

/* Columns, by another way than the panel's: every text here is ASCII, or of these widths. */
static unsigned width_of(const char *text)
{
    unsigned columns = 0;
    uint32_t c;

    while (*text) {
        size_t length = utf8_character(text, strlen(text), &c);
        assert_true(length > 0);
        assert_true(c >= 0x20 && (c < 0x7F || c >= 0xA0));
        columns += c == 0x301 ? 0 : c == 0x65E5 || c == 0x672C || c == 0x1F600 ? 2 : 1;
        text += length;
    }
    return columns;
}

static void render(const struct progress_numbers *numbers, unsigned columns, unsigned rows,
                   struct panel *ret)
{
    const struct panel_style style = {.columns = columns, .rows = rows, .utf8 = utf8};

    panel_render(numbers, &style, ret);
}

static void check(const struct panel *panel, const char *const *expected, unsigned count)
{
    assert_int_equal(panel->count, count);
    for (unsigned i = 0; i < count; i++) {
        assert_string_equal(panel->lines[i], expected[i]);
    }
}

static void test_80_columns(void **state _unused_)
{
    static const char *const expected[] = {
        "",
        "[=============                                        ]  25%   1:03   3:10 left",
        "100 users   1,230 hits/s   12,345 hits",
        "p50 412 µs   p95 45.6 ms   p99 1.02 s   (last 10 s)",
        "p95 by second   ▄▅▆▇█ ▁▂▃▄▅▆▇█ ▁▂▃▄▅▆▇█ ▁▂▃▄▅▆▇█ ▁▂▃▄▅▆▇█ ▁▂▃▄▅   up to 8.00 ms",
        "1 error   0 failures   connect: connection refused",
    };
    const struct progress_numbers numbers = usual();
    struct panel panel;

    render(&numbers, 80, 24, &panel);
    check(&panel, expected, ELEMENTSOF(expected));
    render(&numbers, 0, 0, &panel); /* a terminal that doesn't tell */
    check(&panel, expected, ELEMENTSOF(expected));
}

static void test_20_columns(void **state _unused_)
{
    static const char *const expected[] = {
        "",
        "25% 1:03 -3:10",
        "100 users 1,230/s",
        "p95 45.6 ms",
        "▅▆▇█ ▁▂▃▄▅▆▇█ ▁▂▃▄▅",
        "1 err. 0 fail.",
        "connect: connectio…",
    };
    const struct progress_numbers numbers = usual();
    struct panel panel;

    render(&numbers, 20, 24, &panel);
    check(&panel, expected, ELEMENTSOF(expected));
}

static void test_200_columns_on_agents(void **state _unused_)
{
    struct progress_numbers numbers = usual();
    struct panel panel;

    numbers.cycles = 3;
    numbers.cycle = 1;
    numbers.agents = 2;
    render(&numbers, 200, 50, &panel);
    assert_int_equal(panel.count, 6);
    assert_non_null(strstr(panel.lines[1], "]  25%   1:03   3:10 left   cycle 2/3"));
    assert_string_equal(panel.lines[2], "100 users   1,230 hits/s   12,345 hits   2 agents");
    numbers.lost = 1;
    render(&numbers, 200, 50, &panel);
    assert_string_equal(panel.lines[2], "100 users   1,230 hits/s   12,345 hits   1 of 2 agents");
}

static void test_without_what_is_not_known(void **state _unused_)
{
    static const char *const expected[] = {
        "",
        "[                                                           ]   0%   0:00",
        "0 users   0 hits/s   0 hits",
        "0 errors   0 failures",
    };
    struct progress_numbers numbers = {.done = NAN};
    struct panel panel;

    render(&numbers, 80, 24, &panel);
    assert_int_equal(panel.count, ELEMENTSOF(expected));
    assert_string_equal(panel.lines[2], expected[2]);
    assert_string_equal(panel.lines[3], expected[3]);
    assert_non_null(strstr(panel.lines[1], " ]   0%   0:00"));
    assert_null(strstr(panel.lines[1], "left"));
    numbers.has_recent = true;
    (void)strcpy(numbers.state, "preparing");
    render(&numbers, 80, 24, &panel);
    assert_non_null(strstr(panel.lines[1], "0:00   preparing"));
    assert_string_equal(panel.lines[3], "p50 -   p95 -   p99 -   (last 10 s)");
    assert_string_equal(panel.lines[4], "p95 by second   -");
}

static void test_low_terminals(void **state _unused_)
{
    const struct progress_numbers numbers = usual();
    struct panel panel;

    for (unsigned rows = 1; rows < 30; rows++) {
        render(&numbers, 80, rows, &panel);
        assert_int_equal(panel.count, MIN(MAX(rows - 1, 1u), 6u));
        assert_non_null(strstr(panel.lines[rows > 5 ? 1 : 0], "25%"));
    }
}

static void test_nothing_is_too_wide(void **state _unused_)
{
    const struct progress_numbers all[] = {usual(), hostile(), {.cycles = 1}};

    for (unsigned columns = 1; columns < 300; columns++) {
        for (unsigned variant = 0; variant < 4 * ELEMENTSOF(all); variant++) {
            const struct panel_style style = {columns, 24, variant % 2 == 0,
                                              variant % 4 < 2 ? utf8 : (locale_t)0};
            char text[PANEL_LINE_BYTES];
            struct panel panel;

            panel_render(&all[variant / 4], &style, &panel);
            assert_in_range(panel.count, 4, PANEL_MAX_LINES);
            for (unsigned i = 0; i < panel.count; i++) {
                unsigned width = width_of(bare(panel.lines[i], style.colour, text));
                assert_true(width < columns && width <= PANEL_MAX_COLUMNS);
                assert_true(style.utf8 || strspn(text, "\xc2\xc3\xe2") == 0);
                assert_true(style.utf8 || strlen(text) == width);
            }
        }
    }
}

static void test_colours(void **state _unused_)
{
    struct progress_numbers numbers = usual();
    struct panel_style style = {.columns = 80, .rows = 24, .utf8 = utf8, .colour = true};
    char text[PANEL_LINE_BYTES];
    struct panel coloured, plain;

    panel_render(&numbers, &style, &coloured);
    style.colour = false;
    panel_render(&numbers, &style, &plain);
    assert_int_equal(coloured.count, plain.count);
    for (unsigned i = 0; i < plain.count; i++) {
        assert_null(strchr(plain.lines[i], '\x1b'));
        assert_string_equal(bare(coloured.lines[i], true, text), plain.lines[i]);
    }
    assert_non_null(strstr(coloured.lines[5], "\x1b[31m1 error\x1b[0m"));
    assert_null(strstr(coloured.lines[5], "\x1b[31m0 failures"));
}

static void test_only_ascii(void **state _unused_)
{
    struct progress_numbers numbers = usual();
    const struct panel_style style = {.columns = 80, .rows = 24};
    struct panel panel;

    (void)strcpy(numbers.last_error, "assertion: caf\xc3\xa9");
    panel_render(&numbers, &style, &panel);
    assert_string_equal(panel.lines[3], "p50 412 us   p95 45.6 ms   p99 1.02 s   (last 10 s)");
    assert_non_null(strstr(panel.lines[4], " .:-=+*#@ .:"));
    assert_string_equal(panel.lines[5], "1 error   0 failures   assertion: caf?");
}

static void test_what_is_left(void **state _unused_)
{
    struct progress_numbers numbers = usual();
    struct panel panel;
    static const struct {
        double done, elapsed_sec;
        const char *text;
    } cases[] = {
        {0, 5, "0:05"},
        {0.5, 5, "0:05   0:05 left"},
        {1, 5, "0:05   0:00 left"},
        {7, 5, "0:05   0:00 left"},
        {0.5, 3661, "1:01:01   1:01:01 left"},
        {1e-9, 5, "0:05"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        numbers.done = cases[i].done;
        numbers.elapsed_sec = cases[i].elapsed_sec;
        render(&numbers, 80, 24, &panel);
        const char *percent = strchr(panel.lines[1], '%');
        assert_string_equal(percent + 4, cases[i].text);
    }
}

static void test_line(void **state _unused_)
{
    struct progress_numbers numbers = usual();
    char line[256];

    assert_string_equal(panel_line(&numbers, false, 256, line, sizeof line),
                        "25%  63 s, 12345 hits, 100 users, 1 errors, 0 failures");
    numbers.cycles = 2;
    assert_string_equal(panel_line(&numbers, true, 256, line, sizeof line),
                        "[=====               ] 25%  63 s, 12345 hits, 100 users, cycle 1/2, 1 "
                        "errors, 0 failures");
    assert_string_equal(panel_line(&numbers, true, 20, line, sizeof line), "25%  63 s, 12345 hi");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_80_columns),
        cmocka_unit_test(test_20_columns),
        cmocka_unit_test(test_200_columns_on_agents),
        cmocka_unit_test(test_without_what_is_not_known),
        cmocka_unit_test(test_low_terminals),
        cmocka_unit_test(test_nothing_is_too_wide),
        cmocka_unit_test(test_colours),
        cmocka_unit_test(test_only_ascii),
        cmocka_unit_test(test_what_is_left),
        cmocka_unit_test(test_line),
    };
    return cmocka_run_group_tests(tests, make_locale, free_locale);
}
