/* SPDX-License-Identifier: MPL-2.0 */
/* A user's cookies. Each line of an input is an answer's Set-Cookie, but for those that begin with
 * '@' (a URL's host and path from now on), '+' (so many seconds pass) and '!' (from http to https
 * and back). What is kept stays within its limits and goes only where it may go. */
#include <arpa/inet.h>
#include <errno.h>
#include <libpsl.h>

#include "base/clock.h"
#include "fuzz.h"
#include "worker/cookies.h"

#define START_USEC (UINT64_C(1700000000) * USEC_PER_SEC)
#define MAX_VALUE  ((size_t)64 << 10)

struct state {
    struct cookie_jar jar;
    char *host, *path;
    bool secure;
    uint64_t now_usec;
};

/* What lib/loop/url.h promises of a host and a path. */
static void go_to(struct state *state, struct input url)
{
    struct input host = input_until(&url, '/');

    free(state->host);
    free(state->path);
    state->host = input_text(host);
    for (char *c = state->host; *c; c++) {
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c;
        *c = *c <= ' ' || *c >= 0x7f ? '-' : *c;
    }
    _cleanup_free_ char *path = input_text(url);
    state->path = malloc(strlen(path) + 2);
    assert(state->path);
    state->path[0] = '/';
    memcpy(state->path + 1, path, strlen(path) + 1);
}

/* An address is below nothing, whatever it ends with. */
static bool is_address(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static bool is_below(const char *host, const char *domain)
{
    size_t host_size = strlen(host), size = strlen(domain);

    return strcmp(host, domain) == 0 ||
           (host_size > size && !is_address(host) && strcmp(host + host_size - size, domain) == 0 &&
            host[host_size - size - 1] == '.');
}

static void check_jar(const struct state *state)
{
    size_t n = cookie_jar_count(&state->jar);

    assert(n <= COOKIE_MAX);
    for (size_t i = 0; i < n; i++) {
        struct cookie_view cookie;
        cookie_jar_get(&state->jar, i, &cookie);
        assert(!has_control(cookie.name, "\t") && !has_control(cookie.value, "\t"));
        assert(cookie.name[0] && !strpbrk(cookie.name, ";=") && !strchr(cookie.value, ';'));
        assert(strlen(cookie.name) + strlen(cookie.value) <= COOKIE_MAX_BYTES);
        assert(cookie.path[0] == '/');
        assert(cookie.host_only || !psl_is_public_suffix(psl_builtin(), cookie.domain));
    }
}

static void set(struct state *state, struct input line)
{
    size_t before = cookie_jar_count(&state->jar);
    int r = cookie_jar_set(&state->jar, state->host, state->path, state->secure,
                           (const char *)line.at, line.left, state->now_usec);

    assert(r == 0 || r == -EINVAL || r == -EPERM);
    size_t after = cookie_jar_count(&state->jar);
    assert(r == 0 ? after <= before + 1 : after == before);
    for (size_t i = before; r == 0 && i < after; i++) {
        struct cookie_view cookie;
        cookie_jar_get(&state->jar, i, &cookie);
        assert(cookie.expires_usec > state->now_usec);
        assert(cookie.host_only ? strcmp(state->host, cookie.domain) == 0
                                : is_below(state->host, cookie.domain));
    }
}

/* The Cookie header of a request to where the user is now. */
static void check_request(struct state *state)
{
    static char value[MAX_VALUE];
    ssize_t length = cookie_jar_header(&state->jar, state->host, state->path, state->secure,
                                       state->now_usec, value, sizeof value);

    assert(length >= 0 || length == -ENOBUFS);
    if (length < 0) {
        return;
    }
    assert(strlen(value) == (size_t)length && !has_control(value, "\t"));
    assert(length == 0 || cookie_jar_count(&state->jar) > 0);
    for (size_t i = 0; i < cookie_jar_count(&state->jar); i++) {
        struct cookie_view cookie;
        cookie_jar_get(&state->jar, i, &cookie);
        assert(cookie.expires_usec > state->now_usec);
        assert(!is_below(state->host, cookie.domain) || cookie.secure || cookie.path[1] != '\0' ||
               (cookie.host_only && strcmp(state->host, cookie.domain) != 0) ||
               strstr(value, cookie.name));
    }
    /* Room for all of it and no byte more. */
    _cleanup_free_ char *exact = malloc((size_t)length + 1);
    assert(exact);
    assert(cookie_jar_header(&state->jar, state->host, state->path, state->secure, state->now_usec,
                             exact, (size_t)length + 1) == length);
    assert(strcmp(exact, value) == 0);
    assert(length == 0 || cookie_jar_header(&state->jar, state->host, state->path, state->secure,
                                            state->now_usec, exact, (size_t)length) == -ENOBUFS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char first[] = "www.example.co.uk/a/b?c";
    struct input input = {data, size};
    struct state state = {.now_usec = START_USEC};

    go_to(&state, (struct input){(const uint8_t *)first, sizeof first - 1});
    while (input.left > 0) {
        struct input line = input_until(&input, '\n');
        struct input rest = line;
        switch (input_number(&rest, 1)) {
        case '@':
            go_to(&state, rest);
            check_request(&state);
            break;
        case '+':
            state.now_usec += input_number(&rest, 4) * USEC_PER_SEC;
            check_request(&state);
            break;
        case '!':
            state.secure = !state.secure;
            check_request(&state);
            break;
        default:
            set(&state, line);
        }
    }
    check_jar(&state);
    check_request(&state);
    cookie_jar_clear(&state.jar);
    free(state.host);
    free(state.path);
    return 0;
}
