/* SPDX-License-Identifier: MPL-2.0 */
/* loads_register() carries the header's version in its name, so that a module built against another
 * header can't be loaded: the dynamic linker misses a symbol, and its message becomes ours. */
#include "module.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TESTS 1000

struct module {
    struct module *next;
    void *handle;
    const struct loads_test *tests[MAX_TESTS];
    size_t n_tests;
    const struct loads_hook_ *hooks[MAX_TESTS];
    size_t n_hooks;
    size_t n_refused;
};

static struct module *modules;
static struct module *loading; /* whose constructors run */

void loads_register(const struct loads_test *test)
{
    if (!loading) {
        return;
    }
    if (loading->n_tests < MAX_TESTS) {
        loading->tests[loading->n_tests++] = test;
    } else {
        loading->n_refused++;
    }
}

void loads_register_hook_(const struct loads_hook_ *hook)
{
    if (!loading) {
        return;
    }
    if (loading->n_hooks < MAX_TESTS) {
        loading->hooks[loading->n_hooks++] = hook;
    } else {
        loading->n_refused++;
    }
}

/* Among the first n. */
static const struct loads_hook_ *find_hook(const struct module *module, const char *suite,
                                           enum loads_hook_kind_ kind, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (module->hooks[i]->kind == kind && strcmp(module->hooks[i]->suite, suite) == 0) {
            return module->hooks[i];
        }
    }
    return NULL;
}

void (*module_hook(const struct module *module, const char *suite,
                   enum loads_hook_kind_ kind))(loads_user *user)
{
    const struct loads_hook_ *hook = find_hook(module, suite, kind, module->n_hooks);
    return hook ? hook->body : NULL;
}

static bool has_tests(const struct module *module, const char *suite)
{
    for (size_t i = 0; i < module->n_tests; i++) {
        if (strcmp(module->tests[i]->suite, suite) == 0) {
            return true;
        }
    }
    return false;
}

/* The compiler sees to it that a file has each once; a module may be of several. */
static int check_hooks(const struct module *module, struct error *error)
{
    static const char *const names[LOADS_HOOK_KINDS_] = {"USER_SET_UP", "SET_UP", "TEAR_DOWN",
                                                         "USER_TEAR_DOWN"};

    for (size_t i = 0; i < module->n_hooks; i++) {
        const struct loads_hook_ *hook = module->hooks[i];
        const struct loads_hook_ *other = find_hook(module, hook->suite, hook->kind, i);
        if (other) {
            return error_set(error, -EEXIST, "%s:%d: LOADS_%s(%s) is there already: %s:%d",
                             hook->file, hook->line, names[hook->kind], hook->suite, other->file,
                             other->line);
        }
        if (!has_tests(module, hook->suite)) {
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

static int refuse(const char *path, const char *source, struct error *error)
{
    const char *reason = dlerror();
    const char *symbol = strstr(reason, "undefined symbol: loads_");

    if (symbol && strcmp(path, source) != 0) { /* compiled now, with our header */
        return error_set(error, -ENOEXEC, "%s calls %s, which loads/loads.h doesn't have", source,
                         symbol + strlen("undefined symbol: "));
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

static int check(const struct module *module, const char *source, struct error *error)
{
    if (module->n_refused > 0) {
        return error_set(error, -E2BIG, "%s has more than %d tests, or of what is done around them",
                         source, MAX_TESTS);
    }
    if (module->n_tests == 0) {
        return error_set(error, -ENOENT, "%s has no tests: define one with LOADS_TEST(Suite, test)",
                         source);
    }
    return check_hooks(module, error);
}

/* A file has its constructors run once, whatever the names under which it is loaded. */
static struct module *find_loaded(const void *handle)
{
    struct module *module = modules;

    while (module && module->handle != handle) {
        module = module->next;
    }
    return module;
}

int module_load(const char *path, const char *source, struct module **ret, struct error *error)
{
    _cleanup_free_ struct module *module = calloc(1, sizeof *module);

    if (!module) {
        return error_set_errno(error, -ENOMEM, "cannot load %s", source);
    }
    loading = module;
    module->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    loading = NULL;
    if (!module->handle) {
        return refuse(path, source, error);
    }
    struct module *loaded = find_loaded(module->handle);
    if (loaded) {
        *ret = loaded;
        return 0;
    }
    int r = check(module, source, error);
    if (r == 0) {
        module->next = modules;
        *ret = modules = TAKE_PTR(module);
    }
    return r;
}

static int unknown(const struct module *module, const struct fqn *fqn, const char *source,
                   struct error *error)
{
    char list[ERROR_TEXT_BYTES / 2] = "";
    size_t length = 0;

    for (size_t i = 0; i < module->n_tests && length < sizeof list; i++) {
        length += (size_t)snprintf(list + length, sizeof list - length, "\n  %s.%s",
                                   module->tests[i]->suite, module->tests[i]->name);
    }
    return error_set(error, -ENOENT, "there is no test %s in %s, which has:%s", fqn->text, source,
                     list);
}

int module_find(const struct module *module, const struct fqn *fqn, const char *source,
                const struct loads_test **ret, struct error *error)
{
    for (size_t i = 0; i < module->n_tests; i++) {
        const struct loads_test *test = module->tests[i];
        if (strcmp(test->suite, fqn->suite) == 0 && strcmp(test->name, fqn->test) == 0) {
            *ret = test;
            return 0;
        }
    }
    return unknown(module, fqn, source, error);
}

void module_each(const struct module *module,
                 void (*visit)(const struct loads_test *test, void *context), void *context)
{
    for (size_t i = 0; i < module->n_tests; i++) {
        visit(module->tests[i], context);
    }
}
