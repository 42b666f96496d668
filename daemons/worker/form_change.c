/* SPDX-License-Identifier: MPL-2.0 */
/* Changing a form's fields. What a person couldn't do is refused (an option that isn't there, a
 * field that is disabled), since a test that does it has the wrong page before it; what only a
 * browser's checks would refuse (a letter in a number) is done, since a server must stand that. */
#include <errno.h>
#include <string.h>

#include "worker/form.h"

static int usable(const struct form_control *control, struct error *error)
{
    return control->disabled ? error_set(error, -EINVAL,
                                         "the field '%.100s' is disabled: no browser would send it",
                                         control->name)
                             : 0;
}

static int find(const loads_form *form, const char *name, size_t index, struct form_control **ret,
                struct error *error)
{
    int r = form_control(form, name, index, ret, error);
    return r < 0 ? r : usable(*ret, error);
}

static int of_another_kind(const struct form_control *control, const char *what,
                           struct error *error)
{
    static const char *const functions[] = {
        [FORM_TEXT] = "loads_form_set()",    [FORM_CHECKBOX] = "loads_form_check()",
        [FORM_RADIO] = "loads_form_check()", [FORM_SELECT] = "loads_form_select()",
        [FORM_FILE] = "loads_form_upload()", [FORM_BUTTON] = "loads_form_submit()",
    };
    return error_set(error, -EINVAL, "the field '%.100s' (%s) can't be %s: use %s", control->name,
                     control->type, what, functions[control->kind]);
}

static bool same(const struct form_control *a, const char *name, enum form_kind kind)
{
    return a->kind == kind && strcmp(a->name, name) == 0;
}

/* ---- checkboxes and radio buttons ------------------------------------------------------------ */

static int no_value(const loads_form *form, const struct form_control *first, const char *value,
                    struct error *error)
{
    struct form_listing listing = form_listing(form->arena, "");

    for (const struct form_control *c = form->controls; c; c = c->next) {
        if (same(c, first->name, first->kind)) {
            form_listing_add(&listing, "'%.80s'", c->value);
        }
    }
    return error_set(error, -ENOENT, "the field '%.100s' (%s) has no value '%.100s'; it has %s",
                     first->name, first->type, value, listing.text);
}

static int check(loads_form *form, struct form_control *first, const char *value, bool on,
                 struct error *error)
{
    struct form_control *control = first;

    while (value && control &&
           !(same(control, first->name, first->kind) && strcmp(control->value, value) == 0)) {
        control = control->next;
    }
    if (!control) {
        return no_value(form, first, value, error);
    }
    int r = usable(control, error);
    if (r < 0) {
        return r;
    }
    for (struct form_control *c = form->controls; c; c = c->next) {
        if (first->kind == FORM_RADIO && same(c, first->name, FORM_RADIO)) {
            c->checked = false;
        }
    }
    control->checked = on;
    return 0;
}

int form_check(loads_form *form, const char *name, const char *value, bool on, struct error *error)
{
    struct form_control *control;
    int r = form_control(form, name, 0, &control, error);

    if (r < 0) {
        return r;
    }
    if (control->kind != FORM_CHECKBOX && control->kind != FORM_RADIO) {
        return of_another_kind(control, "checked", error);
    }
    if (control->kind == FORM_RADIO && !on) {
        return error_set(error, -EINVAL,
                         "the radio button '%.100s' can't be unchecked: check another one", name);
    }
    return check(form, control, value, on, error);
}

/* ---- selects --------------------------------------------------------------------------------- */

static int no_option(struct arena *arena, const struct form_control *control, const char *what,
                     bool by_text, struct error *error)
{
    struct form_listing listing = form_listing(arena, "nothing");

    for (const struct form_option *option = control->options; option; option = option->next) {
        form_listing_add(&listing, "'%.80s'", by_text ? option->text : option->value);
    }
    return error_set(error, -ENOENT,
                     "the field '%.100s' (select) has no option of %s '%.100s'; it has %s",
                     control->name, by_text ? "text" : "value", what, listing.text);
}

static void deselect_all(struct form_control *control)
{
    for (struct form_option *option = control->options; option; option = option->next) {
        option->selected = false;
    }
}

static bool is_meant(const struct form_option *option, const char *what, bool by_text)
{
    return by_text ? strcmp(option->text, what) == 0 || strcmp(option->label, what) == 0
                   : strcmp(option->value, what) == 0;
}

static int choose(struct arena *arena, struct form_control *control, const char *what, bool by_text,
                  bool on, struct error *error)
{
    struct form_option *option = control->options;

    while (option && !is_meant(option, what, by_text)) {
        option = option->next;
    }
    if (!option) {
        return no_option(arena, control, what, by_text, error);
    }
    if (option->disabled) {
        return error_set(error, -EINVAL, "the option '%.100s' of field '%.100s' is disabled", what,
                         control->name);
    }
    if (!control->multiple) {
        deselect_all(control);
    }
    option->selected = on;
    return 0;
}

int form_select(loads_form *form, const char *name, const char *option, bool by_text, bool on,
                struct error *error)
{
    struct form_control *control;
    int r = form_control(form, name, 0, &control, error);

    if (r == 0 && control->kind == FORM_RADIO && option && on && !by_text) {
        return check(form, control, option, true, error);
    }
    r = r == 0 ? usable(control, error) : r;
    if (r < 0) {
        return r;
    }
    if (control->kind != FORM_SELECT) {
        return of_another_kind(control, "selected from", error);
    }
    if (!on && !control->multiple) {
        return error_set(error, -EINVAL, "the field '%.100s' always has one option: select another",
                         name);
    }
    if (!option) {
        deselect_all(control);
        return 0;
    }
    return choose(form->arena, control, option, by_text, on, error);
}

/* ---- texts and files ------------------------------------------------------------------------- */

int form_set(loads_form *form, const char *name, size_t index, const char *value,
             struct error *error)
{
    struct form_control *control;
    int r = form_control(form, name, index, &control, error);

    if (r == 0 && control->kind == FORM_RADIO) {
        return check(form, control, value, true, error);
    }
    r = r == 0 ? usable(control, error) : r;
    if (r < 0) {
        return r;
    }
    if (control->kind == FORM_SELECT) {
        return choose(form->arena, control, value, false, true, error);
    }
    if (control->kind != FORM_TEXT) {
        return of_another_kind(control, "set", error);
    }
    const char *copy = arena_strndup(form->arena, value, SIZE_MAX);
    if (!copy) {
        return error_set_errno(error, -ENOMEM, "can't set a field");
    }
    control->value = copy;
    return 0;
}

int form_upload(loads_form *form, const char *name, const loads_part *file, struct error *error)
{
    struct form_control *control;
    int r = find(form, name, 0, &control, error);

    if (r < 0) {
        return r;
    }
    if (control->kind != FORM_FILE) {
        return of_another_kind(control, "given a file", error);
    }
    size_t kept = control->multiple ? control->n_files : 0;
    loads_part *files = arena_alloc(form->arena, (kept + 1) * sizeof *files);
    if (!files) {
        return error_set_errno(error, -ENOMEM, "can't give a field a file");
    }
    if (kept > 0) {
        memcpy(files, control->files, kept * sizeof *files);
    }
    files[kept] = *file;
    files[kept].name = control->name;
    if (!file->filename) {
        files[kept].filename = file->path ? multipart_filename(file->path) : "blob";
    }
    control->files = files;
    control->n_files = kept + 1;
    return 0;
}
