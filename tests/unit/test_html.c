/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "worker/html.h"

struct fixture {
    struct arena_pool *pool;
    struct arena arena;
    struct error error;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    assert_int_equal(arena_pool_new(&f->pool), 0);
    arena_init(&f->arena, f->pool);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    arena_reset(&f->arena);
    arena_pool_free(f->pool);
    free(f);
    return 0;
}

static struct html_node *parse_bytes(struct fixture *f, const char *bytes, size_t size,
                                     const char *charset)
{
    struct html_node *root = NULL;

    if (html_parse(&f->arena, bytes, size, charset, &root, &f->error) < 0) {
        fail_msg("%s", f->error.text);
    }
    assert_non_null(root);
    return root;
}

static struct html_node *parse(struct fixture *f, const char *text)
{
    return parse_bytes(f, text, strlen(text), NULL);
}

static const char *text_of(struct fixture *f, const char *html, const char *selector)
{
    struct html_node *root = parse(f, html);

    assert_int_equal(html_select_check(selector, &f->error), 0);
    struct html_node *node = html_select(root, root, selector);
    return node ? html_text(&f->arena, node) : NULL;
}

static void test_tree(void **state)
{
    struct html_node *root =
        parse(*state, "<!DOCTYPE html><HTML><body CLASS=a><P ID='x' hidden>one <b>two</b> three"
                      "<p title=\"a &amp; &lt;b&gt; &#228;\">four<br>five</body></html>");
    struct html_node *p = html_by_id(root, "x");

    assert_non_null(p);
    assert_true(html_is(p, "p"));
    assert_string_equal(html_attribute(p, "hidden"), "");
    assert_null(html_attribute(p, "title"));
    assert_string_equal(html_text(&((struct fixture *)*state)->arena, p), "one two three");
    assert_true(html_is(html_around(p, "body"), "body"));
    assert_null(html_around(p, "form"));
    struct html_node *next = html_next_named(p, root, "p");
    assert_string_equal(html_attribute(next, "title"), "a & <b> \xc3\xa4");
    assert_string_equal(html_raw_text(&((struct fixture *)*state)->arena, next), "fourfive");
    assert_null(html_next_named(next, root, "p"));
    assert_null(html_by_id(root, "y"));
}

static void test_texts(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(text_of(f, "<p>  a\n b\t<b> c</b>d </p>", "p"), "a b cd");
    assert_string_equal(text_of(f, "<div>a<br>b<p>c</p>d</div>", "div"), "a b c d");
    assert_string_equal(text_of(f, "<div>a<script>x<y</script><style>z</style>b</div>", "div"),
                        "ab");
    assert_string_equal(text_of(f, "<script>if (a < b) c();</script>", "script"),
                        "if (a < b) c();");
    assert_string_equal(text_of(f, "<p>a&nbsp;b &nbsp; c", "p"), "a b c");
    assert_string_equal(text_of(f, "<p></p>", "p"), "");
    assert_string_equal(text_of(f, "<i>a</i><div><i>b</i></div>c<i>d</i>", "body"), "a b cd");
    assert_string_equal(text_of(f, "<table><tr><td>a<td>b<tr><td>c</table>", "table"), "a b c");
}

static void test_character_sets(void **state)
{
    static const struct {
        const char *bytes, *charset;
    } cases[] = {
        {"<p>\xc3\xa4</p>", NULL},
        {"<p>\xc3\xa4</p>", "utf-8"},
        {"<p>\xe4</p>", "iso-8859-1"},
        {"<p>\xe4</p>", "ISO-8859-15"},
        {"<meta charset=iso-8859-1><p>\xe4</p>", NULL},
        {"<meta charset=utf-8><p>\xc3\xa4</p>", NULL},
        {"<p>\xc3\xa4</p>", "no-such-charset"},
        {"<p>\xe4</p>", NULL},
        {"\xef\xbb\xbf<p>\xc3\xa4</p>", NULL},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct html_node *root =
            parse_bytes(f, cases[i].bytes, strlen(cases[i].bytes), cases[i].charset);
        struct html_node *p = html_next_named(root, root, "p");
        if (!p || strcmp(html_text(&f->arena, p), "\xc3\xa4") != 0) {
            fail_msg("case %zu", i);
        }
    }
}

static void test_what_no_browser_wrote(void **state)
{
    static const char *const pages[] = {
        "",
        "<",
        "<<<>>>",
        "</p></p></div>",
        "<p",
        "<p class=",
        "<p class='a",
        "<a href=b href=c>d",
        "<form><form><input></form></form></table>",
        "<!--",
        "<![CDATA[x]]>",
        "<?php echo 1 ?>",
        "&#x110000;&#0;&unknown;&",
        "<\x01\x02>\xff\xfe\xfd",
        "\xff\xfe<\0p\0>\0",
        "<script>",
        "<select><option><option></select><textarea>",
    };

    for (size_t i = 0; i < ELEMENTSOF(pages); i++) {
        struct html_node *root = parse(*state, pages[i]);
        size_t count = 0;
        for (struct html_node *n = root; n; n = html_next(n, root)) {
            count++;
        }
        assert_true(count >= 1 && count < 100);
        assert_non_null(html_text(&((struct fixture *)*state)->arena, root));
    }
    struct html_node *root = parse_bytes(*state, "<p>a\0b</p><p>c", 14, NULL);
    assert_non_null(html_text(&((struct fixture *)*state)->arena, root));
    root = parse(*state, "<a href=b href=c>d");
    assert_string_equal(html_attribute(html_next_named(root, root, "a"), "href"), "b");
}

static char *repeat(struct fixture *f, const char *text, size_t count)
{
    size_t size = strlen(text);
    char *all = arena_alloc(&f->arena, count * size + 1);

    assert_non_null(all);
    for (size_t i = 0; i < count; i++) {
        memcpy(all + i * size, text, size);
    }
    all[count * size] = '\0';
    return all;
}

static void test_limits(void **state)
{
    struct fixture *f = *state;
    struct html_node *root = NULL;
    const char *deep = repeat(f, "<div>", 100000);

    assert_int_equal(html_parse(&f->arena, deep, strlen(deep), NULL, &root, &f->error), -EFBIG);
    assert_string_equal(f->error.text, "the page's HTML is nested more than 512 levels deep");
    const char *fine = repeat(f, "<div>", 500);
    (void)parse(f, fine);

    char *large = repeat(f, "<p>a", HTML_MAX_BYTES / 4 + 1);
    assert_int_equal(html_parse(&f->arena, large, strlen(large), NULL, &root, &f->error), -EFBIG);
    assert_non_null(strstr(f->error.text, "more than 16 MiB"));
    assert_null(root);
}

static void test_selectors(void **state)
{
    static const char page[] =
        "<title>t</title><div id=basket class='big open'><ul><li class=a>one<li class='a b' "
        "data-x='1 2'>two</ul></div><ul><li class=b>three</ul><INPUT name=q>"
        "<a href='/x' class=more>four</a>";
    static const struct {
        const char *selector, *text;
    } cases[] = {
        {"title", "t"},
        {"LI", "one"},
        {"#basket", "one two"},
        {"#none", NULL},
        {".b", "two"},
        {"li.a.b", "two"},
        {"li.b.a", "two"},
        {".a .b", NULL},
        {"div li.b", "two"},
        {"#basket li.b", "two"},
        {"#basket.big.open", "one two"},
        {"#basket.closed", NULL},
        {"ul .b", "two"},
        {" div  ul   li ", "one"},
        {"[href]", "four"},
        {"a[href=/x]", "four"},
        {"a[href='/x'].more", "four"},
        {"[data-x=\"1 2\"]", "two"},
        {"div [data-x='1 2']", "two"},
        {"[data-x=1]", NULL},
        {"*", "t one two three four"},
        {"input[name=q]", ""},
        {"ul ul", NULL},
        {"li div", NULL},
    };
    static const char *const wrong[] = {
        "",    " ",    "a > b", "a:first", "a,b",        "[",
        "[]",  "[=a]", "#",     ".",       "a.",         "a..b",
        "a[b", "a]",   "a~b",   "a + b",   "div::after", "a a a a a a a a a a a a a a a a a",
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        const char *text = text_of(*state, page, cases[i].selector);
        if (!text != !cases[i].text || (text && strcmp(text, cases[i].text) != 0)) {
            fail_msg("%s: '%s'", cases[i].selector, text ? text : "nothing");
        }
    }
    for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
        struct error error = {0};
        if (html_select_check(wrong[i], &error) != -EINVAL) {
            fail_msg("'%s' is taken", wrong[i]);
        }
        assert_non_null(strstr(error.text, "is no selector"));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_tree),           TEST(test_texts),
        TEST(test_character_sets), TEST(test_what_no_browser_wrote),
        TEST(test_limits),         TEST(test_selectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
