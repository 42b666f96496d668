/* SPDX-License-Identifier: MPL-2.0 */
/* Sends the requests that the file named by $SERVERS_REQUESTS lists for this user, one after the
 * other, and reports each answer as a counter of that name: row, step, status, length, hash
 * (FNV-1a), redirects followed, whether it was cut, and the body, if it is short, with escapes. A
 * line is
 *
 *     USER METHOD URL TIMEOUT_SEC BODY_BYTES
 *
 * The method "sleep" sends nothing, and waits as long as its timeout. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <loads/loads.h>

#define MAX_LINE  16384
#define MAX_SHOWN 6000 /* a name has room for some more */

static uint64_t hash(const char *bytes, size_t size)
{
    uint64_t value = 0xcbf29ce484222325;

    for (size_t i = 0; i < size; i++) {
        value = (value ^ (unsigned char)bytes[i]) * 0x100000001b3;
    }
    return value;
}

/* As in URLs; "-" for one that is too long to be shown. */
static const char *escaped(loads_user *user, const char *bytes, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    char *text = loads_alloc(user, MAX_SHOWN + 4), *at = text;

    *at++ = '=';
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (at - text > MAX_SHOWN) {
            return "-";
        }
        if (c > ' ' && c < 0x7f && c != '%') {
            *at++ = (char)c;
        } else {
            *at++ = '%';
            *at++ = digits[c >> 4];
            *at++ = digits[c & 15];
        }
    }
    return text;
}

static void send_one(loads_user *user, unsigned step, const char *method, const char *url,
                     double timeout, size_t body_size)
{
    char *body = body_size > 0 ? loads_alloc(user, body_size) : NULL;
    loads_request request = {
        .method = method,
        .url = url,
        .name = "row",
        .timeout_sec = timeout,
        .body = body,
        .body_size = body_size,
        .may_fail = true,
        .file_ = __FILE__,
        .line_ = __LINE__,
    };

    if (body) {
        memset(body, 'x', body_size);
    }
    loads_response *res = loads_send(user, &request);
    loads_incr_counter(user,
                       loads_printf(user, "%u %u %d %zu %016" PRIx64 " %u %d %s",
                                    loads_user_number(user), step, res->status, res->body_size,
                                    hash(res->body, res->body_size), res->redirects, res->body_cut,
                                    escaped(user, res->body, res->body_size)));
}

static void close_file(void *file)
{
    (void)fclose(file); /* it was only read */
}

LOADS_TEST(TestServers, test_rows)
{
    const char *path = getenv("SERVERS_REQUESTS");
    FILE *file = path ? fopen(path, "re") : NULL;
    char *line = loads_alloc(user, MAX_LINE), *url = loads_alloc(user, MAX_LINE), method[32];
    unsigned number, step = 0;
    double timeout;
    size_t body_size;

    loads_assert_not_null(file);
    loads_defer(user, close_file, file);
    while (fgets(line, MAX_LINE, file)) {
        loads_assert_int_eq(
            sscanf(line, "%u %31s %16383s %lf %zu", &number, method, url, &timeout, &body_size), 5);
        if (number != loads_user_number(user)) {
            continue;
        }
        if (strcmp(method, "sleep") == 0) {
            loads_sleep(user, timeout);
        } else {
            send_one(user, step++, method, url, timeout, body_size);
        }
    }
    loads_assert_uint_gt(step, 0);
}
