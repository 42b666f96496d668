/* SPDX-License-Identifier: MPL-2.0 */
/* Values as people write them. strtoul() and strtod() take signs, blanks, hexadecimal, infinities
 * and the locale's comma; none of that is meant here, so digits are read one by one, with the limit
 * checked at each. Durations stay in whole microseconds all the way. */
#include "base/parse.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define SHOWN 200 /* bytes of a wrong value that a text repeats */

int parse_bool(const char *text, bool *ret, struct error *error)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true},   {"yes", true}, {"1", true},  {"on", true},
                 {"false", false}, {"no", false}, {"0", false}, {"off", false}};

    for (size_t i = 0; i < ELEMENTSOF(words); i++) {
        if (strcasecmp(text, words[i].word) == 0) {
            *ret = words[i].value;
            return 0;
        }
    }
    return error_set(error, -EINVAL, "'%.*s' is neither yes (true, 1, on) nor no (false, 0, off)",
                     SHOWN, text);
}

/* Reads digits from *text on, as far as they go. -EINVAL: there is none; -ERANGE: above max. */
static int read_digits(const char **text, uint64_t max, uint64_t *ret)
{
    const char *c = *text;
    uint64_t value = 0;

    if (!isdigit((unsigned char)*c)) {
        return -EINVAL;
    }
    for (; isdigit((unsigned char)*c); c++) {
        unsigned digit = (unsigned)(*c - '0');
        if (value > (max - MIN(digit, max)) / 10) {
            return -ERANGE;
        }
        value = value * 10 + digit;
    }
    *text = c;
    *ret = value;
    return value > max ? -ERANGE : 0;
}

int parse_unsigned(const char *text, uint64_t min, uint64_t max, uint64_t *ret, struct error *error)
{
    const char *end = text;
    uint64_t value = 0;

    if (read_digits(&end, max, &value) < 0 || *end || value < min) {
        return error_set(error, -EINVAL, "'%.*s' is not a number from %" PRIu64 " to %" PRIu64,
                         SHOWN, text, min, max);
    }
    *ret = value;
    return 0;
}

/* The fraction behind a point, in millionths. False: no digit there. */
static bool read_millionths(const char **text, uint64_t *ret)
{
    const char *c = *text;
    uint64_t weight = 100000, value = 0;

    if (!isdigit((unsigned char)*c)) {
        return false;
    }
    for (; isdigit((unsigned char)*c); c++, weight /= 10) {
        value += (uint64_t)(*c - '0') * weight;
    }
    *text = c;
    *ret = value;
    return true;
}

static const struct unit {
    const char *name;
    uint64_t usec;
} units[] = {{"h", UINT64_C(3600000000)}, {"m", 60000000}, {"s", 1000000}, {"ms", 1000}, {"us", 1}};

/* The unit at *text, smaller than those before `first`, or NULL. Moves behind it. */
static const struct unit *read_unit(const char **text, size_t first)
{
    size_t length = strspn(*text, "hmsu");
    for (size_t i = first; i < ELEMENTSOF(units); i++) {
        if (strlen(units[i].name) == length && memcmp(units[i].name, *text, length) == 0) {
            *text += length;
            return &units[i];
        }
    }
    return NULL;
}

static bool read_duration(const char *text, uint64_t *ret)
{
    uint64_t total = 0;
    size_t first = 0;

    for (const char *c = text; *c || c == text;) {
        uint64_t whole, millionths = 0;
        if (read_digits(&c, PARSE_MAX_DURATION_USEC, &whole) < 0) {
            return false;
        }
        if (*c == '.' && (c++, !read_millionths(&c, &millionths))) {
            return false;
        }
        bool plain_seconds = !*c && first == 0;
        const struct unit *unit = plain_seconds ? &units[2] : read_unit(&c, first);
        if (!unit || whole > PARSE_MAX_DURATION_USEC / unit->usec) {
            return false;
        }
        first = (size_t)(unit - units) + 1;
        total += whole * unit->usec + millionths * unit->usec / 1000000;
        if (total > PARSE_MAX_DURATION_USEC) {
            return false;
        }
    }
    *ret = total;
    return true;
}

int parse_duration(const char *text, uint64_t *ret_usec, struct error *error)
{
    if (*text == '-') {
        return error_set(error, -EINVAL, "'%.*s' is a negative duration; it can be 0 or more",
                         SHOWN, text);
    }
    if (!read_duration(text, ret_usec)) {
        return error_set(
            error, -EINVAL,
            "'%.*s' is not a duration such as 90 or 1.5 (seconds), 500ms, 1m30s or 2h, "
            "of 366 days at most",
            SHOWN, text);
    }
    return 0;
}

int parse_size(const char *text, uint64_t *ret_bytes, struct error *error)
{
    static const char suffixes[] = "KMG";
    const uint64_t max = UINT64_C(1) << 60;
    const char *end = text;
    uint64_t value;
    unsigned shift = 0;

    if (read_digits(&end, max, &value) < 0) {
        goto wrong;
    }
    const char *suffix = *end ? strchr(suffixes, toupper((unsigned char)*end)) : NULL;
    if (suffix) {
        shift = 10 * (unsigned)(suffix - suffixes + 1);
        end++;
    }
    if (*end || value > max >> shift) {
        goto wrong;
    }
    *ret_bytes = value << shift;
    return 0;
wrong:
    return error_set(error, -EINVAL,
                     "'%.*s' is not a size such as 65536, 256K, 64M or 1G (K is 1024 bytes)", SHOWN,
                     text);
}

int parse_numbers(const char *text, struct number_list *ret, struct error *error)
{
    struct number_list list = {.count = 0};
    const char *c = text;

    for (;;) {
        uint64_t value;
        if (list.count == PARSE_MAX_NUMBERS) {
            return error_set(error, -EINVAL, "'%.*s' has more than %d steps", SHOWN, text,
                             PARSE_MAX_NUMBERS);
        }
        int r = read_digits(&c, PARSE_MAX_NUMBER, &value);
        if (r == -ERANGE || (r == 0 && value == 0)) {
            return error_set(error, -EINVAL,
                             "'%.*s' has a step that is not a number from 1 to %" PRIu32, SHOWN,
                             text, PARSE_MAX_NUMBER);
        }
        if (r < 0 || (*c && *c != ':')) {
            return error_set(error, -EINVAL, "'%.*s' is not a list of numbers such as 10:20:30",
                             SHOWN, text);
        }
        list.values[list.count++] = (uint32_t)value;
        if (!*c) {
            break;
        }
        c++;
    }
    *ret = list;
    return 0;
}

int parse_key_value(const char *text, size_t *ret_key_length, struct error *error)
{
    size_t length = 0;
    while (isalnum((unsigned char)text[length]) || (text[length] && strchr("_-.", text[length]))) {
        length++;
    }
    if (length == 0 || length > PARSE_MAX_KEY_BYTES || text[length] != '=') {
        return error_set(
            error, -EINVAL,
            "'%.*s' is not key=value, with a key of letters, digits, '_', '-' and '.', "
            "%d at most",
            SHOWN, text, PARSE_MAX_KEY_BYTES);
    }
    *ret_key_length = length;
    return 0;
}
