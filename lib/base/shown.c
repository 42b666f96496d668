/* SPDX-License-Identifier: MPL-2.0 */
/* Leaving secrets out of texts. URLs are not parsed for it: what is wrong with one may be just what
 * keeps a parser from seeing the password ("http://me:pa/ss@host" has the host "me" for it, and the
 * port "pa"), and such URLs are quoted in messages. So user and password end at the last '@' that
 * could end them. */
#include "base/shown.h"

#include <ctype.h>
#include <string.h>

#define MARK       "***"
#define QUERY_MARK "?" MARK

/* Where the secrets of a URL are, by offset. */
struct parts {
    size_t user, user_end; /* user and password, without '@'; equal: there is none */
    size_t tail;           /* '?' or '#', or the end */
};

/* The bytes of "scheme://", also with fewer slashes or more, or of "//"; 0: nothing like that. */
static size_t scheme_size(const char *text)
{
    size_t name = 0;

    while (isalnum((unsigned char)text[name]) || (text[name] && strchr("+-.", text[name]))) {
        name++;
    }
    size_t size = name > 0 && text[name] == ':' ? name + 1 : 0;
    size_t slashes = strspn(text + size, "/");
    return slashes > 0 && (size > 0 || slashes > 1) ? size + slashes : 0;
}

/* Whether the part before the path is "host:what-is-no-port". */
static bool has_odd_port(const char *authority, size_t size)
{
    const char *colon = authority[0] == '[' ? NULL : memchr(authority, ':', size);
    size_t at = colon ? (size_t)(colon - authority) + 1 : size;

    while (at < size && isdigit((unsigned char)authority[at])) {
        at++;
    }
    return at < size;
}

static struct parts find_parts(const char *text)
{
    size_t start = scheme_size(text);
    const char *authority = text + start;
    size_t size = strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', size);

    if (!at && has_odd_port(authority, size)) {
        at = strrchr(authority, '@');
    }
    size_t end = at ? (size_t)(at - text) : start;
    return (struct parts){start, end, end + strcspn(text + end, "?#")};
}

/* Writes what is shown as far as there is room, `size` > 0. How long all of it is. */
static size_t write_shown(const char *text, char *buffer, size_t size)
{
    struct parts parts = find_parts(text);
    bool has_query = text[parts.tail] == '?' && text[parts.tail + 1];
    int n = snprintf(buffer, size, "%.*s%s%.*s%s", (int)parts.user, text,
                     parts.user_end > parts.user ? MARK : "", (int)(parts.tail - parts.user_end),
                     text + parts.user_end, has_query ? QUERY_MARK : "");

    return (size_t)n;
}

const char *shown_url(const char *text, char buffer[static SHOWN_BYTES])
{
    (void)write_shown(text, buffer, SHOWN_BYTES); /* cut is fine */
    return buffer;
}

char *shown_url_copy(const char *text)
{
    size_t size = strlen(text) + sizeof MARK + sizeof QUERY_MARK;
    char *copy = malloc(size);

    if (copy) {
        (void)write_shown(text, copy, size); /* there is room */
    }
    return copy;
}

static bool is_mark(const char *text, size_t size)
{
    return size == strlen(MARK) && memcmp(text, MARK, size) == 0;
}

bool shown_url_lacks(const char *text)
{
    struct parts parts = find_parts(text);

    return is_mark(text + parts.user, parts.user_end - parts.user) ||
           strcmp(text + parts.tail, QUERY_MARK) == 0;
}

void shown_url_blot(char *text)
{
    struct parts parts = find_parts(text);

    memset(text + parts.user, '*', parts.user_end - parts.user);
    if (text[parts.tail]) {
        char *tail = text + parts.tail + 1;
        memset(tail, '*', strlen(tail));
    }
}

/* The bytes before the '=' of "key=value"; 0: it isn't that. */
static size_t key_size(const char *text)
{
    size_t key = strcspn(text, "=:/?#@");
    return text[key] == '=' ? key : 0;
}

const char *shown_word(const char *text, char buffer[static SHOWN_BYTES])
{
    size_t key = key_size(text);

    if (key > 0) {
        (void)snprintf(buffer, SHOWN_BYTES, "%.*s=" MARK, (int)key, text); /* cut is fine */
        return buffer;
    }
    return shown_url(text, buffer);
}

void shown_word_blot(char *text)
{
    size_t key = key_size(text);

    if (key > 0) {
        memset(text + key + 1, '*', strlen(text + key + 1));
    } else {
        shown_url_blot(text);
    }
}
