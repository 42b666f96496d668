/* SPDX-License-Identifier: MPL-2.0 */
/* What is in a form: its controls in the order of the page, those beside it with the attribute
 * form=… too, each with the value that a browser would show before anybody changed something. */
#include "worker/form.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#define MAX_LISTED    20
#define MAX_CONTROLS  ((size_t)10000) /* what is done for each of them looks at others */
#define LISTING_BYTES ((size_t)1024)

struct form_listing form_listing(struct arena *arena, const char *nothing)
{
    return (struct form_listing){.text = nothing, .to = arena_alloc(arena, LISTING_BYTES)};
}

void form_listing_add(struct form_listing *listing, const char *format, ...)
{
    va_list arguments;
    bool more = listing->count++ < MAX_LISTED;
    size_t left = listing->to ? LISTING_BYTES - listing->used : 0;

    if (left < 8 || listing->count > MAX_LISTED + 1) {
        return;
    }
    if (listing->used > 0) {
        listing->used += (size_t)snprintf(listing->to + listing->used, left, more ? ", " : ", …");
        left = LISTING_BYTES - listing->used;
    }
    if (more) {
        va_start(arguments, format);
        int n = vsnprintf(listing->to + listing->used, left, format, arguments);
        va_end(arguments);
        listing->used += MIN((size_t)MAX(n, 0), left - 1);
    }
    listing->text = listing->to;
}

/* ---- values as they are at first ------------------------------------------------------------- */

static bool is_number(const char *text, double *ret)
{
    char *end;

    if (!*text || strspn(text, "+-.0123456789eE") != strlen(text) || *text == '+') {
        return false;
    }
    *ret = strtod(text, &end);
    return !*end && isfinite(*ret);
}

static double number_attribute(const struct html_node *node, const char *name, double fallback)
{
    const char *text = html_attribute(node, name);
    double value;

    return text && is_number(text, &value) ? value : fallback;
}

/* A slider stands somewhere, and in the middle if nobody says where. */
static const char *range_value(struct arena *arena, const struct html_node *node, const char *text)
{
    double low = number_attribute(node, "min", 0), high = number_attribute(node, "max", 100);
    double value;

    high = MAX(low, high);
    if (!is_number(text, &value)) {
        value = low + (high - low) / 2;
    } else if (value >= low && value <= high) {
        return text;
    }
    return arena_printf(arena, "%.17g", MAX(low, MIN(high, value)));
}

static bool is_color(const char *text)
{
    return *text == '#' && strlen(text) == 7 && strspn(text + 1, "0123456789abcdefABCDEF") == 6;
}

/* Without the line ends, and without blanks around. */
static const char *one_line(struct arena *arena, const char *text, bool trim)
{
    char *line = arena_alloc(arena, strlen(text) + 1), *to = line;

    if (!line) {
        return NULL;
    }
    text += trim ? strspn(text, " \t\r\n\f") : 0;
    for (; *text; text++) {
        if (*text != '\r' && *text != '\n') {
            *to++ = *text;
        }
    }
    while (trim && to > line && strchr(" \t\f", to[-1])) {
        to--;
    }
    *to = '\0';
    return line;
}

static bool has_form_of_time(const char *type, const char *text)
{
    static const char *const forms[][2] = {
        {"date", "dddd-dd-dd"},
        {"month", "dddd-dd"},
        {"week", "dddd-Wdd"},
        {"time", "dd:dd"},
        {"datetime-local", "dddd-dd-ddTdd:dd"},
    };

    for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
        if (strcmp(type, forms[i][0]) != 0) {
            continue;
        }
        const char *form = forms[i][1];
        for (; *form && *text; form++, text++) {
            bool fits = *form == 'd' ? *text >= '0' && *text <= '9' : *text == *form;
            if (!fits && !(*form == 'T' && *text == ' ')) {
                return false;
            }
        }
        return !*form && (!*text || *text == ':'); /* seconds may follow */
    }
    return true;
}

/* What the standard calls the value sanitization algorithm. NULL: no memory. */
static const char *first_value(struct arena *arena, const struct html_node *node, const char *type)
{
    const char *text = html_attribute(node, "value");
    double number;

    text = text ? text : "";
    if (strcmp(type, "range") == 0) {
        return range_value(arena, node, text);
    }
    if (strcmp(type, "number") == 0) {
        return is_number(text, &number) ? text : "";
    }
    if (strcmp(type, "color") == 0) {
        char *color = arena_printf(arena, "%s", is_color(text) ? text : "#000000");
        for (char *c = color; c && *c; c++) {
            *c = (char)(*c >= 'A' && *c <= 'F' ? *c - 'A' + 'a' : *c);
        }
        return color;
    }
    if (!has_form_of_time(type, text)) {
        return "";
    }
    if (strcmp(type, "hidden") == 0 || !strpbrk(text, " \t\r\n\f")) {
        return text;
    }
    return one_line(arena, text, strcmp(type, "url") == 0 || strcmp(type, "email") == 0);
}

/* The parser leaves the line end behind the tag, which is none of the text's. */
static const char *textarea_value(struct arena *arena, const struct html_node *node)
{
    const char *text = html_raw_text(arena, node);

    if (text) {
        text += *text == '\r' && text[1] == '\n' ? 2 : *text == '\n' ? 1 : 0;
    }
    return text;
}

/* Of several that are selected, where one can be, the last one is it. */
static int add_option(struct arena *arena, struct form_control *control,
                      const struct html_node *node, struct form_option ***end,
                      struct form_option **selected)
{
    struct form_option *option = arena_alloc(arena, sizeof *option);
    const char *value = html_attribute(node, "value");
    const char *text = option ? html_text(arena, node) : NULL;

    if (!text) {
        return -ENOMEM;
    }
    const char *label = html_attribute(node, "label");
    *option = (struct form_option){
        .value = value ? value : text,
        .text = text,
        .label = label ? label : text,
        .selected = html_attribute(node, "selected") != NULL,
        .disabled = html_attribute(node, "disabled") ||
                    (html_is(node->parent, "optgroup") && html_attribute(node->parent, "disabled")),
    };
    if (option->selected) {
        if (*selected && !control->multiple) {
            (*selected)->selected = false;
        }
        *selected = option;
    }
    **end = option;
    *end = &option->next;
    return 0;
}

static int add_options(struct arena *arena, struct form_control *control)
{
    const struct html_node *select = control->node;
    struct form_option **end = &control->options, *first = NULL, *selected = NULL;

    for (const struct html_node *n = html_next_named(select, select, "option"); n;
         n = html_next_named(n, select, "option")) {
        int r = add_option(arena, control, n, &end, &selected);
        if (r < 0) {
            return r;
        }
    }
    for (struct form_option *option = control->options; option; option = option->next) {
        first = first || option->disabled ? first : option;
    }
    if (!selected && first && !control->multiple && number_attribute(select, "size", 1) <= 1) {
        first->selected = true;
    }
    return 0;
}

/* ---- controls -------------------------------------------------------------------------------- */

static const char *known_type(const struct html_node *node, const char *const *types,
                              const char *otherwise)
{
    const char *type = html_attribute(node, "type");

    for (; type && *types; types++) {
        if (strcasecmp(type, *types) == 0) {
            return *types;
        }
    }
    return otherwise;
}

/* NULL: it is no control. */
static const char *type_of(const struct html_node *node)
{
    static const char *const inputs[] = {
        "hidden", "text",           "search", "tel",    "url",   "email",  "password", "date",
        "month",  "week",           "time",   "number", "range", "color",  "checkbox", "radio",
        "file",   "datetime-local", "submit", "image",  "reset", "button", NULL};
    static const char *const buttons[] = {"submit", "reset", "button", NULL};

    return html_is(node, "input")      ? known_type(node, inputs, "text")
           : html_is(node, "button")   ? known_type(node, buttons, "submit")
           : html_is(node, "select")   ? "select"
           : html_is(node, "textarea") ? "textarea"
                                       : NULL;
}

static enum form_kind kind_of(const char *type)
{
    static const struct {
        const char *type;
        enum form_kind kind;
    } kinds[] = {{"checkbox", FORM_CHECKBOX}, {"radio", FORM_RADIO},   {"select", FORM_SELECT},
                 {"file", FORM_FILE},         {"submit", FORM_BUTTON}, {"image", FORM_BUTTON},
                 {"reset", FORM_BUTTON},      {"button", FORM_BUTTON}};

    for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
        if (strcmp(type, kinds[i].type) == 0) {
            return kinds[i].kind;
        }
    }
    return FORM_TEXT;
}

/* By itself, or in a fieldset that is, but for what is in its legend. */
static bool is_disabled(const struct html_node *node)
{
    const struct html_node *child = node;

    if (html_attribute(node, "disabled")) {
        return true;
    }
    for (const struct html_node *n = node->parent; n; child = n, n = n->parent) {
        if (html_is(n, "fieldset") && html_attribute(n, "disabled")) {
            const struct html_node *legend = n->first;
            while (legend && !html_is(legend, "legend")) {
                legend = legend->next;
            }
            if (child != legend) {
                return true;
            }
        }
    }
    return false;
}

static int fill_control(loads_form *form, struct form_control *control)
{
    const struct html_node *node = control->node;
    const char *name = html_attribute(node, "name");
    const char *value = html_attribute(node, "value");

    control->kind = kind_of(control->type);
    control->name = name ? name : "";
    control->disabled = is_disabled(node);
    control->checked = html_attribute(node, "checked") != NULL;
    control->multiple = html_attribute(node, "multiple") != NULL;
    switch (control->kind) {
    case FORM_TEXT:
        value = strcmp(control->type, "textarea") == 0
                    ? textarea_value(form->arena, node)
                    : first_value(form->arena, node, control->type);
        break;
    case FORM_CHECKBOX:
    case FORM_RADIO:
        value = value ? value : "on";
        break;
    case FORM_SELECT:
        value = "";
        if (add_options(form->arena, control) < 0) {
            return -ENOMEM;
        }
        break;
    case FORM_FILE:
        value = "";
        break;
    case FORM_BUTTON:
        value = value ? value : "";
        break;
    }
    control->value = value;
    return value ? 0 : -ENOMEM;
}

/* Of a group only the last one that is checked stays so. */
static void uncheck_others(const loads_form *form, const struct form_control *checked)
{
    for (struct form_control *c = form->controls; c; c = c->next) {
        if (c != checked && c->kind == FORM_RADIO && strcmp(c->name, checked->name) == 0) {
            c->checked = false;
        }
    }
}

/* Where a walk through the page is. */
struct walk {
    const char *id;              /* by which controls elsewhere name the form; NULL: none can */
    const struct html_node *end; /* behind the form */
    const struct html_node *other_end;
    bool inside, inside_other; /* of the form; of another one in it */
};

static void walk_to(struct walk *walk, const loads_form *form, const struct html_node *node)
{
    walk->inside = node == form->node || (walk->inside && node != walk->end);
    walk->inside_other = walk->inside_other && node != walk->other_end;
    if (walk->inside && !walk->inside_other && node != form->node && html_is(node, "form")) {
        walk->inside_other = true;
        walk->other_end = html_next_outside(node, form->root);
    }
}

/* Whether it is the form's: the one that it names, else the one around it. */
static bool is_owned(const struct walk *walk, const struct html_node *node)
{
    const char *id = html_attribute(node, "form");

    return id ? walk->id && strcmp(id, walk->id) == 0 : walk->inside && !walk->inside_other;
}

static int add_control(loads_form *form, const struct html_node *node, const char *type,
                       struct form_control ***end)
{
    struct form_control *control = arena_alloc(form->arena, sizeof *control);

    if (!control) {
        return -ENOMEM;
    }
    *control = (struct form_control){.node = node, .type = type};
    **end = control;
    *end = &control->next;
    int r = fill_control(form, control);
    if (r == 0 && control->kind == FORM_RADIO && control->checked && *control->name) {
        uncheck_others(form, control);
    }
    return r;
}

static int add_controls(loads_form *form)
{
    const struct html_node *root = form->root;
    const char *id = html_attribute(form->node, "id");
    struct walk walk = {.id = id && html_by_id(root, id) == form->node ? id : NULL,
                        .end = html_next_outside(form->node, root)};
    struct form_control **end = &form->controls;
    size_t count = 0;
    int r = 0;

    for (const struct html_node *n = html_next(root, root), *next; r == 0 && n; n = next) {
        bool closed = html_is(n, "template") || html_is(n, "datalist");
        next = closed ? html_next_outside(n, root) : html_next(n, root);
        walk_to(&walk, form, n);
        const char *type = n->name ? type_of(n) : NULL;
        if (type && is_owned(&walk, n)) {
            r = ++count > MAX_CONTROLS ? -EFBIG : add_control(form, n, type, &end);
        }
    }
    return r;
}

/* ---- forms ----------------------------------------------------------------------------------- */

static int form_new(struct arena *arena, const struct html_node *root, const struct html_node *node,
                    loads_form **ret, struct error *error)
{
    loads_form *form = arena_alloc(arena, sizeof *form);
    int r = -ENOMEM;

    if (form) {
        *form = (struct loads_form){.arena = arena, .root = root, .node = node};
        r = add_controls(form);
    }
    if (r == -EFBIG) {
        return error_set(error, r, "the form has more than %zu controls", MAX_CONTROLS);
    }
    if (r < 0) {
        return error_set_errno(error, r, "can't take a form apart");
    }
    *ret = form;
    return 0;
}

static int no_form(struct arena *arena, const struct html_node *root, const char *what,
                   struct error *error)
{
    struct form_listing listing = form_listing(arena, "");

    for (const struct html_node *n = html_next_named(root, root, "form"); n;
         n = html_next_named(n, root, "form")) {
        const char *id = html_attribute(n, "id"), *name = html_attribute(n, "name");
        const char *action = html_attribute(n, "action");
        if (id && *id) {
            form_listing_add(&listing, "id '%.80s'", id);
        } else if (name && *name) {
            form_listing_add(&listing, "name '%.80s'", name);
        } else {
            form_listing_add(&listing, "one to '%.80s'", action ? action : "");
        }
    }
    if (listing.count == 0) {
        return error_set(error, -ENOENT, "the page has no form");
    }
    return error_set(error, -ENOENT, "%s; the page has %u: %s", what, listing.count, listing.text);
}

static bool has(const struct html_node *node, const char *attribute, const char *value)
{
    const char *its = html_attribute(node, attribute);
    return its && strcmp(its, value) == 0;
}

int form_find(struct arena *arena, const struct html_node *root, const char *which,
              loads_form **ret, struct error *error)
{
    const struct html_node *first = html_next_named(root, root, "form"), *found = NULL;

    if (!which) {
        if (!first || html_next_named(first, root, "form")) {
            return no_form(arena, root, "which form? There isn't just one", error);
        }
        return form_new(arena, root, first, ret, error);
    }
    for (const struct html_node *n = first; n; n = html_next_named(n, root, "form")) {
        if (has(n, "id", which)) {
            found = n;
            break;
        }
        found = !found && has(n, "name", which) ? n : found;
    }
    if (!found) {
        char what[200];
        (void)snprintf(what, sizeof what, "there is no form '%.100s'", which);
        return no_form(arena, root, what, error);
    }
    return form_new(arena, root, found, ret, error);
}

int form_at(struct arena *arena, const struct html_node *root, size_t index, loads_form **ret,
            struct error *error)
{
    const struct html_node *n = html_next_named(root, root, "form");

    for (size_t i = 0; n && i < index; i++) {
        n = html_next_named(n, root, "form");
    }
    if (!n) {
        char what[64];
        (void)snprintf(what, sizeof what, "there is no form number %zu, from 0 on", index);
        return no_form(arena, root, what, error);
    }
    return form_new(arena, root, n, ret, error);
}

const char *form_list(const loads_form *form)
{
    struct form_listing listing = form_listing(form->arena, "nothing");

    for (const struct form_control *c = form->controls; c; c = c->next) {
        form_listing_add(&listing, "%.80s (%s%s)", *c->name ? c->name : "no name", c->type,
                         c->disabled ? ", disabled" : "");
    }
    return listing.text;
}

int form_control(const loads_form *form, const char *name, size_t index, struct form_control **ret,
                 struct error *error)
{
    bool had_group = false;
    size_t left = index;

    for (struct form_control *c = form->controls; c; c = c->next) {
        bool in_group = c->kind == FORM_RADIO && had_group;
        if (c->kind == FORM_BUTTON || in_group || strcmp(c->name, name) != 0) {
            continue;
        }
        had_group = had_group || c->kind == FORM_RADIO;
        if (left-- == 0) {
            *ret = c;
            return 0;
        }
    }
    if (index == 0) {
        return error_set(error, -ENOENT, "the form has no field '%.100s'; it has %s", name,
                         form_list(form));
    }
    return error_set(error, -ENOENT,
                     "the form has no field '%.100s' number %zu, from 0 on; it has %s", name, index,
                     form_list(form));
}

const char *form_value(const loads_form *form, const struct form_control *control)
{
    switch (control->kind) {
    case FORM_TEXT:
    case FORM_BUTTON:
        return control->value;
    case FORM_CHECKBOX:
        return control->checked ? control->value : "";
    case FORM_RADIO:
        for (const struct form_control *c = form->controls; c; c = c->next) {
            if (c->kind == FORM_RADIO && c->checked && strcmp(c->name, control->name) == 0) {
                return c->value;
            }
        }
        return "";
    case FORM_SELECT:
        for (const struct form_option *option = control->options; option; option = option->next) {
            if (option->selected) {
                return option->value;
            }
        }
        return "";
    case FORM_FILE:
        break;
    }
    return control->n_files > 0 && control->files[0].filename ? control->files[0].filename : "";
}
