/* SPDX-License-Identifier: MPL-2.0 */
/* Names of tests. A name becomes a path below the test directory, so what could lead out of it
 * ("..",
 * '/', an empty part) isn't in the grammar; suite and test are identifiers since they are
 * functions' names in every language that tests are written in. */
#include "wire/fqn.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/shown.h"

#define EXAMPLE "path.to.module.Suite.test"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool fqn_is_url(const char *text)
{
    size_t scheme = strncasecmp(text, "http://", 7) == 0    ? 7
                    : strncasecmp(text, "https://", 8) == 0 ? 8
                                                            : 0;
    return scheme > 0 && text[scheme] && text[scheme] != '/';
}

/* What both kinds of names have in common: length and characters. What isn't a name is often a URL
 * with a mistake in it. */
static int check_characters(const char *text, const char *example, struct error *error)
{
    char shown[SHOWN_BYTES];

    if (strlen(text) > FQN_MAX_BYTES) {
        return error_set(error, -EINVAL,
                         "'%.60s…' is too long for a name: %zu bytes, of %d at most",
                         shown_url(text, shown), strlen(text), FQN_MAX_BYTES);
    }
    if (strstr(text, "://")) {
        return error_set(error, -EINVAL,
                         "'%s' is not a URL that can be tested: expected is http://HOST/ or "
                         "https://HOST/",
                         shown_url(text, shown));
    }
    for (const char *c = text; *c; c++) {
        if (!is_letter(*c) && *c != '.' && *c != '-') {
            unsigned char byte = (unsigned char)*c;
            const char *hint = *c == ':' && strcmp(example, EXAMPLE) == 0
                                   ? " (or a URL with http:// in front)"
                               : *c == '/' ? "; parts of the path are joined by '.'"
                                           : "";
            return isprint(byte)
                       ? error_set(error, -EINVAL, "'%s' has a '%c' in it; expected is %s%s",
                                   shown_url(text, shown), byte, example, hint)
                       : error_set(error, -EINVAL, "'%s' has the byte 0x%02x in it; expected is %s",
                                   shown_url(text, shown), byte, example);
        }
    }
    return 0;
}

/* Writes the module part of `size` bytes as a path. */
static int convert_module(const char *text, size_t size, char *ret, struct error *error)
{
    for (size_t i = 0; i < size; i++) {
        bool first = i == 0 || text[i - 1] == '.';
        if (first && (text[i] == '.' || text[i] == '-')) {
            return error_set(error, -EINVAL, "'%s' has an empty part, or one that begins with '-'",
                             text);
        }
        ret[i] = text[i] == '.' ? '/' : text[i];
    }
    if (size == 0 || text[size - 1] == '.') {
        return error_set(error, -EINVAL, "'%s' has an empty part", text);
    }
    ret[size] = '\0';
    return 0;
}

int fqn_parse_module(const char *text, char ret[static FQN_MAX_BYTES + 1], struct error *error)
{
    char module[FQN_MAX_BYTES + 1];
    int r = check_characters(text, "path.to.module", error);
    if (r == 0) {
        r = convert_module(text, strlen(text), module, error);
    }
    if (r == 0) {
        memcpy(ret, module, strlen(module) + 1);
    }
    return r;
}

static bool is_identifier(const char *text, size_t size)
{
    return size > 0 && !isdigit((unsigned char)text[0]) && !memchr(text, '-', size);
}

static bool is_suffix(const char *text)
{
    return strcmp(text, ".c") == 0 || strcmp(text, ".py") == 0 || strcmp(text, ".so") == 0;
}

static int too_short(const char *text, const char *last_dot, struct error *error)
{
    if (last_dot && last_dot > text && is_suffix(last_dot)) {
        int size = (int)(last_dot - text);
        return error_set(error, -EINVAL,
                         "'%s' is a file's name: expected are a module, a suite and a test, as in "
                         "%.*s.Suite.test; 'loads-runner --list %.*s' says what there is",
                         text, size, text, size, text);
    }
    return error_set(error, -EINVAL,
                     "'%s' has too few parts: expected are a module, a suite and a test, as in "
                     "%s (or a URL with http:// in front)",
                     text, EXAMPLE);
}

int fqn_parse(const char *text, struct fqn *ret, struct error *error)
{
    struct fqn fqn = {.text = ""};
    int r = check_characters(text, EXAMPLE, error);
    if (r < 0) {
        return r;
    }
    const char *test = strrchr(text, '.');
    const char *suite = test ? memrchr(text, '.', (size_t)(test - text)) : NULL;
    if (!suite) {
        return too_short(text, test, error);
    }
    size_t suite_size = (size_t)(test - suite) - 1, test_size = strlen(test + 1);
    if (!is_identifier(suite + 1, suite_size)) {
        return error_set(error, -EINVAL, "'%s': '%.*s' is not the name of a suite", text,
                         (int)suite_size, suite + 1);
    }
    if (!is_identifier(test + 1, test_size)) {
        return error_set(error, -EINVAL, "'%s': '%s' is not the name of a test", text, test + 1);
    }
    r = convert_module(text, (size_t)(suite - text), fqn.module, error);
    if (r < 0) {
        return r;
    }
    memcpy(fqn.text, text, strlen(text));
    memcpy(fqn.suite, suite + 1, suite_size);
    memcpy(fqn.test, test + 1, test_size);
    *ret = fqn;
    return 0;
}
