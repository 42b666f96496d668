/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "allocation.h"
#include "metrics/names.h"
#include "random.h"
#include "shared_memory.h"

static unsigned id_of(struct names *names, enum name_kind kind, const char *text)
{
    return names_id(names, kind, text, strlen(text));
}

static unsigned find(struct names *names, enum name_kind kind, const char *text)
{
    return names_find(names, kind, text, strlen(text));
}

static struct names *new_table(void **ret_memory)
{
    struct names *names = NULL;
    *ret_memory = share_memory(names_size_bytes());
    assert_int_equal(names_new(&names, *ret_memory, names_size_bytes()), 0);
    return names;
}

static struct names *attach(void *memory)
{
    struct names *names = NULL;
    assert_int_equal(names_attach(&names, memory, names_size_bytes()), 0);
    return names;
}

static void test_ids(void **state _unused_)
{
    void *memory;
    struct names *names = new_table(&memory);
    struct names *other = attach(memory);

    for (unsigned kind = 0; kind < NAME_KINDS; kind++) {
        assert_int_equal(names_count(names, kind), 1);
        assert_string_equal(names_text(names, kind, 0), "(other)");
        assert_int_equal(id_of(names, kind, "(other)"), 0);
        assert_int_equal(find(names, kind, "a"), 0);
        assert_int_equal(id_of(names, kind, "a"), 1);
        assert_int_equal(id_of(other, kind, "b"), 2);
        assert_int_equal(id_of(names, kind, "b"), 2);
        assert_int_equal(id_of(other, kind, "a"), 1);
        assert_int_equal(find(other, kind, "a"), 1);
        assert_int_equal(id_of(names, kind, ""), 3);
        assert_int_equal(id_of(other, kind, ""), 3);
        assert_int_equal(names_count(other, kind), 4);
        assert_string_equal(names_text(names, kind, 2), "b");
        assert_string_equal(names_text(names, kind, 3), "");
        assert_string_equal(names_text(names, kind, 4), "(other)");
        assert_string_equal(names_text(names, kind, UINT32_MAX), "(other)");
        assert_int_equal(names_overflows(names, kind), 0);
    }
    names_free(other);
    names_free(names);
    unshare_memory(memory, names_size_bytes());
}

static void test_foreign_memory_is_refused(void **state _unused_)
{
    void *memory = share_memory(names_size_bytes());
    struct names *names = NULL;

    assert_int_equal(names_attach(&names, memory, names_size_bytes()), -EINVAL);
    assert_int_equal(names_new(&names, memory, names_size_bytes() - 1), -EINVAL);
    assert_int_equal(names_new(&names, (char *)memory + 1, names_size_bytes()), -EINVAL);
    assert_int_equal(names_new(&names, memory, names_size_bytes()), 0);
    names = names_free(names);
    assert_int_equal(names_attach(&names, memory, names_size_bytes() - 1), -EINVAL);
    assert_null(names);
    unshare_memory(memory, names_size_bytes());
}

struct cleaning {
    const char *dirty;
    const char *clean;
};

static const struct cleaning cleanings[] = {
    {"a\x01z\x1b[0m\x7f", "a?z?[0m?"},
    {"tab\tline\nsep\x1f", "tab\tline\nsep\x1f"},
    {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"\xff", "\xef\xbf\xbd"},
    {"cut \xe2\x82", "cut \xef\xbf\xbd\xef\xbf\xbd"},
    {"overlong \xc0\xaf", "overlong \xef\xbf\xbd\xef\xbf\xbd"},
    {"overlong \xe0\x80\xaf", "overlong \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"surrogate \xed\xa0\x80", "surrogate \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"beyond \xf4\x90\x80\x80", "beyond \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"C1 \xc2\x9b", "C1 ?"},
};

static void test_texts_are_cleaned(void **state _unused_)
{
    void *memory;
    struct names *names = new_table(&memory);

    for (size_t i = 0; i < ELEMENTSOF(cleanings); i++) {
        unsigned id = id_of(names, NAME_COUNTER, cleanings[i].dirty);
        assert_int_equal(id, i + 1);
        assert_string_equal(names_text(names, NAME_COUNTER, id), cleanings[i].clean);
        assert_int_equal(id_of(names, NAME_COUNTER, cleanings[i].clean), id);
        assert_int_equal(find(names, NAME_COUNTER, cleanings[i].dirty), id);
    }
    assert_int_equal(names_id(names, NAME_COUNTER, "a\0b", 3), id_of(names, NAME_COUNTER, "a?b"));
    names_free(names);
    unshare_memory(memory, names_size_bytes());
}

/* Long texts are cut, and not within a character. */
static void test_long_texts_are_cut(void **state _unused_)
{
    void *memory;
    struct names *names = new_table(&memory);
    char text[NAME_MAX_BYTES + 10];

    memset(text, 'x', sizeof text);
    unsigned id = names_id(names, NAME_ERROR, text, sizeof text);
    assert_int_equal(strlen(names_text(names, NAME_ERROR, id)), NAME_MAX_BYTES);
    assert_int_equal(names_id(names, NAME_ERROR, text, NAME_MAX_BYTES), id);
    memcpy(text + NAME_MAX_BYTES - 2, "\xe2\x82\xac", 3);
    id = names_id(names, NAME_ERROR, text, sizeof text);
    assert_int_equal(strlen(names_text(names, NAME_ERROR, id)), NAME_MAX_BYTES - 2);
    names_free(names);
    unshare_memory(memory, names_size_bytes());
}

static void test_full_kinds_overflow(void **state _unused_)
{
    static const unsigned limits[] = {NAMES_MAX_TESTS, NAMES_MAX_SERIES, NAMES_MAX_ERRORS,
                                      NAMES_MAX_COUNTERS, NAMES_MAX_TIMERS};
    void *memory;
    struct names *names = new_table(&memory);
    struct names *other = attach(memory);
    char text[32];

    for (unsigned kind = 0; kind < NAME_KINDS; kind++) {
        for (unsigned i = 1; i <= limits[kind]; i++) {
            snprintf(text, sizeof text, "name %u", i);
            assert_int_equal(id_of(i % 2 ? names : other, kind, text), i);
        }
        assert_int_equal(id_of(names, kind, "one more"), 0);
        assert_int_equal(id_of(other, kind, "one more"), 0);
        assert_int_equal(names_overflows(other, kind), 2);
        assert_int_equal(names_count(names, kind), limits[kind] + 1);
        assert_int_equal(id_of(other, kind, "name 7"), 7);
        assert_string_equal(names_text(names, kind, limits[kind]), text);
    }
    names_free(other);
    names_free(names);
    unshare_memory(memory, names_size_bytes());
}

static void test_full_text_space_overflows(void **state _unused_)
{
    void *memory;
    struct names *names = new_table(&memory);
    char text[NAME_MAX_BYTES];
    unsigned fit = 0;

    memset(text, 'x', sizeof text);
    for (unsigned i = 0; i < NAMES_MAX_SERIES; i++) {
        memcpy(text, &(char[]){(char)('0' + i / 26), (char)('a' + i % 26)}, 2);
        fit += names_id(names, NAME_SERIES, text, sizeof text) > 0;
    }
    assert_int_equal(fit, (NAMES_TEXT_BYTES - sizeof "(other)") / (NAME_MAX_BYTES + 1));
    uint64_t overflows = names_overflows(names, NAME_SERIES);
    assert_true(overflows > 0);
    names_add_overflows(names, NAME_SERIES, 5);
    assert_true(names_overflows(names, NAME_SERIES) == overflows + 5);
    assert_true(id_of(names, NAME_TEST, "a short one") > 0); /* has room still */
    names_free(names);
    unshare_memory(memory, names_size_bytes());
}

static void test_timers(void **state _unused_)
{
    void *memory;
    struct names *names = new_table(&memory);
    struct timer_key keys[] = {{TIMER_TRANSACTION, "S.a", "buy"},
                               {TIMER_ROUND_TRIP, "S.a", "buy"},
                               {TIMER_TRANSACTION, "S.b", "buy"},
                               {TIMER_TRANSACTION, "S.a", "buy/pay\x1f"}};
    char buffer[NAME_MAX_BYTES + 1];
    struct timer_key parsed;

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < ELEMENTSOF(keys); i++) {
            assert_int_equal(names_timer(names, &keys[i]), i + 1);
        }
    }
    for (unsigned i = 0; i < ELEMENTSOF(keys); i++) {
        timer_key_parse(names_text(names, NAME_TIMER, i + 1), buffer, &parsed);
        assert_int_equal(parsed.kind, keys[i].kind);
        assert_string_equal(parsed.test, keys[i].test);
        assert_string_equal(parsed.name, i == 3 ? "buy/pay?" : keys[i].name);
    }
    timer_key_parse(names_text(names, NAME_TIMER, 0), buffer, &parsed);
    assert_string_equal(parsed.name, "(other)");
    assert_string_equal(parsed.test, "");
    assert_int_equal(parsed.kind, TIMER_TRANSACTION);
    names_free(names);
    unshare_memory(memory, names_size_bytes());
}

static void test_series(void **state _unused_)
{
    void *memory;
    struct names *names = new_table(&memory);
    struct names *other = attach(memory);
    struct series_key key = {"Suite.test", "http://host/path", "GET", 200};
    char buffer[NAME_MAX_BYTES + 1];
    struct series_key parsed;

    unsigned id = names_series(names, &key);
    assert_int_equal(id, 1);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(names_series(names, &key), id);
        assert_int_equal(names_series(other, &key), id);
    }
    assert_string_equal(names_text(names, NAME_SERIES, id),
                        "Suite.test\x1fhttp://host/path\x1fGET\x1f"
                        "200");
    series_key_parse(names_text(names, NAME_SERIES, id), buffer, &parsed);
    assert_string_equal(parsed.test, key.test);
    assert_string_equal(parsed.name, key.name);
    assert_string_equal(parsed.method, key.method);
    assert_int_equal(parsed.status, 200);

    struct series_key others[] = {{"Suite.tesu", "http://host/path", "GET", 200},
                                  {"Suite.test", "http://host/patg", "GET", 200},
                                  {"Suite.test", "xttp://host/path", "GET", 200},
                                  {"Suite.test", "http://host/path", "PUT", 200},
                                  {"Suite.test", "http://host/path", "GET", 0},
                                  {"Suite.test", "", "GET", 200},
                                  {"Suite.test", "p", "GET", 4294967295u}};
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < ELEMENTSOF(others); i++) {
            assert_int_equal(names_series(round ? other : names, &others[i]), id + 1 + i);
            assert_int_equal(names_series(round ? other : names, &key), id);
        }
    }
    series_key_parse(names_text(names, NAME_SERIES, id + 7), buffer, &parsed);
    assert_int_equal(parsed.status, 4294967295u);
    series_key_parse(names_text(names, NAME_SERIES, 0), buffer, &parsed);
    assert_string_equal(parsed.name, "(other)");
    assert_string_equal(parsed.test, "");
    assert_string_equal(parsed.method, "");
    assert_int_equal(parsed.status, 0);
    names_free(other);
    names_free(names);
    unshare_memory(memory, names_size_bytes());
}

/* A separator in a part must not make one series look like another; a long part must not push out
 * the others. */
static void test_awkward_series(void **state _unused_)
{
    void *memory;
    struct names *names = new_table(&memory);
    struct series_key plain = {"t", "n", "GET", 200};
    struct series_key tricky = {"t", "n\x1fGET", "", 200};
    struct series_key mended = {"t", "n?GET", "", 200};
    struct series_key dirty = {"t", "n\x01GET", "", 200};
    char buffer[NAME_MAX_BYTES + 1];
    struct series_key parsed;
    char text[3 * NAME_MAX_BYTES];

    assert_int_equal(names_series(names, &plain), 1);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(names_series(names, &tricky), 2);
        assert_int_equal(names_series(names, &dirty), 2);
        assert_int_equal(names_series(names, &mended), 2);
    }
    memset(text, '\xff', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct series_key large = {text, text, text, 404};
    assert_int_equal(names_series(names, &large), 3);
    assert_int_equal(names_series(names, &large), 3);
    series_key_parse(names_text(names, NAME_SERIES, 3), buffer, &parsed);
    assert_int_equal(parsed.status, 404);
    assert_true(strlen(parsed.name) > 7000 && strlen(parsed.name) % 3 == 0);
    assert_true(strlen(parsed.method) > 0);
    names_free(names);
    unshare_memory(memory, names_size_bytes());
}

/* More series than are kept at hand, asked for over and over in different orders. */
static void test_many_series(void **state _unused_)
{
    void *memory;
    struct names *names = new_table(&memory);
    static unsigned ids[NAMES_MAX_SERIES + 100];
    uint64_t random = 1;
    char name[64];

    for (unsigned i = 0; i < 20000; i++) {
        unsigned which = i < ELEMENTSOF(ids) ? i : (unsigned)random_below(&random, ELEMENTSOF(ids));
        snprintf(name, sizeof name, "http://host/%u/page", which);
        struct series_key key = {"Suite.test", name, which % 2 ? "GET" : "POST", 200};
        unsigned id = names_series(names, &key);
        if (i < ELEMENTSOF(ids)) {
            assert_int_equal(id, which < NAMES_MAX_SERIES ? which + 1 : 0);
            ids[which] = id;
        }
        assert_int_equal(id, ids[which]);
    }
    names_free(names);
    unshare_memory(memory, names_size_bytes());
}

static void test_errors(void **state _unused_)
{
    void *memory;
    struct names *names = new_table(&memory);
    struct error_key failure = {ERROR_KIND_FAILURE, "assertion", "1 is not 2\n(really)",
                                "a.c:12",           "Suite.t",   "main\nfoo"};
    struct error_key error = {.kind = ERROR_KIND_ERROR, .class = "timeout"};
    char buffer[NAME_MAX_BYTES + 1];
    struct error_key parsed;

    assert_int_equal(names_error(names, &failure), 1);
    assert_int_equal(names_error(names, &error), 2);
    assert_int_equal(names_error(names, &failure), 1);
    error_key_parse(names_text(names, NAME_ERROR, 1), buffer, &parsed);
    assert_int_equal(parsed.kind, ERROR_KIND_FAILURE);
    assert_string_equal(parsed.class, "assertion");
    assert_string_equal(parsed.message, "1 is not 2\n(really)");
    assert_string_equal(parsed.place, "a.c:12");
    assert_string_equal(parsed.test, "Suite.t");
    assert_string_equal(parsed.traceback, "main\nfoo");
    error_key_parse(names_text(names, NAME_ERROR, 2), buffer, &parsed);
    assert_int_equal(parsed.kind, ERROR_KIND_ERROR);
    assert_string_equal(parsed.class, "timeout");
    assert_string_equal(parsed.traceback, "");
    error_key_parse(names_text(names, NAME_ERROR, 0), buffer, &parsed);
    assert_string_equal(parsed.message, "(other)");
    assert_string_equal(parsed.class, "");
    names_free(names);
    unshare_memory(memory, names_size_bytes());
}

/* ---- several processes ---- */

#define COMMON_NAMES 300

struct crowd {
    void *memory;
    unsigned number;
    unsigned (*ids)[COMMON_NAMES]; /* shared, by child */
    struct names *parents;         /* unused in the child, but in its leak check's sight */
};

static int add_common_names(void *context)
{
    struct crowd *crowd = context;
    struct names *names = attach(crowd->memory);
    char text[32];

    for (unsigned i = 0; i < COMMON_NAMES; i++) {
        unsigned which = crowd->number % 2 ? i : COMMON_NAMES - 1 - i;
        snprintf(text, sizeof text, "common %u", which);
        crowd->ids[crowd->number][which] = id_of(names, NAME_COUNTER, text);
    }
    names_free(names);
    return 0;
}

static void test_errors_as_lines(void **state _unused_)
{
    static const struct {
        const char *text;
        size_t size;
        const char *line;
    } cases[] = {
        {"failure\x1f"
         "assertion\x1f"
         "1 is not 2\n(really)\x1fp\x1ft\x1f",
         64, "assertion: 1 is not 2"},
        {"error\x1f\x1fno\x1fp\x1ft\x1f", 64, "no"},
        {"(other)", 64, "(other)"},
        {"(other)", 4, "(ot"},
        {"(other)", 1, ""},
        {"error\x1f\x1f"
         "a\xc3\xa9z\x1fp\x1ft\x1f",
         4, "a\xc3\xa9"},
        {"error\x1f\x1f"
         "a\xc3\xa9z\x1fp\x1ft\x1f",
         3, "a"},
        {"error\x1f\x1f\xf0\x9f\x98\x80!\x1fp\x1ft\x1f", 5, "\xf0\x9f\x98\x80"},
        {"error\x1f\x1f\xf0\x9f\x98\x80!\x1fp\x1ft\x1f", 4, ""},
        {"error\x1f\x1f\xf0\x9f\x98\x80!\x1fp\x1ft\x1f", 2, ""},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        char line[64];
        error_key_line(cases[i].text, line, cases[i].size);
        assert_string_equal(line, cases[i].line);
    }
}

static void test_processes_agree(void **state _unused_)
{
    enum { CHILDREN = 4 };
    void *memory;
    struct names *names = new_table(&memory);
    unsigned(*ids)[COMMON_NAMES] = share_memory(CHILDREN * sizeof *ids);
    pid_t children[CHILDREN];
    char text[32];

    for (unsigned i = 0; i < CHILDREN; i++) {
        struct crowd crowd = {memory, i, ids, names};
        children[i] = start_child(add_common_names, &crowd);
    }
    for (unsigned i = 0; i < CHILDREN; i++) {
        assert_int_equal(wait_for_child(children[i]), 0);
    }
    assert_int_equal(names_count(names, NAME_COUNTER), COMMON_NAMES + 1);
    for (unsigned which = 0; which < COMMON_NAMES; which++) {
        snprintf(text, sizeof text, "common %u", which);
        unsigned id = find(names, NAME_COUNTER, text);
        assert_true(id > 0);
        assert_string_equal(names_text(names, NAME_COUNTER, id), text);
        for (unsigned i = 0; i < CHILDREN; i++) {
            assert_int_equal(ids[i][which], id);
        }
    }
    names_free(names);
    unshare_memory(ids, CHILDREN * sizeof *ids);
    unshare_memory(memory, names_size_bytes());
}

static int add_until_killed(void *context)
{
    struct names *names = attach(context);
    char text[NAME_MAX_BYTES];

    for (unsigned i = 0;; i++) {
        memset(text, 'x', sizeof text);
        size_t size = (size_t)snprintf(text, sizeof text, "%u", i);
        text[size] = 'x';
        (void)names_id(names, NAME_COUNTER, text, 1000); /* the lock and a long copy, each time */
        if (i >= NAMES_MAX_COUNTERS) {
            return 0; /* not killed in time */
        }
    }
}

/* Whoever dies while adding, the table is sane and others go on adding. */
static void test_killed_while_adding(void **state _unused_)
{
    uint64_t random = 2;

    for (unsigned round = 0; round < 40; round++) {
        void *memory;
        struct names *names = new_table(&memory);
        unsigned wait_for = 1 + (unsigned)random_below(&random, 200);
        pid_t child = start_child(add_until_killed, memory);
        while (names_count(names, NAME_COUNTER) < wait_for) {
            bool over = child_is_over(child); /* asked first: what it did before counts */
            assert_true(!over || names_count(names, NAME_COUNTER) >= wait_for);
            sched_yield();
        }
        assert_int_equal(kill(child, SIGKILL), 0);
        (void)wait_for_child(child);
        unsigned count = names_count(names, NAME_COUNTER);
        for (unsigned id = 1; id < count; id++) {
            const char *text = names_text(names, NAME_COUNTER, id);
            assert_int_equal(strlen(text), 1000);
            assert_int_equal(atoi(text), id - 1);
        }
        assert_int_equal(id_of(names, NAME_TEST, "after"), 1);
        assert_string_equal(names_text(names, NAME_TEST, 1), "after");
        assert_int_equal(names_overflows(names, NAME_TEST), 0);
        names_free(names);
        unshare_memory(memory, names_size_bytes());
    }
}

/* ---- written over ---- */

static void use_all(struct names *names, uint64_t *random)
{
    char buffer[NAME_MAX_BYTES + 1];
    char text[40];

    for (unsigned kind = 0; kind < NAME_KINDS; kind++) {
        unsigned count = names_count(names, kind);
        assert_true(count >= 1 && count <= NAMES_MAX_SERIES + 1);
        for (unsigned id = 0; id < count; id++) {
            struct series_key series;
            struct error_key error;
            const char *name = names_text(names, kind, id);
            assert_true(strlen(name) <= NAME_MAX_BYTES);
            series_key_parse(name, buffer, &series);
            error_key_parse(name, buffer, &error);
        }
        snprintf(text, sizeof text, "new %llu", (unsigned long long)random_next(random));
        assert_true(id_of(names, kind, text) < names_count(names, kind));
        (void)names_overflows(names, kind);
    }
}

static void fill(struct names *names, uint64_t *random)
{
    char text[64];

    for (unsigned i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "name %llu", (unsigned long long)random_next(random));
        assert_true(id_of(names, i % NAME_KINDS, text) > 0);
    }
}

/* Tests run beside the table; whatever they write into it, nothing is read from elsewhere. The lock
 * stands at an offset that this test doesn't know: a stretch is left out where writing makes the
 * process wait for it, which is tested below. */
static void test_written_over(void **state _unused_)
{
    enum { LOCK_MAY_END = 256, WRITES = 40 };
    const size_t written = 64 << 10;
    uint64_t random = 3;

    for (unsigned round = 0; round < 60; round++) {
        void *memory;
        struct names *writer = new_table(&memory);
        unsigned char *bytes = memory;
        fill(writer, &random);
        struct names *reader = attach(memory);
        for (unsigned i = 0; i < WRITES; i++) {
            size_t at = LOCK_MAY_END + random_below(&random, written - LOCK_MAY_END - 8);
            uint64_t noise = random_next(&random) >> random_below(&random, 64);
            memcpy(bytes + at, &noise, 1 + random_below(&random, 8));
        }
        if (round % 4 == 0) {
            memset(bytes + LOCK_MAY_END, (int)round, written - LOCK_MAY_END);
        }
        use_all(reader, &random);
        use_all(writer, &random);
        names_free(reader);
        names_free(writer);
        unshare_memory(memory, names_size_bytes());
    }
}

/* The head with its counts and its lock: names go to "(other)", but nobody hangs or crashes. */
static void test_head_written_over(void **state _unused_)
{
    static const int patterns[] = {0x00, 0x01, 0x10, 0x5a, 0xff};

    for (unsigned i = 0; i < ELEMENTSOF(patterns); i++) {
        uint64_t random = i;
        void *memory;
        struct names *names = new_table(&memory);
        fill(names, &random);
        memset(memory, patterns[i], 256);
        use_all(names, &random);
        names_free(names);
        unshare_memory(memory, names_size_bytes());
    }
}

/* The C library asserts things about mutexes with a priority, as this pattern makes one of the
 * lock: a worker that wrote over it took its supervisor along. The counts are left as they are,
 * else the lock isn't asked for. */
static void test_lock_of_another_kind(void **state _unused_)
{
    enum { BEHIND_COUNTS = 32, LOCK_MAY_END = 256 };
    void *memory;
    struct names *names = new_table(&memory);
    struct names *other = attach(memory);

    assert_int_equal(id_of(names, NAME_COUNTER, "before"), 1);
    memset((char *)memory + BEHIND_COUNTS, 0x40, LOCK_MAY_END - BEHIND_COUNTS);
    assert_int_equal(id_of(names, NAME_COUNTER, "after"), 0);
    assert_int_equal(id_of(other, NAME_COUNTER, "after"), 0);
    assert_int_equal(id_of(names, NAME_COUNTER, "before"), 1);
    names_free(other);
    names_free(names);
    unshare_memory(memory, names_size_bytes());
}

static void test_without_memory(void **state _unused_)
{
    void *memory;
    struct names *names = new_table(&memory);
    struct names *other = NULL;
    struct series_key key = {"Suite.test", "name", "GET", 200};
    char text[32];
    int r = -ENOMEM;

    for (long n = 0; r < 0; n++) {
        allocation_fails_after = n;
        r = names_attach(&other, memory, names_size_bytes());
        allocation_fails_after = -1;
        assert_true(r == 0 || r == -ENOMEM);
    }
    /* What can't be remembered is found in the shared table all the same, and only once there. */
    for (unsigned i = 0; i < 200; i++) {
        snprintf(text, sizeof text, "name %u", i);
        allocation_fails_after = i % 3;
        assert_int_equal(id_of(names, NAME_COUNTER, text), i + 1);
        allocation_fails_after = i % 2;
        assert_int_equal(id_of(other, NAME_COUNTER, text), i + 1);
        assert_int_equal(names_series(other, &key), 1);
        allocation_fails_after = -1;
    }
    assert_int_equal(names_count(names, NAME_COUNTER), 201);
    names_free(other);
    names_free(names);
    unshare_memory(memory, names_size_bytes());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_foreign_memory_is_refused),
        cmocka_unit_test(test_texts_are_cleaned),
        cmocka_unit_test(test_long_texts_are_cut),
        cmocka_unit_test(test_full_kinds_overflow),
        cmocka_unit_test(test_full_text_space_overflows),
        cmocka_unit_test(test_timers),
        cmocka_unit_test(test_series),
        cmocka_unit_test(test_awkward_series),
        cmocka_unit_test(test_many_series),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_errors_as_lines),
        cmocka_unit_test(test_processes_agree),
        cmocka_unit_test(test_killed_while_adding),
        cmocka_unit_test(test_written_over),
        cmocka_unit_test(test_head_written_over),
        cmocka_unit_test(test_lock_of_another_kind),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
