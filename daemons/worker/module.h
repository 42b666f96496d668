/* SPDX-License-Identifier: MPL-2.0 */
/* A test module: a shared object whose constructors register its tests. */
#ifndef LOADS_WORKER_MODULE_H
#define LOADS_WORKER_MODULE_H

#include "base/error.h"
#include "loads/loads.h"
#include "wire/fqn.h"

struct module;

/* Loads a module, which stays loaded; *ret is never freed. The same file again is the same module.
 * `source`: the file that people know it by. -errno with a text: one that was built against another
 * version of loads/loads.h is named as such. */
int module_load(const char *path, const char *source, struct module **ret, struct error *error)
    _must_check_;

/* A test of the module. -ENOENT with a text that lists what there is in `source`. */
int module_find(const struct module *module, const struct fqn *fqn, const char *source,
                const struct loads_test **ret, struct error *error) _must_check_;

/* What the module does around the tests of a suite; NULL: nothing. */
void (*module_hook(const struct module *module, const char *suite,
                   enum loads_hook_kind_ kind))(loads_user *user);

/* Calls visit() for each test, in the order of registration. */
void module_each(const struct module *module,
                 void (*visit)(const struct loads_test *test, void *context), void *context);

#endif
