/* SPDX-License-Identifier: MPL-2.0 */
/* A name has no ':' in it, so what stands behind the last one is a weight, or what was meant as
 * one. */
#include "wire/mix.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/parse.h"
#include "base/shown.h"

#define BLANKS " \t\n"

/* Whether it is something like "http://host/" or "host:8080/path", whose ':' has no weight behind
 * it. */
static bool is_no_weight(const char *text)
{
    return !*text || strpbrk(text, "/.");
}

static int parse_weight(char *word, unsigned *ret, struct error *error)
{
    char shown[SHOWN_BYTES], *colon = strrchr(word, ':');
    uint64_t weight = 1;

    if (colon && !is_no_weight(colon + 1)) {
        if (parse_unsigned(colon + 1, 1, MIX_MAX_WEIGHT, &weight, NULL) < 0) {
            return error_set(error, -EINVAL,
                             "'%s': the weight behind ':' is a whole number from 1 to %d",
                             shown_word(word, shown), MIX_MAX_WEIGHT);
        }
        *colon = '\0';
    }
    *ret = (unsigned)weight;
    return 0;
}

static int add_test(struct mix *mix, const struct fqn *fqn, unsigned weight, struct error *error)
{
    struct mix_test *test = &mix->tests[mix->n];

    if (mix->n > 0 && strcmp(mix->first.module, fqn->module) != 0) {
        return error_set(error, -EINVAL,
                         "'%s' is of another module than the test before it: those of a run are of "
                         "one",
                         fqn->text);
    }
    for (unsigned i = 0; i < mix->n; i++) {
        if (strcmp(mix->tests[i].suite, fqn->suite) == 0 &&
            strcmp(mix->tests[i].name, fqn->test) == 0) {
            return error_set(error, -EINVAL, "'%s' is there twice", fqn->text);
        }
    }
    if (mix->n == 0) {
        mix->first = *fqn;
    }
    memcpy(test->suite, fqn->suite, sizeof test->suite);
    memcpy(test->name, fqn->test, sizeof test->name);
    test->weight = weight;
    mix->n++;
    return 0;
}

static int add_word(struct mix *mix, const char *word, size_t size, struct error *error)
{
    size_t at = strlen(mix->text);
    char copy[MIX_MAX_BYTES + 1] = "";
    struct fqn fqn;
    unsigned weight = 1;

    if (mix->n == MIX_MAX_TESTS) {
        return error_set(error, -EINVAL, "more than %d tests in one run", MIX_MAX_TESTS);
    }
    if (at > 0) {
        mix->text[at++] = ' ';
    }
    memcpy(mix->text + at, word, size);
    mix->text[at + size] = '\0';
    memcpy(copy, word, size);
    int r = parse_weight(copy, &weight, error);
    if (r == 0) {
        r = fqn_parse(copy, &fqn, error);
        if (r < 0 && strlen(copy) < size) { /* it was no weight: "localhost:9000" */
            memcpy(copy, word, size);
            r = fqn_parse(copy, &fqn, error);
        }
    }
    return r < 0 ? r : add_test(mix, &fqn, weight, error);
}

int mix_parse(const char *text, struct mix *ret, struct error *error)
{
    struct fqn fqn;

    ret->n = 0;
    ret->text[0] = '\0';
    if (strlen(text) > MIX_MAX_BYTES) {
        return error_set(error, -EINVAL, "too long for names of tests: %zu bytes, of %d at most",
                         strlen(text), MIX_MAX_BYTES);
    }
    while (*(text += strspn(text, BLANKS))) {
        size_t size = strcspn(text, BLANKS);
        int r = add_word(ret, text, size, error);
        if (r < 0) {
            return r;
        }
        text += size;
    }
    if (ret->n == 0) {
        return fqn_parse("", &fqn, error); /* which says what is expected */
    }
    if (ret->n == 1) {
        *strchrnul(ret->text, ':') = '\0';
    }
    return 0;
}
