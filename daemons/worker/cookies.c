/* SPDX-License-Identifier: MPL-2.0 */
/* The cookies of one virtual user: RFC 6265, with what its successor draft and the browsers agree
 * on since (name prefixes, control characters, a limit on attributes, Secure cookies protected from
 * answers that came by http). SameSite means nothing here: a test has no page that it comes from.
 *
 * There is a jar per user and there are tens of thousands of users, most with a handful of cookies:
 * so an empty jar is one pointer, a cookie is one allocation, and the store is an array in the
 * order of their creation that is searched from end to end. That order also is what the Cookie
 * header wants among equal paths, and says who goes when there are too many: the oldest.
 *
 * "Secure" on this machine: what is sent by http to localhost, *.localhost, 127.0.0.0/8 or ::1
 * never leaves the machine, so Chrome and Firefox treat it like https where cookies are concerned,
 * and so do we: services under test run there, and their sessions would otherwise break for no
 * reason.
 *
 * A cookie for a whole public suffix would be sent to strangers' sites; the list is libpsl's
 * built-in one, a constant of the process. Names that no rule covers (localhost, intranet names
 * without a dot) count as public suffixes: such hosts have host-only cookies. */
#include "worker/cookies.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libpsl.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "worker/cookie_date.h"

#define FIRST_CAPACITY 4

struct cookie {
    uint64_t expires_usec;
    bool host_only, secure, http_only;
    const char *name, *value, *domain, *path; /* into text */
    size_t name_size, value_size, path_size;
    char text[];
};

struct cookie_store {
    size_t count, capacity;
    struct cookie *cookies[]; /* in the order of creation */
};

/* A piece of a header, not ended by NUL. */
struct slice {
    const char *at;
    size_t size;
};

/* A Set-Cookie header taken apart. */
struct parsed {
    struct slice name, value, domain, path;
    uint64_t expires_usec;
    bool has_max_age, has_path, secure, http_only;
};

static struct slice trim(const char *at, size_t size)
{
    while (size > 0 && (*at == ' ' || *at == '\t')) {
        at++;
        size--;
    }
    while (size > 0 && (at[size - 1] == ' ' || at[size - 1] == '\t')) {
        size--;
    }
    return (struct slice){at, size};
}

/* Cuts what stands before the separator off *rest; all of it if there is none. */
static struct slice cut(struct slice *rest, char separator)
{
    const char *end = rest->size > 0 ? memchr(rest->at, separator, rest->size) : NULL;
    size_t size = end ? (size_t)(end - rest->at) : rest->size;
    struct slice piece = {rest->at, size};

    rest->at += end ? size + 1 : size;
    rest->size -= end ? size + 1 : size;
    return piece;
}

static bool slice_is(struct slice slice, const char *text)
{
    return slice.size == strlen(text) && strncasecmp(slice.at, text, slice.size) == 0;
}

static bool slice_begins(struct slice slice, const char *text)
{
    return slice.size >= strlen(text) && strncasecmp(slice.at, text, strlen(text)) == 0;
}

static bool has_control(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return true;
        }
    }
    return false;
}

/* Max-Age: seconds from now. What isn't a whole number doesn't count. */
static void parse_max_age(struct parsed *parsed, struct slice value, uint64_t now_usec)
{
    const uint64_t limit_sec = UINT64_C(100) * 366 * 86400;
    bool negative = value.size > 0 && value.at[0] == '-';
    uint64_t seconds = 0;

    if (value.size == (negative ? 1 : 0)) {
        return;
    }
    for (size_t i = negative; i < value.size; i++) {
        if (value.at[i] < '0' || value.at[i] > '9') {
            return;
        }
        seconds = MIN(seconds * 10 + (uint64_t)(value.at[i] - '0'), limit_sec);
    }
    parsed->has_max_age = true;
    parsed->expires_usec = negative || seconds == 0 ? 0 : now_usec + seconds * USEC_PER_SEC;
}

static void parse_attribute(struct parsed *parsed, struct slice attribute, uint64_t now_usec)
{
    struct slice name = cut(&attribute, '=');
    struct slice value = trim(attribute.at, attribute.size);
    uint64_t date;

    name = trim(name.at, name.size);
    if (value.size > COOKIE_MAX_ATTRIBUTE) {
        return;
    }
    if (slice_is(name, "Max-Age")) {
        parse_max_age(parsed, value, now_usec);
    } else if (slice_is(name, "Expires")) {
        if (!parsed->has_max_age && cookie_date_parse(value.at, value.size, &date) == 0) {
            parsed->expires_usec = date;
        }
    } else if (slice_is(name, "Domain")) {
        bool dot = value.size > 0 && value.at[0] == '.';
        parsed->domain = (struct slice){value.at + dot, value.size - dot};
    } else if (slice_is(name, "Path")) {
        parsed->has_path = value.size > 0 && value.at[0] == '/';
        parsed->path = value;
    } else if (slice_is(name, "Secure")) {
        parsed->secure = true;
    } else if (slice_is(name, "HttpOnly")) {
        parsed->http_only = true;
    }
}

static int parse(struct parsed *parsed, const char *set_cookie, size_t size, uint64_t now_usec)
{
    struct slice rest = {set_cookie, size};
    struct slice pair = cut(&rest, ';');

    *parsed = (struct parsed){.expires_usec = COOKIE_NEVER_EXPIRES};
    if (has_control(set_cookie, size) || pair.size == 0 || !memchr(pair.at, '=', pair.size)) {
        return -EINVAL;
    }
    struct slice name = cut(&pair, '=');
    parsed->name = trim(name.at, name.size);
    parsed->value = trim(pair.at, pair.size);
    if (parsed->name.size == 0 || parsed->name.size + parsed->value.size > COOKIE_MAX_BYTES) {
        return -EINVAL;
    }
    while (rest.size > 0) {
        parse_attribute(parsed, cut(&rest, ';'), now_usec);
    }
    return 0;
}

static bool is_address(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static bool is_this_machine(const char *host)
{
    static const char suffix[] = ".localhost";
    size_t size = strlen(host);
    struct in_addr four;
    struct in6_addr six;

    return strcmp(host, suffix + 1) == 0 ||
           (size >= sizeof suffix && strcmp(host + size - (sizeof suffix - 1), suffix) == 0) ||
           (inet_pton(AF_INET, host, &four) == 1 && ntohl(four.s_addr) >> 24 == 127) ||
           (inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six));
}

/* Section 5.1.3: the domain itself, or a name below it. */
static bool domain_matches(const char *host, const char *domain)
{
    size_t host_size = strlen(host), domain_size = strlen(domain);

    if (host_size <= domain_size) {
        return strcmp(host, domain) == 0;
    }
    const char *tail = host + host_size - domain_size;
    return tail[-1] == '.' && strcmp(tail, domain) == 0 && !is_address(host);
}

/* Section 5.1.4: the path itself, or one below it. */
static bool path_matches(struct slice path, const char *cookie_path, size_t cookie_size)
{
    return path.size >= cookie_size && memcmp(path.at, cookie_path, cookie_size) == 0 &&
           (path.size == cookie_size || cookie_path[cookie_size - 1] == '/' ||
            path.at[cookie_size] == '/');
}

static struct slice without_query(const char *path)
{
    return (struct slice){path, strcspn(path, "?#")};
}

/* Section 5.1.4: up to the last '/', without it. */
static struct slice default_path(const char *request_path)
{
    struct slice path = without_query(request_path);
    const char *slash = path.size > 0 ? memrchr(path.at, '/', path.size) : NULL;

    if (!slash || slash == path.at || path.at[0] != '/') {
        return (struct slice){"/", 1};
    }
    return (struct slice){path.at, (size_t)(slash - path.at)};
}

/* Whether the answer may set a cookie of this domain (lower case; empty: none was given). Decides
 * whether it is host-only. */
static int check_domain(const char *host, const char *domain, bool *ret_host_only)
{
    *ret_host_only = true;
    if (*domain == '\0') {
        return 0;
    }
    if (!domain_matches(host, domain)) {
        return -EPERM;
    }
    if (is_address(host)) {
        return 0; /* itself: nothing else matches */
    }
    if (psl_is_public_suffix(psl_builtin(), domain)) {
        return strcmp(host, domain) == 0 ? 0 : -EPERM;
    }
    *ret_host_only = false;
    return 0;
}

/* What a name promises about its cookie. */
static bool keeps_prefix(const struct parsed *parsed)
{
    if (slice_begins(parsed->name, "__Secure-")) {
        return parsed->secure;
    }
    if (slice_begins(parsed->name, "__Host-")) {
        return parsed->secure && parsed->domain.size == 0 && parsed->has_path &&
               parsed->path.size == 1;
    }
    return true;
}

static char *put_text(char *at, const char **ret, struct slice text)
{
    memcpy(at, text.at, text.size);
    at[text.size] = '\0';
    *ret = at;
    return at + text.size + 1;
}

static int cookie_new(struct cookie **ret, const struct parsed *parsed, struct slice domain,
                      struct slice path)
{
    size_t text_size = parsed->name.size + parsed->value.size + domain.size + path.size + 4;
    struct cookie *cookie = malloc(sizeof *cookie + text_size);
    if (!cookie) {
        return -ENOMEM;
    }
    *cookie = (struct cookie){
        .expires_usec = parsed->expires_usec,
        .secure = parsed->secure,
        .http_only = parsed->http_only,
        .name_size = parsed->name.size,
        .value_size = parsed->value.size,
        .path_size = path.size,
    };
    char *at = put_text(cookie->text, &cookie->name, parsed->name);
    at = put_text(at, &cookie->value, parsed->value);
    at = put_text(at, &cookie->domain, domain);
    (void)put_text(at, &cookie->path, path); /* the last one */
    *ret = cookie;
    return 0;
}

static void remove_at(struct cookie_jar *jar, size_t index)
{
    struct cookie_store *store = jar->store;

    free(store->cookies[index]);
    store->count--;
    memmove(store->cookies + index, store->cookies + index + 1,
            (store->count - index) * sizeof store->cookies[0]);
    if (store->count == 0) {
        cookie_jar_clear(jar);
    }
}

static void remove_expired(struct cookie_jar *jar, uint64_t now_usec)
{
    for (size_t i = cookie_jar_count(jar); i > 0; i--) {
        if (jar->store->cookies[i - 1]->expires_usec <= now_usec) {
            remove_at(jar, i - 1);
        }
    }
}

static bool is_same(const struct cookie *a, const struct cookie *b)
{
    return a->host_only == b->host_only && strcmp(a->name, b->name) == 0 &&
           strcmp(a->domain, b->domain) == 0 && strcmp(a->path, b->path) == 0;
}

/* Whether a cookie that came by http would replace or hide a Secure one. */
static bool hides_secure(const struct cookie_jar *jar, const struct cookie *cookie)
{
    struct slice path = {cookie->path, cookie->path_size};

    for (size_t i = 0; i < cookie_jar_count(jar); i++) {
        const struct cookie *other = jar->store->cookies[i];
        if (other->secure && strcmp(other->name, cookie->name) == 0 &&
            (domain_matches(other->domain, cookie->domain) ||
             domain_matches(cookie->domain, other->domain)) &&
            path_matches(path, other->path, other->path_size)) {
            return true;
        }
    }
    return false;
}

/* Makes room in the array for one more. */
static int reserve(struct cookie_jar *jar)
{
    struct cookie_store *store = jar->store;
    size_t count = store ? store->count : 0;

    if (store && count < store->capacity) {
        return 0;
    }
    size_t capacity = store ? store->capacity * 2 : FIRST_CAPACITY;
    store = realloc(store, sizeof *store + capacity * sizeof store->cookies[0]);
    if (!store) {
        return -ENOMEM;
    }
    store->capacity = capacity;
    store->count = count;
    jar->store = store;
    return 0;
}

/* Takes out the oldest where one more would be too many. */
static void make_room(struct cookie_jar *jar, const char *domain)
{
    size_t oldest = 0, of_domain = 0;

    for (size_t i = cookie_jar_count(jar); i > 0; i--) {
        if (strcmp(jar->store->cookies[i - 1]->domain, domain) == 0) {
            of_domain++;
            oldest = i - 1;
        }
    }
    if (of_domain >= COOKIE_MAX_PER_DOMAIN) {
        remove_at(jar, oldest);
    }
    if (cookie_jar_count(jar) >= COOKIE_MAX) {
        remove_at(jar, 0);
    }
}

/* Puts a cookie in, in place of its predecessor if there is one; owns it then. */
static int store_cookie(struct cookie_jar *jar, struct cookie **cookie, uint64_t now_usec)
{
    bool expired = (*cookie)->expires_usec <= now_usec;

    for (size_t i = 0; i < cookie_jar_count(jar); i++) {
        if (is_same(jar->store->cookies[i], *cookie)) {
            if (expired) {
                remove_at(jar, i);
            } else {
                free(jar->store->cookies[i]);
                jar->store->cookies[i] = TAKE_PTR(*cookie);
            }
            return 0;
        }
    }
    if (expired) {
        return 0;
    }
    remove_expired(jar, now_usec);
    int r = reserve(jar);
    if (r < 0) {
        return r;
    }
    make_room(jar, (*cookie)->domain);
    jar->store->cookies[jar->store->count++] = TAKE_PTR(*cookie);
    return 0;
}

/* Copies a name in lower case, with NUL behind. ASCII only: the locale has no say. */
static void lower(char *to, struct slice name)
{
    for (size_t i = 0; i < name.size; i++) {
        to[i] = name.at[i];
        if (to[i] >= 'A' && to[i] <= 'Z') {
            to[i] = (char)(to[i] | 0x20);
        }
    }
    to[name.size] = '\0';
}

int cookie_jar_set(struct cookie_jar *jar, const char *host, const char *path, bool secure,
                   const char *set_cookie, size_t size, uint64_t now_usec)
{
    struct parsed parsed;
    char domain[COOKIE_MAX_ATTRIBUTE + 1];
    bool host_only;

    int r = parse(&parsed, set_cookie, size, now_usec);
    if (r < 0) {
        return r;
    }
    lower(domain, parsed.domain);
    bool trusted = secure || is_this_machine(host);
    r = check_domain(host, domain, &host_only);
    if (r < 0 || (parsed.secure && !trusted) || !keeps_prefix(&parsed)) {
        return -EPERM;
    }
    _cleanup_free_ struct cookie *cookie = NULL;
    const char *owner = host_only ? host : domain;
    r = cookie_new(&cookie, &parsed, (struct slice){owner, strlen(owner)},
                   parsed.has_path ? parsed.path : default_path(path));
    if (r < 0) {
        return r;
    }
    cookie->host_only = host_only;
    if (!trusted && hides_secure(jar, cookie)) {
        return -EPERM;
    }
    return store_cookie(jar, &cookie, now_usec);
}

/* The cookies that a request sends, in the order in which it does. */
static size_t select_cookies(const struct cookie_jar *jar, const char *host, const char *path,
                             bool secure, const struct cookie *selected[COOKIE_MAX])
{
    struct slice path_slice = without_query(path);
    size_t count = 0;

    for (size_t i = 0; i < cookie_jar_count(jar); i++) {
        const struct cookie *cookie = jar->store->cookies[i];
        bool matches = cookie->host_only ? strcmp(host, cookie->domain) == 0
                                         : domain_matches(host, cookie->domain);
        if (!matches || !path_matches(path_slice, cookie->path, cookie->path_size) ||
            (cookie->secure && !secure && !is_this_machine(host))) {
            continue;
        }
        size_t place = count++;
        for (; place > 0 && selected[place - 1]->path_size < cookie->path_size; place--) {
            selected[place] = selected[place - 1];
        }
        selected[place] = cookie;
    }
    return count;
}

ssize_t cookie_jar_header(struct cookie_jar *jar, const char *host, const char *path, bool secure,
                          uint64_t now_usec, char *buffer, size_t size)
{
    const struct cookie *selected[COOKIE_MAX];
    size_t length = 0;

    if (size == 0) {
        return -ENOBUFS;
    }
    remove_expired(jar, now_usec);
    size_t count = select_cookies(jar, host, path, secure, selected);
    for (size_t i = 0; i < count; i++) {
        const struct cookie *cookie = selected[i];
        size_t needed = (i > 0 ? 2 : 0) + cookie->name_size + 1 + cookie->value_size;
        if (needed >= size - length) {
            return -ENOBUFS;
        }
        char *at = buffer + length;
        if (i > 0) {
            at = mempcpy(at, "; ", 2);
        }
        at = mempcpy(at, cookie->name, cookie->name_size);
        *at++ = '=';
        (void)mempcpy(at, cookie->value, cookie->value_size); /* the end is known */
        length += needed;
    }
    buffer[length] = '\0';
    return (ssize_t)length;
}

void cookie_jar_clear(struct cookie_jar *jar)
{
    for (size_t i = 0; i < cookie_jar_count(jar); i++) {
        free(jar->store->cookies[i]);
    }
    free(jar->store);
    jar->store = NULL;
}

size_t cookie_jar_count(const struct cookie_jar *jar)
{
    return jar->store ? jar->store->count : 0;
}

void cookie_jar_get(const struct cookie_jar *jar, size_t index, struct cookie_view *ret)
{
    assert(index < cookie_jar_count(jar));
    const struct cookie *cookie = jar->store->cookies[index];
    *ret = (struct cookie_view){
        .name = cookie->name,
        .value = cookie->value,
        .domain = cookie->domain,
        .path = cookie->path,
        .expires_usec = cookie->expires_usec,
        .host_only = cookie->host_only,
        .secure = cookie->secure,
        .http_only = cookie->http_only,
    };
}
