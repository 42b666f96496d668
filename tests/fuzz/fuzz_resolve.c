/* SPDX-License-Identifier: MPL-2.0 */
/* --resolve: what is accepted is a host, a port and addresses, and is read in the same way again.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "fuzz.h"
#include "wire/spec_http.h"

static bool is_address(const char *text)
{
    struct in6_addr address;

    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

static void check_again(const struct spec_resolve *rule)
{
    static struct spec_resolve again;
    char text[sizeof rule->host + 16 + sizeof rule->addresses];
    bool brackets = strchr(rule->host, ':') != NULL;
    struct error error;
    int n = snprintf(text, sizeof text, "%s%s%s:%u", brackets ? "[" : "", rule->host,
                     brackets ? "]" : "", rule->port);

    for (unsigned i = 0; i < rule->count; i++) {
        n += snprintf(text + n, sizeof text - (size_t)n, "%c%s", i ? ',' : ':', rule->addresses[i]);
    }
    assert(spec_http_parse_resolve(text, &again, &error) == 0);
    assert(strcmp(again.host, rule->host) == 0 && again.port == rule->port);
    assert(again.count == rule->count);
    for (unsigned i = 0; i < rule->count; i++) {
        assert(strcmp(again.addresses[i], rule->addresses[i]) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct spec_resolve rule;
    struct error error;
    _cleanup_free_ char *text = input_text((struct input){data, size});
    int r = spec_http_parse_resolve(text, &rule, &error);

    if (r < 0) {
        assert(r == -EINVAL);
        check_error(r, &error);
        return 0;
    }
    assert(rule.host[0] && rule.port > 0);
    assert(rule.count >= 1 && rule.count <= SPEC_MAX_ADDRESSES);
    for (const char *c = rule.host; *c; c++) {
        assert(*c < 'A' || *c > 'Z');
    }
    for (unsigned i = 0; i < rule.count; i++) {
        assert(is_address(rule.addresses[i]));
    }
    char port[16];
    (void)snprintf(port, sizeof port, "%u:", rule.port);
    assert(strstr(text, port)); /* nothing of a longer number */
    check_again(&rule);
    return 0;
}
