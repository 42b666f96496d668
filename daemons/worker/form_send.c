/* SPDX-License-Identifier: MPL-2.0 */
/* What a form sends: the entry list of its successful controls, in one of three encodings. An entry
 * is a loads_part: one with a file name is a file. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "worker/form.h"

struct entries {
    struct arena *arena;
    loads_part *list; /* one more than count, which ends it */
    size_t count, room;
    bool failed; /* for want of memory */
};

/* ---- the entry list -------------------------------------------------------------------------- */

static void add(struct entries *entries, const loads_part *entry)
{
    if (entries->count + 2 > entries->room && !entries->failed) {
        size_t room = entries->room * 2 + 16;
        loads_part *list = arena_alloc(entries->arena, room * sizeof *list);
        if (!list) {
            entries->failed = true;
            return;
        }
        memset(list, 0, room * sizeof *list);
        if (entries->count > 0) {
            memcpy(list, entries->list, entries->count * sizeof *list);
        }
        entries->list = list;
        entries->room = room;
    }
    if (!entries->failed) {
        entries->list[entries->count++] = *entry;
    }
}

/* Each line end becomes CRLF, whatever it was. */
static const char *with_line_ends(struct entries *entries, const char *text)
{
    size_t ends = 0;

    for (const char *c = text; *c; c++) {
        ends += *c == '\r' || *c == '\n';
    }
    if (ends == 0) {
        return text;
    }
    char *copy = arena_alloc(entries->arena, strlen(text) + ends + 1), *to = copy;
    if (!copy) {
        entries->failed = true;
        return "";
    }
    for (const char *c = text; *c; c++) {
        if (*c == '\r' || *c == '\n') {
            to = stpcpy(to, "\r\n");
            c += *c == '\r' && c[1] == '\n' ? 1 : 0;
        } else {
            *to++ = *c;
        }
    }
    *to = '\0';
    return copy;
}

static void add_value(struct entries *entries, const char *name, const char *value)
{
    const loads_part entry = {.name = with_line_ends(entries, name),
                              .value = with_line_ends(entries, value)};
    add(entries, &entry);
}

static void add_files(struct entries *entries, const struct form_control *control)
{
    const char *name = with_line_ends(entries, control->name);
    const loads_part none = {
        .name = name, .value = "", .filename = "", .type = "application/octet-stream"};

    if (control->n_files == 0) {
        add(entries, &none);
    }
    for (size_t i = 0; i < control->n_files; i++) {
        loads_part file = control->files[i];
        file.name = name;
        add(entries, &file);
    }
}

static void add_point(struct entries *entries, const struct form_control *control,
                      const struct form_choice *choice)
{
    const char *dot = *control->name ? "." : "";
    const char *x = arena_printf(entries->arena, "%s%sx", control->name, dot);
    const char *y = arena_printf(entries->arena, "%s%sy", control->name, dot);
    const char *x_value = arena_printf(entries->arena, "%d", choice->x);
    const char *y_value = arena_printf(entries->arena, "%d", choice->y);

    if (!x || !y || !x_value || !y_value) {
        entries->failed = true;
        return;
    }
    add_value(entries, x, x_value);
    add_value(entries, y, y_value);
}

/* In which direction its text is written, where the page wants to know. */
static void add_direction(struct entries *entries, const struct html_node *node)
{
    const char *name = html_attribute(node, "dirname"), *direction = NULL;

    for (const struct html_node *n = node; n && !direction; n = n->parent) {
        direction = html_attribute(n, "dir");
    }
    if (name && *name) {
        add_value(entries, name, direction && strcasecmp(direction, "rtl") == 0 ? "rtl" : "ltr");
    }
}

static void add_text(struct entries *entries, const struct form_control *control)
{
    bool hidden = strcmp(control->type, "hidden") == 0;

    if (hidden && strcasecmp(control->name, "_charset_") == 0) {
        add_value(entries, control->name, "UTF-8");
        return;
    }
    add_value(entries, control->name, control->value);
    add_direction(entries, control->node);
}

static void add_control(struct entries *entries, const struct form_control *control,
                        const struct form_control *submitter, const struct form_choice *choice)
{
    if (control->disabled || (control->kind == FORM_BUTTON && control != submitter)) {
        return;
    }
    if (control->kind == FORM_BUTTON && strcmp(control->type, "image") == 0) {
        add_point(entries, control, choice);
        return;
    }
    if (!*control->name) {
        return;
    }
    switch (control->kind) {
    case FORM_TEXT:
        add_text(entries, control);
        break;
    case FORM_CHECKBOX:
    case FORM_RADIO:
        if (control->checked) {
            add_value(entries, control->name, control->value);
        }
        break;
    case FORM_SELECT:
        for (const struct form_option *option = control->options; option; option = option->next) {
            if (option->selected && !option->disabled) {
                add_value(entries, control->name, option->value);
            }
        }
        break;
    case FORM_FILE:
        add_files(entries, control);
        break;
    case FORM_BUTTON:
        add_value(entries, control->name, control->value);
        break;
    }
}

/* ---- the button ------------------------------------------------------------------------------ */

static bool is_submitter(const struct form_control *control)
{
    return control->kind == FORM_BUTTON &&
           (strcmp(control->type, "submit") == 0 || strcmp(control->type, "image") == 0);
}

/* What a person reads on it. */
static const char *label_of(const loads_form *form, const struct form_control *control)
{
    const char *label = html_is(control->node, "button") ? html_text(form->arena, control->node)
                        : strcmp(control->type, "image") == 0 ? html_attribute(control->node, "alt")
                                                              : control->value;
    return label ? label : "";
}

enum handle { BY_NAME, BY_ID, BY_LABEL, ANY, HANDLES };

static bool is_handled_by(const loads_form *form, const struct form_control *control,
                          const struct form_choice *choice, enum handle handle)
{
    const char *id = html_attribute(control->node, "id");

    if (!is_submitter(control) || (choice->value && strcmp(control->value, choice->value) != 0)) {
        return false;
    }
    switch (handle) {
    case BY_NAME:
        return strcmp(control->name, choice->button) == 0;
    case BY_ID:
        return id && strcmp(id, choice->button) == 0;
    case BY_LABEL:
        return strcmp(label_of(form, control), choice->button) == 0;
    case ANY:
    case HANDLES:
        break;
    }
    return true;
}

static int no_button(const loads_form *form, const struct form_choice *choice, struct error *error)
{
    struct form_listing listing = form_listing(form->arena, "none");

    for (const struct form_control *c = form->controls; c; c = c->next) {
        if (is_submitter(c)) {
            form_listing_add(&listing, "%.80s ('%.80s')", *c->name ? c->name : "no name",
                             label_of(form, c));
        }
    }
    return error_set(error, -ENOENT,
                     "the form has no button '%.100s'%s%.100s%s to send it (number %u); it has %s",
                     choice->button ? choice->button : "", choice->value ? " of value '" : "",
                     choice->value ? choice->value : "", choice->value ? "'" : "",
                     MAX(choice->at, 1u), listing.text);
}

/* *ret NULL: it is sent by none. */
static int find_button(const loads_form *form, const struct form_choice *choice,
                       const struct form_control **ret, struct error *error)
{
    bool asked = choice->button || choice->value || choice->at > 0;

    *ret = NULL;
    for (enum handle handle = choice->button ? BY_NAME : ANY;
         !*ret && !choice->none && handle < HANDLES; handle++) {
        unsigned left = MAX(choice->at, 1u);
        if (handle == ANY && choice->button) {
            break;
        }
        for (const struct form_control *c = form->controls; c && !*ret; c = c->next) {
            if (is_handled_by(form, c, choice, handle) && --left == 0) {
                *ret = c;
            }
        }
    }
    if (!*ret && asked && !choice->none) {
        return no_button(form, choice, error);
    }
    if (*ret && (*ret)->disabled) {
        return error_set(error, -EINVAL, "the button '%.100s' is disabled: nobody can press it",
                         *(*ret)->name ? (*ret)->name : label_of(form, *ret));
    }
    return 0;
}

/* ---- encodings ------------------------------------------------------------------------------- */

static const char *text_of(const loads_part *entry)
{
    return entry->filename ? entry->filename : entry->value;
}

static char *put_encoded(char *to, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("*-._", c);
        if (plain || c == ' ') {
            *to++ = c == ' ' ? '+' : (char)c;
        } else {
            *to++ = '%';
            *to++ = digits[c >> 4];
            *to++ = digits[c & 15];
        }
    }
    return to;
}

/* application/x-www-form-urlencoded. NULL: no memory. */
static const char *url_encoded(const struct entries *entries)
{
    size_t size = 1;

    for (size_t i = 0; i < entries->count; i++) {
        size += 3 * (strlen(entries->list[i].name) + strlen(text_of(&entries->list[i]))) + 2;
    }
    char *text = arena_alloc(entries->arena, size), *to = text;
    for (size_t i = 0; text && i < entries->count; i++) {
        to = i > 0 ? stpcpy(to, "&") : to;
        to = put_encoded(to, entries->list[i].name);
        *to++ = '=';
        to = put_encoded(to, text_of(&entries->list[i]));
    }
    if (text) {
        *to = '\0';
    }
    return text;
}

/* text/plain: for people, as the standard says. */
static const char *plainly(const struct entries *entries)
{
    size_t size = 1;

    for (size_t i = 0; i < entries->count; i++) {
        size += strlen(entries->list[i].name) + strlen(text_of(&entries->list[i])) + 3;
    }
    char *text = arena_alloc(entries->arena, size), *to = text;
    for (size_t i = 0; to && i < entries->count; i++) {
        to = stpcpy(stpcpy(to, entries->list[i].name), "=");
        to = stpcpy(stpcpy(to, text_of(&entries->list[i])), "\r\n");
    }
    if (text) {
        *to = '\0';
    }
    return text;
}

static int encode(const struct entries *entries, const char *type, struct prng *prng,
                  struct form_submission *ret, struct error *error)
{
    static const loads_part end;

    if (ret->post && strcasecmp(type, "multipart/form-data") == 0) {
        struct multipart multipart;
        int r = multipart_compose(entries->arena, entries->list ? entries->list : &end, prng,
                                  &multipart, error);
        if (r == 0) {
            ret->body = multipart.body;
            ret->size = multipart.size;
            ret->content_type = multipart.content_type;
        }
        return r;
    }
    bool plain = ret->post && strcasecmp(type, "text/plain") == 0;
    const char *text = plain ? plainly(entries) : url_encoded(entries);
    if (!text) {
        return error_set_errno(error, -ENOMEM, "can't send a form");
    }
    ret->query = text;
    ret->body = text;
    ret->size = strlen(text);
    ret->content_type =
        plain ? "Content-Type: text/plain" : "Content-Type: application/x-www-form-urlencoded";
    return 0;
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* The button's own wish, else the form's. */
static const char *wish(const loads_form *form, const struct form_control *submitter,
                        const char *of_button, const char *of_form)
{
    const char *text = submitter ? html_attribute(submitter->node, of_button) : NULL;

    text = text ? text : html_attribute(form->node, of_form);
    return text ? text : "";
}

int form_submission(const loads_form *form, const struct form_choice *choice, struct prng *prng,
                    struct form_submission *ret, struct error *error)
{
    struct entries entries = {.arena = form->arena};
    const struct form_control *submitter;
    int r = find_button(form, choice, &submitter, error);

    if (r < 0) {
        return r;
    }
    const char *method = wish(form, submitter, "formmethod", "method");
    if (strcasecmp(method, "dialog") == 0) {
        return error_set(error, -EINVAL,
                         "the form's method is dialog: a browser closes a window, and sends "
                         "nothing");
    }
    for (const struct form_control *c = form->controls; c; c = c->next) {
        add_control(&entries, c, submitter, choice);
    }
    if (entries.failed) {
        return error_set_errno(error, -ENOMEM, "can't send a form");
    }
    *ret = (struct form_submission){
        .post = strcasecmp(method, "post") == 0,
        .action = wish(form, submitter, "formaction", "action"),
    };
    return encode(&entries, wish(form, submitter, "formenctype", "enctype"), prng, ret, error);
}
