/* SPDX-License-Identifier: MPL-2.0 */
/* So that a build runs uninstalled, what lies beside the running program comes first. */
#include "run/program.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

int program_find(const char *name, char **ret, struct error *error)
{
    _cleanup_free_ char *path = NULL;
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    self[MAX(n, (ssize_t)0)] = '\0';
    char *slash = strrchr(self, '/');
    if (slash) {
        *slash = '\0';
    }
    const char *directories[] = {slash ? self : LOADS_LIBEXEC_DIR, LOADS_SBIN_DIR,
                                 LOADS_LIBEXEC_DIR};
    for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
        if (asprintf(&path, "%s/%s", directories[i], name) < 0) {
            path = NULL;
            return error_set_errno(error, -ENOMEM, "cannot find %s", name);
        }
        if (access(path, X_OK) == 0) {
            *ret = TAKE_PTR(path);
            return 0;
        }
        free(TAKE_PTR(path));
    }
    return error_set(error, -ENOENT, "%s is neither in %s, %s nor %s: is Loads installed whole?",
                     name, directories[0], LOADS_SBIN_DIR, LOADS_LIBEXEC_DIR);
}
