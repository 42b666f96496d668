/* SPDX-License-Identifier: MPL-2.0 */
/* Pages as servers send them: the first byte says in which character set, the rest of the
 * first line is a selector. What is found in it is asked for everything that a test can ask:
 * texts, links, forms, each field changed as its kind allows, and sent. */
#include <errno.h>

#include "fuzz.h"
#include "worker/form.h"

static void check_tree(struct arena *arena, const struct html_node *root)
{
    size_t nodes = 0;

    for (const struct html_node *n = root; n; n = html_next(n, root)) {
        size_t depth = 0;
        assert(n == root || n->parent);
        assert(!n->name || (*n->name && n->size == 0));
        assert(n->size == strlen(n->text) || memchr(n->text, '\0', n->size));
        for (const struct html_node *around = n; around->parent; around = around->parent) {
            depth++;
        }
        assert(depth <= HTML_MAX_DEPTH + 1);
        assert(!n->next || n->next->parent == n->parent);
        if (nodes++ < 100) {
            const char *text = html_text(arena, n);
            assert(text && *text != ' ' && !strstr(text, "  ") && !strchr(text, '\n'));
            assert(html_raw_text(arena, n));
        }
    }
}

static void check_selector(const struct html_node *root, const char *selector)
{
    struct error error;
    const struct html_node *n = root;
    int r = html_select_check(selector, &error);

    if (r < 0) {
        check_error(r, &error);
        return;
    }
    for (unsigned i = 0; n && i < 1000; i++) {
        n = html_select(n, root, selector);
        assert(!n || n->name);
    }
}

/* Whatever a test does to it, it is done or refused with a text. */
static void change(loads_form *form, const struct form_control *control)
{
    const loads_part file = {.value = "a\r\nb", .filename = "c\"d"};
    const char *name = control->name, *value = form_value(form, control);
    struct error error;
    int results[] = {
        form_set(form, name, 0, "a\nb&c", &error),
        form_set(form, name, 1, value, &error),
        form_check(form, name, value, true, &error),
        form_check(form, name, NULL, false, &error),
        form_select(form, name, value, false, true, &error),
        form_select(form, name, value, true, true, &error),
        form_select(form, name, NULL, false, false, &error),
        form_upload(form, name, &file, &error),
    };

    for (size_t i = 0; i < ELEMENTSOF(results); i++) {
        assert(results[i] == 0 || results[i] == -ENOENT || results[i] == -EINVAL);
    }
    if (results[ELEMENTSOF(results) - 1] < 0) {
        check_error(results[ELEMENTSOF(results) - 1], &error);
    }
}

static void check_submission(const loads_form *form, const struct form_choice *choice)
{
    struct form_submission s;
    struct error error;
    struct prng prng;

    prng_seed(&prng, 1);
    int r = form_submission(form, choice, &prng, &s, &error);
    if (r < 0) {
        check_error(r, &error);
        return;
    }
    assert(s.action && s.content_type && s.body && s.body[s.size] == '\0');
    for (const char *c = s.post ? "" : s.query; *c; c++) {
        assert(*c > ' ' && *c < 0x7f && *c != '#' && *c != '?');
    }
}

static void check_form(struct arena *arena, const struct html_node *root, size_t index)
{
    static const struct form_choice choices[] = {{0}, {.none = true}, {.at = 2, .x = -1}};
    loads_form *form;
    struct error error;
    unsigned changed = 0;

    int r = form_at(arena, root, index, &form, &error);
    if (r < 0) {
        assert(r == -EFBIG);
        return;
    }
    assert(form_list(form));
    for (size_t i = 0; i < ELEMENTSOF(choices); i++) {
        check_submission(form, &choices[i]);
    }
    for (struct form_control *c = form->controls; c && changed < 20; c = c->next) {
        struct form_control *found;
        assert(form_value(form, c));
        assert(c->kind == FORM_BUTTON || form_control(form, c->name, 0, &found, &error) == 0);
        change(form, c);
        changed++;
    }
    check_submission(form, &choices[0]);
}

static void check_forms(struct arena *arena, const struct html_node *root)
{
    const struct html_node *n = root;
    loads_form *form;
    struct error error;
    size_t count = 0;

    while ((n = html_next_named(n, root, "form")) && count < 5) {
        check_form(arena, root, count++);
    }
    int r = form_find(arena, root, NULL, &form, &error);
    assert((r == 0 || r == -EFBIG) == (count == 1));
    if (r < 0) {
        check_error(r, &error);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const charsets[] = {NULL, "utf-8", "iso-8859-1", "utf-16", "none", ""};
    struct input input = {data, size};
    struct arena_pool *chunks;
    struct arena arena;
    struct html_node *root;
    struct error error;

    const char *charset = charsets[input_number(&input, 1) % ELEMENTSOF(charsets)];
    _cleanup_free_ char *selector = input_text(input_until(&input, '\n'));
    assert(arena_pool_new(&chunks) == 0);
    arena_init(&arena, chunks);
    int r = html_parse(&arena, (const char *)input.at, input.left, charset, &root, &error);
    if (r < 0) {
        check_error(r, &error);
    } else {
        check_tree(&arena, root);
        check_selector(root, selector);
        check_forms(&arena, root);
    }
    arena_reset(&arena);
    arena_pool_free(chunks);
    return 0;
}
