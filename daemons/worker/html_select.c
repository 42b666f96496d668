/* SPDX-License-Identifier: MPL-2.0 */
/* Selectors: the part of CSS's that tests need. A selector is one step, or several with blanks
 * between them, each of which is somewhere inside the one before; a step is a tag, #id, .class,
 * [attribute] or [attribute=value], or several of them without a blank. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "worker/html.h"

#define MAX_STEPS 16

/* A step, or one condition of it: a part of the selector. */
struct piece {
    const char *at;
    size_t size;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* How long the first condition is; 0: there is none. */
static size_t condition_size(const char *text, size_t left)
{
    size_t size = 1;

    if (left == 0) {
        return 0;
    }
    if (*text == '[') {
        const char *end = memchr(text, ']', left);
        return end ? (size_t)(end - text) + 1 : 0;
    }
    while (size < left && !strchr("#.[", text[size])) {
        size++;
    }
    return size;
}

/* The step that ends where `end` is; blanks inside of brackets are part of it. */
static struct piece last_step(const char *selector, size_t end)
{
    bool inside = false;

    while (end > 0 && is_blank(selector[end - 1])) {
        end--;
    }
    size_t begin = end;
    while (begin > 0 && (inside || !is_blank(selector[begin - 1]))) {
        begin--;
        inside = selector[begin] == ']' || (inside && selector[begin] != '[');
    }
    return (struct piece){selector + begin, end - begin};
}

static bool equals(const char *text, struct piece piece)
{
    return strlen(text) == piece.size && memcmp(text, piece.at, piece.size) == 0;
}

static bool has_word(const char *words, struct piece word)
{
    while (*words) {
        size_t size = strcspn(words, " \t\n\r\f");
        if (size == word.size && memcmp(words, word.at, size) == 0) {
            return true;
        }
        words += size;
        words += strspn(words, " \t\n\r\f");
    }
    return false;
}

/* Without the quotes around it. */
static struct piece unquoted(struct piece value)
{
    bool quoted = value.size >= 2 && (*value.at == '"' || *value.at == '\'') &&
                  value.at[value.size - 1] == *value.at;

    return quoted ? (struct piece){value.at + 1, value.size - 2} : value;
}

/* name or name=value. */
static bool has_attribute(const struct html_node *node, struct piece inside)
{
    const char *equal = memchr(inside.at, '=', inside.size);
    size_t name = equal ? (size_t)(equal - inside.at) : inside.size;

    for (const struct html_attribute *a = node->attributes; a; a = a->next) {
        if (strlen(a->name) == name && strncasecmp(a->name, inside.at, name) == 0) {
            return !equal ||
                   equals(a->value, unquoted((struct piece){equal + 1, inside.size - name - 1}));
        }
    }
    return false;
}

static bool meets(const struct html_node *node, struct piece condition)
{
    struct piece rest = {condition.at + 1, condition.size - 1};
    const char *value;

    switch (*condition.at) {
    case '#':
        value = html_attribute(node, "id");
        return value && equals(value, rest);
    case '.':
        value = html_attribute(node, "class");
        return value && has_word(value, rest);
    case '[':
        return has_attribute(node, (struct piece){rest.at, rest.size - 1});
    default:
        return (condition.size == 1 && *condition.at == '*') ||
               (strlen(node->name) == condition.size &&
                strncasecmp(node->name, condition.at, condition.size) == 0);
    }
}

static bool meets_step(const struct html_node *node, struct piece step)
{
    while (step.size > 0) {
        size_t size = condition_size(step.at, step.size);
        if (!node->name || !meets(node, (struct piece){step.at, size})) {
            return false;
        }
        step = (struct piece){step.at + size, step.size - size};
    }
    return true;
}

/* The innermost element around that meets a step is as good as any: steps before it only have to be
 * around that one. */
static bool matches(const struct html_node *node, const char *selector)
{
    struct piece step = last_step(selector, strlen(selector));

    if (!node->name || !meets_step(node, step)) {
        return false;
    }
    for (;;) {
        step = last_step(selector, (size_t)(step.at - selector));
        if (step.size == 0) {
            return true;
        }
        do {
            node = node->parent;
        } while (node && !(node->name && meets_step(node, step)));
        if (!node) {
            return false;
        }
    }
}

struct html_node *html_select(const struct html_node *node, const struct html_node *root,
                              const char *selector)
{
    struct html_node *next = html_next(node, root);

    while (next && !matches(next, selector)) {
        next = html_next(next, root);
    }
    return next;
}

static bool is_sound(struct piece condition)
{
    if (condition.size == 0) {
        return false;
    }
    switch (*condition.at) {
    case '[':
        return condition.size > 2 && condition.at[1] != '=';
    case '#':
    case '.':
        return condition.size > 1 && !memchr(condition.at, ']', condition.size);
    default:
        for (size_t i = 0; i < condition.size; i++) {
            if (strchr(">+~:,()\"'=]", condition.at[i])) {
                return false;
            }
        }
        return true;
    }
}

int html_select_check(const char *selector, struct error *error)
{
    struct piece step = last_step(selector, strlen(selector));
    unsigned steps = 0;
    bool sound = step.size > 0;

    while (sound && step.size > 0) {
        for (struct piece left = step; sound && left.size > 0;) {
            size_t size = condition_size(left.at, left.size);
            sound = is_sound((struct piece){left.at, size});
            left = (struct piece){left.at + size, left.size - size};
        }
        sound = sound && ++steps <= MAX_STEPS;
        step = last_step(selector, (size_t)(step.at - selector));
    }
    return sound ? 0
                 : error_set(error, -EINVAL,
                             "'%.200s' is no selector: it is made of tag, #id, .class, [attribute] "
                             "and [attribute=value], with blanks between what is inside each other",
                             selector);
}
