/* SPDX-License-Identifier: MPL-2.0 */
/* Names of tests: the parts of one that is accepted make up the whole, and no path leads out of the
 * directory that it is looked for in. */
#include <errno.h>
#include <stdio.h>

#include "fuzz.h"
#include "wire/fqn.h"

static void check_path(const char *path)
{
    assert(path[0] && path[0] != '/' && path[0] != '-' && path[strlen(path) - 1] != '/');
    assert(!strchr(path, '.') && !strstr(path, "//") && !strstr(path, "/-"));
    assert(!has_control(path, "") && strlen(path) <= FQN_MAX_BYTES);
}

static void dots_for_slashes(char *path)
{
    for (; *path; path++) {
        *path = *path == '/' ? '.' : *path;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fqn fqn = {.text = "untouched"};
    char module[FQN_MAX_BYTES + 1] = "untouched", whole[3 * sizeof module];
    struct error error;
    _cleanup_free_ char *text = input_text((struct input){data, size});

    int r = fqn_parse(text, &fqn, &error);
    if (r < 0) {
        assert(r == -EINVAL && strcmp(fqn.text, "untouched") == 0);
        check_error(r, &error);
    } else {
        assert(!fqn_is_url(text) && strcmp(fqn.text, text) == 0);
        check_path(fqn.module);
        assert(fqn_parse_module(text, module, &error) == 0);
        dots_for_slashes(fqn.module);
        (void)snprintf(whole, sizeof whole, "%s.%s.%s", fqn.module, fqn.suite, fqn.test); /* fits */
        assert(strcmp(whole, text) == 0);
    }
    r = fqn_parse_module(text, module, &error);
    if (r < 0) {
        assert(r == -EINVAL && strcmp(module, "untouched") == 0);
        check_error(r, &error);
    } else {
        check_path(module);
        dots_for_slashes(module);
        assert(strcmp(module, text) == 0);
    }
    return 0;
}
