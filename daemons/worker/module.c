/* SPDX-License-Identifier: MPL-2.0 */
/* loads_register() carries the header's version in its name, so that a module built against another
 * header can't be loaded: the dynamic linker misses a symbol, and its message becomes ours. */
#include "module.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define MAX_TESTS 1000

static const struct loads_test *tests[MAX_TESTS];
static size_t n_tests;
static size_t n_refused;
static const struct loads_hook_ *hooks[MAX_TESTS];
static size_t n_hooks;

void loads_register(const struct loads_test *test)
{
    if (n_tests < MAX_TESTS) {
        tests[n_tests++] = test;
    } else {
        n_refused++;
    }
}

void loads_register_hook_(const struct loads_hook_ *hook)
{
    if (n_hooks < MAX_TESTS) {
        hooks[n_hooks++] = hook;
    } else {
        n_refused++;
    }
}

static const struct loads_hook_ *find_hook(const char *suite, enum loads_hook_kind_ kind, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (hooks[i]->kind == kind && strcmp(hooks[i]->suite, suite) == 0) {
            return hooks[i];
        }
    }
    return NULL;
}

void (*module_hook(const char *suite, enum loads_hook_kind_ kind))(loads_user *user)
{
    const struct loads_hook_ *hook = find_hook(suite, kind, n_hooks);
    return hook ? hook->body : NULL;
}

static bool has_tests(const char *suite)
{
    for (size_t i = 0; i < n_tests; i++) {
        if (strcmp(tests[i]->suite, suite) == 0) {
            return true;
        }
    }
    return false;
}

/* The compiler sees to it that a file has each once; a module may be of several. */
static int check_hooks(struct error *error)
{
    static const char *const names[LOADS_HOOK_KINDS_] = {"USER_SET_UP", "SET_UP", "TEAR_DOWN",
                                                         "USER_TEAR_DOWN"};

    for (size_t i = 0; i < n_hooks; i++) {
        const struct loads_hook_ *hook = hooks[i], *other = find_hook(hook->suite, hook->kind, i);
        if (other) {
            return error_set(error, -EEXIST, "%s:%d: LOADS_%s(%s) is there already: %s:%d",
                             hook->file, hook->line, names[hook->kind], hook->suite, other->file,
                             other->line);
        }
        if (!has_tests(hook->suite)) {
            return error_set(error, -ENOENT, "%s:%d: LOADS_%s(%s): no test is of that suite",
                             hook->file, hook->line, names[hook->kind], hook->suite);
        }
    }
    return 0;
}

/* What the dynamic linker says, without the path that it begins with. */
static int cannot_load(const char *path, const char *source, const char *reason,
                       struct error *error)
{
    size_t size = strlen(path);

    if (strncmp(reason, path, size) == 0 && strncmp(reason + size, ": ", 2) == 0) {
        reason += size + 2;
    }
    return error_set(error, -ENOEXEC, "cannot load %s: %s", source, reason);
}

int module_load(const char *path, const char *source, struct error *error)
{
    if (!dlopen(path, RTLD_NOW | RTLD_LOCAL)) {
        const char *reason = dlerror();
        const char *symbol = strstr(reason, "undefined symbol: loads_");
        if (symbol && strcmp(path, source) != 0) { /* compiled now, with our header */
            return error_set(error, -ENOEXEC, "%s calls %s, which loads/loads.h doesn't have",
                             source, symbol + strlen("undefined symbol: "));
        }
        if (symbol) {
            return error_set(error, -ENOEXEC,
                             "%s was built against another version of loads/loads.h (it needs %s; "
                             "this is Loads %s, header version %d): build it again",
                             source, symbol + strlen("undefined symbol: "), LOADS_VERSION,
                             LOADS_HEADER_VERSION);
        }
        return cannot_load(path, source, reason, error);
    }
    if (n_refused > 0) {
        return error_set(error, -E2BIG, "%s has more than %d tests, or of what is done around them",
                         source, MAX_TESTS);
    }
    if (n_tests == 0) {
        return error_set(error, -ENOENT, "%s has no tests: define one with LOADS_TEST(Suite, test)",
                         source);
    }
    return check_hooks(error);
}

static int unknown(const char *suite, const char *name, const char *source, struct error *error)
{
    char list[ERROR_TEXT_BYTES / 2] = "";
    size_t length = 0;

    for (size_t i = 0; i < n_tests && length < sizeof list; i++) {
        length += (size_t)snprintf(list + length, sizeof list - length, "\n  %s.%s",
                                   tests[i]->suite, tests[i]->name);
    }
    return error_set(error, -ENOENT, "there is no test %s.%s in %s, which has:%s", suite, name,
                     source, list);
}

int module_find(const char *suite, const char *name, const char *source,
                const struct loads_test **ret, struct error *error)
{
    for (size_t i = 0; i < n_tests; i++) {
        if (strcmp(tests[i]->suite, suite) == 0 && strcmp(tests[i]->name, name) == 0) {
            *ret = tests[i];
            return 0;
        }
    }
    return unknown(suite, name, source, error);
}

void module_each(void (*visit)(const struct loads_test *test, void *context), void *context)
{
    for (size_t i = 0; i < n_tests; i++) {
        visit(tests[i], context);
    }
}
