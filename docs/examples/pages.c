/* SPDX-License-Identifier: MPL-2.0 */
/* A journey as a person makes it: forms are filled in, links followed, a file sent. Statuses are
 * looked at by themselves: one that isn't expected is a failure.
 *
 *     python3 shop.py 9300 &
 *     loads-runner pages.TestPhotos.test_journey --server-url http://localhost:9300 -u 20 --hits 5
 */
#include <loads/loads.h>

LOADS_TEST(TestPhotos, test_journey)
{
    loads_session_reset(user);
    loads_response *page = loads_app_get(user, "/");
    page = loads_app_follow(page, "Log in");

    /* The answer leads to /account: two hits. */
    loads_form *form = loads_app_form(page, "login");
    loads_form_set(form, "user", loads_printf(user, "ada%u", loads_user_number(user)));
    loads_form_set(form, "password", "secret");
    page = loads_form_submit(form);
    loads_assert_text_contains(page, "#greeting", "Hello ada");

    page = loads_app_follow(page, "Photos");
    form = loads_app_form(page, "upload");
    loads_form_set(form, "title", "Sunset");
    loads_form_select_text(form, "album", "Travel");
    loads_form_check(form, "public", NULL);
    loads_form_upload(form, "photo", .value = "not really a picture", .filename = "sunset.jpg");
    page = loads_form_submit(form);
    loads_assert_text_eq(page, "#photos li", "Sunset, 20 bytes");

    page = loads_app_follow(page, "Back");
    page = loads_app_follow(page, "Log out");
    loads_assert_body_contains(page, "Welcome");
}

/* The same without a form: what a program does that uploads. */
LOADS_TEST(TestPhotos, test_parts)
{
    loads_app_post(user, "/login", .body = "user=bob&password=secret",
                   .headers = LOADS_HEADERS("Content-Type: application/x-www-form-urlencoded"));
    loads_app_post(user, "/photos",
                   .parts = LOADS_PARTS({.name = "title", .value = "Orders"},
                                        {.name = "photo", .path = "orders.csv"}));
    loads_app_post(user, "/photos", .parts = LOADS_PARTS({.name = "title", .value = "None"}),
                   .status = "400");
}
