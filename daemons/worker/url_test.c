/* SPDX-License-Identifier: MPL-2.0 */
/* Written as any test is, but for its registration: modules have a namespace of their own. */
#include "url_test.h"

#include "wire/spec.h"

static void get_url(loads_user *user)
{
    loads_response *res = loads_get(user, loads_server_url(user));

    if (res->status >= 400) {
        loads_fail("%s answered %d", res->url, res->status);
    }
}

const struct loads_test *url_test(void)
{
    static const struct loads_test test = {SPEC_URL_SUITE, SPEC_URL_TEST, __FILE__, __LINE__,
                                           get_url};
    return &test;
}
