/* SPDX-License-Identifier: MPL-2.0 */
/* Finding a module. A compiled one wins over its source, so that tests can be shipped to machines
 * without a compiler; if the source is newer, whoever forgot to compile is told. */
#include "prepare.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/utf8.h"
#include "compile.h"
#include "run/archive.h"
#include "wire/fqn.h"
#include "wire/mix.h"

struct candidate {
    char *path; /* absolute */
    bool exists;
    struct timespec modified;
};

static void candidate_clear(struct candidate *candidate)
{
    free(candidate->path);
}

static int look_for(const char *directory, const char *module, const char *suffix,
                    struct candidate *ret, struct error *error)
{
    struct stat status;

    if (asprintf(&ret->path, "%s/%s%s", strcmp(directory, "/") == 0 ? "" : directory, module,
                 suffix) < 0) {
        ret->path = NULL;
        return error_set_errno(error, -ENOMEM, "module");
    }
    if (stat(ret->path, &status) < 0) {
        return errno == ENOENT || errno == ENOTDIR
                   ? 0
                   : error_set_errno(error, -errno, "can't look for %s", ret->path);
    }
    ret->exists = S_ISREG(status.st_mode);
    ret->modified = status.st_mtim;
    return 0;
}

static bool is_newer(const struct candidate *a, const struct candidate *b)
{
    return a->modified.tv_sec != b->modified.tv_sec ? a->modified.tv_sec > b->modified.tv_sec
                                                    : a->modified.tv_nsec > b->modified.tv_nsec;
}

static int compile(const struct prepare_options *options, const char *directory, const char *module,
                   char **ret, struct error *error)
{
    char source[FQN_MAX_BYTES + 3];
    const struct compile_options compile_options = {.directory = directory,
                                                    .source = source,
                                                    .include_dir = options->include_dir,
                                                    .cflags = options->cflags,
                                                    .libs = options->libs,
                                                    .no_patching = options->no_patching,
                                                    .temporary_dir = options->temporary_dir};
    (void)snprintf(source, sizeof source, "%s.c", module);
    return compile_module(&compile_options, ret, error);
}

static int use_python(const struct prepare_options *options, const char *directory,
                      const char *source, struct python *ret, struct error *error)
{
    if (options->fqn && strchr(options->fqn, ' ')) {
        return error_set(error, -EINVAL, "several tests in one run are for modules in C");
    }
    static const struct strlist none = {0};
    const struct python_options python = {.directory = directory,
                                          .fqn = options->fqn,
                                          .module = options->module,
                                          .deps =
                                              options->python_deps ? options->python_deps : &none,
                                          .deps_dir = options->python_dir,
                                          .source = source,
                                          .importing = options->importing,
                                          .context = options->context};
    return python_prepare(&python, ret, error);
}

/* What is only for Python is not passed over in silence. */
static int refuse_deps(const struct prepare_options *options, const char *module,
                       struct error *error)
{
    return options->python_deps && options->python_deps->count > 0
               ? error_set(error, -EINVAL, "--python-dep: the module '%s' is in C, not in Python",
                           module)
               : 0;
}

static int find_module(const struct prepare_options *options, const char *directory,
                       const char *module, struct prepared_module *ret, struct error *error)
{
    _cleanup_(candidate_clear) struct candidate object = {.path = NULL};
    _cleanup_(candidate_clear) struct candidate source = {.path = NULL};
    _cleanup_(candidate_clear) struct candidate script = {.path = NULL};

    int r = look_for(directory, module, ".so", &object, error);
    if (r == 0) {
        r = look_for(directory, module, ".c", &source, error);
    }
    if (r == 0) {
        r = look_for(directory, module, ".py", &script, error);
    }
    if (r == 0 && (object.exists || source.exists)) {
        r = refuse_deps(options, module, error);
    }
    if (r < 0) {
        return r;
    }
    if (object.exists) {
        if (source.exists && is_newer(&source, &object)) {
            log_warning("%s is newer than %s, which is used; remove that to have it compiled",
                        source.path, object.path);
        }
        ret->path = TAKE_PTR(object.path);
        ret->source = strdup(ret->path);
        return ret->source ? 0 : error_set_errno(error, -ENOMEM, "module");
    }
    if (source.exists) {
        ret->source = TAKE_PTR(source.path);
        return compile(options, directory, module, &ret->path, error);
    }
    if (script.exists) {
        ret->source = TAKE_PTR(script.path);
        return use_python(options, directory, ret->source, &ret->python, error);
    }
    const char *last = strrchr(module, '/');
    bool suffix =
        last && (strcmp(last, "/c") == 0 || strcmp(last, "/py") == 0 || strcmp(last, "/so") == 0);
    return error_set(error, -ENOENT,
                     "there is no module '%s': neither %s.so nor %s.c nor %s.py is in %s; %s",
                     module, module, module, module, directory,
                     suffix ? "a module is called without the suffix of its file"
                            : "run from the directory where its path begins");
}

int prepare_module(const struct prepare_options *options, struct prepared_module *ret,
                   struct error *error)
{
    char module[FQN_MAX_BYTES + 1];
    struct mix mix;
    int r;

    if (options->fqn) {
        r = mix_parse(options->fqn, &mix, error);
        memcpy(module, mix.first.module, r == 0 ? sizeof module : 0);
    } else {
        r = fqn_parse_module(options->module, module, error);
    }
    if (r < 0) {
        return r;
    }
    const char *test_dir = options->test_dir ? options->test_dir : ".";
    _cleanup_free_ char *directory = realpath(test_dir, NULL);
    if (!directory) {
        return error_set_errno(error, -errno, "can't use the test directory '%s'", test_dir);
    }
    if (!utf8_valid(directory, strlen(directory))) {
        return error_set(error, -EILSEQ,
                         "the path of the test directory is not UTF-8, which no run specification "
                         "can carry: %s",
                         directory);
    }
    r = options->archive ? archive_extract(options->archive, directory, ARCHIVE_MAX_UNPACKED, error)
                         : 0;
    return r < 0 ? r : find_module(options, directory, module, ret, error);
}

void prepared_module_clear(struct prepared_module *module)
{
    free(module->source);
    free(module->path);
    python_clear(&module->python);
    *module = (struct prepared_module){.path = NULL};
}
