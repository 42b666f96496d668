/* SPDX-License-Identifier: MPL-2.0 */
/* A shop, for the pictures in the guide: what a run of it looks like. */
#include <loads/loads.h>

/* A page that takes the server some time, now and then a lot. */
static loads_response *page(loads_user *user, const char *path, const char *name, long msec)
{
    long delay = msec / 2 + loads_random_int(user, 0, msec);

    if (loads_random_int(user, 0, 19) == 0) {
        delay *= 3;
    }
    return loads_get(user, loads_printf(user, "%s?delay=%ld", path, delay), .name = name);
}

LOADS_TEST(Shop, browse)
{
    page(user, "/any/", "front page", 12);
    loads_sleep(user, 0.05);
    page(user, "/any/search", "search", 45);
    page(user, "/any/article", "article", 25);
    loads_incr_counter(user, "articles seen");
    loads_sleep(user, 0.1);
}

LOADS_TEST(Shop, buy)
{
    page(user, "/any/article", "article", 25);
    loads_post(user, "/any/basket", .name = "basket", .body = "article=7");
    LOADS_TRANSACTION(user, "checkout")
    {
        page(user, "/any/address", "address", 20);
        LOADS_TRANSACTION(user, "pay")
        {
            long luck = loads_random_int(user, 0, 299);
            loads_response *res = loads_post(user,
                                             luck == 0   ? "/status/503/delay/250"
                                             : luck == 1 ? "/reset"
                                                         : "/any/pay?delay=90",
                                             .name = "pay", .body = "card=1");
            loads_assert_int_eq(res->status, 200);
        }
    }
    loads_incr_counter(user, "articles sold");
    loads_sleep(user, 0.2);
}

/* run.json is what stands in the page's element `data` after
 *
 *   loads-test-target --port 9200 &
 *   loads-runner shop.Shop.browse:3 shop.Shop.buy:1 --server-url http://localhost:9200 -u 5:15:30 \
 *       -d 20s --seed 7 --project-name shop --tag branch=main --output html=page.html \
 *       --threshold 'p95 < 200ms' --threshold 'errors < 1%' --threshold 'failures < 1%' \
 *       --threshold 'p95{transaction=checkout/pay} < 95ms for 3s' */
