/* SPDX-License-Identifier: MPL-2.0 */
/* loads/app.h: forms, found in a page, filled in and sent. */
#include <errno.h>
#include <string.h>

#include "call.h"
#include "choice.h"
#include "form.h"
#include "header.h"
#include "page.h"
#include "request.h"

/* What a test gets that is on its way out. */
static loads_form no_form;

#define PLACE                                                                                      \
    {                                                                                              \
        call_user(), file, line, form->page                                                        \
    }

static void check(const struct place *place, int result)
{
    if (result < 0) {
        page_fail_by(place, "form", result);
    }
}

/* ---- finding --------------------------------------------------------------------------------- */

loads_form *loads_app_form_(const char *file, int line, const loads_response *page,
                            const char *which)
{
    struct place place = {call_user(), file, line, page};
    loads_form *form = &no_form;

    if (place.user) {
        const struct html_node *root = page_html(&place);
        check(&place, form_find(&place.user->arena, root, which, &form, page_error(&place)));
        form->page = page;
    }
    return form;
}

loads_form *loads_app_form_at_(const char *file, int line, const loads_response *page, size_t index)
{
    struct place place = {call_user(), file, line, page};
    loads_form *form = &no_form;

    if (place.user) {
        const struct html_node *root = page_html(&place);
        check(&place, form_at(&place.user->arena, root, index, &form, page_error(&place)));
        form->page = page;
    }
    return form;
}

/* ---- what is in it --------------------------------------------------------------------------- */

const char *loads_form_value_(const char *file, int line, const loads_form *form, const char *name)
{
    struct place place = PLACE;
    struct form_control *control;

    if (!place.user) {
        return "";
    }
    check(&place, form_control(form, name, 0, &control, page_error(&place)));
    return form_value(form, control);
}

size_t loads_form_count(const loads_form *form)
{
    size_t count = 0;

    for (const struct form_control *control = form->controls; control; control = control->next) {
        count++;
    }
    return count;
}

const loads_field *loads_form_field_(const char *file, int line, const loads_form *form,
                                     size_t index)
{
    static const loads_field nothing = {.name = "", .type = "", .value = ""};
    struct place place = PLACE;

    if (!place.user) {
        return &nothing;
    }
    const struct form_control *control = form->controls;
    for (size_t i = 0; control && i < index; i++) {
        control = control->next;
    }
    if (!control) {
        page_fail(&place, "form", "the form has no field number %zu, from 0 on; it has %s", index,
                  form_list(form));
    }
    loads_field *field = loads_alloc(place.user, sizeof *field);
    bool by_itself = control->kind == FORM_RADIO || control->kind == FORM_CHECKBOX;
    *field = (loads_field){.name = control->name,
                           .type = control->type,
                           .value = by_itself ? control->value : form_value(form, control),
                           .checked = by_itself && control->checked,
                           .disabled = control->disabled};
    return field;
}

/* ---- changing it ----------------------------------------------------------------------------- */

void loads_form_set_(const char *file, int line, loads_form *form, const char *name, size_t index,
                     const char *value)
{
    struct place place = PLACE;

    if (place.user) {
        check(&place, form_set(form, name, index, value ? value : "", page_error(&place)));
    }
}

void loads_form_check_(const char *file, int line, loads_form *form, const char *name,
                       const char *value, bool on)
{
    struct place place = PLACE;

    if (place.user) {
        check(&place, form_check(form, name, value, on, page_error(&place)));
    }
}

void loads_form_select_(const char *file, int line, loads_form *form, const char *name,
                        const char *option, bool by_text, bool on)
{
    struct place place = PLACE;

    if (place.user) {
        if (!option && on) {
            call_fail(place.user, ERROR_KIND_ERROR, "argument", file, line,
                      "loads_form_select(): which option?");
        }
        check(&place, form_select(form, name, option, by_text, on, page_error(&place)));
    }
}

void loads_form_upload_(const char *file, int line, loads_form *form, const loads_part *upload)
{
    struct place place = PLACE;

    if (place.user) {
        check(&place, form_upload(form, upload->name, upload, page_error(&place)));
    }
}

/* ---- sending it ------------------------------------------------------------------------------ */

static void fill_request(const struct place *place, const loads_submit *submit,
                         const struct form_submission *submission, loads_request *request)
{
    *request = (loads_request){.method = submission->post ? "POST" : "GET",
                               .headers = submit->headers,
                               .status = submit->status,
                               .name = submit->name,
                               .timeout_sec = submit->timeout_sec,
                               .no_redirects = submit->no_redirects,
                               .may_fail = submit->may_fail,
                               .file_ = submit->file_,
                               .line_ = submit->line_};
    if (submission->post) {
        request->body = submission->body;
        request->body_size = submission->size;
        if (header_find(submit->headers, 0, "Content-Type", NULL) < 0) {
            request->headers =
                request_with_line(place->user, submit->headers, submission->content_type);
        }
        if (!request->headers) {
            page_fail_by(place, "memory", -ENOMEM);
        }
    }
    page_resolve(place, submission->action, true, submission->post ? NULL : submission->query,
                 request);
}

loads_response *loads_form_submit_(const loads_submit *submit)
{
    const loads_form *form = submit->form;
    struct place place = {call_user(), submit->file_, submit->line_, form->page};
    struct form_submission submission;
    struct prng prng;

    if (!place.user) {
        return call_refused();
    }
    const struct form_choice choice = {.button = submit->button,
                                       .value = submit->value,
                                       .at = submit->button_at,
                                       .none = submit->no_button,
                                       .x = submit->x,
                                       .y = submit->y};
    prng_seed(&prng, choice_key(place.user, CHOICE_BOUNDARY, place.user->iteration));
    check(&place, form_submission(form, &choice, &prng, &submission, page_error(&place)));
    loads_request *request = loads_alloc(place.user, sizeof *request);
    fill_request(&place, submit, &submission, request);
    return loads_app_send(place.user, request);
}
