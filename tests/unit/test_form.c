/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "worker/form.h"

struct fixture {
    struct arena_pool *pool;
    struct arena arena;
    struct error error;
    struct html_node *root;
    loads_form *form;
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

static void good(struct fixture *f, int result)
{
    if (result < 0) {
        fail_msg("%s", f->error.text);
    }
}

static void bad(struct fixture *f, int result, int code, const char *text)
{
    assert_int_equal(result, code);
    assert_string_equal(f->error.text, text);
}

static void parse(struct fixture *f, const char *page)
{
    good(f, html_parse(&f->arena, page, strlen(page), NULL, &f->root, &f->error));
}

/* The page's only form, or its first one with nothing but what is between <form> and </form>. */
static void open_form(struct fixture *f, const char *page)
{
    parse(f, page);
    good(f, form_at(&f->arena, f->root, 0, &f->form, &f->error));
}

static struct form_submission submit(struct fixture *f, const struct form_choice *choice)
{
    struct form_submission submission;
    struct prng prng;

    prng_seed(&prng, 1);
    good(f, form_submission(f->form, choice, &prng, &submission, &f->error));
    return submission;
}

/* What the controls inside a form send by default. */
static const char *sent(struct fixture *f, const char *controls)
{
    open_form(f, arena_printf(&f->arena, "<form>%s</form>", controls));
    return submit(f, &(struct form_choice){0}).query;
}

static const char *sent_now(struct fixture *f)
{
    return submit(f, &(struct form_choice){0}).query;
}

/* ---- what is sent of a page as it is ---- */

static void test_controls(void **state)
{
    static const struct {
        const char *controls, *sent;
    } cases[] = {
        {"", ""},
        {"<input name=a value=b>", "a=b"},
        {"<input name=a>", "a="},
        {"<input value=b>", ""},
        {"<input name='' value=b>", ""},
        {"<input type=nonsense name=a value=b>", "a=b"},
        {"<input type=TEXT name=a value='b c+d&e=f%'>", "a=b+c%2Bd%26e%3Df%25"},
        {"<input name='a b' value='\xc3\xa4*-._~'>", "a+b=%C3%A4*-._%7E"},
        {"<input name=a value='x\ny'>", "a=xy"},
        {"<input type=hidden name=a value='x\ny'>", "a=x%0D%0Ay"},
        {"<input type=hidden name=_charset_>", "_charset_=UTF-8"},
        {"<input type=email name=a value=' b@c '>", "a=b%40c"},
        {"<input type=url name=a value=' http://b '>", "a=http%3A%2F%2Fb"},
        {"<input type=search name=a value=' b '>", "a=+b+"},
        {"<input type=password name=a value=b><input type=tel name=c value=1>", "a=b&c=1"},
        {"<input type=number name=a value=1.5>", "a=1.5"},
        {"<input type=number name=a value=-3e2>", "a=-3e2"},
        {"<input type=number name=a value=one>", "a="},
        {"<input type=range name=a>", "a=50"},
        {"<input type=range name=a min=10 max=20>", "a=15"},
        {"<input type=range name=a min=10 max=20 value=30>", "a=20"},
        {"<input type=range name=a min=10 max=20 value=12>", "a=12"},
        {"<input type=range name=a min=10 max=0>", "a=10"},
        {"<input type=color name=a>", "a=%23000000"},
        {"<input type=color name=a value='#FFab01'>", "a=%23ffab01"},
        {"<input type=color name=a value=red>", "a=%23000000"},
        {"<input type=date name=a value=2026-11-27>", "a=2026-11-27"},
        {"<input type=date name=a value=27.11.2026>", "a="},
        {"<input type=month name=a value=2026-11><input type=week name=b value=2026-W48>",
         "a=2026-11&b=2026-W48"},
        {"<input type=time name=a value=12:30><input type=time name=b value=12:30:15>",
         "a=12%3A30&b=12%3A30%3A15"},
        {"<input type=datetime-local name=a value=2026-11-27T12:30>", "a=2026-11-27T12%3A30"},
        {"<input type=datetime-local name=a value=2026-11-27>", "a="},
        {"<input type=checkbox name=a>", ""},
        {"<input type=checkbox name=a checked>", "a=on"},
        {"<input type=checkbox name=a value=b checked><input type=checkbox name=a value=c checked>",
         "a=b&a=c"},
        {"<input type=radio name=a value=b><input type=radio name=a value=c>", ""},
        {"<input type=radio name=a value=b checked><input type=radio name=a value=c checked>",
         "a=c"},
        {"<input type=radio name=a checked>", "a=on"},
        {"<textarea name=a>b</textarea>", "a=b"},
        {"<textarea name=a>\nb\n\nc</textarea>", "a=b%0D%0A%0D%0Ac"},
        {"<textarea name=a>\r\nb\rc</textarea>", "a=b%0D%0Ac"},
        {"<textarea name=a>&lt;b&gt;</textarea>", "a=%3Cb%3E"},
        {"<textarea name=a dirname=d>b</textarea><input name=c dirname=e dir=rtl value=f>",
         "a=b&d=ltr&c=f&e=rtl"},
        {"<select name=a><option>b<option>c</select>", "a=b"},
        {"<select name=a><option>b<option selected> c  d </select>", "a=c+d"},
        {"<select name=a><option selected>b<option selected value=''>c</select>", "a="},
        {"<select name=a><option disabled>b<option>c</select>", "a=c"},
        {"<select name=a><option disabled selected>b<option>c</select>", ""},
        {"<select name=a size=2><option>b<option>c</select>", ""},
        {"<select name=a multiple><option>b<option selected>c<option selected>d</select>",
         "a=c&a=d"},
        {"<select name=a><optgroup disabled><option>b</optgroup><optgroup label=x><option "
         "value=1>c</optgroup></select>",
         "a=1"},
        {"<select name=a></select>", ""},
        {"<input type=file name=a>", "a="},
        {"<button name=a value=b>c</button>", "a=b"},
        {"<button name=a>c</button>", "a="},
        {"<button type=button name=a value=b></button><button type=reset name=c></button>", ""},
        {"<input type=button name=a value=b><input type=reset name=c value=d>", ""},
        {"<input type=submit name=a value=b><input type=submit name=c value=d>", "a=b"},
        {"<input type=image name=a>", "a.x=0&a.y=0"},
        {"<input type=image>", "x=0&y=0"},
        {"<input name=a disabled><textarea name=b disabled></textarea>", ""},
        {"<select name=a disabled><option>b</select><input name=c value=d>", "c=d"},
        {"<fieldset disabled><legend><input name=a value=1></legend><legend><input name=b "
         "value=2></legend><p><input name=c></fieldset><fieldset><input name=d></fieldset>",
         "a=1&d="},
        {"<fieldset disabled><fieldset><legend><input name=a></legend></fieldset></fieldset>", ""},
        {"<datalist><input name=a></datalist><template><input name=b></template><input name=c>",
         "c="},
        {"<object name=a></object><output name=b>c</output><meter name=d></meter>", ""},
        {"<input name=a readonly value=b>", "a=b"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        const char *query = sent(*state, cases[i].controls);
        if (strcmp(query, cases[i].sent) != 0) {
            fail_msg("%s\nsends %s\ninstead of %s", cases[i].controls, query, cases[i].sent);
        }
    }
}

static void test_controls_beside_the_form(void **state)
{
    struct fixture *f = *state;

    open_form(f, "<input name=a value=1 form=f><form id=f><input name=b value=2><input name=c "
                 "form=g><input name=d form=none><input name=e form=''></form><form id=g></form>"
                 "<input name=h><select name=i form=f><option>3</select><p id=p></p>"
                 "<input name=j form=p>");
    assert_string_equal(sent_now(f), "a=1&b=2&i=3");
    good(f, form_find(&f->arena, f->root, "g", &f->form, &f->error));
    assert_string_equal(sent_now(f), "c=");
    open_form(f, "<div><form name=a id=x><input name=a></form></div><div><form id=x><input name=b>"
                 "</form><input name=c form=x></div>");
    assert_string_equal(sent_now(f), "a=&c=");
    good(f, form_at(&f->arena, f->root, 1, &f->form, &f->error));
    assert_string_equal(sent_now(f), "b=");
}

/* Whatever a parser makes of it, each control is of one form. */
static void test_forms_in_forms(void **state)
{
    struct fixture *f = *state;
    loads_form *form;

    parse(f, "<form id=a><p><input name=x><div><form id=b><input name=y></form></div><input name=z>"
             "</form><input name=o>");
    size_t count = 0;
    for (const char *id = "a"; id; id = *id == 'a' ? "b" : NULL) {
        if (form_find(&f->arena, f->root, id, &form, &f->error) == 0) {
            for (struct form_control *c = form->controls; c; c = c->next) {
                assert_string_not_equal(c->name, "o");
                count++;
            }
        }
    }
    assert_true(count >= 2 && count <= 3);
}

static void test_methods_and_encodings(void **state)
{
    static const char controls[] =
        "<textarea name='a\"b'>c d\ne</textarea><input type=file name=f>";
    struct fixture *f = *state;
    struct form_submission s;

    open_form(f, arena_printf(&f->arena, "<form action=/x?y=z>%s</form>", controls));
    s = submit(f, &(struct form_choice){0});
    assert_false(s.post);
    assert_string_equal(s.action, "/x?y=z");
    assert_string_equal(s.query, "a%22b=c+d%0D%0Ae&f=");

    open_form(f, arena_printf(&f->arena, "<form method=POST>%s</form>", controls));
    s = submit(f, &(struct form_choice){0});
    assert_true(s.post);
    assert_string_equal(s.action, "");
    assert_string_equal(s.content_type, "Content-Type: application/x-www-form-urlencoded");
    assert_string_equal(s.body, "a%22b=c+d%0D%0Ae&f=");
    assert_int_equal(s.size, strlen(s.body));

    open_form(f,
              arena_printf(&f->arena, "<form method=post enctype=text/plain>%s</form>", controls));
    s = submit(f, &(struct form_choice){0});
    assert_string_equal(s.content_type, "Content-Type: text/plain");
    assert_string_equal(s.body, "a\"b=c d\r\ne\r\nf=\r\n");

    open_form(f, arena_printf(&f->arena, "<form method=post enctype=multipart/form-data>%s</form>",
                              controls));
    s = submit(f, &(struct form_choice){0});
    assert_non_null(strstr(s.content_type, "Content-Type: multipart/form-data; boundary="));
    assert_non_null(strstr(s.body, "name=\"a%22b\"\r\n\r\nc d\r\ne\r\n--"));
    assert_non_null(strstr(s.body, "name=\"f\"; filename=\"\"\r\n"
                                   "Content-Type: application/octet-stream\r\n\r\n\r\n--"));

    open_form(f,
              arena_printf(&f->arena, "<form method=get enctype=text/plain>%s</form>", controls));
    s = submit(f, &(struct form_choice){0});
    assert_string_equal(s.query, "a%22b=c+d%0D%0Ae&f=");

    open_form(f, "<form method=dialog><button>OK</button></form>");
    struct prng prng = {{1}};
    assert_int_equal(form_submission(f->form, &(struct form_choice){0}, &prng, &s, &f->error),
                     -EINVAL);
    assert_non_null(strstr(f->error.text, "the form's method is dialog"));
}

/* ---- buttons ---- */

static const char buttons[] =
    "<form action=/a method=get><input name=t value=1>"
    "<input type=submit name=one value=First><button name=two value=x>Second <b>one</b></button>"
    "<button name=two value=y formaction=/b formmethod=post formenctype=text/plain>Third</button>"
    "<input type=image id=map name=at alt=Map src=x><button disabled name=off>Off</button>"
    "<button>Nameless</button></form>";

static void test_buttons(void **state)
{
    static const struct {
        struct form_choice choice;
        const char *sent;
    } cases[] = {
        {{0}, "t=1&one=First"},
        {{.none = true}, "t=1"},
        {{.button = "two"}, "t=1&two=x"},
        {{.button = "two", .value = "y"}, "t=1\r\ntwo=y\r\n"},
        {{.button = "two", .at = 2}, "t=1\r\ntwo=y\r\n"},
        {{.value = "x"}, "t=1&two=x"},
        {{.at = 2}, "t=1&two=x"},
        {{.button = "map", .x = 3, .y = -4}, "t=1&at.x=3&at.y=-4"},
        {{.button = "at"}, "t=1&at.x=0&at.y=0"},
        {{.button = "Map"}, "t=1&at.x=0&at.y=0"},
        {{.button = "Second one"}, "t=1&two=x"},
        {{.button = "Nameless"}, "t=1"},
        {{.at = 6}, "t=1"},
    };
    struct fixture *f = *state;

    open_form(f, buttons);
    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct form_submission s = submit(f, &cases[i].choice);
        const char *is = s.post ? s.body : s.query;
        if (strcmp(is, cases[i].sent) != 0) {
            fail_msg("case %zu sends %s", i, is);
        }
        assert_string_equal(s.action, s.post ? "/b" : "/a");
    }
}

static void test_buttons_that_arent_there(void **state)
{
    struct fixture *f = *state;
    struct form_submission s;
    struct prng prng = {{1}};

    open_form(f, buttons);
    bad(f, form_submission(f->form, &(struct form_choice){.button = "three"}, &prng, &s, &f->error),
        -ENOENT,
        "the form has no button 'three' to send it (number 1); it has one ('First'), two ('Second "
        "one'), two ('Third'), at ('Map'), off ('Off'), no name ('Nameless')");
    bad(f, form_submission(f->form, &(struct form_choice){.button = "off"}, &prng, &s, &f->error),
        -EINVAL, "the button 'off' is disabled: nobody can press it");
    open_form(f, "<form><input name=a></form>");
    bad(f, form_submission(f->form, &(struct form_choice){.value = "x"}, &prng, &s, &f->error),
        -ENOENT, "the form has no button '' of value 'x' to send it (number 1); it has none");
}

/* ---- changing ---- */

static const char all[] =
    "<form><input name=t value=1><input name=t value=2><textarea name=area></textarea>"
    "<input type=hidden name=h value=token><input type=checkbox name=c value=a>"
    "<input type=checkbox name=c value=b checked><input type=checkbox name=single>"
    "<input type=radio name=r value=x checked><input type=radio name=r value=y>"
    "<input type=radio name=r value=z disabled>"
    "<select name=s><option value=1>One<option value=2 label=Deux>Two<option disabled>3</select>"
    "<select name=m multiple><option>p<option selected>q<option>r</select>"
    "<input type=file name=f><input type=file name=g multiple><input name=d disabled></form>";

static void test_changes(void **state)
{
    struct fixture *f = *state;

    open_form(f, all);
    assert_string_equal(sent_now(f), "t=1&t=2&area=&h=token&c=b&r=x&s=1&m=q&f=&g=");
    good(f, form_set(f->form, "t", 0, "one", &f->error));
    good(f, form_set(f->form, "t", 1, "", &f->error));
    good(f, form_set(f->form, "area", 0, "x\ny\r\n", &f->error));
    good(f, form_set(f->form, "h", 0, "other", &f->error));
    good(f, form_check(f->form, "c", "a", true, &f->error));
    good(f, form_check(f->form, "c", "b", false, &f->error));
    good(f, form_check(f->form, "single", NULL, true, &f->error));
    good(f, form_check(f->form, "r", "y", true, &f->error));
    good(f, form_select(f->form, "s", "2", false, true, &f->error));
    good(f, form_select(f->form, "m", "p", false, true, &f->error));
    good(f, form_select(f->form, "m", "r", true, true, &f->error));
    good(f, form_select(f->form, "m", "q", false, false, &f->error));
    assert_string_equal(sent_now(f), "t=one&t=&area=x%0D%0Ay%0D%0A&h=other&c=a&single=on&r=y&s=2&"
                                     "m=p&m=r&f=&g=");
    good(f, form_select(f->form, "r", "x", false, true, &f->error));
    good(f, form_select(f->form, "s", "One", true, true, &f->error));
    good(f, form_select(f->form, "s", "Deux", true, true, &f->error));
    good(f, form_select(f->form, "m", NULL, false, false, &f->error));
    good(f, form_set(f->form, "r", 0, "y", &f->error));
    good(f, form_check(f->form, "r", NULL, true, &f->error));
    good(f, form_set(f->form, "s", 0, "1", &f->error));
    assert_string_equal(sent_now(f), "t=one&t=&area=x%0D%0Ay%0D%0A&h=other&c=a&single=on&r=x&s=1&"
                                     "f=&g=");
}

static void test_values(void **state)
{
    static const char *const names[] = {"t", "h", "c", "single", "r", "s", "m", "f"};
    static const char *const values[] = {"1", "token", "", "", "x", "1", "q", ""};
    struct fixture *f = *state;
    struct form_control *control;

    open_form(f, all);
    for (size_t i = 0; i < ELEMENTSOF(names); i++) {
        good(f, form_control(f->form, names[i], 0, &control, &f->error));
        assert_string_equal(form_value(f->form, control), values[i]);
    }
    good(f, form_control(f->form, "c", 1, &control, &f->error));
    assert_string_equal(form_value(f->form, control), "b");
    assert_int_equal(form_control(f->form, "r", 1, &control, &f->error), -ENOENT);
    good(f, form_select(f->form, "m", NULL, false, false, &f->error));
    good(f, form_control(f->form, "m", 0, &control, &f->error));
    assert_string_equal(form_value(f->form, control), "");
}

static void test_uploads(void **state)
{
    struct fixture *f = *state;

    open_form(f, all);
    good(f, form_upload(f->form, "f", &(loads_part){.value = "1", .filename = "a"}, &f->error));
    good(f, form_upload(f->form, "f", &(loads_part){.path = "/x/b.txt"}, &f->error));
    good(f, form_upload(f->form, "g", &(loads_part){.value = "1", .filename = "c"}, &f->error));
    good(f, form_upload(f->form, "g", &(loads_part){.value = "2"}, &f->error));
    assert_string_equal(sent_now(f), "t=1&t=2&area=&h=token&c=b&r=x&s=1&m=q&f=b.txt&g=c&g=blob");

    open_form(f, "<form method=post enctype=multipart/form-data><input type=file name='a'></form>");
    good(f,
         form_upload(f->form, "a", &(loads_part){.value = "1\n2", .filename = "b.txt"}, &f->error));
    struct form_submission s = submit(f, &(struct form_choice){0});
    assert_non_null(strstr(s.body, "name=\"a\"; filename=\"b.txt\"\r\n"
                                   "Content-Type: text/plain\r\n\r\n1\n2\r\n--"));
    good(f, form_upload(f->form, "a", &(loads_part){.path = "/nowhere"}, &f->error));
    struct prng prng = {{1}};
    assert_int_equal(form_submission(f->form, &(struct form_choice){0}, &prng, &s, &f->error),
                     -ENOENT);
    assert_non_null(strstr(f->error.text, "can't read /nowhere"));
}

static void test_changes_that_cant_be(void **state)
{
    struct fixture *f = *state;
    loads_part part = {.value = "x"};

    open_form(f, all);
    bad(f, form_set(f->form, "T", 0, "", &f->error), -ENOENT,
        "the form has no field 'T'; it has t (text), t (text), area (textarea), h (hidden), c "
        "(checkbox), c (checkbox), single (checkbox), r (radio), r (radio), r (radio, disabled), s "
        "(select), m (select), f (file), g (file), d (text, disabled)");
    assert_int_equal(form_set(f->form, "t", 2, "", &f->error), -ENOENT);
    assert_non_null(strstr(f->error.text, "the form has no field 't' number 2, from 0 on"));
    bad(f, form_set(f->form, "d", 0, "", &f->error), -EINVAL,
        "the field 'd' is disabled: no browser would send it");
    bad(f, form_set(f->form, "c", 0, "a", &f->error), -EINVAL,
        "the field 'c' (checkbox) can't be set: use loads_form_check()");
    bad(f, form_set(f->form, "f", 0, "a", &f->error), -EINVAL,
        "the field 'f' (file) can't be set: use loads_form_upload()");
    bad(f, form_set(f->form, "r", 0, "w", &f->error), -ENOENT,
        "the field 'r' (radio) has no value 'w'; it has 'x', 'y', 'z'");
    bad(f, form_set(f->form, "s", 0, "One", &f->error), -ENOENT,
        "the field 's' (select) has no option of value 'One'; it has '1', '2', '3'");
    bad(f, form_check(f->form, "t", NULL, true, &f->error), -EINVAL,
        "the field 't' (text) can't be checked: use loads_form_set()");
    bad(f, form_check(f->form, "c", "z", true, &f->error), -ENOENT,
        "the field 'c' (checkbox) has no value 'z'; it has 'a', 'b'");
    bad(f, form_check(f->form, "r", "z", true, &f->error), -EINVAL,
        "the field 'r' is disabled: no browser would send it");
    bad(f, form_check(f->form, "r", "x", false, &f->error), -EINVAL,
        "the radio button 'r' can't be unchecked: check another one");
    bad(f, form_select(f->form, "s", "1", true, true, &f->error), -ENOENT,
        "the field 's' (select) has no option of text '1'; it has 'One', 'Two', '3'");
    bad(f, form_select(f->form, "s", "3", false, true, &f->error), -EINVAL,
        "the option '3' of field 's' is disabled");
    bad(f, form_select(f->form, "s", "1", false, false, &f->error), -EINVAL,
        "the field 's' always has one option: select another");
    bad(f, form_select(f->form, "h", "1", false, true, &f->error), -EINVAL,
        "the field 'h' (hidden) can't be selected from: use loads_form_set()");
    bad(f, form_upload(f->form, "t", &part, &f->error), -EINVAL,
        "the field 't' (text) can't be given a file: use loads_form_set()");
    assert_string_equal(sent_now(f), "t=1&t=2&area=&h=token&c=b&r=x&s=1&m=q&f=&g=");
}

/* ---- forms ---- */

static void test_finding(void **state)
{
    struct fixture *f = *state;

    parse(f, "<form name=b><input name=x></form><form id=b><input name=y></form>"
             "<form name=c></form><form action=/d></form>");
    good(f, form_find(&f->arena, f->root, "b", &f->form, &f->error));
    assert_string_equal(sent_now(f), "y=");
    good(f, form_find(&f->arena, f->root, "c", &f->form, &f->error));
    good(f, form_at(&f->arena, f->root, 0, &f->form, &f->error));
    assert_string_equal(sent_now(f), "x=");
    static const char there[] = "the page has 4: name 'b', id 'b', name 'c', one to '/d'";
    bad(f, form_find(&f->arena, f->root, "a", &f->form, &f->error), -ENOENT,
        arena_printf(&f->arena, "there is no form 'a'; %s", there));
    bad(f, form_at(&f->arena, f->root, 4, &f->form, &f->error), -ENOENT,
        arena_printf(&f->arena, "there is no form number 4, from 0 on; %s", there));
    bad(f, form_find(&f->arena, f->root, NULL, &f->form, &f->error), -ENOENT,
        arena_printf(&f->arena, "which form? There isn't just one; %s", there));
    parse(f, "<p>no form</p>");
    bad(f, form_find(&f->arena, f->root, NULL, &f->form, &f->error), -ENOENT,
        "the page has no form");
    parse(f, "<form><input name=z></form>");
    good(f, form_find(&f->arena, f->root, NULL, &f->form, &f->error));
    assert_string_equal(sent_now(f), "z=");
}

static void test_long_lists(void **state)
{
    struct fixture *f = *state;
    char controls[20000] = "";
    size_t used = 0;

    for (unsigned i = 0; i < 100; i++) {
        used +=
            (size_t)snprintf(controls + used, sizeof controls - used, "<input name=field%u>", i);
    }
    (void)sent(f, controls);
    assert_int_equal(form_set(f->form, "none", 0, "", &f->error), -ENOENT);
    assert_non_null(strstr(f->error.text, "field19 (text), …"));
    assert_null(strstr(f->error.text, "field20"));
    used = 0;
    for (unsigned i = 0; i < 19; i++) {
        used += (size_t)snprintf(controls + used, sizeof controls - used, "<input name=%070u>", i);
    }
    (void)sent(f, controls);
    assert_int_equal(form_set(f->form, "none", 0, "", &f->error), -ENOENT);
    assert_true(strlen(f->error.text) < 1100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_controls),       TEST(test_controls_beside_the_form),
        TEST(test_forms_in_forms), TEST(test_methods_and_encodings),
        TEST(test_buttons),        TEST(test_buttons_that_arent_there),
        TEST(test_changes),        TEST(test_values),
        TEST(test_uploads),        TEST(test_changes_that_cant_be),
        TEST(test_finding),        TEST(test_long_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
