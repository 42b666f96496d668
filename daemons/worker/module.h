/* SPDX-License-Identifier: MPL-2.0 */
/* The test module: a shared object whose constructors register its tests. */
#ifndef LOADS_WORKER_MODULE_H
#define LOADS_WORKER_MODULE_H

#include <stdio.h>

#include "base/error.h"
#include "loads/loads.h"

/* Loads a module; it stays loaded. `source`: the file that people know it by. -errno with a text:
 * one that was built against another version of loads/loads.h is named as such. */
int module_load(const char *path, const char *source, struct error *error) _must_check_;

/* A test of the loaded module. -ENOENT with a text that lists what there is in `source`. */
int module_find(const char *suite, const char *name, const char *source,
                const struct loads_test **ret, struct error *error) _must_check_;

/* What the module does around the tests of a suite; NULL: nothing. */
void (*module_hook(const char *suite, enum loads_hook_kind_ kind))(loads_user *user);

/* Calls visit() for each test, in the order of registration. */
void module_each(void (*visit)(const struct loads_test *test, void *context), void *context);

#endif
