/* SPDX-License-Identifier: MPL-2.0 */
/* The application client against the site of site_server.py, whose page /page is test_app.py's. */
#include <stdlib.h>
#include <string.h>

#include <loads/loads.h>

/* ---- the journey, as test_app.py has it in Python ---- */

LOADS_TEST(TestJourney, test_site)
{
    loads_session_reset(user);
    loads_response *page = loads_app_get(user, "/");
    page = loads_app_follow(page, "Log in");

    loads_form *form = loads_app_form(page, "login");
    loads_form_set(form, "user", "ada");
    loads_form_set(form, "password", "wrong");
    loads_form_submit(form, .status = "403");
    loads_form_set(form, "password", "secret");
    loads_form_check(form, "keep", NULL);
    page = loads_form_submit(form);
    loads_assert_text_eq(page, "#greeting", "Hello ada.");

    page = loads_app_follow(page, "Upload a file");
    form = loads_app_form(page, "upload");
    loads_form_set(form, "title", "notes & more");
    loads_form_select_text(form, "kind", "Text");
    loads_form_upload(form, "file", .value = "one\r\ntwo\0three", .size = 14, .filename = "a.txt");
    page = loads_form_submit(form);
    loads_assert_text_contains(page, "#files li", "notes & more 14");

    page = loads_app_follow(page, "Log out");
    loads_assert_body_contains(page, "The site");
    loads_app_get(user, "/account", .status = "403");
}

/* ---- requests ---- */

LOADS_TEST(TestApp, test_methods)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    loads_response *pages[] = {loads_app_get(user, "/echo"),    loads_app_post(user, "/echo"),
                               loads_app_put(user, "/echo"),    loads_app_patch(user, "/echo"),
                               loads_app_delete(user, "/echo"), loads_app_options(user, "/echo")};

    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        loads_assert_json_eq(pages[i], "method", loads_printf(user, "\"%s\"", methods[i]));
    }
    loads_assert_int_eq(loads_app_head(user, "/echo")->status, 200);
}

LOADS_TEST(TestApp, test_statuses)
{
    loads_app_get(user, "/nothing", .status = "403");
    loads_app_get(user, "/nothing", .status = "2* 4*");
    loads_app_get(user, "/nothing", .status = "*");
    loads_get(user, "/nothing");
    loads_get(user, "/nothing", .status = "400,403");
    loads_app_get(user, "http://127.0.0.1:1/", .may_fail = true);
    loads_assert_int_eq(loads_app_get(user, "/nothing", .status = "40*")->status, 403);
}

LOADS_TEST(TestApp, test_json)
{
    loads_response *page = loads_app_get(user, "/page");

    loads_assert_json_eq(page, "", "{\"b\": [1, 2.5, \"x\", null, {\"c\": true}], \"a\": 1.0}");
    loads_assert_json_eq(page, "b", "[1.0, 2.5, \"x\", null, {\"c\": true}]");
    loads_assert_json_eq(page, "b[2]", "\"x\"");
    loads_assert_json_eq(page, "b[3]", "null");
    loads_assert_json_eq(page, "b[4].c", "true");
}

LOADS_TEST(TestApp, test_server_url)
{
    const char *site = loads_printf(user, "%s", loads_server_url(user));

    loads_app_get(user, "/about");
    loads_set_server_url(user, loads_printf(user, "%s/a/b/", site));
    loads_assert_str_contains(loads_server_url(user), "/a/b/");
    loads_app_get(user, "../../about");
    loads_set_server_url(user, NULL);
    loads_assert_str_eq(loads_server_url(user), site);
    loads_app_get(user, "/about");
}

/* It stays from one iteration to the next. */
LOADS_TEST(TestApp, test_server_url_of_a_user)
{
    if (loads_iteration(user) == 0) {
        loads_set_server_url(user, getenv("SITE"));
    }
    loads_app_get(user, "/about");
}

LOADS_TEST(TestApp, test_credentials)
{
    loads_response *page = loads_app_get(user, "/page");

    page = loads_app_follow(page, "own");
    page = loads_app_follow(page, "absolute");
    loads_app_follow(page, "other", .may_fail = true);
}

/* ---- links ---- */

LOADS_TEST(TestApp, test_links)
{
    loads_response *page = loads_app_get(user, "/");

    loads_assert_body_contains(loads_app_follow(page, "About us"), "About us");
    loads_app_follow(page, "About", .name = "part of a text");
    loads_app_follow(page, "#about");
    loads_app_follow_at(page, 1);
    loads_app_follow_at(page, 2, .status = "403", .headers = LOADS_HEADERS("X-Test: yes"));
}

LOADS_TEST(TestApp, test_odd_links)
{
    loads_response *page = loads_app_get(user, "/page");

    for (size_t i = 0; i < loads_app_count(page, "a[href]"); i++) {
        loads_app_follow_at(page, i, .status = "*");
    }
    loads_app_follow(page, "Picture", .status = "*");
    loads_app_follow(page, "#7", .status = "*");
}

LOADS_TEST(TestApp, test_elements)
{
    loads_response *page = loads_app_get(user, "/page");

    loads_assert_str_eq(loads_app_text(page, "#a"), "one two");
    loads_assert_str_eq(loads_app_text(page, "li.b"), "three");
    loads_assert_str_eq(loads_app_attribute(page, "#a", "data-x"), "a\"b");
    loads_assert_uint_eq(loads_app_count(page, "li"), 2);
    loads_assert_uint_eq(loads_app_count(page, "table"), 0);
    loads_assert_text_eq(page, "li", "three");
    loads_assert_text_contains(page, "ul", "e t");
    loads_assert_body_contains(page, "one two");
    loads_assert_body_contains(page, "<b>two");
    loads_assert_body_lacks(page, "two one");
}

/* ---- forms ---- */

LOADS_TEST(TestApp, test_form)
{
    loads_response *page = loads_app_get(user, "/page");
    loads_form *form = loads_app_form_at(page, 0);

    loads_assert_uint_eq(loads_form_count(form), 10);
    loads_assert_str_eq(loads_form_field(form, 0)->name, "t");
    loads_assert_str_eq(loads_form_field(form, 0)->type, "text");
    loads_assert_str_eq(loads_form_field(form, 2)->value, "x");
    loads_assert_false(loads_form_field(form, 2)->checked);
    loads_assert_true(loads_form_field(form, 4)->checked);
    loads_assert_true(loads_form_field(form, 8)->disabled);
    loads_assert_str_eq(loads_form_value(form, "s"), "1");
    loads_form_set(form, "t", "a & b");
    loads_form_set_at(form, "t", 1, "\xc3\xa4\n");
    loads_form_check(form, "c", "y");
    loads_form_uncheck(form, "c", "z");
    loads_form_check(form, "r", "2");
    loads_form_select(form, "s", "2");
    loads_form_deselect(form, "s", "1");
    page = loads_form_submit(form, .button = "two", .x = 1, .y = 2,
                             .headers = LOADS_HEADERS("X-Test: yes"));
    loads_assert_json_eq(
        page, "fields",
        "[[\"t\", \"a & b\"], [\"t\", \"\xc3\xa4\\r\\n\"], [\"c\", \"y\"],"
        " [\"r\", \"2\"], [\"s\", \"2\"], [\"two.x\", \"1\"], [\"two.y\", \"2\"]]");
}

/* All forms of the page, as they are. */
LOADS_TEST(TestApp, test_forms)
{
    loads_response *page = loads_app_get(user, "/page");

    for (size_t i = 0; i < loads_app_count(page, "form"); i++) {
        loads_form_submit(loads_app_form_at(page, i), .status = "*");
    }
}

/* ---- uploads ---- */

LOADS_TEST(TestApp, test_parts)
{
    loads_post(user, "/echo", .status = "200",
               .parts =
                   LOADS_PARTS({.name = "a", .value = "b"}, {.name = "f", .path = "upload.bin"},
                               {.name = "g\"\n",
                                .value = "\0\r\n--",
                                .size = 5,
                                .filename = "\xc3\xa4.png",
                                .type = "image/x-odd"}));
    loads_post(user, "/echo", .status = "200", .parts = LOADS_PARTS({.name = "a", .value = "b"}));
}

LOADS_TEST(TestApp, test_upload_of_files)
{
    loads_form *form = loads_app_form(loads_app_get(user, "/page"), NULL);

    loads_form_upload(form, "f", .path = "upload.bin");
    loads_form_upload(form, "f", .path = "upload.bin", .filename = "other.txt");
    loads_form_submit(form);
}

/* A body that is sent again, as it was. */
LOADS_TEST(TestApp, test_parts_many_times)
{
    loads_post(user, "/echo",
               .parts = LOADS_PARTS({.name = "a", .value = loads_printf(user, "%u", 7)}));
}

/* ---- what isn't there ---- */

LOADS_TEST(TestApp, test_failing)
{
    loads_response *page = loads_app_get(user, "/page", .status = "*");
    loads_form *form = NULL;

    if (loads_iteration(user) >= 10) {
        form = loads_app_form(page, "f");
    }
    switch (loads_iteration(user)) {
        /* What is expected stands behind each, in the same line: */
        /* clang-format off */
#define CASE break; case
    CASE 0: loads_app_follow(page, "Three"); /* => there is no link 'Three'; the page has 'One', 'Two', one to '/x', 'Script' */
    CASE 1: loads_app_follow_at(page, 9); /* => there is no link number 9, from 0 on; the page has 'One', 'Two', one to '/x', 'Script' */
    CASE 2: loads_app_follow(page, "#f"); /* => there is no link '#f'; the page has 'One', 'Two', one to '/x', 'Script' */
    CASE 3: loads_app_follow(page, "Script"); /* => bad URL 'javascript:x': it must begin with http:// or https:// */
    CASE 4: loads_app_form(page, "g"); /* => there is no form 'g'; the page has 1: id 'f' */
    CASE 5: loads_app_form_at(page, 1); /* => there is no form number 1, from 0 on; the page has 1: id 'f' */
    CASE 6: loads_app_text(page, "#none"); /* => there is no element '#none'; the page's ids are #f, #e */
    CASE 7: loads_app_attribute(page, "#e", "title"); /* => the element '#e' has no attribute 'title'; it has id, class */
    CASE 8: loads_assert_text_eq(page, "a", "Three"); /* => the text of 'a' is "One" and others, expected "Three" */
    CASE 9: loads_assert_text_contains(page, "#e", "y"); /* => the text of '#e' is "x", expected one with "y" */
    CASE 10: loads_form_set(form, "b", ""); /* => the form has no field 'b'; it has a (text), c (checkbox), s (select) */
    CASE 11: loads_form_check(form, "c", "no"); /* => the field 'c' (checkbox) has no value 'no'; it has 'on' */
    CASE 12: loads_form_select(form, "s", "3"); /* => the field 's' (select) has no option of value '3'; it has '1', '2' */
    CASE 13: loads_form_upload(form, "a", .value = ""); /* => the field 'a' (text) can't be given a file: use loads_form_set() */
    CASE 14: loads_form_submit(form, .button = "go"); /* => the form has no button 'go' to send it (number 1); it has none */
    CASE 15: loads_form_value(form, "b"); /* => the form has no field 'b'; it has a (text), c (checkbox), s (select) */
    CASE 16: loads_form_field(form, 3); /* => the form has no field number 3, from 0 on; it has a (text), c (checkbox), s (select) */
    CASE 17: loads_form_uncheck(form, "a", NULL); /* => the field 'a' (text) can't be checked: use loads_form_set() */
    CASE 18: loads_form_deselect(form, "s", "1"); /* => the field 's' always has one option: select another */
    CASE 19: loads_form_select_text(form, "s", "3"); /* => the field 's' (select) has no option of text '3'; it has 'One', 'Two' */
    CASE 20: loads_form_set_at(form, "a", 1, ""); /* => the form has no field 'a' number 1, from 0 on; it has a (text), c (checkbox), s (select) */
    CASE 21: loads_assert_body_contains(page, "none"); /* => the body lacks "none": it is "<a href=/1>One</a>…" */
    CASE 22: loads_assert_body_lacks(page, "One"); /* => the body contains "One": it is "<a href=/1>One</a>…" */
        break;
        /* clang-format on */
    default:
        abort();
    }
}

LOADS_TEST(TestApp, test_failing_json)
{
    loads_response *page = loads_app_get(user, "/page");

    switch (loads_iteration(user)) {
        /* clang-format off */
    CASE 0: loads_assert_json_eq(page, "a", "2"); /* => the JSON at "a" is 1, expected 2 (answer of SITE/page) */
    CASE 1: loads_assert_json_eq(page, "a", "\"1\""); /* => the JSON at "a" is 1, expected "1" (answer of SITE/page) */
    CASE 2: loads_assert_json_eq(page, "b", "[1,2]"); /* => the JSON at "b" is [1,2.5,"x",null,{"c":true}], expected [1,2] (answer of SITE/page) */
    CASE 3: loads_assert_json_eq(page, "c", "1"); /* => the JSON has nothing at "c" (answer of SITE/page) */
    CASE 4: loads_assert_json_eq(page, "b[4]", "{}"); /* => the JSON at "b[4]" is {"c":true}, expected {} (answer of SITE/page) */
    CASE 5: loads_assert_json_eq(page, "b[4]", "{\"d\": true}"); /* => the JSON at "b[4]" is {"c":true}, expected {"d":true} (answer of SITE/page) */
    CASE 6: loads_app_form(page, NULL); /* => the page isn't HTML: its type is application/json (page SITE/page) */
        break;
        /* clang-format on */
    default:
        abort();
    }
}

/* Mistakes of a test: errors. */
LOADS_TEST(TestApp, test_misuse)
{
    loads_response *page = loads_app_get(user, "/");

    switch (loads_iteration(user)) {
        /* clang-format off */
    CASE 0: loads_app_text(page, "a > b"); /* => 'a > b' is no selector: it is made of tag, #id, .class, [attribute] and [attribute=value], with blanks between what is inside each other */
    CASE 1: loads_app_follow(page, NULL); /* => loads_app_follow(): which link? Its text, or #id */
    CASE 2: loads_app_get(user, "/", .status = "OK"); /* => .status = "OK": statuses look like "200", "200 201" or "4*" */
    CASE 3: loads_post(user, "/", .body = "a", .parts = LOADS_PARTS({.name = "b"})); /* => a request has parts, a body or JSON: one of them */
    CASE 4: loads_post(user, "/", .parts = LOADS_PARTS({.value = "b"})); /* => a part without a name */
    CASE 5: loads_post(user, "/", .parts = LOADS_PARTS({.name = "b", .path = "/nowhere"})); /* => can't read /nowhere: No such file or directory */
    CASE 6: loads_post(user, "/", .headers = LOADS_HEADERS("content-type: x/y"), .parts = LOADS_PARTS({.name = "b"})); /* => a request with parts can't have a Content-Type of its own: it is multipart/form-data, with a boundary that nobody knows before */
    CASE 7: loads_set_server_url(user, "nowhere"); /* => bad URL 'nowhere': it must begin with http:// or https:// */
    CASE 8: loads_assert_json_eq(loads_app_get(user, "/echo"), "method", "GET"); /* => loads_assert_json_eq(): what is expected isn't JSON: a text has quotes, as in "\"pencil\"" */
        break;
        /* clang-format on */
    default:
        abort();
    }
}

/* A page that can't be read, of whatever kind. */
LOADS_TEST(TestApp, test_page)
{
    loads_app_count(loads_app_get(user, "/page", .status = "*"), "a");
}

LOADS_TEST(TestApp, test_no_answer)
{
    loads_app_count(loads_app_get(user, "http://127.0.0.1:1/", .may_fail = true), "a");
}

/* ---- on the way out ---- */

struct left {
    loads_user *user;
    loads_response *page;
    loads_form *form;
};

static void use_all(void *argument)
{
    struct left *left = argument;
    loads_user *user = left->user;

    loads_app_follow(left->page, "One");
    loads_form_set(loads_app_form(left->page, "f"), "a", "b");
    loads_form_check(left->form, "c", NULL);
    loads_form_select(left->form, "s", "2");
    loads_form_upload(left->form, "a", .value = "");
    (void)loads_form_submit(left->form);
    (void)loads_form_value(left->form, "none");
    (void)loads_form_field(left->form, 99)->name[0];
    (void)loads_app_text(left->page, "none");
    (void)loads_app_attribute(left->page, "none", "none");
    (void)loads_app_count(left->page, "a");
    loads_assert_text_eq(left->page, "none", "none");
    loads_assert_body_contains(left->page, "none");
    loads_assert_json_eq(left->page, "none", "1");
    loads_set_server_url(user, "none");
    (void)loads_app_get(user, "/", .parts = LOADS_PARTS({.path = "none"}), .status = "none");
}

static void use_left(struct left *left)
{
    use_all(left);
}

LOADS_TEST(TestApp, test_leaving)
{
    loads_response *page = loads_app_get(user, "/page");
    __attribute__((cleanup(use_left))) struct left left = {user, page, loads_app_form(page, "f")};

    loads_fail("it leaves");
}
