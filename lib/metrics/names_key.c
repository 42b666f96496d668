/* SPDX-License-Identifier: MPL-2.0 */
/* Names that are made of parts: series, timers and errors. The text of one is its parts with
 * separators between them; each part has a limit, so that a long one can't push the others out.
 *
 * Every hit asks for its series, and composing and hashing a text costs several times what counting
 * the hit does. So the parts of each series are kept beside the map, in a small table by what
 * usually tells series apart, and compared with what is asked for, byte by byte. */
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "metrics/names_table.h"

#define MAX_PARTS        6
#define MAX_TEST_BYTES   512
#define MAX_METHOD_BYTES 32
#define MAX_NAME_BYTES   7500
#define MAX_CLASS_BYTES  64
#define MAX_TEXT_BYTES   3000
#define MAX_PLACE_BYTES  512
#define MAX_TRACE_BYTES  4000
#define NUMBER_BYTES     12 /* of an unsigned in decimal, with its NUL */

struct part {
    const char *text; /* may be NULL */
    size_t limit;     /* bytes of it that are kept */
};

/* Puts parts as they are behind each other. 0: one must be cleaned or cut first. */
static size_t join(char *out, const struct part *parts, unsigned n)
{
    size_t used = 0;

    for (unsigned i = 0; i < n; i++) {
        if (i > 0) {
            out[used++] = NAMES_SEPARATOR;
        }
        if (parts[i].text) {
            size_t size = strnlen(parts[i].text, parts[i].limit + 1);
            if (size > parts[i].limit || memchr(parts[i].text, NAMES_SEPARATOR, size)) {
                return 0;
            }
            memcpy(out + used, parts[i].text, size);
            used += size;
        }
    }
    return used;
}

static size_t join_clean(char *out, const struct part *parts, unsigned n)
{
    size_t used = 0;

    for (unsigned i = 0; i < n; i++) {
        if (i > 0) {
            out[used++] = NAMES_SEPARATOR;
        }
        if (parts[i].text) {
            used += names_clean(out + used, parts[i].limit, parts[i].text, strlen(parts[i].text),
                                false);
        }
    }
    return used;
}

static unsigned id_of_parts(struct names *names, enum name_kind kind, const struct part *parts,
                            unsigned n)
{
    char text[NAME_MAX_BYTES];
    unsigned id;

    size_t size = join(text, parts, n);
    if (size > 0 && names_look_up(names, kind, text, size, &id)) {
        return id;
    }
    size = join_clean(text, parts, n);
    return names_id_of_clean(names, kind, text, size);
}

/* Copies a text into a buffer and cuts it there into exactly `n` parts. */
static bool split(const char *text, char *buffer, const char **parts, unsigned n)
{
    size_t size = strnlen(text, NAME_MAX_BYTES);
    unsigned found = 1;

    memcpy(buffer, text, size);
    buffer[size] = '\0';
    for (char *c = buffer; *c; c++) {
        found += *c == NAMES_SEPARATOR;
    }
    if (found != n) {
        return false;
    }
    parts[0] = buffer;
    for (unsigned i = 1; i < n; i++) {
        char *end = strchr(parts[i - 1], NAMES_SEPARATOR);
        *end = '\0';
        parts[i] = end + 1;
    }
    return true;
}

/* Decimal digits of a number; returns where they begin in `buffer`. */
static const char *format_number(unsigned number, char buffer[static NUMBER_BYTES])
{
    char *at = buffer + NUMBER_BYTES - 1;

    *at = '\0';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return at;
}

static unsigned look_up_series(struct names *names, const struct series_key *key)
{
    char status[NUMBER_BYTES];
    const struct part parts[] = {
        {key->test, MAX_TEST_BYTES},
        {key->name, MAX_NAME_BYTES},
        {key->method, MAX_METHOD_BYTES},
        {format_number(key->status, status), NUMBER_BYTES},
    };
    _Static_assert(MAX_TEST_BYTES + MAX_NAME_BYTES + MAX_METHOD_BYTES + NUMBER_BYTES + 3 <=
                       NAME_MAX_BYTES,
                   "all parts of a series fit");

    return id_of_parts(names, NAME_SERIES, parts, ELEMENTSOF(parts));
}

/* Where a series is looked for among the recent ones: by what usually differs. The upper bits of
 * the product depend on all bits of the factor. */
static unsigned recent_slot(const struct series_key *key, size_t name_size)
{
    uint64_t hash = name_size;
    size_t tail = MIN(name_size, sizeof hash);

    memcpy(&hash, key->name + name_size - tail, tail);
    hash = (hash ^ (uint64_t)key->status << 32 ^ name_size) * UINT64_C(0x9e3779b97f4a7c15);
    return (unsigned)(hash >> (64 - NAMES_RECENT_BITS));
}

static bool is_series(const struct names_series *series, const struct series_key *key,
                      size_t name_size)
{
    const char *name = series->text + series->test_size + 1;

    return series->status == key->status && series->name_size == name_size &&
           memcmp(name, key->name, name_size) == 0 && strcmp(series->text, key->test) == 0 &&
           strcmp(name + name_size + 1, key->method) == 0;
}

/* Remembers the parts of a series as the caller wrote them, once: dirty names, of which one series
 * may have any number, go the long way each time, and so do all when there is no memory. */
static void remember(struct names *names, unsigned slot, unsigned id, const struct series_key *key,
                     size_t name_size)
{
    if (!names->series[id]) {
        size_t test_size = strlen(key->test), method_size = strlen(key->method);
        struct names_series *series =
            malloc(sizeof *series + test_size + name_size + method_size + 3);
        if (!series) {
            return;
        }
        *series = (struct names_series){
            .id = id, .status = key->status, .test_size = test_size, .name_size = name_size};
        memcpy(series->text, key->test, test_size + 1);
        memcpy(series->text + test_size + 1, key->name, name_size + 1);
        memcpy(series->text + test_size + name_size + 2, key->method, method_size + 1);
        names->series[id] = series;
    }
    if (is_series(names->series[id], key, name_size)) {
        names->recent[slot] = names->series[id];
    }
}

unsigned names_series(struct names *names, const struct series_key *key)
{
    size_t name_size = strlen(key->name);
    unsigned slot = recent_slot(key, name_size);
    const struct names_series *recent = names->recent[slot];

    if (recent && is_series(recent, key, name_size)) {
        return recent->id;
    }
    unsigned id = look_up_series(names, key);
    if (id != 0 && name_size <= MAX_NAME_BYTES) { /* what is "(other)" now may not stay it */
        remember(names, slot, id, key, name_size);
    }
    return id;
}

void series_key_parse(const char *text, char *buffer, struct series_key *ret)
{
    const char *parts[MAX_PARTS];

    *ret = (struct series_key){.test = "", .name = buffer, .method = ""};
    if (split(text, buffer, parts, 4)) {
        ret->test = parts[0];
        ret->name = parts[1];
        ret->method = parts[2];
        for (const char *c = parts[3]; *c >= '0' && *c <= '9'; c++) {
            ret->status = ret->status * 10 + (unsigned)(*c - '0');
        }
    }
}

static const char *const timer_kinds[TIMER_KINDS] = {
    [TIMER_TRANSACTION] = "transaction",
    [TIMER_ROUND_TRIP] = "round-trip",
    [TIMER_PHASE] = "phase",
};

const char *timer_kind_word(enum timer_kind kind)
{
    return timer_kinds[kind];
}

unsigned names_timer(struct names *names, const struct timer_key *key)
{
    const struct part parts[] = {
        {timer_kinds[key->kind], MAX_CLASS_BYTES},
        {key->test, MAX_TEST_BYTES},
        {key->name, MAX_NAME_BYTES},
    };
    _Static_assert(MAX_CLASS_BYTES + MAX_TEST_BYTES + MAX_NAME_BYTES + 2 <= NAME_MAX_BYTES,
                   "all parts of a timer fit");

    return id_of_parts(names, NAME_TIMER, parts, ELEMENTSOF(parts));
}

void timer_key_parse(const char *text, char *buffer, struct timer_key *ret)
{
    const char *parts[MAX_PARTS];

    *ret = (struct timer_key){.test = "", .name = buffer};
    if (split(text, buffer, parts, 3)) {
        for (unsigned kind = 0; kind < TIMER_KINDS; kind++) {
            if (strcmp(parts[0], timer_kinds[kind]) == 0) {
                ret->kind = kind;
            }
        }
        ret->test = parts[1];
        ret->name = parts[2];
    }
}

static const char *const hit_phases[HIT_PHASES] = {
    [PHASE_BLOCKED] = "blocked", [PHASE_DNS] = "dns",   [PHASE_CONNECT] = "connect",
    [PHASE_TLS] = "tls",         [PHASE_SEND] = "send", [PHASE_WAIT] = "wait",
    [PHASE_RECEIVE] = "receive",
};

const char *hit_phase_word(enum hit_phase phase)
{
    return hit_phases[phase];
}

enum hit_phase hit_phase_of(const char *word)
{
    unsigned phase = 0;

    while (phase < HIT_PHASES && strcmp(word, hit_phases[phase]) != 0) {
        phase++;
    }
    return phase;
}

static const char *const error_kinds[] = {
    [ERROR_KIND_ERROR] = "error",
    [ERROR_KIND_FAILURE] = "failure",
};

unsigned names_error(struct names *names, const struct error_key *key)
{
    const struct part parts[] = {
        {error_kinds[key->kind], MAX_CLASS_BYTES},
        {key->class, MAX_CLASS_BYTES},
        {key->message, MAX_TEXT_BYTES},
        {key->place, MAX_PLACE_BYTES},
        {key->test, MAX_TEST_BYTES},
        {key->traceback, MAX_TRACE_BYTES},
    };
    _Static_assert(2 * MAX_CLASS_BYTES + MAX_TEXT_BYTES + MAX_PLACE_BYTES + MAX_TEST_BYTES +
                           MAX_TRACE_BYTES + 5 <=
                       NAME_MAX_BYTES,
                   "all parts of an error fit");

    return id_of_parts(names, NAME_ERROR, parts, ELEMENTSOF(parts));
}

void error_key_parse(const char *text, char *buffer, struct error_key *ret)
{
    const char *parts[MAX_PARTS];

    *ret = (struct error_key){
        .class = "", .message = buffer, .place = "", .test = "", .traceback = ""};
    if (split(text, buffer, parts, MAX_PARTS)) {
        bool failure = strcmp(parts[0], error_kinds[ERROR_KIND_FAILURE]) == 0;
        ret->kind = failure ? ERROR_KIND_FAILURE : ERROR_KIND_ERROR;
        ret->class = parts[1];
        ret->message = parts[2];
        ret->place = parts[3];
        ret->test = parts[4];
        ret->traceback = parts[5];
    }
}

/* The bytes of a text up to the end of its last character that is whole. */
static size_t whole_characters(const char *text)
{
    size_t end = strlen(text), start = end;
    uint32_t character;

    while (start > 0 && end - start < 4 && ((unsigned char)text[start - 1] & 0xC0) == 0x80) {
        start--;
    }
    start -= start > 0 ? 1 : 0;
    return start < end && utf8_character(text + start, end - start, &character) == end - start
               ? end
               : start;
}

void error_key_line(const char *text, char *line, size_t size)
{
    char buffer[NAME_MAX_BYTES + 1];
    struct error_key key;

    error_key_parse(text, buffer, &key);
    int n = snprintf(line, size, "%s%s%.*s", key.class, key.class[0] ? ": " : "",
                     (int)strcspn(key.message, "\n"), key.message);
    if ((size_t)n >= size) {
        line[whole_characters(line)] = '\0';
    }
}
