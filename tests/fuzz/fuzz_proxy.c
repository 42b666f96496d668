/* SPDX-License-Identifier: MPL-2.0 */
/* --proxy, --no-proxy and a host, a line each: what is shown of a proxy has no secrets, and is one
 * with the same host and port. */
#include <errno.h>

#include "fuzz.h"
#include "loop/proxy.h"

static void check_shown(const struct proxy *proxy)
{
    _cleanup_(proxy_freep) struct proxy *again = NULL;
    struct error error;

    assert(!strchr(proxy->shown, '@'));
    assert(proxy_new(&again, proxy->shown, &error) == 0);
    assert(strcmp(again->host, proxy->host) == 0 && again->port == proxy->port);
    assert(again->numeric_host == proxy->numeric_host && again->http == proxy->http);
    assert(again->local_names == proxy->local_names);
    assert(strcmp(again->shown, proxy->shown) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct error error;
    _cleanup_(proxy_freep) struct proxy *proxy = NULL;
    _cleanup_free_ char *text = input_text(input_until(&input, '\n'));
    _cleanup_free_ char *list = input_text(input_until(&input, '\n'));
    _cleanup_free_ char *host = input_text(input_until(&input, '\n'));
    int r = proxy_new(&proxy, text, &error);

    if (r < 0) {
        assert(r == -EINVAL && !proxy);
        check_error(r, &error);
    } else {
        assert(proxy->host[0] && proxy->port > 0 && strcmp(proxy->text, text) == 0);
        check_shown(proxy);
    }
    (void)proxy_leaves_out(list, host); /* it reads what is there, and no more */
    assert(proxy_leaves_out("*", host) && !proxy_leaves_out(NULL, host));
    return 0;
}
