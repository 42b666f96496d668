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

/* The number of a module: that which it has, or the next. */
static unsigned number_of(const struct mix *mix, const char *module)
{
    for (unsigned i = 0; i < mix->n; i++) {
        if (strcmp(mix->tests[i].fqn.module, module) == 0) {
            return mix->tests[i].module;
        }
    }
    return mix->n_modules;
}

static int add_test(struct mix *mix, const struct fqn *fqn, unsigned weight, struct error *error)
{
    for (unsigned i = 0; i < mix->n; i++) {
        if (strcmp(mix->tests[i].fqn.text, fqn->text) == 0) {
            return error_set(error, -EINVAL, "'%s' is there twice", fqn->text);
        }
    }
    unsigned module = number_of(mix, fqn->module);
    mix->tests[mix->n++] = (struct mix_test){.fqn = *fqn, .weight = weight, .module = module};
    mix->n_modules = MAX(mix->n_modules, module + 1);
    mix->weight += weight;
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

    ret->n = ret->n_modules = 0;
    ret->weight = 0;
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

const char *mix_module(const struct mix *mix, unsigned module)
{
    unsigned i = 0;

    while (mix->tests[i].module != module) {
        i++;
    }
    return mix->tests[i].fqn.module;
}

const char *mix_name(const struct mix *mix, unsigned test)
{
    const struct fqn *fqn = &mix->tests[test].fqn;

    for (unsigned i = 0; i < mix->n; i++) {
        const struct fqn *other = &mix->tests[i].fqn;
        if (i != test && strcmp(other->suite, fqn->suite) == 0 &&
            strcmp(other->test, fqn->test) == 0) {
            return fqn->text;
        }
    }
    return fqn->text + strlen(fqn->module) + 1;
}
