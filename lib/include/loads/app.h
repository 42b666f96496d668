/* SPDX-License-Identifier: MPL-2.0 */
/* The application client: pages as a person sees them. Requests that check their status, links that
 * are followed, forms that are filled in and sent, elements that have a text.
 *
 *     loads_response *page = loads_app_get(user, "/login");
 *     loads_form *form = loads_app_form(page, "login");
 *     loads_form_set(form, "user", "ada");
 *     loads_form_set(form, "password", "secret");
 *     page = loads_form_submit(form);
 *     loads_assert_text_eq(page, "#greeting", "Hello ada.");
 *     page = loads_app_follow(page, "Log out");
 *
 * A page is an answer, from whichever function; its HTML is read when something is first looked for
 * in it. What isn't there is a failure that lists what is. Results are never NULL and live to the
 * end of the iteration. loads/loads.h includes this header. */
#ifndef LOADS_APP_H
#define LOADS_APP_H

#include <loads/loads.h>

typedef struct loads_form loads_form;
typedef struct loads_field loads_field;
typedef struct loads_submit loads_submit;

/* ---- Requests -------------------------------------------------------------------------------- */

/* loads_app_get(user, "/path", .option = value, …): as loads_get() and the others, with the same
 * options, but statuses other than 2xx and 3xx are failures, which tell the beginning of the body.
 * `.status` expects others instead: "404", "200 201", "4*", "*". */
#define LOADS_APP_SEND_(user, verb, ...)                                                           \
    loads_app_send(                                                                                \
        (user), &(const loads_request){                                                            \
                    .method = (verb), .file_ = __FILE__, .line_ = __LINE__, .url = __VA_ARGS__})
#define loads_app_get(user, ...)     LOADS_APP_SEND_(user, "GET", __VA_ARGS__)
#define loads_app_head(user, ...)    LOADS_APP_SEND_(user, "HEAD", __VA_ARGS__)
#define loads_app_post(user, ...)    LOADS_APP_SEND_(user, "POST", __VA_ARGS__)
#define loads_app_put(user, ...)     LOADS_APP_SEND_(user, "PUT", __VA_ARGS__)
#define loads_app_patch(user, ...)   LOADS_APP_SEND_(user, "PATCH", __VA_ARGS__)
#define loads_app_delete(user, ...)  LOADS_APP_SEND_(user, "DELETE", __VA_ARGS__)
#define loads_app_options(user, ...) LOADS_APP_SEND_(user, "OPTIONS", __VA_ARGS__)
LOADS_API loads_response *loads_app_send(loads_user *user, const loads_request *request);

/* ---- Links ----------------------------------------------------------------------------------- */

/* loads_app_follow(page, "Log out", .option = value, …) asks for where a link leads: the first one
 * with that text, else with a text that has it in it; "#id": the one with that id. The options are
 * a request's. Blanks of texts are single ones, and none are at the ends. */
#define loads_app_follow(page, ...)                                                                \
    loads_app_follow_(                                                                             \
        (page), LOADS_BY_TEXT_,                                                                    \
        &(const loads_request){.file_ = __FILE__, .line_ = __LINE__, .url = __VA_ARGS__})

/* The same by the link's place in the page, from 0 on. */
#define loads_app_follow_at(page, index, ...)                                                      \
    loads_app_follow_((page), (index),                                                             \
                      &(const loads_request){.file_ = __FILE__, .line_ = __LINE__, __VA_ARGS__})

/* ---- What a page has ------------------------------------------------------------------------- */

/* The text of the first element that a selector means; the value of one of its attributes; how many
 * elements it means, maybe 0. A selector is a tag, #id, .class, [attribute], [attribute=value], or
 * several of them at once ("a.more[href]"); blanks lead inside: "#basket li". Nothing else of CSS.
 */
#define loads_app_text(page, selector) loads_app_text_(__FILE__, __LINE__, (page), (selector))
#define loads_app_attribute(page, selector, name)                                                  \
    loads_app_attribute_(__FILE__, __LINE__, (page), (selector), (name))
#define loads_app_count(page, selector) loads_app_count_(__FILE__, __LINE__, (page), (selector))

/* The body, or the text of its HTML, has the text in it; hasn't. */
#define loads_assert_body_contains(page, text)                                                     \
    loads_assert_body_(__FILE__, __LINE__, (page), (text), true)
#define loads_assert_body_lacks(page, text)                                                        \
    loads_assert_body_(__FILE__, __LINE__, (page), (text), false)

/* One of the elements that the selector means has this text; has a text with this in it. */
#define loads_assert_text_eq(page, selector, text)                                                 \
    loads_assert_text_(__FILE__, __LINE__, (page), (selector), (text), true)
#define loads_assert_text_contains(page, selector, text)                                           \
    loads_assert_text_(__FILE__, __LINE__, (page), (selector), (text), false)

/* The JSON at the path (loads_json_string()) is the same as this JSON: "3", "\"pencil\"", "[1, 2]",
 * objects in any order. */
#define loads_assert_json_eq(page, path, json)                                                     \
    loads_assert_json_(__FILE__, __LINE__, (page), (path), (json))

/* ---- Forms ----------------------------------------------------------------------------------- */

/* The form with that id, else that name; NULL: the only one of the page. By its place, from 0 on.
 * Each call gives one as the page has it, with nothing changed. */
#define loads_app_form(page, which)    loads_app_form_(__FILE__, __LINE__, (page), (which))
#define loads_app_form_at(page, index) loads_app_form_at_(__FILE__, __LINE__, (page), (index))

/* Sets a field: its text, hidden ones and textarea too; or chooses the option or the radio button
 * of that value. By its place among those of that name, from 0 on. */
#define loads_form_set(form, name, value)                                                          \
    loads_form_set_(__FILE__, __LINE__, (form), (name), 0, (value))
#define loads_form_set_at(form, name, index, value)                                                \
    loads_form_set_(__FILE__, __LINE__, (form), (name), (index), (value))

/* Checks a checkbox or radio button, unchecks a checkbox: of several the one with that value; NULL:
 * the first. */
#define loads_form_check(form, name, value)                                                        \
    loads_form_check_(__FILE__, __LINE__, (form), (name), (value), true)
#define loads_form_uncheck(form, name, value)                                                      \
    loads_form_check_(__FILE__, __LINE__, (form), (name), (value), false)

/* Selects an option by its value, or by its text: one more where several can be selected. There
 * they can be deselected, too; NULL: all of them. */
#define loads_form_select(form, name, value)                                                       \
    loads_form_select_(__FILE__, __LINE__, (form), (name), (value), false, true)
#define loads_form_select_text(form, name, text)                                                   \
    loads_form_select_(__FILE__, __LINE__, (form), (name), (text), true, true)
#define loads_form_deselect(form, name, value)                                                     \
    loads_form_select_(__FILE__, __LINE__, (form), (name), (value), false, false)

/* loads_form_upload(form, "photo", .path = "sunset.jpg"), or .value = bytes, .size, .filename: a
 * file for a field, as a loads_part says it; one more where several can be chosen. */
#define loads_form_upload(form, field, ...)                                                        \
    loads_form_upload_(__FILE__, __LINE__, (form),                                                 \
                       &(const loads_part){.name = (field), __VA_ARGS__})

/* What a field would send first: "" is nothing. */
#define loads_form_value(form, name) loads_form_value_(__FILE__, __LINE__, (form), (name))

/* All fields, buttons included, in the order of the page. */
struct loads_field {
    const char *name;  /* "": it has none, and is never sent */
    const char *type;  /* as of <input>, or "select", "textarea" */
    const char *value; /* what it would send, or would if it were checked */
    bool checked;
    bool disabled;
};
LOADS_API size_t loads_form_count(const loads_form *form);
#define loads_form_field(form, index) loads_form_field_(__FILE__, __LINE__, (form), (index))

/* loads_form_submit(form, .option = value, …) sends it as a browser would that was told by its
 * first button, or another one. */
struct loads_submit {
    const loads_form *form;
    const char *button; /* its name, else its id, else its text */
    const char *value;  /* of several buttons of that name */
    unsigned button_at; /* of several: the how-manieth, from 1 on */
    bool no_button;     /* by none: what a script does */
    int x, y;           /* where in an <input type="image"> */
    const char *status; /* and these as of a request */
    const char *const *headers;
    const char *name;
    double timeout_sec;
    bool no_redirects;
    bool may_fail;
    const char *file_; /* filled in by the macro */
    int line_;
};
#define loads_form_submit(...)                                                                     \
    loads_form_submit_(                                                                            \
        &(const loads_submit){.file_ = __FILE__, .line_ = __LINE__, .form = __VA_ARGS__})

/* ---- What the macros above stand on ---------------------------------------------------------- */

#define LOADS_BY_TEXT_ SIZE_MAX
LOADS_API loads_response *loads_app_follow_(const loads_response *page, size_t index,
                                            const loads_request *request);
LOADS_API const char *loads_app_text_(const char *file, int line, const loads_response *page,
                                      const char *selector);
LOADS_API const char *loads_app_attribute_(const char *file, int line, const loads_response *page,
                                           const char *selector, const char *name);
LOADS_API size_t loads_app_count_(const char *file, int line, const loads_response *page,
                                  const char *selector);
LOADS_API void loads_assert_body_(const char *file, int line, const loads_response *page,
                                  const char *text, bool has);
LOADS_API void loads_assert_text_(const char *file, int line, const loads_response *page,
                                  const char *selector, const char *text, bool whole);
LOADS_API void loads_assert_json_(const char *file, int line, const loads_response *page,
                                  const char *path, const char *json);
LOADS_API loads_form *loads_app_form_(const char *file, int line, const loads_response *page,
                                      const char *which);
LOADS_API loads_form *loads_app_form_at_(const char *file, int line, const loads_response *page,
                                         size_t index);
LOADS_API void loads_form_set_(const char *file, int line, loads_form *form, const char *name,
                               size_t index, const char *value);
LOADS_API void loads_form_check_(const char *file, int line, loads_form *form, const char *name,
                                 const char *value, bool on);
LOADS_API void loads_form_select_(const char *file, int line, loads_form *form, const char *name,
                                  const char *option, bool by_text, bool on);
LOADS_API void loads_form_upload_(const char *file, int line, loads_form *form,
                                  const loads_part *upload);
LOADS_API const char *loads_form_value_(const char *file, int line, const loads_form *form,
                                        const char *name);
LOADS_API const loads_field *loads_form_field_(const char *file, int line, const loads_form *form,
                                               size_t index);
LOADS_API loads_response *loads_form_submit_(const loads_submit *submit);

#endif
