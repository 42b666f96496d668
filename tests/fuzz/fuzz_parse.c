/* SPDX-License-Identifier: MPL-2.0 */
/* The grammars of option values. The first byte says which one; what is read can be written down
 * and read again, and a failure changes nothing. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/distribution.h"
#include "base/parse.h"
#include "base/words.h"
#include "fuzz.h"

#define UNTOUCHED UINT64_C(0x5a5a5a5a5a5a5a5a)

static void check_number(int r, uint64_t value, uint64_t max, const struct error *error)
{
    if (r < 0) {
        assert(r == -EINVAL && value == UNTOUCHED);
        check_error(r, error);
    } else {
        assert(value <= max);
    }
}

static void parse_one_unsigned(const char *text)
{
    uint64_t value = UNTOUCHED, again;
    struct error error;
    char written[32];
    int r = parse_unsigned(text, 3, UINT64_MAX - 1, &value, &error);

    check_number(r, value, UINT64_MAX - 1, &error);
    if (r == 0) {
        assert(value >= 3 && value == strtoull(text, NULL, 10));
        (void)snprintf(written, sizeof written, "%" PRIu64, value); /* fits */
        assert(parse_unsigned(written, value, value, &again, &error) == 0 && again == value);
    }
}

static void parse_one_duration(const char *text)
{
    uint64_t value = UNTOUCHED, again;
    struct error error;
    char written[32];
    int r = parse_duration(text, &value, &error);

    check_number(r, value, PARSE_MAX_DURATION_USEC, &error);
    if (r == 0) {
        (void)snprintf(written, sizeof written, "%" PRIu64 "us", value); /* fits */
        assert(parse_duration(written, &again, &error) == 0 && again == value);
    }
}

static void parse_one_size(const char *text)
{
    uint64_t value = UNTOUCHED, again;
    struct error error;
    char written[32];
    int r = parse_size(text, &value, &error);

    check_number(r, value, UINT64_C(1) << 60, &error);
    if (r == 0) {
        (void)snprintf(written, sizeof written, "%" PRIu64, value); /* fits */
        assert(parse_size(written, &again, &error) == 0 && again == value);
    }
}

static void parse_one_list(const char *text)
{
    struct number_list list = {.count = 77}, again;
    struct error error;
    char written[PARSE_MAX_NUMBERS * 12];
    size_t length = 0;
    int r = parse_numbers(text, &list, &error);

    if (r < 0) {
        assert(r == -EINVAL && list.count == 77);
        check_error(r, &error);
        return;
    }
    assert(list.count >= 1 && list.count <= PARSE_MAX_NUMBERS);
    for (unsigned i = 0; i < list.count; i++) {
        assert(list.values[i] >= 1 && list.values[i] <= PARSE_MAX_NUMBER);
        length += (size_t)snprintf(written + length, sizeof written - length, "%s%" PRIu32,
                                   i > 0 ? ":" : "", list.values[i]);
    }
    assert(parse_numbers(written, &again, &error) == 0 && again.count == list.count);
    assert(memcmp(again.values, list.values, list.count * sizeof list.values[0]) == 0);
}

static void parse_one_pair(const char *text)
{
    size_t length = 77;
    struct error error;
    int r = parse_key_value(text, &length, &error);

    if (r < 0) {
        assert(r == -EINVAL && length == 77);
        check_error(r, &error);
    } else {
        assert(length >= 1 && length <= PARSE_MAX_KEY_BYTES && text[length] == '=');
        assert(strcspn(text, "= \n") == length);
    }
}

static void parse_one_bool(const char *text)
{
    bool value = true;
    struct error error;
    int r = parse_bool(text, &value, &error);

    if (r < 0) {
        assert(r == -EINVAL && value);
        check_error(r, &error);
    } else {
        assert(strlen(text) <= strlen("false"));
    }
}

static void parse_one_distribution(const char *text)
{
    struct distribution value = {.first_sec = 77};
    struct error error;
    struct prng prng;
    int r = distribution_parse(text, &value, &error);

    if (r < 0) {
        assert(r == -EINVAL && value.first_sec == 77);
        check_error(r, &error);
        return;
    }
    assert(distribution_check(&value, &error) == 0);
    prng_seed(&prng, 7);
    assert(distribution_draw_usec(&value, &prng) <=
           (uint64_t)(DISTRIBUTION_EXPONENTIAL_MAX * DISTRIBUTION_MAX_SEC * 1e6));
}

/* Writes a word so that a shell would read it as it is. Returns what is behind it. */
static char *quote(char *at, const char *word)
{
    *at++ = '\'';
    for (; *word; word++) {
        if (*word == '\'') {
            at = mempcpy(at, "'\\'", 3);
        }
        *at++ = *word;
    }
    return mempcpy(at, "' ", 2);
}

static void split_words(const char *text)
{
    struct strlist list = {0}, again = {0};
    struct error error;
    int r = words_split(text, &list, &error);

    if (r < 0) {
        assert(r == -EINVAL);
        check_error(r, &error);
        strlist_clear(&list);
        return;
    }
    _cleanup_free_ char *written = malloc(strlen(text) * 4 + (size_t)4 * WORDS_MAX + 1);
    assert(written && list.count <= WORDS_MAX);
    char *at = written;
    for (size_t i = 0; i < list.count; i++) {
        assert(strlen(list.items[i]) <= strlen(text));
        at = quote(at, list.items[i]);
    }
    *at = '\0';
    assert(words_split(written, &again, &error) == 0 && again.count == list.count);
    for (size_t i = 0; i < list.count; i++) {
        assert(strcmp(list.items[i], again.items[i]) == 0);
    }
    strlist_clear(&list);
    strlist_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        char letter;
        void (*check)(const char *text);
    } grammars[] = {
        {'b', parse_one_bool}, {'u', parse_one_unsigned},     {'d', parse_one_duration},
        {'s', parse_one_size}, {'n', parse_one_list},         {'k', parse_one_pair},
        {'w', split_words},    {'t', parse_one_distribution},
    };
    struct input input = {data, size};
    char letter = (char)input_number(&input, 1);
    _cleanup_free_ char *text = input_text(input);

    for (size_t i = 0; i < ELEMENTSOF(grammars); i++) {
        if (grammars[i].letter == letter) {
            grammars[i].check(text);
        }
    }
    return 0;
}
