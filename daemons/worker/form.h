/* SPDX-License-Identifier: MPL-2.0 */
/* Forms of a page: what is in them, as a browser understands it, changing that, and what is sent.
 * The rules are the HTML standard's, "form submission". All memory is the iteration's.
 *
 * What isn't there is -ENOENT, what can't be done -EINVAL, each with a text that lists what there
 * is. */
#ifndef LOADS_WORKER_FORM_H
#define LOADS_WORKER_FORM_H

#include "loads/loads.h"

#include "base/prng.h"
#include "html.h"
#include "multipart.h"

enum form_kind {
    FORM_TEXT, /* with one value: also hidden, number, date and the others, and textarea */
    FORM_CHECKBOX,
    FORM_RADIO,
    FORM_SELECT,
    FORM_FILE,
    FORM_BUTTON,
};

struct form_option {
    struct form_option *next;
    const char *value, *text, *label;
    bool selected, disabled;
};

struct form_control {
    struct form_control *next;
    const struct html_node *node;
    enum form_kind kind;
    const char *name;  /* "": none */
    const char *type;  /* "text", "checkbox", …, "textarea", "select" */
    const char *value; /* of kinds that have one */
    bool checked;
    bool disabled;
    bool multiple; /* of select and file */
    struct form_option *options;
    loads_part *files;
    size_t n_files;
};

struct loads_form {
    struct arena *arena;
    const loads_response *page; /* api_form.c */
    const struct html_node *root, *node;
    struct form_control *controls; /* in the order of the page */
};

/* ---- form.c ---- */

/* The form with that id, else that name; NULL: the only one. Or by its place, from 0. */
int form_find(struct arena *arena, const struct html_node *root, const char *which,
              loads_form **ret, struct error *error) _must_check_;
int form_at(struct arena *arena, const struct html_node *root, size_t index, loads_form **ret,
            struct error *error) _must_check_;

/* The control, not a button, that has this name: the index-th of them; a group of radio buttons is
 * one, its first. */
int form_control(const loads_form *form, const char *name, size_t index, struct form_control **ret,
                 struct error *error) _must_check_;

/* What it would send: "" is nothing, or nothing to be seen. */
const char *form_value(const loads_form *form, const struct form_control *control);

/* A form's fields for a message, bounded. */
const char *form_list(const loads_form *form);

/* ---- form_change.c ---- */

/* A text; or the value of an option or radio button that is chosen then. */
int form_set(loads_form *form, const char *name, size_t index, const char *value,
             struct error *error) _must_check_;

/* A checkbox or radio button, by its value; NULL: the first of that name. */
int form_check(loads_form *form, const char *name, const char *value, bool on, struct error *error)
    _must_check_;

/* An option, by value or text; off: only where several can be chosen, NULL: all of them. */
int form_select(loads_form *form, const char *name, const char *option, bool by_text, bool on,
                struct error *error) _must_check_;

/* A file instead of what was there, or one more where several can be chosen. Its texts are
 * borrowed. */
int form_upload(loads_form *form, const char *name, const loads_part *file, struct error *error)
    _must_check_;

/* ---- form_send.c ---- */

/* How a form is sent, by which button. */
struct form_choice {
    const char *button; /* its name, id or text; NULL: the first one, if there is one */
    const char *value;  /* of several of that name */
    unsigned at;        /* from 1: the how-manieth of those; 0: the first */
    bool none;          /* by no button */
    int x, y;           /* where in an image */
};

struct form_submission {
    bool post;
    const char *action;       /* as it stands in the page; "": the page itself */
    const char *query;        /* of GET, encoded */
    const char *content_type; /* of POST: a header line */
    const char *body;
    size_t size;
};

int form_submission(const loads_form *form, const struct form_choice *choice, struct prng *prng,
                    struct form_submission *ret, struct error *error) _must_check_;

/* ---- lists of what there is, for messages ---- */

struct form_listing {
    const char *text; /* of those taken, or what was said instead of none */
    char *to;
    size_t used;
    unsigned count;
};

/* An empty one, bounded; without memory it stays so. Not on the stack: users' stacks are small. */
struct form_listing form_listing(struct arena *arena, const char *nothing);

/* Takes one more, unless there were many. */
void form_listing_add(struct form_listing *listing, const char *format, ...) _printf_(2, 3);

#endif
