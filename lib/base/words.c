/* SPDX-License-Identifier: MPL-2.0 */
/* Splitting "-DNAME='a b' -lfoo". wordexp() would do it, but expands paths and tildes even when
 * told to run no commands, and refuses characters such as '(' and '&' that a flag may well have. */
#include "base/words.h"

#include <errno.h>
#include <string.h>

/* Appends what stands between double quotes, from behind the first one; returns the place of the
 * second, or NULL. A backslash keeps its meaning only before what it can take it from. */
static const char *double_quoted(const char *c, char *word, size_t *length)
{
    for (; *c && *c != '"'; c++) {
        if (*c == '\\' && c[1] && strchr("\"\\$`", c[1])) {
            c++;
        }
        word[(*length)++] = *c;
    }
    return *c ? c : NULL;
}

static const char *single_quoted(const char *c, char *word, size_t *length)
{
    for (; *c && *c != '\''; c++) {
        word[(*length)++] = *c;
    }
    return *c ? c : NULL;
}

/* Copies one word into `word`; returns what is behind it, or NULL: a quote has no end. */
static const char *take_word(const char *c, char *word, size_t *length)
{
    *length = 0;
    for (; *c && !strchr(" \t\n\r", *c); c++) {
        if (*c == '\'' || *c == '"') {
            c = *c == '"' ? double_quoted(c + 1, word, length) : single_quoted(c + 1, word, length);
            if (!c) {
                return NULL;
            }
        } else {
            if (*c == '\\' && c[1]) {
                c++;
            }
            word[(*length)++] = *c;
        }
    }
    return c;
}

int words_split(const char *text, struct strlist *list, struct error *error)
{
    size_t count = 0;
    _cleanup_free_ char *word = malloc(strlen(text) + 1);
    if (!word) {
        return error_set_errno(error, -ENOMEM, "words");
    }
    for (const char *c = text + strspn(text, " \t\n\r"); *c; c += strspn(c, " \t\n\r")) {
        size_t length;
        c = take_word(c, word, &length);
        if (!c) {
            return error_set(error, -EINVAL, "'%.200s' has a quote without its end", text);
        }
        if (++count > WORDS_MAX) {
            return error_set(error, -EINVAL, "'%.200s' has more than %d words", text, WORDS_MAX);
        }
        int r = strlist_add_bytes(list, word, length);
        if (r < 0) {
            return error_set_errno(error, r, "words");
        }
    }
    return 0;
}
