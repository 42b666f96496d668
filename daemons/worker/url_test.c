/* SPDX-License-Identifier: MPL-2.0 */
/* Written as any test is, but for its registration, since modules have a namespace of their own,
 * and for the places that the macros of loads.h would give: lines of this file tell nobody
 * anything. */
#include "url_test.h"

#include "wire/spec.h"

static void get_url(loads_user *user)
{
    const loads_request request = {.method = "GET", .url = loads_server_url(user)};
    loads_response *res = loads_send(user, &request);

    if (res->status >= 400) {
        loads_fail_at_("", 0, "%s answered %d", res->url, res->status);
    }
}

const struct loads_test *url_test(void)
{
    static const struct loads_test test = {SPEC_URL_SUITE, SPEC_URL_TEST, "", 0, get_url};
    return &test;
}
