/* SPDX-License-Identifier: MPL-2.0 */
/* A list of strings: repeatable options, argument vectors of programs to start. They are short and
 * built once, so growing by one each time is quick enough and keeps the struct at two members. */
#include "base/strlist.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int strlist_add_bytes(struct strlist *list, const char *text, size_t size)
{
    _cleanup_free_ char *copy = strndup(text, size);
    if (!copy) {
        return -ENOMEM;
    }
    char **items = reallocarray(list->items, list->count + 2, sizeof *items);
    if (!items) {
        return -ENOMEM;
    }
    items[list->count++] = TAKE_PTR(copy);
    items[list->count] = NULL;
    list->items = items;
    return 0;
}

int strlist_add(struct strlist *list, const char *text)
{
    return strlist_add_bytes(list, text, strlen(text));
}

int strlist_add_variable(struct strlist *list, const char *name, const char *value)
{
    _cleanup_free_ char *text = NULL;

    if (asprintf(&text, "%s=%s", name, value) < 0) {
        text = NULL;
        return -ENOMEM;
    }
    return strlist_add(list, text);
}

bool strlist_has(const struct strlist *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], text) == 0) {
            return true;
        }
    }
    return false;
}

int strlist_add_all(struct strlist *list, char *const *texts, size_t count)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < count; i++) {
        r = strlist_add(list, texts[i]);
    }
    return r;
}

void strlist_clear(struct strlist *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i]);
    }
    free(list->items);
    *list = (struct strlist){0};
}
